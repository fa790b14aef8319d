#include "wire/defaults.h"

#include "wire/address.h"
#include "wire/language.h"
#include "wire/patch.h"
#include "wire/reader.h"
#include "wire/time.h"
#include "wire/writer.h"

NM_RECORD_DEFINE(defaults, NM_DEFAULTS_FIELDS, NULL, 0);

void
nm_defaults_check(const nm_defaults_t *self, nm_faults_t *faults, const char *parent)
{
    if (NM_HAS(self, defaults, language) && !nm_language_is_tag(self->language))
        nm_faults_add(faults, parent, "language", "must be a language tag (BCP 47), such as en or pt-BR");
    if (NM_HAS(self, defaults, provider) && !self->provider.size)
        nm_faults_add(faults, parent, "provider", "must not be empty");
    if (NM_HAS(self, defaults, reply_to) && !nm_address_is_email(self->reply_to))
        nm_faults_add(faults, parent, "reply_to", "must be an e-mail address, such as ada@example.com");
    if (NM_HAS(self, defaults, expires_in_seconds) && !self->expires_in_seconds)
        nm_faults_add(faults, parent, "expires_in_seconds", "must be 1 to 31,536,000");
}

//  -- What a request says

bool
nm_defaults_names_channel(nm_bytes_t request)
{
    return nm_patch_has(request, "channel") || nm_patch_has(request, "channels") || nm_patch_has(request, "type") ||
           nm_patch_has(request, "notification_type");
}

static bool
s_has_template(nm_bytes_t request)
{
    return nm_patch_has(request, "template") || nm_patch_has(request, "template_code");
}

static bool
s_lists(nm_bytes_t raw, nm_channel_t channel)
{
    nm_list_t list;
    nm_bytes_t item, word;
    nm_reader_t reader;
    if (nm_list_open(&list, raw) != NM_OK)
        return false;
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &word) == NM_OK && nm_words_find(&nm_channel_words, word) == (int) channel)
            return true;
    }
    return false;
}

//  Does it go over this channel, once the defaults are in?
static bool
s_goes_over(const nm_defaults_t *self, nm_bytes_t request, nm_channel_t channel)
{
    static const char *const NAMES[] = { "channel", "type", "notification_type" };
    nm_bytes_t raw;
    if (!nm_defaults_names_channel(request))
        return NM_HAS(self, defaults, channel) && self->channel == channel;
    for (size_t i = 0; i < NM_COUNT(NAMES); i++)
        if (nm_bytes_is(nm_reader_find_text(request, NAMES[i]), nm_words_text(&nm_channel_words, channel)))
            return true;
    return nm_reader_find(request, "channels", &raw) == NM_OK && s_lists(raw, channel);
}

//  -- What is put in

typedef struct {
    const nm_defaults_t *defaults;
    nm_bytes_t request;
    nm_buf_t added;  //  Pairs that replace those of the request, or are new
    size_t count;
} fill_t;

static void
s_fill_words(fill_t *self)
{
    const nm_defaults_t *defaults = self->defaults;
    if (NM_HAS(defaults, defaults, channel) && !nm_defaults_names_channel(self->request)) {
        nm_writer_pair_text(&self->added, "channel", nm_words_text(&nm_channel_words, defaults->channel));
        self->count++;
    }
    if (NM_HAS(defaults, defaults, priority) && !nm_patch_has(self->request, "priority")) {
        nm_writer_pair_text(&self->added, "priority", nm_words_text(&nm_priority_words, defaults->priority));
        self->count++;
    }
    if (NM_HAS(defaults, defaults, language) && s_has_template(self->request) &&
        !nm_patch_has(self->request, "language")) {
        nm_writer_pair_str(&self->added, "language", defaults->language);
        self->count++;
    }
}

//  A provider of another channel could not send it.
static void
s_fill_provider(fill_t *self)
{
    const nm_defaults_t *defaults = self->defaults;
    if (!NM_HAS(defaults, defaults, provider) || nm_patch_has(self->request, "provider"))
        return;
    if (NM_HAS(defaults, defaults, channel) && !s_goes_over(defaults, self->request, (nm_channel_t) defaults->channel))
        return;
    nm_writer_pair_str(&self->added, "provider", defaults->provider);
    self->count++;
}

static void
s_fill_email(fill_t *self)
{
    const nm_defaults_t *defaults = self->defaults;
    nm_bytes_t email = { 0 };
    nm_reader_t reader;
    nm_buf_t own = { 0 };
    bool given = nm_patch_has(self->request, "email") && nm_reader_find(self->request, "email", &email) == NM_OK;
    nm_reader_open(&reader, email);
    if (!s_goes_over(defaults, self->request, NM_CHANNEL_EMAIL) || (given && nm_reader_peek(&reader) != NM_KIND_MAP))
        return;
    bool from_name = NM_HAS(defaults, defaults, from_name) && !(given && nm_patch_has(email, "from_name"));
    bool reply_to = NM_HAS(defaults, defaults, reply_to) && !(given && nm_patch_has(email, "reply_to"));
    if (!from_name && !reply_to)
        return;
    nm_writer_map(&own, (size_t) from_name + reply_to);
    if (from_name)
        nm_writer_pair_str(&own, "from_name", defaults->from_name);
    if (reply_to)
        nm_writer_pair_str(&own, "reply_to", defaults->reply_to);
    nm_writer_text(&self->added, "email");
    nm_patch_apply(email, nm_buf_bytes(&own), &self->added);
    nm_buf_free(&own);
    self->count++;
}

static void
s_fill_rest(fill_t *self, int64_t now_ms)
{
    const nm_defaults_t *defaults = self->defaults;
    if (NM_HAS(defaults, defaults, dedupe_seconds) && !nm_patch_has(self->request, "dedupe_seconds")) {
        nm_writer_pair_uint(&self->added, "dedupe_seconds", defaults->dedupe_seconds);
        self->count++;
    }
    if (NM_HAS(defaults, defaults, at_most_once) && !nm_patch_has(self->request, "at_most_once")) {
        nm_writer_pair_bool(&self->added, "at_most_once", defaults->at_most_once);
        self->count++;
    }
    if (NM_HAS(defaults, defaults, expires_in_seconds) && !nm_patch_has(self->request, "expires_at")) {
        int64_t from_ms;
        if (nm_time_from_text(nm_reader_find_text(self->request, "send_at"), &from_ms) != NM_OK || from_ms < now_ms)
            from_ms = now_ms;
        nm_writer_pair_time(&self->added, "expires_at", from_ms + (int64_t) defaults->expires_in_seconds * 1000);
        self->count++;
    }
}

void
nm_defaults_apply(const nm_defaults_t *self, nm_bytes_t request, int64_t now_ms, nm_buf_t *out)
{
    fill_t fill = { .defaults = self, .request = request };
    nm_buf_t patch = { 0 };
    nm_reader_t reader;
    nm_reader_open(&reader, request);
    if (nm_reader_peek(&reader) != NM_KIND_MAP) {
        nm_buf_add_bytes(out, request);
        return;
    }
    s_fill_words(&fill);
    s_fill_provider(&fill);
    s_fill_email(&fill);
    s_fill_rest(&fill, now_ms);
    nm_writer_map(&patch, fill.count);
    nm_buf_add_bytes(&patch, nm_buf_bytes(&fill.added));
    nm_patch_apply(request, nm_buf_bytes(&patch), out);
    nm_buf_free(&patch);
    nm_buf_free(&fill.added);
}
