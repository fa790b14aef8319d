//  request - nm_request_check of records.h: what the rows of a request cannot say.

#include "wire/address.h"
#include "wire/base64.h"
#include "wire/language.h"
#include "wire/own_header.h"
#include "wire/reader.h"
#include "wire/records.h"
#include "wire/utf8.h"

enum { POINTER_SIZE = sizeof((nm_fault_t *) NULL)->pointer, INDEX_SIZE = 12 };

//  A check of one request. channels holds a bit for each channel that it names.
typedef struct {
    const nm_request_t *request;
    nm_faults_t *faults;
    const char *parent;
    unsigned channels;
    bool wrong;
} check_t;

#define BIT(channel) (1u << (channel))

enum {
    EMAIL = BIT(NM_CHANNEL_EMAIL),
    PUSH = BIT(NM_CHANNEL_PUSH),
    TEXT = BIT(NM_CHANNEL_SMS) | BIT(NM_CHANNEL_WHATSAPP),
};

//  Adds a fault at /name, or at /inner/name.
static void
s_fault_in(check_t *self, const char *inner, const char *name, const char *detail)
{
    char parent[POINTER_SIZE];
    snprintf(parent, sizeof parent, "%s%s", self->parent, inner);
    nm_faults_add(self->faults, parent, name, "%s", detail);
    self->wrong = true;
}

static void
s_fault(check_t *self, const char *name, const char *detail)
{
    s_fault_in(self, "", name, detail);
}

static void
s_fault_item(check_t *self, const char *inner, uint32_t index, const char *detail)
{
    char name[INDEX_SIZE];
    snprintf(name, sizeof name, "%u", index);
    s_fault_in(self, inner, name, detail);
}

static bool
s_has_fault(const check_t *self, const char *name)
{
    if (!self->faults || !self->faults->count)
        return false;
    char pointer[POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "%s/%s", self->parent, name);
    for (size_t i = 0; i < self->faults->count; i++)
        if (strcmp(self->faults->items[i].pointer, pointer) == 0)
            return true;
    return false;
}

//  True if the client gave the field, even with a fault: then it is not missing as well.
static bool
s_is_given(const check_t *self, unsigned number)
{
    if (self->request->has >> number & 1)
        return true;
    const char *name = nm_request_shape.fields[number].name;
    if (s_has_fault(self, name))
        return true;
    for (size_t i = 0; i < nm_request_shape.alias_count; i++) {
        const nm_alias_t *alias = &nm_request_shape.aliases[i];
        if (strcmp(alias->name, name) == 0 && s_has_fault(self, alias->alias))
            return true;
    }
    return false;
}

#define GIVEN(self, name) s_is_given(self, NM_AT_request_##name)

//  -- Channels and recipients

static void
s_check_channels_list(check_t *self)
{
    nm_list_t list;
    nm_bytes_t item, word;
    if (nm_list_open(&list, self->request->channels) != NM_OK)
        return;
    if (list.count == 0)
        s_fault(self, "channels", "must name at least one channel");

    for (uint32_t i = 0; nm_list_next(&list, &item) == NM_OK; i++) {
        nm_reader_t reader;
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &word) != NM_OK)
            continue;
        int channel = nm_words_find(&nm_channel_words, word);
        if (channel < 0)
            s_fault_item(self, "/channels", i, "must be one of email, push, sms, whatsapp");
        else if (self->channels & BIT(channel))
            s_fault_item(self, "/channels", i, "names a channel that the list has already");
        else
            self->channels |= BIT(channel);
    }
}

static void
s_check_channels(check_t *self)
{
    bool one = GIVEN(self, channel), many = GIVEN(self, channels);
    if (one && many)
        s_fault(self, "channel", "cannot stand beside channels; give one of the two");
    if (!one && !many)
        s_fault(self, "channel", "is missing; give channel or channels");
    if (NM_HAS(self->request, request, channel))
        self->channels |= BIT(self->request->channel);
    if (NM_HAS(self->request, request, channels) && !one)
        s_check_channels_list(self);
}

//  What is wrong with an address of these channels, or NULL.
static const char *
s_address_fault(unsigned channels, nm_bytes_t address)
{
    if (channels & EMAIL && !nm_address_is_email(address))
        return "must be an e-mail address, such as ada@example.com";
    if (channels & TEXT && !nm_address_is_phone(address))
        return "must be a telephone number as E.164 writes it, such as +4930123456";
    if (!address.size)
        return "must not be empty";
    return NULL;
}

