#include "actors/gateway/copies.h"

#include "actors/gateway/accept.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/queue.h"
#include "wire/id.h"
#include "wire/trace.h"

NM_RECORD_DEFINE(awaited, NM_AWAITED_FIELDS, NULL, 0);

enum { GATEWAY_MAX = 64, ABORT_COUNT = 200 };
static const int64_t END_KEEP_MS = INT64_C(86400000);  //  No mail is on its way for longer

static nm_bytes_t
s_key(const nm_id_t *id)
{
    return nm_bytes(id->at, NM_ID_SIZE);
}

//  -- Keepers

//  The host of an end point; empty for ipc, which is this one.
static nm_bytes_t
s_host(const char *endpoint)
{
    static const char TCP[] = "tcp://";
    if (strncmp(endpoint, TCP, sizeof TCP - 1) != 0)
        return nm_bytes(NULL, 0);
    const char *host = endpoint + sizeof TCP - 1, *port = strrchr(host, ':');
    return nm_bytes(host, port ? (size_t) (port - host) : strlen(host));
}

static bool
s_is_loopback(nm_bytes_t host)
{
    return !host.size || nm_bytes_is(host, "localhost") || nm_bytes_is(host, "[::1]") ||
           (host.size > 4 && memcmp(host.at, "127.", 4) == 0);
}

static bool
s_is_elsewhere(const nm_gateway_t *self, const char *name)
{
    const nm_peer_t *own = nm_directory_gateway(self->directory, self->number);
    const nm_peer_t *other = nm_directory_find(self->directory, name);
    if (!own || !other)
        return false;
    nm_bytes_t here = s_host(own->actor.mailbox), there = s_host(other->actor.mailbox);
    return !nm_bytes_equal(here, there) && !(s_is_loopback(here) && s_is_loopback(there));
}

//  Those that are up and stay.
static size_t
s_candidates(const nm_gateway_t *self, nm_turn_t *turn, const char *names[GATEWAY_MAX])
{
    size_t kept = 0, count = nm_turn_alive(turn, NM_ROLE_GATEWAY, names, GATEWAY_MAX);
    for (size_t i = 0; i < count; i++) {
        const nm_peer_t *peer = nm_directory_find(self->directory, names[i]);
        if (peer && !peer->draining)
            names[kept++] = names[i];
    }
    return kept;
}

//  One of them, rather on another host. NULL: there is none.
static const char *
s_choose(nm_gateway_t *self, nm_turn_t *turn)
{
    const char *names[GATEWAY_MAX], *distant[GATEWAY_MAX];
    size_t count = s_candidates(self, turn, names), distant_count = 0;
    for (size_t i = 0; i < count; i++)
        if (s_is_elsewhere(self, names[i]))
            distant[distant_count++] = names[i];
    if (distant_count)
        return distant[nm_turn_random(turn) % distant_count];
    return count ? names[nm_turn_random(turn) % count] : NULL;
}

//  -- The owner's side

static nm_rc_t
s_send(nm_gateway_t *self, nm_turn_t *turn, const char *keeper, const nm_copy_t *copy, uint64_t notify)
{
    if (!nm_directory_find(self->directory, keeper))
        return NM_OK;
    nm_buf_clear(&self->work);
    nm_record_encode(&nm_copy_shape, copy, NM_BY_TAG, &self->work);
    nm_mail_out_t mail = { .peer = keeper,
                           .kind = NM_MAIL_COPY,
                           .priority = NM_PRIORITY_INSTANT,
                           .body = nm_buf_bytes(&self->work),
                           .tag = s_key(&copy->notification),
                           .notify = notify };
    return nm_turn_mail(turn, &mail);
}

static nm_rc_t
s_await(nm_case_t *it, const nm_id_t *id, const char *keeper)
{
    nm_awaited_t awaited = { .has = 0 };
    nm_buf_t *packed = &it->gateway->note;
    NM_PUT(&awaited, awaited, life, it->gateway->life);
    NM_PUT(&awaited, awaited, keeper, nm_text(keeper));
    nm_buf_clear(packed);
    nm_record_encode(&nm_awaited_shape, &awaited, NM_BY_TAG, packed);
    return nm_table_put(it->txn, &nm_awaited_table, s_key(id), nm_buf_bytes(packed));
}

