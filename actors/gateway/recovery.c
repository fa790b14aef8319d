#include "actors/gateway/recovery.h"

#include "actors/gateway/ops.h"
#include "actors/gateway/suspects.h"
#include "actors/gateway/tables.h"
#include "actors/owner/owner.h"
#include "broker/log.h"
#include "wire/id.h"
#include "wire/writer.h"

enum {
    WALK_COUNT = 500,  //  Notes looked at in a turn
};

//  Of all notifications rather than of what one actor had.
static const char EVERYTHING[] = "*";

typedef enum { PHASE_ADOPT, PHASE_WALK, PHASE_OUTBOX, PHASE_ASK, PHASE_DONE } phase_t;

#define NM_RECOVERING_FIELDS(F, R)                                     \
    F(R, 1, role, UINT, 255, MUST, NULL, "Of the one that is lost")    \
    F(R, 2, phase, UINT, 255, MUST, NULL, "What is being done")        \
    F(R, 3, at, ID, 0, MUST, NULL, "How far a walk over ids has come") \
    F(R, 4, lost_at, TIME, 0, MAY, NULL, "Which loss of the name: when that was said")
NM_RECORD_DECLARE(recovering, NM_RECOVERING_FIELDS);
NM_RECORD_DEFINE(recovering, NM_RECOVERING_FIELDS, NULL, 0);

static nm_bytes_t
s_key(const nm_id_t *id)
{
    return nm_bytes(id->at, NM_ID_SIZE);
}

void
nm_recovery_free(nm_recovery_t *self)
{
    free(self->peers);
    *self = (nm_recovery_t){ .active = false };
}

//  -- Rows

static nm_rc_t
s_put_row(nm_txn_t *txn, const char *name, nm_recovering_t *row, int64_t lost_ms)
{
    nm_buf_t packed = { 0 };
    if (lost_ms)
        NM_PUT(row, recovering, lost_at, lost_ms);
    nm_record_encode(&nm_recovering_shape, row, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_table_put(txn, &nm_recoveries_table, nm_text(name), nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    return rc;
}

//  Where the one under way stands.
static nm_rc_t
s_save(const nm_recovery_t *recovery, nm_txn_t *txn)
{
    nm_recovering_t row = { .has = 0 };
    NM_PUT(&row, recovering, role, recovery->role);
    NM_PUT(&row, recovering, phase, recovery->phase);
    NM_PUT(&row, recovering, at, recovery->at);
    return s_put_row(txn, recovery->name, &row, recovery->lost_ms);
}

static nm_rc_t
s_enter(nm_gateway_t *self, nm_turn_t *turn, phase_t phase)
{
    nm_recovery_t *recovery = &self->recovery;
    recovery->phase = phase;
    memset(recovery->at.at, 0, NM_ID_SIZE);
    recovery->active = phase != PHASE_DONE;
    recovery->loaded = recovery->active;  //  Else there may be another row
    if (phase == PHASE_DONE)
        nm_log(NM_LOG_INFO, "recovered", "All that %s had is accounted for; %llu notifications were sent again.",
               recovery->name, (unsigned long long) recovery->redriven_count);
    nm_turn_wake(turn, nm_turn_now(turn));
    return s_save(recovery, nm_turn_txn(turn));
}

static nm_rc_t
s_begin(nm_gateway_t *self, nm_turn_t *turn, const char *name, nm_role_id_t role, int64_t lost_ms)
{
    static const nm_id_t START;
    nm_recovering_t row = { .has = 0 };
    NM_PUT(&row, recovering, role, role);
    NM_PUT(&row, recovering, phase, role == NM_ROLE_GATEWAY ? PHASE_ADOPT : PHASE_WALK);
    NM_PUT(&row, recovering, at, START);
    self->recovery.loaded = false;
    nm_suspects_drop(&self->recovery);
    nm_turn_wake(turn, nm_turn_now(turn));
    return s_put_row(nm_turn_txn(turn), name, &row, lost_ms);
}

//  NM_ERR_MISSING: there is none.
static nm_rc_t
s_get_row(nm_txn_t *txn, const char *name, nm_recovering_t *row)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_recoveries_table, nm_text(name), &value);
    if (rc != NM_OK)
        return rc;
    return nm_record_decode(&nm_recovering_shape, row, value, NULL, "") == NM_OK ? NM_OK : NM_ERR_CORRUPT;
}

