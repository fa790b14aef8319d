#include "actors/gateway/accept.h"

#include "actors/gateway/copies.h"
#include "actors/gateway/keyed.h"
#include "actors/gateway/ops.h"
#include "actors/gateway/places.h"
#include "actors/gateway/homes.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/trace.h"
#include "wire/writer.h"

static const char DETAIL_FAULTS[] = "The notification has faults; each is named in errors.";
static const char DETAIL_COPY[] = "No other gateway could take a copy, as the service wants; try again.";
static const char DETAIL_FULL[] = "The store of this gateway is full; try again later.";
static const char DETAIL_DRAINING[] = "This gateway takes no new notifications: it leaves. Another one takes them.";
static const char DETAIL_KEY[] = "The idempotency key was used before, with another body.";

//  -- What the mesh can do

static const nm_role_id_t CHANNEL_ROLES[NM_CHANNEL_COUNT] = {
    [NM_CHANNEL_EMAIL] = NM_ROLE_EMAIL,
    [NM_CHANNEL_PUSH] = NM_ROLE_PUSH,
    [NM_CHANNEL_SMS] = NM_ROLE_SMS,
    [NM_CHANNEL_WHATSAPP] = NM_ROLE_SMS,
};

static bool
s_is_present(const nm_gateway_t *gateway, nm_role_id_t role)
{
    return gateway->present >> role & 1;
}

//  The n-th of `channels`, or -1.
static int
s_channel_item(nm_bytes_t item)
{
    nm_reader_t reader;
    nm_bytes_t word;
    nm_reader_open(&reader, item);
    return nm_reader_str(&reader, &word) == NM_OK ? nm_words_find(&nm_channel_words, word) : -1;
}

static void
s_check_channels(const nm_gateway_t *gateway, nm_bytes_t raw, nm_faults_t *faults)
{
    nm_list_t list;
    nm_bytes_t item;
    if (nm_list_open(&list, raw) != NM_OK)
        return;
    for (unsigned i = 0; nm_list_next(&list, &item) == NM_OK; i++) {
        char index[16];
        int channel = s_channel_item(item);
        snprintf(index, sizeof index, "%u", i);
        if (channel >= 0 && !s_is_present(gateway, CHANNEL_ROLES[channel]))
            nm_faults_add(faults, "/channels", index, "this mesh has no %s actor yet",
                          nm_role_text(CHANNEL_ROLES[channel]));
    }
}

void
nm_accept_check_mesh(const nm_gateway_t *gateway, const nm_request_t *request, nm_faults_t *faults)
{
    if (NM_HAS(request, request, channel) && !s_is_present(gateway, CHANNEL_ROLES[request->channel]))
        nm_faults_add(faults, "", "channel", "this mesh has no %s actor yet",
                      nm_role_text(CHANNEL_ROLES[request->channel]));
    if (NM_HAS(request, request, channels))
        s_check_channels(gateway, request->channels, faults);
    if (NM_HAS(request, request, user_id) && !s_is_present(gateway, NM_ROLE_USER))
        nm_faults_add(faults, "", "user_id", "this mesh has no user actor yet");
    if (NM_HAS(request, request, template) && !s_is_present(gateway, NM_ROLE_TEMPLATE))
        nm_faults_add(faults, "", "template", "this mesh has no template actor yet");
}

static nm_channel_t
s_first_channel(const nm_request_t *request)
{
    if (NM_HAS(request, request, channel))
        return (nm_channel_t) request->channel;
    nm_list_t list;
    nm_bytes_t item;
    int channel = -1;
    if (nm_list_open(&list, request->channels) == NM_OK && nm_list_next(&list, &item) == NM_OK)
        channel = s_channel_item(item);
    return channel < 0 ? NM_CHANNEL_EMAIL : (nm_channel_t) channel;
}

//  -- Writing

static bool
s_first_recipient(const nm_request_t *request, nm_channel_t channel, nm_bytes_t *address)
{
    if (NM_HAS(request, request, recipient)) {
        *address = request->recipient;
        return true;
    }
    nm_recipients_t all;
    if (!NM_HAS(request, request, recipients) ||
        nm_record_decode(&nm_recipients_shape, &all, request->recipients, NULL, "") != NM_OK)
        return false;
    *address = channel == NM_CHANNEL_EMAIL ? all.email : channel == NM_CHANNEL_PUSH ? all.token : all.phone;
    return address->size > 0;
}