static void
s_check_address_of(check_t *self, const char *name, unsigned channels, bool given, nm_bytes_t address)
{
    char pointer[sizeof "/recipients/phone"];
    snprintf(pointer, sizeof pointer, "/recipients/%s", name);
    if (s_has_fault(self, pointer + 1))
        return;
    const char *detail = given                       ? s_address_fault(channels, address)
                         : self->channels & channels ? "is missing; a channel of channels needs it"
                                                     : NULL;
    if (detail)
        s_fault_in(self, "/recipients", name, detail);
}

static void
s_check_recipients(check_t *self)
{
    nm_recipients_t to;
    nm_faults_t known = { 0 };  //  They are told already
    nm_record_decode(&nm_recipients_shape, &to, self->request->recipients, &known, "");
    s_check_address_of(self, "email", EMAIL, NM_HAS(&to, recipients, email), to.email);
    s_check_address_of(self, "phone", TEXT, NM_HAS(&to, recipients, phone), to.phone);
    s_check_address_of(self, "token", PUSH, NM_HAS(&to, recipients, token), to.token);
}

static void
s_check_receivers(check_t *self)
{
    const nm_request_t *request = self->request;
    bool user = GIVEN(self, user_id), one = GIVEN(self, recipient), many = GIVEN(self, recipients);
    bool channels = GIVEN(self, channels) && !GIVEN(self, channel);
    if (!user && !one && !many)
        s_fault(self, "user_id",
                channels ? "is missing; give user_id or recipients" : "is missing; give user_id or recipient");
    if (user && (one || many))
        s_fault(self, "user_id", "cannot stand beside a recipient; give one of the two");
    if (one && many)
        s_fault(self, "recipient", "cannot stand beside recipients; give one of the two");
    else if (one && channels)
        s_fault(self, "recipient", "goes with channel; channels wants user_id or recipients");
    else if (many && !channels && GIVEN(self, channel))
        s_fault(self, "recipients", "goes with channels; channel wants user_id or recipient");

    if (NM_HAS(request, request, recipient) && !channels) {
        const char *detail = s_address_fault(self->channels, request->recipient);
        if (detail)
            s_fault(self, "recipient", detail);
    }
    if (NM_HAS(request, request, recipients) && channels)
        s_check_recipients(self);
}

//  -- Content

//  Content for itself beside a template would be a choice that nobody made.
static void
s_check_template(check_t *self)
{
    static const char DETAIL[] = "cannot stand beside template; give one of the two";
    const nm_request_t *request = self->request;
    if (NM_HAS(request, request, template) && !request->template.size)
        s_fault(self, "template", "must not be empty");
    if (GIVEN(self, subject))
        s_fault(self, "subject", DETAIL);
    if (GIVEN(self, content))
        s_fault(self, "content", DETAIL);
    if (GIVEN(self, html))
        s_fault(self, "html", DETAIL);
}

static bool
s_is_blank(const check_t *self, unsigned number, nm_bytes_t value)
{
    return !s_is_given(self, number) || (self->request->has >> number & 1 && !value.size);
}

//  Which channel has nothing to say?
static void
s_check_content(check_t *self)
{
    const nm_request_t *request = self->request;
    bool content = !s_is_blank(self, NM_AT_request_content, request->content);
    bool html = !s_is_blank(self, NM_AT_request_html, request->html);
    bool subject = !s_is_blank(self, NM_AT_request_subject, request->subject);

    if (self->channels & TEXT && !content)
        s_fault(self, "content", "is missing; sms and whatsapp want it, or a template");
    else if (self->channels & EMAIL && !content && !html)
        s_fault(self, "content", "is missing; an e-mail wants content, html or a template");
    else if (self->channels & PUSH && !content && !subject && !GIVEN(self, push))
        s_fault(self, "content", "is missing; a push wants content, subject, push or a template");

    if (self->channels && !(self->channels & (EMAIL | PUSH)) && GIVEN(self, subject))
        s_fault(self, "subject", "goes with e-mail and push, not with sms and whatsapp");
    if (self->channels && !(self->channels & EMAIL) && GIVEN(self, html))
        s_fault(self, "html", "goes with e-mail only");
    if (self->channels & TEXT && NM_HAS(request, request, content) && nm_utf8_count(request->content) > NM_SMS_MAX)
        s_fault(self, "content", "is too long; sms and whatsapp take at most 1,600 characters");
}

//  -- Parts of an e-mail

static bool
s_is_token(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        if (byte <= 0x20 || byte >= 0x7f || strchr("()<>@,;:\\\"/[]?=", byte))
            return false;
    }
    return text.size > 0;
}

