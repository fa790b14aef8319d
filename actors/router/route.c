#include "actors/router/route.h"
#include "wire/reader.h"

//  The channels that a request names, each once, in its order.
typedef struct {
    nm_channel_t at[NM_CHANNEL_COUNT];
    size_t count;
} channels_t;

nm_role_id_t
nm_route_role(nm_channel_t channel)
{
    switch (channel) {
    case NM_CHANNEL_EMAIL: return NM_ROLE_EMAIL;
    case NM_CHANNEL_PUSH: return NM_ROLE_PUSH;
    case NM_CHANNEL_SMS:
    case NM_CHANNEL_WHATSAPP: return NM_ROLE_SMS;
    case NM_CHANNEL_COUNT: break;
    }
    return NM_ROLE_NONE;
}

static void
s_add_channel(channels_t *self, nm_channel_t channel)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->at[i] == channel)
            return;
    self->at[self->count++] = channel;
}

static nm_rc_t
s_next_line(nm_list_t *list, nm_bytes_t *line)
{
    nm_bytes_t raw;
    nm_rc_t rc = nm_list_next(list, &raw);
    if (rc != NM_OK)
        return rc;
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, line);
}

static nm_rc_t
s_named_channels(nm_bytes_t raw, channels_t *channels)
{
    nm_list_t list;
    nm_bytes_t word;
    nm_rc_t rc = nm_list_open(&list, raw);
    while (rc == NM_OK && (rc = s_next_line(&list, &word)) == NM_OK) {
        int channel = nm_words_find(&nm_channel_words, word);
        if (channel < 0)
            return NM_ERR_MALFORMED;
        s_add_channel(channels, (nm_channel_t) channel);
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_channels(const nm_request_t *request, channels_t *channels)
{
    nm_rc_t rc = NM_OK;
    if (NM_HAS(request, request, channels))
        rc = s_named_channels(request->channels, channels);
    else if (NM_HAS(request, request, channel))
        s_add_channel(channels, (nm_channel_t) request->channel);
    return rc == NM_OK && channels->count == 0 ? NM_ERR_MALFORMED : rc;
}

//  The address for a channel: its own of `recipients` or of the user, else the one `recipient`.
static nm_bytes_t
s_address(const nm_request_t *request, const nm_recipients_t *recipients, nm_channel_t channel)
{
    if (!NM_HAS(request, request, recipients) && !NM_HAS(request, request, user_id))
        return request->recipient;
    switch (channel) {
    case NM_CHANNEL_EMAIL: return recipients->email;
    case NM_CHANNEL_PUSH: return recipients->token;
    default: return recipients->phone;
    }
}

static void
s_add_step(nm_route_t *route, const nm_route_step_t *step)
{
    route->steps[route->count++] = *step;
}

static nm_rc_t
s_add_copies(nm_bytes_t raw, const nm_route_step_t *first, nm_route_t *route)
{
    nm_list_t list;
    nm_route_step_t step = *first;
    step.to = first->recipient;
    nm_rc_t rc = nm_list_open(&list, raw);
    while (rc == NM_OK && (rc = s_next_line(&list, &step.recipient)) == NM_OK) {
        if (route->count == NM_ROUTE_STEP_MAX)
            return NM_ERR_MALFORMED;
        s_add_step(route, &step);
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_add_email_copies(const nm_request_t *request, const nm_route_step_t *first, nm_route_t *route)
{
    nm_email_t email;
    nm_rc_t rc = nm_record_decode(&nm_email_shape, &email, request->email, NULL, "");
    if (rc == NM_OK && NM_HAS(&email, email, cc))
        rc = s_add_copies(email.cc, first, route);
    if (rc == NM_OK && NM_HAS(&email, email, bcc))
        rc = s_add_copies(email.bcc, first, route);
    return rc;
}

//  A notification by template comes here only when no actor renders templates.
static nm_route_step_t
s_step(const nm_request_t *request, const nm_recipients_t *recipients, nm_channel_t channel, unsigned present)
{
    nm_route_step_t step = { .channel = channel, .recipient = s_address(request, recipients, channel) };
    step.dead = true;
    if (NM_HAS(request, request, template))
        step.reason = NM_REASON_TEMPLATE;
    else if (step.recipient.size == 0)
        step.reason = NM_REASON_NO_RECIPIENT;
    else if (!(present >> channel & 1))
        step.reason = NM_REASON_NO_PROVIDER;
    else
        step.dead = false;
    return step;
}

//  Copies of a dead e-mail are made as well: each address has its own dead letter, so a
//  replay reaches them all. Without a recipient there is nothing to be a copy of.
static nm_rc_t
s_add_channel_steps(const nm_request_t *request, const nm_route_step_t *step, nm_route_t *route)
{
    s_add_step(route, step);
    if (step->channel == NM_CHANNEL_EMAIL && step->recipient.size && NM_HAS(request, request, email))
        return s_add_email_copies(request, step, route);
    return NM_OK;
}

nm_rc_t
nm_route_make(const nm_request_t *request, const nm_recipients_t *reached, unsigned present, nm_route_t *route)
{
    route->count = 0;
    channels_t channels = { .count = 0 };
    nm_recipients_t recipients = *reached;
    nm_rc_t rc = s_channels(request, &channels);
    if (rc == NM_OK && NM_HAS(request, request, recipients))
        rc = nm_record_decode(&nm_recipients_shape, &recipients, request->recipients, NULL, "");
    if (rc != NM_OK)
        return rc;

    bool all = NM_HAS(request, request, strategy) && request->strategy == NM_STRATEGY_ALL;
    nm_route_step_t first = s_step(request, &recipients, channels.at[0], present);
    for (size_t i = 0; i < channels.count; i++) {
        nm_route_step_t step = s_step(request, &recipients, channels.at[i], present);
        if (!all && step.dead)
            continue;
        rc = s_add_channel_steps(request, &step, route);
        if (rc != NM_OK || !all)
            return rc;
    }
    return route->count ? NM_OK : s_add_channel_steps(request, &first, route);
}
