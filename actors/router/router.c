#include "actors/router/router.h"
#include "actors/owner/doubt.h"
#include "actors/owner/holds.h"
#include "actors/owner/owner.h"
#include "actors/router/reach.h"
#include "actors/router/route.h"
#include "broker/log.h"
#include "broker/turn.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  Orders of the router's own events. A channel actor speaks for a delivery only once it
//  has it, and a delivery that ends here never gets there, so the two cannot cross.
enum { ORDER_SPLIT = 0, ORDER_END = 1 };

typedef struct {
    uint64_t routed;      //  Notifications and replays taken in
    uint64_t deliveries;  //  Deliveries mailed to channel actors
    uint64_t refused;     //  Deliveries and notifications that ended here
} tally_t;

typedef struct {
    const nm_directory_t *directory;
    tally_t turn;  //  Of the turn under way; counts once it is on disk
    tally_t total;
    nm_metric_t *routed;
    nm_metric_t *deliveries;
    nm_metric_t *refused;
    nm_metric_t *route_us;  //  From acceptance to here
    nm_reach_t reach;       //  What waits to know where its user is
    nm_buf_t body;          //  Scratch: the record that is being packed
    nm_buf_t inner;         //  Scratch: the record inside it
} router_t;

static nm_reach_fn s_on_reached;  //  Below, with other work

//  -- Life

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    (void) error;
    router_t *self = nm_alloc(sizeof *self);
    self->directory = setup->directory;
    self->routed = nm_metrics_make(setup->metrics, NM_FAMILY_ROUTED, NULL, NULL);
    self->deliveries = nm_metrics_make(setup->metrics, NM_FAMILY_DELIVERIES, NULL, NULL);
    self->refused = nm_metrics_make(setup->metrics, NM_FAMILY_ROUTER_REFUSED, NULL, NULL);
    self->route_us = nm_metrics_make(setup->metrics, NM_FAMILY_STAGE, "route", NULL);
    self->reach.take = s_on_reached;
    self->reach.arg = self;
    *state = self;
    return NM_OK;
}

static void
s_close(void *state)
{
    router_t *self = state;
    if (!self)
        return;
    nm_reach_free(&self->reach);
    nm_buf_free(&self->body);
    nm_buf_free(&self->inner);
    free(self);
}

//  A turn that was undone has routed nothing.
static nm_rc_t
s_load(void *state, nm_turn_t *turn)
{
    router_t *self = state;
    self->turn = (tally_t){ 0 };
    return nm_reach_load(&self->reach, turn);
}

static void
s_committed(void *state)
{
    router_t *self = state;
    nm_metric_add(self->routed, self->turn.routed);
    nm_metric_add(self->deliveries, self->turn.deliveries);
    nm_metric_add(self->refused, self->turn.refused);
    self->total.routed += self->turn.routed;
    self->total.deliveries += self->turn.deliveries;
    self->total.refused += self->turn.refused;
    self->turn = (tally_t){ 0 };
}

static size_t
s_status(void *state, nm_buf_t *out)
{
    const router_t *self = state;
    nm_writer_pair_uint(out, "routed", self->total.routed);
    nm_writer_pair_uint(out, "deliveries", self->total.deliveries);
    nm_writer_pair_uint(out, "refused", self->total.refused);
    nm_writer_pair_uint(out, "unreached", self->reach.count);
    return 4;
}

static void
s_backlog(void *state, uint64_t *count, int64_t *oldest_ms)
{
    const router_t *self = state;
    *count = self->reach.count;
    *oldest_ms = self->reach.oldest_ms;
}

//  -- What goes out

static bool
s_is_expired(const nm_delivery_t *delivery, const nm_turn_t *turn)
{
    return NM_HAS(delivery, delivery, expires_at) && delivery->expires_at <= nm_turn_now(turn);
}