//  Is anything unfinished that was there before? Ids begin with their time.
static bool
s_is_older(nm_txn_t *txn, int64_t lost_ms)
{
    enum { SKEW_MS = 60000 };  //  The operator's clock and ours
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_id_t id;
    nm_cursor_open(&cursor, txn, &nm_contents_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    bool found = nm_cursor_next(&cursor, &key, NULL) == NM_OK && key.size == NM_ID_SIZE;
    if (found)
        memcpy(id.at, key.at, NM_ID_SIZE);
    nm_cursor_close(&cursor);
    return found && nm_id_time_ms(&id) <= lost_ms + SKEW_MS;
}

//  One that came and went while we heard nothing may have had work of ours: others knew it.
static bool
s_matters(nm_txn_t *txn, const nm_peer_t *peer)
{
    switch (peer->actor.role) {
    case NM_ROLE_GATEWAY:
    case NM_ROLE_ROUTER:
    case NM_ROLE_EMAIL:
    case NM_ROLE_PUSH:
    case NM_ROLE_SMS: return true;
    case NM_ROLE_NONE: return s_is_older(txn, peer->lost_ms);
    default: return false;
    }
}

nm_rc_t
nm_recovery_forgotten(nm_gateway_t *self, nm_turn_t *turn, const nm_peer_t *peer)
{
    nm_recovering_t row;
    const char *name = peer->actor.name;
    nm_role_id_t role = peer->actor.role;
    bool matters = s_matters(nm_turn_txn(turn), peer);
    nm_rc_t rc = matters ? s_get_row(nm_turn_txn(turn), name, &row) : NM_OK;
    bool earlier = rc == NM_OK && matters && NM_HAS(&row, recovering, lost_at) && row.lost_at < peer->lost_ms;
    if (rc != NM_ERR_MISSING && !earlier)
        return rc;
    nm_log(NM_LOG_WARNING, "recovering", "%s is lost: what it had is accounted for and sent again.", name);
    return s_begin(self, turn, name, role, peer->lost_ms);
}

nm_rc_t
nm_recovery_may_inherit(nm_txn_t *txn, const char *name, bool *open)
{
    nm_recovering_t row;
    nm_rc_t rc = s_get_row(txn, name, &row);
    *open = rc == NM_ERR_MISSING || (rc == NM_OK && row.phase == PHASE_ADOPT);  //  Missing: heard of in this turn
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_recovery_may_have_sent(nm_txn_t *txn, bool *may)
{
    nm_recovering_t row;
    nm_cursor_t cursor;
    nm_bytes_t value;
    nm_rc_t rc = NM_OK;
    *may = false;
    nm_cursor_open(&cursor, txn, &nm_recoveries_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (!*may && rc == NM_OK && (rc = nm_cursor_next(&cursor, NULL, &value)) == NM_OK) {
        if (nm_record_decode(&nm_recovering_shape, &row, value, NULL, "") != NM_OK)
            rc = NM_ERR_CORRUPT;
        else
            *may = row.phase < PHASE_DONE && row.role != NM_ROLE_ROUTER;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  The first row that is not done.
static nm_rc_t
s_load_row(nm_gateway_t *self, nm_txn_t *txn)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_recovering_t row;
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    recovery->active = false;
    nm_cursor_open(&cursor, txn, &nm_recoveries_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while (!recovery->active && (rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
        if (nm_record_decode(&nm_recovering_shape, &row, value, NULL, "") != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        if (row.phase >= PHASE_DONE)
            continue;
        recovery->active = true;
        nm_bytes_to_text(key, recovery->name, sizeof recovery->name);
        recovery->role = (nm_role_id_t) row.role;
        recovery->lost_ms = NM_HAS(&row, recovering, lost_at) ? row.lost_at : 0;
        recovery->phase = (unsigned) row.phase;
        recovery->at = row.at;
    }
    nm_cursor_close(&cursor);
    recovery->loaded = rc == NM_OK || rc == NM_ERR_MISSING;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_recovery_load(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_recovery_t *recovery = &self->recovery;
    recovery->loaded = false;
    nm_suspects_drop(recovery);
    recovery->suspect_count = nm_table_count(nm_turn_txn(turn), &nm_suspects_table);
    nm_turn_wake(turn, nm_turn_now(turn));
    return NM_OK;
}

//  -- Walks

//  Ids of a table from `at` on, at most WALK_COUNT. done: there are no more.
static nm_rc_t
s_gather(nm_txn_t *txn, const nm_table_t *table, nm_id_t *at, nm_id_t *ids, size_t *count, bool *done)
{
    nm_cursor_t cursor;
    nm_bytes_t key;
    nm_rc_t rc = NM_OK;
    *count = 0;
    nm_cursor_open(&cursor, txn, table, nm_bytes(NULL, 0), s_key(at), false);
    while (*count < WALK_COUNT && (rc = nm_cursor_next(&cursor, &key, NULL)) == NM_OK) {
        if (key.size != NM_ID_SIZE) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        memcpy(ids[(*count)++].at, key.at, NM_ID_SIZE);
    }
    nm_cursor_close(&cursor);
    *done = rc == NM_ERR_MISSING;
    if (rc != NM_OK && rc != NM_ERR_MISSING)
        return rc;
    if (*count) {  //  The next walk begins behind the last one
        *at = ids[*count - 1];
        for (size_t i = NM_ID_SIZE; i-- > 0 && ++at->at[i] == 0;)
            ;
    }
    return NM_OK;
}

static bool
s_is_of_lost(const nm_gateway_t *self, const nm_id_t *id)
{
    const nm_peer_t *lost = nm_directory_find(self->directory, self->recovery.name);
    return lost && nm_id_gateway(id) == lost->actor.number && nm_owner_is_lost(lost, id);
}

static nm_rc_t
s_adopt(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_id_t ids[WALK_COUNT];
    size_t count;
    bool done;
    nm_rc_t rc = s_gather(nm_turn_txn(turn), &nm_copies_table, &recovery->at, ids, &count, &done);
    for (size_t i = 0; rc == NM_OK && i < count; i++)
        if (s_is_of_lost(self, &ids[i]))
            rc = nm_notes_adopt(self, turn, &ids[i]);
    if (rc != NM_OK)
        return rc;
    nm_turn_wake(turn, nm_turn_now(turn));
    return done ? s_enter(self, turn, PHASE_WALK) : s_save(recovery, nm_turn_txn(turn));
}

//  Everything is asked about if the events of it may be lost.
static bool
s_is_doubted(const nm_gateway_t *self, const nm_id_t *id)
{
    return strcmp(self->recovery.name, EVERYTHING) == 0 ||
           (self->recovery.role == NM_ROLE_GATEWAY && s_is_of_lost(self, id));
}

//  Contents are there for unfinished ones alone. After a gateway was lost only what it had is looked at: ours
//  never passed through it.
static nm_rc_t
s_walk(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_id_t ids[WALK_COUNT];
    size_t count;
    bool done;
    nm_rc_t rc = s_gather(nm_turn_txn(turn), &nm_contents_table, &recovery->at, ids, &count, &done);
    for (size_t i = 0; rc == NM_OK && i < count; i++)
        if (recovery->role != NM_ROLE_GATEWAY || s_is_of_lost(self, &ids[i]))
            rc = nm_suspects_look_at(self, turn, &ids[i], !s_is_doubted(self, &ids[i]));
    if (rc != NM_OK)
        return rc;
    nm_turn_wake(turn, nm_turn_now(turn));
    return done ? s_enter(self, turn, PHASE_OUTBOX) : s_save(recovery, nm_turn_txn(turn));
}

static nm_rc_t
s_clear_ours(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_rc_t rc = nm_suspects_clear_ours(self, turn);
    return rc == NM_OK ? s_enter(self, turn, PHASE_ASK) : rc;
}

static nm_rc_t
s_look_for_rest(nm_gateway_t *self, nm_turn_t *turn)
{
    bool none;
    nm_rc_t rc = nm_suspects_due(self, turn, &none);
    return rc == NM_OK && none ? s_enter(self, turn, PHASE_DONE) : rc;
}

nm_rc_t
nm_recovery_due(nm_gateway_t *self, nm_turn_t *turn)
{
    nm_recovery_t *recovery = &self->recovery;
    nm_rc_t rc = NM_OK;
    if (!recovery->loaded)
        rc = s_load_row(self, nm_turn_txn(turn));
    if (rc != NM_OK || !recovery->active)
        return rc;
    switch (recovery->phase) {
    case PHASE_ADOPT: return s_adopt(self, turn);
    case PHASE_WALK: return s_walk(self, turn);
    case PHASE_OUTBOX: return s_clear_ours(self, turn);
    default: return s_look_for_rest(self, turn);
    }
}

//  -- notifications.account

nm_rc_t
nm_op_account(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    nm_rc_t rc = s_begin(it->gateway, it->turn, EVERYTHING, NM_ROLE_NONE, 0);
    if (rc != NM_OK)
        return rc;
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_pair_text(body, "status", "begun");
    return nm_answer(&it->answer, 202, nm_buf_bytes(body));
}