static bool
s_is_media_type(nm_bytes_t text)
{
    const uint8_t *slash = text.size ? memchr(text.at, '/', text.size) : NULL;
    if (!slash)
        return false;
    size_t size = (size_t) (slash - text.at);
    return s_is_token(nm_bytes(text.at, size)) && s_is_token(nm_bytes(slash + 1, text.size - size - 1));
}

//  cc or bcc: says how many there are.
static uint32_t
s_check_copies(check_t *self, const char *inner, nm_bytes_t raw)
{
    nm_list_t list;
    nm_bytes_t item, address;
    if (nm_list_open(&list, raw) != NM_OK)
        return 0;
    for (uint32_t i = 0; nm_list_next(&list, &item) == NM_OK; i++) {
        nm_reader_t reader;
        nm_reader_open(&reader, item);
        bool line = nm_reader_str(&reader, &address) == NM_OK && nm_utf8_is_line(address);
        if (line && !nm_address_is_email(address))
            s_fault_item(self, inner, i, s_address_fault(EMAIL, address));
    }
    return list.count;
}

//  Takes one value of the map and says what is wrong with it, or NULL.
static const char *
s_header_value_fault(nm_reader_t *reader, nm_bytes_t name)
{
    nm_bytes_t value;
    if (nm_reader_peek(reader) != NM_KIND_STR) {
        nm_reader_raw(reader, &value);
        return "must be a text";
    }
    return nm_reader_str(reader, &value) == NM_OK ? nm_own_header_value_fault(name, value) : "must be a text";
}

static bool
s_is_among(const nm_bytes_t *names, size_t count, nm_bytes_t name)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].size == name.size &&
            strncasecmp((const char *) names[i].at, (const char *) name.at, name.size) == 0)
            return true;
    return false;
}

static void
s_check_headers(check_t *self, nm_bytes_t raw)
{
    nm_bytes_t names[NM_HEADER_COUNT];
    nm_reader_t reader;
    uint32_t count;
    nm_reader_open(&reader, raw);
    if (nm_reader_map(&reader, &count) != NM_OK)
        return;
    if (count > NM_HEADER_COUNT) {
        s_fault_in(self, "/email", "headers", "has too many headers; at most 20 are allowed");
        return;
    }

    for (uint32_t i = 0; i < count && nm_reader_str(&reader, &names[i]) == NM_OK; i++) {
        char name[NM_CODE_MAX + 1];
        nm_bytes_to_text(nm_bytes(names[i].at, nm_utf8_cut(names[i], NM_CODE_MAX)), name, sizeof name);
        const char *value_fault = s_header_value_fault(&reader, names[i]);
        const char *name_fault = nm_own_header_name_fault(names[i]);
        if (!name_fault && s_is_among(names, i, names[i]))
            name_fault = "is there twice; capital and small letters are the same in a name";
        if (name_fault)
            s_fault_in(self, "/email/headers", name, name_fault);
        else if (value_fault)
            s_fault_in(self, "/email/headers", name, value_fault);
    }
}

static void
s_check_attachments(check_t *self, nm_bytes_t raw)
{
    nm_list_t list;
    nm_bytes_t item;
    size_t total = 0;
    if (nm_list_open(&list, raw) != NM_OK)
        return;
    for (uint32_t i = 0; nm_list_next(&list, &item) == NM_OK; i++) {
        nm_attachment_t file;
        nm_faults_t known = { 0 };
        char inner[sizeof "/email/attachments/" + INDEX_SIZE];
        snprintf(inner, sizeof inner, "/email/attachments/%u", i);
        nm_record_decode(&nm_attachment_shape, &file, item, &known, "");

        size_t size = 0;
        if (NM_HAS(&file, attachment, content_base64) && nm_base64_size(file.content_base64, &size) == NM_OK)
            total += size;
        if (NM_HAS(&file, attachment, filename) && !file.filename.size)
            s_fault_in(self, inner, "filename", "must not be empty");
        if (NM_HAS(&file, attachment, content_type) && !s_is_media_type(file.content_type))
            s_fault_in(self, inner, "content_type", "must be a media type, such as application/pdf");
    }
    if (total > NM_ATTACHMENTS_MAX)
        s_fault_in(self, "/email", "attachments", "are too large; at most 7 MiB together are allowed");
}