//  Mails the copy and asks to be told of its receipt.
static nm_rc_t
s_make(nm_case_t *it, size_t about, nm_bytes_t request, const char *keeper)
{
    nm_copy_t copy = { .has = 0 };
    nm_id_t id;
    nm_bytes_t traceparent;
    nm_errand_t *errand = nm_errands_open(it);
    if (!errand)
        return NM_ERR_REFUSED;
    nm_turn_new_id(it->turn, &id);
    NM_PUT(&copy, copy, notification, id);
    NM_PUT(&copy, copy, service, it->who.service);
    NM_PUT(&copy, copy, correlation_id, nm_text(it->asker.correlation));
    if (nm_trace_take(it->ask->headers.traceparent, &traceparent) == NM_OK)
        NM_PUT(&copy, copy, traceparent, traceparent);
    NM_PUT(&copy, copy, request, request);
    uint64_t token = nm_errands_put_copy(it, errand, about, nm_directory_find(it->gateway->directory, keeper), &id);
    nm_rc_t rc = s_await(it, &id, keeper);
    if (rc == NM_OK)
        rc = s_send(it->gateway, it->turn, keeper, &copy, token);
    return rc == NM_OK ? NM_ERR_BUSY : rc;
}

static nm_rc_t
s_go_alone(const nm_tenant_t *tenant, nm_kept_t *kept)
{
    kept->copies = kept->hosts = 1;
    return tenant->accept_alone ? NM_OK : NM_ERR_REFUSED;
}

nm_rc_t
nm_copies_ensure(nm_case_t *it, size_t about, nm_bytes_t request, nm_kept_t *kept)
{
    const nm_tenant_t *tenant = nm_services_find(&it->gateway->services, &it->who.service);
    *kept = (nm_kept_t){ .keeper = NULL };
    if (!tenant || tenant->accept < 2)
        return NM_OK;
    nm_question_t *copy = it->errand ? nm_errands_copy(it->errand, about) : NULL;
    if (copy && copy->status == 200) {
        copy->used = kept->has_id = true;
        kept->id = copy->copy;
        kept->keeper = copy->peer->actor.name;
        kept->copies = 2;
        kept->hosts = s_is_elsewhere(it->gateway, kept->keeper) ? 2 : 1;
        return NM_OK;
    }
    //  All of one ask are made together, so that none is written while others are waited for.
    if (copy || (it->errand && it->errand->copies_before))
        return s_go_alone(tenant, kept);
    const char *keeper = s_choose(it->gateway, it->turn);
    return keeper ? s_make(it, about, request, keeper) : s_go_alone(tenant, kept);
}

//  Tells the keeper that there is nothing to keep.
static nm_rc_t
s_take_back(nm_gateway_t *self, nm_turn_t *turn, const nm_id_t *id, const char *keeper)
{
    nm_copy_t copy = { .has = 0 };
    NM_PUT(&copy, copy, notification, *id);
    NM_PUT(&copy, copy, ended, true);
    return s_send(self, turn, keeper, &copy, 0);
}

nm_rc_t
nm_copies_settle(nm_gateway_t *self, nm_turn_t *turn, nm_errand_t *errand)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; errand->copy_count && rc == NM_OK && i < errand->question_count; i++) {
        const nm_question_t *copy = &errand->questions[i];
        if (!copy->is_copy)
            continue;
        rc = nm_table_delete(nm_turn_txn(turn), &nm_awaited_table, s_key(&copy->copy));
        if (rc == NM_OK && !copy->used)
            rc = s_take_back(self, turn, &copy->copy, copy->peer->actor.name);
    }
    return rc;
}

//  The first that an earlier process waited for. NM_ERR_MISSING: there is none.
static nm_rc_t
s_find_orphan(nm_gateway_t *self, nm_txn_t *txn, nm_id_t *id, char keeper[NM_NAME_MAX + 1])
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_awaited_t awaited;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, &nm_awaited_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
        if (key.size != NM_ID_SIZE || nm_record_decode(&nm_awaited_shape, &awaited, value, NULL, "") != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        if (awaited.life == self->life)
            continue;
        memcpy(id->at, key.at, NM_ID_SIZE);
        nm_bytes_to_text(awaited.keeper, keeper, NM_NAME_MAX + 1);
        break;
    }
    nm_cursor_close(&cursor);
    return rc;
}