nm_channel_t
nm_accept_address(const nm_request_t *request, nm_bytes_t *address)
{
    nm_channel_t channel = s_first_channel(request);
    if (!s_first_recipient(request, channel, address))
        *address = nm_bytes(request->user_id.at, NM_ID_SIZE);
    return channel;
}

//  Passes an optional field on from the request to the note.
#define S_PASS(note_, request_, name)                    \
    do {                                                 \
        if (NM_HAS(request_, request, name))             \
            NM_PUT(note_, note, name, (request_)->name); \
    } while (0)

void
nm_accept_note(const nm_origin_t *origin, const nm_request_t *request, nm_note_t *note)
{
    nm_bytes_t recipient;
    nm_channel_t channel = s_first_channel(request);
    bool scheduled = NM_HAS(request, request, send_at) && request->send_at > origin->created_at;
    *note = (nm_note_t){ .has = 0 };
    NM_PUT(note, note, service, origin->service);
    NM_PUT(note, note, status, scheduled ? NM_STATUS_SCHEDULED : NM_STATUS_PENDING);
    NM_PUT(note, note, created_at, origin->created_at);
    NM_PUT(note, note, updated_at, origin->created_at);
    NM_PUT(note, note, channel, (uint8_t) channel);
    NM_PUT(note, note, priority, NM_HAS(request, request, priority) ? request->priority : NM_PRIORITY_NORMAL);
    NM_PUT(note, note, correlation_id, origin->correlation_id);
    if (origin->traceparent.size)
        NM_PUT(note, note, traceparent, origin->traceparent);
    if (s_first_recipient(request, channel, &recipient))
        NM_PUT(note, note, recipient, recipient);
    S_PASS(note, request, channels);
    S_PASS(note, request, user_id);
    S_PASS(note, request, template);
    S_PASS(note, request, template_version);
    S_PASS(note, request, language);
    S_PASS(note, request, provider);
    S_PASS(note, request, metadata);
    S_PASS(note, request, send_at);
    S_PASS(note, request, expires_at);
    NM_PUT(note, note, first_chunk, 0);
}

static nm_rc_t
s_put_record(nm_case_t *it, const nm_id_t *id, const nm_note_t *note, nm_bytes_t raw)
{
    nm_rc_t rc = nm_notes_put(it->gateway, it->txn, id, note);
    if (rc == NM_OK)
        rc = nm_table_put(it->txn, &nm_contents_table, nm_bytes(id->at, NM_ID_SIZE), raw);
    return rc == NM_OK ? nm_places_put(it->txn, id, note) : rc;
}

static nm_rc_t
s_put_due(nm_case_t *it, const nm_id_t *id, const nm_note_t *note)
{
    nm_rc_t rc = NM_OK;
    if (note->status == NM_STATUS_SCHEDULED) {
        rc = nm_due_put(it->txn, &nm_due_table, note->send_at, id);
        nm_turn_wake(it->turn, note->send_at);
    }
    if (rc == NM_OK && NM_HAS(note, note, expires_at)) {
        rc = nm_due_put(it->txn, &nm_due_table, note->expires_at, id);
        nm_turn_wake(it->turn, note->expires_at);
    }
    return rc;
}

static nm_rc_t
s_add_entry(nm_case_t *it, const nm_id_t *id, const nm_note_t *note, nm_event_kind_t kind)
{
    nm_entry_t entry = { .has = 0 };
    NM_PUT(&entry, entry, notification, *id);
    NM_PUT(&entry, entry, service, note->service);
    NM_PUT(&entry, entry, kind, (uint8_t) kind);
    NM_PUT(&entry, entry, status, note->status);
    NM_PUT(&entry, entry, at, note->created_at);
    return nm_journal_add(&it->gateway->journal, it->txn, &entry);
}

static void
s_make_note(nm_case_t *it, const nm_request_t *request, const nm_kept_t *kept, const nm_accepted_t *accepted,
            nm_note_t *note)
{
    nm_origin_t origin = { .service = it->who.service,
                           .created_at = accepted->created_at,
                           .correlation_id = nm_text(it->asker.correlation) };
    nm_trace_take(it->ask->headers.traceparent, &origin.traceparent);  //  A malformed one is none
    nm_accept_note(&origin, request, note);
    NM_PUT(note, note, first_chunk, nm_journal_chunk(&it->gateway->journal, it->txn));
    if (kept->keeper)
        NM_PUT(note, note, keeper, nm_text(kept->keeper));
}