static nm_rc_t
s_mail_expired(router_t *self, nm_turn_t *turn, const nm_delivery_t *delivery)
{
    nm_event_t event;
    nm_owner_event(&event, NM_EVENT_EXPIRED, delivery, delivery->order + ORDER_END, turn);
    NM_PUT(&event, event, detail, nm_text("expired before it was routed"));
    self->turn.refused++;
    return nm_owner_mail(turn, self->directory, &event, delivery->priority);
}

static const char *
s_reason_detail(nm_reason_t reason)
{
    switch (reason) {
    case NM_REASON_NO_PROVIDER: return "no actor of this mesh works on the channel";
    case NM_REASON_NO_RECIPIENT: return "there is no address for the channel";
    case NM_REASON_TEMPLATE: return "no actor of this mesh renders templates";
    case NM_REASON_POISON: return "the notification could not be read";
    default: return "the notification cannot be delivered";
    }
}

static nm_rc_t
s_mail_failed(router_t *self, nm_turn_t *turn, const nm_delivery_t *delivery, nm_reason_t reason)
{
    nm_event_t event;
    nm_owner_event(&event, NM_EVENT_FAILED, delivery, delivery->order + ORDER_END, turn);
    NM_PUT(&event, event, reason, (uint8_t) reason);
    NM_PUT(&event, event, detail, nm_text(s_reason_detail(reason)));
    self->turn.refused++;
    return nm_owner_mail(turn, self->directory, &event, delivery->priority);
}

static nm_log_subject_t
s_subject(const nm_delivery_t *delivery)
{
    return (nm_log_subject_t){ delivery->correlation_id, delivery->traceparent };
}

//  Puts a delivery that cannot be made among the dead letters, and tells the owner.
static nm_rc_t
s_bury(router_t *self, nm_turn_t *turn, const nm_delivery_t *delivery, nm_bytes_t packed, nm_reason_t reason)
{
    static const uint8_t NO_ATTEMPTS = 0x90;  //  An empty list
    nm_id_t id;
    nm_turn_new_id(turn, &id);
    nm_dead_letter_t letter = { .has = 0 };
    NM_PUT(&letter, dead_letter, id, id);
    NM_PUT(&letter, dead_letter, died_at, nm_turn_now(turn));
    NM_PUT(&letter, dead_letter, reason, (uint8_t) reason);
    NM_PUT(&letter, dead_letter, detail, nm_text(s_reason_detail(reason)));
    NM_PUT(&letter, dead_letter, attempts, nm_bytes(&NO_ATTEMPTS, 1));
    NM_PUT(&letter, dead_letter, delivery, packed);

    nm_buf_clear(&self->body);
    nm_record_encode(&nm_dead_letter_shape, &letter, NM_BY_TAG, &self->body);
    nm_mail_out_t mail = { .role = NM_ROLE_DEADLETTER,
                           .kind = NM_MAIL_DEAD_LETTER,
                           .priority = delivery->priority,
                           .body = nm_buf_bytes(&self->body) };
    nm_rc_t rc = nm_turn_mail(turn, &mail);
    if (rc != NM_OK)
        return rc;
    nm_log_about(NM_LOG_WARNING, "undeliverable", s_subject(delivery), "%s", s_reason_detail(reason));
    return s_mail_failed(self, turn, delivery, reason);
}

static nm_rc_t
s_mail_delivery(router_t *self, nm_turn_t *turn, const nm_delivery_t *delivery, nm_bytes_t packed)
{
    nm_mail_out_t mail = { .role = nm_route_role((nm_channel_t) delivery->channel),
                           .kind = NM_MAIL_DELIVERY,
                           .priority = delivery->priority,
                           .tag = nm_bytes(delivery->notification.at, NM_ID_SIZE),
                           .body = packed };
    self->turn.deliveries++;
    return nm_turn_mail(turn, &mail);
}

//  -- Work: notifications from gateways