nm_rc_t
nm_copies_due(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_rc_t rc = NM_OK;
    nm_id_t id;
    char keeper[NM_NAME_MAX + 1];
    for (size_t i = 0; self->has_orphans && rc == NM_OK && i < ABORT_COUNT; i++) {
        rc = s_find_orphan(self, txn, &id, keeper);
        if (rc == NM_OK)
            rc = nm_table_delete(txn, &nm_awaited_table, s_key(&id));
        if (rc == NM_OK)
            rc = s_take_back(self, turn, &id, keeper);
    }
    if (rc == NM_ERR_MISSING)
        self->has_orphans = false;
    if (self->has_orphans)
        nm_turn_wake(turn, nm_turn_now(turn));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_copies_tell(nm_gateway_t *self, nm_turn_t *turn, nm_bytes_t keeper, const nm_event_t *event, const char *peer)
{
    char name[NM_NAME_MAX + 1];
    nm_event_t told = *event;
    nm_bytes_to_text(keeper, name, sizeof name);
    if (!nm_directory_find(self->directory, name))
        return NM_OK;
    if (*peer)
        NM_PUT(&told, event, holder, nm_text(peer));
    nm_buf_clear(&self->work);
    nm_record_encode(&nm_event_shape, &told, NM_BY_TAG, &self->work);
    nm_mail_out_t mail = {
        .peer = name, .kind = NM_MAIL_EVENT, .priority = NM_PRIORITY_NORMAL, .body = nm_buf_bytes(&self->work)
    };
    return nm_turn_mail(turn, &mail);
}

//  -- The keeper's side

static nm_rc_t
s_forget(nm_txn_t *txn, const nm_id_t *id, int64_t now_ms)
{
    static const nm_table_t *const TABLES[] = { &nm_copies_table, &nm_copy_contents_table };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < NM_COUNT(TABLES) && (rc == NM_OK || rc == NM_ERR_MISSING); i++)
        rc = nm_table_delete(txn, TABLES[i], s_key(id));
    if (rc == NM_OK || rc == NM_ERR_MISSING)
        rc = nm_table_put(txn, &nm_copy_ends_table, s_key(id), nm_bytes(NULL, 0));
    return rc == NM_OK ? nm_expiry_put(txn, &nm_copy_ends_table, s_key(id), now_ms + END_KEEP_MS) : rc;
}

static bool
s_is_known(nm_txn_t *txn, const nm_id_t *id)
{
    nm_bytes_t value;
    return nm_table_get(txn, &nm_copy_ends_table, s_key(id), &value) != NM_ERR_MISSING ||
           nm_table_get(txn, &nm_copies_table, s_key(id), &value) != NM_ERR_MISSING;
}

static nm_rc_t
s_keep(nm_gateway_t *self, nm_turn_t *turn, const nm_copy_t *copy)
{
    nm_txn_t *txn = nm_turn_txn(turn);
    nm_request_t request;
    nm_note_t note;
    if (nm_record_decode(&nm_request_shape, &request, copy->request, NULL, "") != NM_OK)
        return NM_ERR_MALFORMED;
    nm_origin_t origin = { .service = copy->service,
                           .created_at = nm_id_time_ms(&copy->notification),
                           .correlation_id = copy->correlation_id,
                           .traceparent = copy->traceparent };
    nm_accept_note(&origin, &request, &note);
#ifdef NM_MUTANT_KEEP_NOTHING
    return NM_OK;  //  A deliberate fault: the receipt goes out, and there is no copy
#endif
    nm_rc_t rc = nm_shelf_put(self, &nm_copy_shelf, txn, &copy->notification, &note);
    return rc == NM_OK ? nm_table_put(txn, &nm_copy_contents_table, s_key(&copy->notification), copy->request) : rc;
}

nm_rc_t
nm_copies_mail(nm_gateway_t *self, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_copy_t copy;
    nm_txn_t *txn = nm_turn_txn(turn);
    const nm_peer_t *owner = nm_directory_find(self->directory, mail->peer);
    if (nm_record_decode(&nm_copy_shape, &copy, mail->body, NULL, "") != NM_OK || !owner ||
        nm_id_gateway(&copy.notification) != owner->actor.number)
        return NM_ERR_MALFORMED;
    if (NM_HAS(&copy, copy, ended) && copy.ended)
        return s_forget(txn, &copy.notification, nm_turn_now(turn));
    if (!NM_HAS(&copy, copy, service) || !NM_HAS(&copy, copy, correlation_id) || !NM_HAS(&copy, copy, request))
        return NM_ERR_MALFORMED;
    return s_is_known(txn, &copy.notification) ? NM_OK : s_keep(self, turn, &copy);
}