static nm_rc_t
s_write(nm_case_t *it, const nm_request_t *request, nm_bytes_t raw, const nm_kept_t *kept, nm_accepted_t *accepted)
{
    nm_gateway_t *gateway = it->gateway;
    nm_note_t note;
    if (kept->has_id)
        accepted->id = kept->id;
    else
        nm_turn_new_id(it->turn, &accepted->id);
    accepted->code = 202;
    accepted->created_at = nm_id_time_ms(&accepted->id);
    accepted->copies = kept->copies;
    accepted->hosts = kept->hosts;
    s_make_note(it, request, kept, accepted, &note);
    accepted->status = (nm_status_t) note.status;
    accepted->channel = (nm_channel_t) note.channel;

    bool scheduled = accepted->status == NM_STATUS_SCHEDULED;
    nm_rc_t rc = s_put_record(it, &accepted->id, &note, raw);
    if (rc == NM_OK)
        rc = s_put_due(it, &accepted->id, &note);
    if (rc == NM_OK)
        rc = s_add_entry(it, &accepted->id, &note, NM_EVENT_ACCEPTED);
    if (rc == NM_OK)
        rc = scheduled ? s_add_entry(it, &accepted->id, &note, NM_EVENT_SCHEDULED)
                       : nm_notes_mail(gateway, it->turn, &accepted->id, &note, raw);
    gateway->counts[accepted->status]++;
    gateway->counts_changed = true;
    nm_metric_add(gateway->tally.accepts, 1);
    nm_turn_time(it->turn, gateway->tally.accept_us, it->now_ms);
    nm_metric_observe(gateway->tally.accept_size, raw.size);
    return rc;
}

//  -- One notification

nm_rc_t
nm_accept_begin(nm_case_t *it)
{
    const nm_tenant_t *tenant = nm_services_find(&it->gateway->services, &it->who.service);
    nm_service_t service;
    nm_rc_t rc = nm_quota_open(it);
    if (rc != NM_OK || !tenant || !tenant->has_defaults)
        return rc;
    rc = nm_services_get(it->txn, &it->who.service, &service);
    if (rc == NM_OK && NM_HAS(&service, service, defaults))
        rc = nm_record_decode(&nm_defaults_shape, &it->defaults, service.defaults, NULL, "");
    return rc == NM_ERR_MALFORMED ? NM_ERR_CORRUPT : rc;
}

nm_bytes_t
nm_accept_fill(nm_case_t *it, nm_bytes_t raw)
{
    nm_buf_t *filled = &it->gateway->filled;
    if (!it->defaults.has)
        return raw;
    nm_buf_clear(filled);
    nm_defaults_apply(&it->defaults, raw, it->now_ms, filled);
    return nm_buf_bytes(filled);
}

static nm_rc_t
s_refuse(nm_accepted_t *accepted, const char *detail)
{
    accepted->code = 422;
    accepted->detail = detail;
    return NM_OK;
}

nm_rc_t
nm_accept_key(nm_bytes_t header, bool has_body, nm_bytes_t body, nm_faults_t *faults, nm_bytes_t *key)
{
    *key = has_body ? body : header;
    if (!has_body || !header.size || nm_bytes_equal(header, body))
        return NM_OK;
    nm_faults_add(faults, "", "request_id", "differs from the header Idempotency-Key; give one of the two");
    return NM_ERR_REFUSED;
}

//  The one that is there already, unless it came to nothing.
static nm_rc_t
s_take_duplicate(nm_case_t *it, const nm_id_t *id, nm_accepted_t *accepted)
{
    nm_note_t note;
    nm_rc_t rc = nm_notes_get(it->txn, id, &note);
    if (rc != NM_OK)
        return rc;
    if (note.status == NM_STATUS_CANCELLED || note.status == NM_STATUS_FAILED || note.status == NM_STATUS_EXPIRED)
        return NM_ERR_MISSING;
    accepted->code = 200;
    accepted->id = *id;
    accepted->status = (nm_status_t) note.status;
    accepted->channel = (nm_channel_t) note.channel;
    accepted->created_at = note.created_at;
    return NM_OK;
}

//  Whoever it goes to first is the one whose limit counts.
static nm_rc_t
s_check_quota(nm_case_t *it, const nm_request_t *request, nm_accepted_t *accepted)
{
    nm_bytes_t address;
    nm_channel_t channel = nm_accept_address(request, &address);
    nm_rc_t rc = nm_quota_check(it, channel, address, &accepted->why);
    if (rc == NM_ERR_REFUSED) {
        accepted->code = 429;
        accepted->detail = accepted->why.detail;
    }
    return rc;
}