//  Passes an optional field on from one record to another of the same field name.
#define S_PASS(to, to_record, from, from_record, name) \
    do {                                               \
        if (NM_HAS(from, from_record, name))           \
            NM_PUT(to, to_record, name, (from)->name); \
    } while (0)

//  What all deliveries of a notification have in common, as its work says.
static void
s_set_work(nm_delivery_t *delivery, const nm_work_t *work)
{
    *delivery = (nm_delivery_t){ .has = 0 };
    NM_PUT(delivery, delivery, notification, work->notification);
    NM_PUT(delivery, delivery, service, work->service);
    NM_PUT(delivery, delivery, generation, work->generation);
    NM_PUT(delivery, delivery, created_at, work->created_at);
    NM_PUT(delivery, delivery, correlation_id, work->correlation_id);
    NM_PUT(delivery, delivery, priority, NM_PRIORITY_NORMAL);
    S_PASS(delivery, delivery, work, work, traceparent);
    S_PASS(delivery, delivery, work, work, order);
    S_PASS(delivery, delivery, work, work, earlier);
}

//  And as its request says. Parts inside keep the keys that they came with.
static void
s_set_request(nm_delivery_t *delivery, const nm_request_t *request)
{
    S_PASS(delivery, delivery, request, request, priority);
    S_PASS(delivery, delivery, request, request, expires_at);
    S_PASS(delivery, delivery, request, request, at_most_once);
    S_PASS(delivery, delivery, request, request, provider);
    S_PASS(delivery, delivery, request, request, subject);
    S_PASS(delivery, delivery, request, request, content);
    S_PASS(delivery, delivery, request, request, html);
    S_PASS(delivery, delivery, request, request, email);
    S_PASS(delivery, delivery, request, request, push);
}

static nm_rc_t
s_take_step(router_t *self, nm_turn_t *turn, const nm_delivery_t *common, const nm_route_step_t *step, size_t number)
{
    nm_delivery_t delivery = *common;
    NM_PUT(&delivery, delivery, number, number);
    NM_PUT(&delivery, delivery, channel, (uint8_t) step->channel);
    NM_PUT(&delivery, delivery, recipient, step->recipient);
    if (step->to.size)
        NM_PUT(&delivery, delivery, to, step->to);

    nm_buf_clear(&self->inner);
    nm_record_encode(&nm_delivery_shape, &delivery, NM_BY_TAG, &self->inner);
    nm_bytes_t packed = nm_buf_bytes(&self->inner);
    if (step->dead)
        return s_bury(self, turn, &delivery, packed, step->reason);
    return s_mail_delivery(self, turn, &delivery, packed);
}

//  Says how many ends the owner has to wait for. It has the lowest order of all, but need
//  not arrive first.
static nm_rc_t
s_mail_split(router_t *self, nm_turn_t *turn, const nm_delivery_t *common, size_t count)
{
    nm_event_t event;
    nm_owner_event(&event, NM_EVENT_QUEUED, common, common->order + ORDER_SPLIT, turn);
    NM_PUT(&event, event, deliveries, count);
    return nm_owner_mail(turn, self->directory, &event, common->priority);
}

static unsigned
s_present(const router_t *self)
{
    unsigned present = 0;
    for (unsigned channel = 0; channel < NM_CHANNEL_COUNT; channel++)
        if (nm_directory_list(self->directory, nm_route_role((nm_channel_t) channel), NULL, 0) > 0)
            present |= 1u << channel;
    return present;
}

//  A gateway that sends work again says which of its deliveries somebody has, or has ended.
static bool
s_is_accounted(nm_bytes_t skip, size_t number)
{
    return number / 8 < skip.size && skip.at[number / 8] >> number % 8 & 1;
}

static nm_rc_t
s_take_route(router_t *self, nm_turn_t *turn, const nm_delivery_t *common, const nm_route_t *route, nm_bytes_t skip)
{
    nm_rc_t rc = NM_OK;
    if (route->count > 1)
        rc = s_mail_split(self, turn, common, route->count);
    for (size_t i = 0; rc == NM_OK && i < route->count; i++)
        if (!s_is_accounted(skip, i))
            rc = s_take_step(self, turn, common, &route->steps[i], i);
    return rc;
}