//  Each copy is a delivery of its own with the whole message in it.
static void
s_check_spread(check_t *self, uint32_t copies)
{
    uint64_t size = self->request->email.size;
    size += NM_HAS(self->request, request, content) ? self->request->content.size : 0;
    size += NM_HAS(self->request, request, html) ? self->request->html.size : 0;
    if (copies && size * (copies + 1) > NM_SPREAD_MAX)
        s_fault_in(self, "/email", "cc",
                   "has too many addresses for a message of this size; copies times size may be 64 MiB");
}

static void
s_check_email(check_t *self)
{
    nm_email_t email;
    nm_faults_t known = { 0 };
    if (self->channels && !(self->channels & EMAIL))
        s_fault(self, "email", "goes with the channel email only");
    nm_record_decode(&nm_email_shape, &email, self->request->email, &known, "");

    uint32_t copies = 0;
    if (NM_HAS(&email, email, cc))
        copies += s_check_copies(self, "/email/cc", email.cc);
    if (NM_HAS(&email, email, bcc))
        copies += s_check_copies(self, "/email/bcc", email.bcc);
    if (copies > NM_COPIES_MAX)
        s_fault_in(self, "/email", "cc", "has too many addresses; at most 50 are allowed in cc and bcc together");
    if (NM_HAS(&email, email, reply_to) && !nm_address_is_email(email.reply_to))
        s_fault_in(self, "/email", "reply_to", s_address_fault(EMAIL, email.reply_to));
    if (NM_HAS(&email, email, headers))
        s_check_headers(self, email.headers);
    if (NM_HAS(&email, email, attachments))
        s_check_attachments(self, email.attachments);
    s_check_spread(self, copies);
}

//  -- Parts of a push

static void
s_check_push_texts(check_t *self, nm_bytes_t raw)
{
    nm_reader_t reader;
    nm_bytes_t name, value;
    uint32_t count;
    nm_reader_open(&reader, raw);
    if (nm_reader_map(&reader, &count) != NM_OK)
        return;
    while (count-- && nm_reader_str(&reader, &name) == NM_OK) {
        nm_kind_t kind = nm_reader_peek(&reader);
        if (nm_reader_raw(&reader, &value) != NM_OK)
            return;
        char text[NM_CODE_MAX + 1];
        nm_bytes_to_text(nm_bytes(name.at, nm_utf8_cut(name, NM_CODE_MAX)), text, sizeof text);
        if (kind != NM_KIND_STR)
            s_fault_in(self, "/push/data", text, "must be a text");
    }
}

static void
s_check_push(check_t *self)
{
    nm_push_t push;
    nm_faults_t known = { 0 };
    if (self->channels && !(self->channels & PUSH))
        s_fault(self, "push", "goes with the channel push only");
    nm_record_decode(&nm_push_shape, &push, self->request->push, &known, "");
    if (NM_HAS(&push, push, data))
        s_check_push_texts(self, push.data);
}

//  -- The rest

static void
s_check_times(check_t *self, int64_t now_ms)
{
    const nm_request_t *request = self->request;
    if (!NM_HAS(request, request, expires_at))
        return;
    if (request->expires_at <= now_ms)
        s_fault(self, "expires_at", "is in the past");
    else if (NM_HAS(request, request, send_at) && request->expires_at < request->send_at)
        s_fault(self, "expires_at", "is before send_at");
}

static void
s_check_not_empty(check_t *self, bool has, const char *name, nm_bytes_t value)
{
    if (has && !value.size)
        s_fault(self, name, "must not be empty");
}

nm_rc_t
nm_request_check(const nm_request_t *request, int64_t now_ms, nm_faults_t *faults, const char *parent)
{
    check_t self = { .request = request, .faults = faults, .parent = parent ? parent : "" };
    s_check_channels(&self);
    s_check_receivers(&self);
    if (GIVEN(&self, template))
        s_check_template(&self);
    else {
        s_check_content(&self);
        if (GIVEN(&self, template_version))
            s_fault(&self, "template_version", "goes with template only");
    }
    if (NM_HAS(request, request, language) && !nm_language_is_tag(request->language))
        s_fault(&self, "language", "must be a language tag (BCP 47), such as en or pt-BR");
    if (NM_HAS(request, request, email))
        s_check_email(&self);
    if (NM_HAS(request, request, push))
        s_check_push(&self);
    s_check_not_empty(&self, NM_HAS(request, request, provider), "provider", request->provider);
    s_check_not_empty(&self, NM_HAS(request, request, request_id), "request_id", request->request_id);
    s_check_times(&self, now_ms);
    return self.wrong ? NM_ERR_MALFORMED : NM_OK;
}