static nm_rc_t
s_write_new(nm_case_t *it, size_t index, const nm_request_t *request, nm_bytes_t raw, nm_accepted_t *accepted)
{
    nm_kept_t kept;
    uint8_t hash[NM_FINGERPRINT_SIZE];
    nm_id_t id;
    bool dedupe = NM_HAS(request, request, dedupe_seconds) && request->dedupe_seconds > 0;
    if (dedupe) {
        nm_rc_t rc = nm_duplicates_find(it, request, hash, &id);
        if (rc == NM_OK)
            rc = s_take_duplicate(it, &id, accepted);
        if (rc != NM_ERR_MISSING)
            return rc;
    }
    if (nm_turn_draining(it->turn)) {
        accepted->code = 503;
        accepted->detail = DETAIL_DRAINING;
        return NM_OK;
    }
    if (nm_turn_tight(it->turn)) {
        accepted->code = 507;
        accepted->detail = DETAIL_FULL;
        return NM_OK;
    }
    nm_rc_t rc = s_check_quota(it, request, accepted);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    rc = nm_copies_ensure(it, index, raw, &kept);
    if (rc == NM_ERR_REFUSED) {
        accepted->code = 503;
        accepted->detail = DETAIL_COPY;
        return NM_OK;
    }
    if (rc == NM_OK)
        rc = s_write(it, request, raw, &kept, accepted);
    if (rc == NM_OK)
        rc = nm_quota_take(it);
    return rc == NM_OK && dedupe ? nm_duplicates_keep(it, hash, &accepted->id) : rc;
}

nm_rc_t
nm_accept_one(nm_case_t *it, const nm_item_t *item, nm_idempotency_t *idempotency, nm_accepted_t *accepted)
{
    nm_gateway_t *gateway = it->gateway;
    nm_faults_t *faults = &gateway->faults;
    nm_request_t request;
    *accepted = (nm_accepted_t){ .code = 0 };
    idempotency->key = nm_bytes(NULL, 0);
    faults->count = faults->missed = 0;

    nm_bytes_t key, raw = nm_accept_fill(it, item->raw);
    bool sound = nm_record_decode(&nm_request_shape, &request, raw, faults, "") == NM_OK;
    bool in_body = NM_HAS(&request, request, request_id);
    if (nm_accept_key(item->header, in_body, request.request_id, faults, &key) != NM_OK)
        sound = false;
    if (sound && !item->keyless) {
        nm_idempotency_set(it, idempotency, key, NM_OP_CREATE, item->raw);
        nm_rc_t rc = nm_idempotency_find(it, idempotency, &accepted->first);
        if (rc == NM_OK) {
            accepted->replayed = true;
            accepted->code = (unsigned) accepted->first.status;
            return NM_OK;
        }
        if (rc == NM_ERR_REFUSED) {
            nm_faults_add(faults, "", "request_id", "was used before, with another body");
            return s_refuse(accepted, DETAIL_KEY);
        }
        if (rc != NM_ERR_MISSING)
            return rc;
    }
    nm_request_check(&request, it->now_ms, faults, "");
    nm_accept_check_mesh(gateway, &request, faults);
    if (faults->count)
        return s_refuse(accepted, DETAIL_FAULTS);
    return s_write_new(it, item->index, &request, raw, accepted);
}

//  -- Bodies

static bool
s_has_attachments(nm_bytes_t body)
{
    nm_bytes_t email, attachments;
    return nm_reader_find(body, "email", &email) == NM_OK &&
           nm_reader_find(email, "attachments", &attachments) == NM_OK;
}

static bool
s_is_map(nm_bytes_t raw)
{
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_MAP;
}

nm_rc_t
nm_accept_open(nm_case_t *it, bool batch, nm_bytes_t *key)
{
    nm_bytes_t body = it->ask->body;
    *key = nm_bytes(NULL, 0);
    if (body.size > NM_BODY_BATCH_MAX || (body.size > NM_BODY_MAX && !batch && !s_has_attachments(body))) {
        nm_answer_problem(&it->answer, 413, NULL, "The body has %zu bytes; at most %u MiB are allowed.", body.size,
                          batch || s_has_attachments(body) ? 10u : 1u);
        return NM_ERR_REFUSED;
    }
    if (!s_is_map(body)) {
        nm_answer_problem(&it->answer, 400, NULL, "The body must be an object.");
        return NM_ERR_REFUSED;
    }
    if (NM_HAS(&it->ask->headers, ask_headers, idempotency_key) &&
        nm_idempotency_key(it->ask->headers.idempotency_key, key) != NM_OK) {
        nm_answer_problem(&it->answer, 400, NULL, "The header Idempotency-Key must have 1 to 255 bytes.");
        return NM_ERR_REFUSED;
    }
    return NM_OK;
}