//  The quarantine would keep an unreadable request, and its notification would never end.
//  So it fails where everybody can see it; the gateway still has the content.
static nm_rc_t
s_fail_unreadable(router_t *self, nm_turn_t *turn, const nm_delivery_t *common)
{
    nm_log_about(NM_LOG_ERROR, "request_unreadable", s_subject(common),
                 "a notification fails: its request could not be read");
    return s_mail_failed(self, turn, common, NM_REASON_POISON);
}

//  From when it was accepted or due; what is sent again says nothing of that.
static void
s_time(router_t *self, nm_turn_t *turn, const nm_work_t *work, const nm_request_t *request)
{
    int64_t since_ms = work->created_at;
    if (NM_HAS(request, request, send_at) && request->send_at > since_ms)
        since_ms = request->send_at;
    if (!NM_HAS(work, work, order))
        nm_turn_time(turn, self->route_us, since_ms);
}

//  Work that was read, and what its deliveries have in common.
typedef struct {
    nm_work_t work;
    nm_request_t request;
    nm_delivery_t common;
} job_t;

//  NM_ERR_REFUSED: the work can be read, but not its request; the job is good for its common part.
static nm_rc_t
s_read_job(nm_bytes_t packed, job_t *job)
{
    nm_rc_t rc = nm_record_decode(&nm_work_shape, &job->work, packed, NULL, "");
    if (rc != NM_OK)
        return rc;
    s_set_work(&job->common, &job->work);
    if (nm_record_decode(&nm_request_shape, &job->request, job->work.request, NULL, "") != NM_OK)
        return NM_ERR_REFUSED;
    s_set_request(&job->common, &job->request);
    return NM_OK;
}

static nm_rc_t
s_route(router_t *self, nm_turn_t *turn, const job_t *job, const nm_recipients_t *reached)
{
    nm_route_t route;
    if (s_is_expired(&job->common, turn))
        return s_mail_expired(self, turn, &job->common);
    if (nm_route_make(&job->request, reached, s_present(self), &route) != NM_OK)
        return s_fail_unreadable(self, turn, &job->common);
    return s_take_route(self, turn, &job->common, &route,
                        NM_HAS(&job->work, work, skip) ? job->work.skip : nm_bytes(NULL, 0));
}

//  Once it is known where its user is reached it goes on in s_on_reached.
static nm_rc_t
s_ask_user(router_t *self, nm_turn_t *turn, const job_t *job, nm_bytes_t packed)
{
    nm_unreached_t row = { .has = 0 };
    NM_PUT(&row, unreached, service, job->work.service);
    NM_PUT(&row, unreached, user, job->request.user_id);
    S_PASS(&row, unreached, &job->work, work, skip);
    S_PASS(&row, unreached, &job->request, request, expires_at);
    return nm_reach_add(&self->reach, turn, &job->work.notification, &row, packed);
}

static nm_rc_t
s_on_reached(void *arg, nm_turn_t *turn, nm_bytes_t packed, const nm_recipients_t *reached)
{
    job_t job;
    nm_rc_t rc = s_read_job(packed, &job);
    return rc == NM_OK ? s_route(arg, turn, &job, reached) : NM_ERR_CORRUPT;
}

static nm_rc_t
s_on_work(router_t *self, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    static const nm_recipients_t NOWHERE;
    job_t job;
    nm_rc_t rc = s_read_job(mail->body, &job);
    if (rc != NM_OK && rc != NM_ERR_REFUSED)
        return rc;
    self->turn.routed++;
    if (rc == NM_ERR_REFUSED)
        return s_fail_unreadable(self, turn, &job.common);
    s_time(self, turn, &job.work, &job.request);
    if (NM_HAS(&job.request, request, user_id) && !s_is_expired(&job.common, turn))
        return s_ask_user(self, turn, &job, mail->body);
    return s_route(self, turn, &job, &NOWHERE);
}

//  -- Replays: deliveries that come back from deadletter

//  The delivery is packed already, so its bytes go on as they came.
static nm_rc_t
s_on_replay(router_t *self, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_replay_t replay;
    nm_delivery_t delivery;
    nm_rc_t rc = nm_record_decode(&nm_replay_shape, &replay, mail->body, NULL, "");
    if (rc == NM_OK)
        rc = nm_record_decode(&nm_delivery_shape, &delivery, replay.delivery, NULL, "");
    if (rc != NM_OK)
        return rc;
    self->turn.routed++;

    if (s_is_expired(&delivery, turn))
        return s_mail_expired(self, turn, &delivery);
    if (delivery.recipient.size == 0)
        return s_bury(self, turn, &delivery, replay.delivery, NM_REASON_NO_RECIPIENT);
    if (!(s_present(self) >> delivery.channel & 1))
        return s_bury(self, turn, &delivery, replay.delivery, NM_REASON_NO_PROVIDER);
    return s_mail_delivery(self, turn, &delivery, replay.delivery);
}

//  -- Returns: deliveries that a channel actor gives back because it leaves

//  Packed as it is, with its progress, it goes to another actor of the channel.
static nm_rc_t
s_on_return(router_t *self, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_delivery_t delivery;
    nm_rc_t rc = nm_record_decode(&nm_delivery_shape, &delivery, mail->body, NULL, "");
    if (rc != NM_OK)
        return rc;
    return s_mail_delivery(self, turn, &delivery, mail->body);
}

//  -- Inputs

//  An empty body says that what the mail spoke of was over before it was sent.
static nm_rc_t
s_on_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    router_t *self = state;
    if (mail->body.size == 0)
        return NM_OK;
    switch (mail->kind) {
    case NM_MAIL_WORK: return s_on_work(self, turn, mail);
    case NM_MAIL_REPLAY: return s_on_replay(self, turn, mail);
    case NM_MAIL_RETURN: return s_on_return(self, turn, mail);
    default: return NM_ERR_MALFORMED;
    }
}

//  -- Cancelling: deliveries that still wait for a channel actor are given back

static nm_rc_t
s_mail_cancelled(router_t *self, nm_turn_t *turn, nm_bytes_t packed)
{
    nm_delivery_t delivery;
    nm_event_t event;
    nm_rc_t rc = nm_record_decode(&nm_delivery_shape, &delivery, packed, NULL, "");
    if (rc != NM_OK)
        return NM_ERR_CORRUPT;
    nm_owner_event(&event, NM_EVENT_CANCELLED, &delivery, delivery.order + ORDER_END, turn);
    return nm_owner_mail(turn, self->directory, &event, delivery.priority);
}

static nm_rc_t
s_withdraw_all(router_t *self, nm_turn_t *turn, const nm_id_t *notification, uint64_t *count)
{
    nm_rc_t rc = NM_OK;
    for (unsigned channel = 0; channel < NM_CHANNEL_COUNT && rc == NM_OK; channel++) {
        nm_role_id_t role = nm_route_role((nm_channel_t) channel);
        nm_bytes_t packed, tag = nm_bytes(notification->at, NM_ID_SIZE);
        while (rc == NM_OK && (rc = nm_turn_mail_withdraw(turn, role, tag, &packed)) == NM_OK) {
            rc = s_mail_cancelled(self, turn, packed);
            ++*count;
        }
        rc = rc == NM_ERR_MISSING ? NM_OK : rc;
    }
    return rc;
}