nm_rc_t
nm_accept_no_room(nm_case_t *it)
{
    bool draining = nm_turn_draining(it->turn);
    if (!draining && !nm_turn_tight(it->turn))
        return NM_OK;
    nm_answer_problem(&it->answer, draining ? 503 : 507, NULL, "%s", draining ? DETAIL_DRAINING : DETAIL_FULL);
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_accept_refuse_key(nm_case_t *it)
{
    nm_faults_t *faults = &it->gateway->faults;
    faults->count = faults->missed = 0;
    nm_faults_add(faults, "", "request_id", "was used before, with another body");
    return nm_answer_problem(&it->answer, 422, faults, "%s", DETAIL_KEY);
}

nm_rc_t
nm_accept_replay(nm_case_t *it, const nm_first_answer_t *first)
{
    nm_bytes_to_text(first->correlation_id, it->asker.correlation, sizeof it->asker.correlation);
    return nm_answer_with(&it->answer, (unsigned) first->status, "idempotent-replayed", "true", first->body);
}

//  -- notifications.create

void
nm_accept_pack(const nm_accepted_t *accepted, nm_buf_t *out)
{
    enum { PREFIX_SIZE = sizeof "/v1/notifications/" - 1 };
    char self[PREFIX_SIZE + NM_ID_TEXT_SIZE + 1] = "/v1/notifications/";
    char *id = self + PREFIX_SIZE;
    nm_id_to_text(&accepted->id, id);

    nm_buf_clear(out);
    nm_writer_map(out, 5u + (accepted->code == 200) + (accepted->copies ? 2 : 0));
    nm_writer_pair_text(out, "id", id);
    nm_writer_pair_text(out, "status", nm_words_text(&nm_status_words, accepted->status));
    nm_writer_pair_text(out, "channel", nm_words_text(&nm_channel_words, accepted->channel));
    nm_writer_pair_time(out, "created_at", accepted->created_at);
    if (accepted->code == 200)
        nm_writer_pair_bool(out, "deduplicated", true);
    if (accepted->copies) {
        nm_writer_pair_uint(out, "copies", accepted->copies);
        nm_writer_pair_uint(out, "hosts", accepted->hosts);
    }
    nm_writer_text(out, "links");
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "self", self);
}

nm_rc_t
nm_accept_answer(nm_case_t *it, const nm_item_t *item)
{
    nm_idempotency_t idempotency;
    nm_accepted_t accepted;
    nm_rc_t rc = nm_accept_one(it, item, &idempotency, &accepted);
    if (rc != NM_OK)
        return rc == NM_ERR_BUSY ? NM_OK : rc;
    if (accepted.replayed)
        return nm_accept_replay(it, &accepted.first);
    if (accepted.code == 429)
        return nm_answer_limited(&it->answer, &accepted.why);
    if (accepted.code >= 400)
        return nm_answer_problem(&it->answer, accepted.code, accepted.code == 422 ? &it->gateway->faults : NULL, "%s",
                                 accepted.detail);
    nm_buf_t *body = &it->gateway->body;
    nm_accept_pack(&accepted, body);
    rc = nm_idempotency_keep(it, &idempotency, accepted.code, nm_buf_bytes(body));
    return rc == NM_OK ? nm_answer(&it->answer, accepted.code, nm_buf_bytes(body)) : rc;
}

nm_rc_t
nm_op_create(nm_case_t *it)
{
    nm_item_t item = { .raw = it->ask->body };
    nm_rc_t rc = nm_accept_begin(it);
    if (rc != NM_OK)
        return rc;
    if (nm_accept_open(it, false, &item.header) != NM_OK)
        return NM_OK;
    nm_bytes_t key = nm_keyed_key(item.raw, item.header);
    rc = nm_keyed_route(it, NM_OP_CREATE, key, item.raw);
    if (rc == NM_OK)
        rc = nm_homes_route(it, key);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return nm_accept_answer(it, &item);
}