//  No delivery was made of it yet, so its end is that of the first one.
static nm_rc_t
s_withdraw_unreached(router_t *self, nm_turn_t *turn, const nm_id_t *notification, uint64_t *count)
{
    nm_event_t event;
    nm_bytes_t packed;
    job_t job;
    nm_rc_t rc;
    while ((rc = nm_reach_withdraw(&self->reach, turn, notification, &packed)) == NM_OK) {
        if (s_read_job(packed, &job) != NM_OK)
            return NM_ERR_CORRUPT;
        nm_owner_event(&event, NM_EVENT_CANCELLED, &job.common, job.common.order + ORDER_END, turn);
        rc = nm_owner_mail(turn, self->directory, &event, job.common.priority);
        if (rc != NM_OK)
            return rc;
        ++*count;
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static bool
s_read_notification(nm_bytes_t body, nm_id_t *notification)
{
    nm_bytes_t raw, text;
    nm_reader_t reader;
    if (nm_reader_check(body) != NM_OK || nm_reader_find(body, "notification", &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, &text) == NM_OK && nm_id_from_text(text, notification) == NM_OK;
}

//  {notification: UUID} -> 200 {cancelled: n}; 404 if none of its deliveries waits here; 409 if it cannot be given back.
static nm_rc_t
s_cancel(router_t *self, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    nm_id_t notification;
    uint64_t count = 0;
    if (!s_read_notification(ask->body, &notification)) {
        nm_turn_problem(turn, &ask->caller, 422, ask->headers.correlation_id, NULL,
                        "deliveries.cancel wants the id of a notification");
        return NM_OK;
    }
    nm_rc_t rc = s_withdraw_all(self, turn, &notification, &count);
    if (rc == NM_OK)
        rc = s_withdraw_unreached(self, turn, &notification, &count);
    if (rc == NM_ERR_BUSY) {
        nm_turn_problem(turn, &ask->caller, 409, ask->headers.correlation_id, NULL,
                        "the notification was sent again after a loss and cannot be given back");
        return NM_OK;
    }
    if (rc != NM_OK)
        return rc;
    if (!count) {
        nm_turn_problem(turn, &ask->caller, 404, ask->headers.correlation_id, NULL,
                        "no delivery of the notification waits at this router");
        return NM_OK;
    }
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 1);
    nm_writer_pair_uint(&self->body, "cancelled", count);
    nm_turn_reply(turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&self->body));
    return NM_OK;
}

static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    if (nm_bytes_is(ask->op, "deliveries.cancel"))
        return s_cancel(state, turn, ask);
    if (nm_bytes_is(ask->op, "custody.holds"))
        return nm_owner_holds(turn, ((router_t *) state)->directory, ask, nm_reach_holds, &((router_t *) state)->reach);
    nm_turn_problem(turn, &ask->caller, 404, ask->headers.correlation_id, NULL,
                    "the router does not answer this operation");
    return NM_OK;
}

static nm_rc_t
s_on_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    router_t *self = state;
    return nm_reach_reply(&self->reach, turn, reply);
}

static nm_rc_t
s_due(void *state, nm_turn_t *turn)
{
    router_t *self = state;
    return nm_reach_due(&self->reach, turn);
}

static const nm_table_t *const TABLES[] = { &nm_unreached_table, &nm_unreached_work_table, &nm_unreached_ends_table };

//  A lost channel actor may have sent it, or told of it.
static bool
s_doubted(uint8_t kind, nm_bytes_t body, nm_buf_t *changed)
{
    if (changed && kind == NM_MAIL_DELIVERY)
        nm_doubt_pack(body, changed);
    return true;
}

const nm_role_t nm_router_role = {
    .name = "router",
    .id = NM_ROLE_ROUTER,
    .tables = TABLES,
    .table_count = NM_COUNT(TABLES),
    .pace_ms = 3,
    .open = s_open,
    .close = s_close,
    .load = s_load,
    .mail = s_on_mail,
    .ask = s_on_ask,
    .reply = s_on_reply,
    .doubted = s_doubted,
    .due = s_due,
    .every_turn = true,
    .committed = s_committed,
    .backlog = s_backlog,
    .status = s_status,
};
