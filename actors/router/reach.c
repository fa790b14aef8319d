#include "actors/router/reach.h"

#include "broker/log.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { TIMEOUT_MS = 3000, EXPIRED_MAX = 200 };

static const size_t NO_ASK = SIZE_MAX;

//  -- Life

void
nm_reach_free(nm_reach_t *self)
{
    nm_buf_free(&self->body);
}

static void
s_forget_round(nm_reach_t *self)
{
    self->item_count = self->ask_count = self->open_count = 0;
    self->moved = self->heard = false;
    self->serial++;
}

static nm_rc_t
s_find_oldest(nm_reach_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_unreached_key_t key;
    nm_unreached_t row;
    nm_unreached_open(&cursor, txn, NULL);
    nm_rc_t rc = nm_unreached_next(&cursor, &key, &row);
    nm_cursor_close(&cursor);
    self->oldest_ms = rc == NM_OK ? nm_id_time_ms(&key.notification) : 0;
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  A store that is full undoes turn after turn: then the asks wait as well.
nm_rc_t
nm_reach_load(nm_reach_t *self, nm_turn_t *turn)
{
    self->again_ms = self->open_count ? nm_turn_now(turn) + NM_REACH_PAUSE_MS : 0;
    s_forget_round(self);
    self->count = nm_table_count(nm_turn_txn(turn), &nm_unreached_table);
    return s_find_oldest(self, nm_turn_txn(turn));
}

nm_rc_t
nm_reach_add(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *notification, const nm_unreached_t *row, nm_bytes_t work)
{
    if (!self->away)
        self->again_ms = 0;
    self->count++;
    return nm_unreached_add(nm_turn_txn(turn), notification, row, work);
}

static nm_rc_t
s_take(nm_reach_t *self, nm_turn_t *turn, const nm_unreached_key_t *key, const nm_recipients_t *reached)
{
    nm_bytes_t work;
    nm_rc_t rc = nm_unreached_take(nm_turn_txn(turn), key, &work);
    if (rc != NM_OK)
        return rc;
    self->count--;
    return self->take(self->arg, turn, work, reached);
}

//  -- Asking

static bool
s_is_named(const nm_reach_t *self, const nm_reach_item_t *item)
{
    for (const nm_reach_item_t *other = self->items; other < item; other++)
        if (!other->done && other->ask == item->ask && nm_id_equal(&other->user, &item->user))
            return true;
    return false;
}

//  One ask about all items that have this number. peer NULL: to whoever is there.
static void
s_ask(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *service, size_t number, const char *peer)
{
    char text[NM_ID_TEXT_SIZE + 1];
    size_t count = 0;
    nm_buf_clear(&self->body);
    nm_writer_map(&self->body, 2);
    nm_writer_pair_id(&self->body, "service", service);
    nm_writer_text(&self->body, "ids");
    size_t mark = nm_writer_list_open(&self->body);
    for (size_t i = 0; i < self->item_count; i++) {
        const nm_reach_item_t *item = &self->items[i];
        if (item->done || item->ask != number || s_is_named(self, item))
            continue;
        nm_id_to_text(&item->user, text);
        nm_writer_text(&self->body, text);
        count++;
    }
    nm_writer_list_close(&self->body, mark, count);
    nm_turn_ask(turn, NM_ROLE_USER, peer, "users.reach", nm_buf_bytes(&self->body), TIMEOUT_MS,
                (uint64_t) self->serial << 32 | number);
    self->open_count++;
}

//  The owner of the accounts, if it is there: its word is the latest. Else whoever is.
static const char *
s_whom(const nm_reach_t *self, nm_turn_t *turn)
{
    return self->owner[0] && nm_turn_is_alive(turn, self->owner) ? self->owner : NULL;
}

static void
s_ask_for(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *service)
{
    size_t number = self->ask_count++;
    for (size_t i = 0; i < self->item_count; i++)
        if (self->items[i].ask == NO_ASK && nm_id_equal(&self->items[i].service, service))
            self->items[i].ask = number;
    s_ask(self, turn, service, number, s_whom(self, turn));
}

//  The next rows behind `at`; after the last one it begins with the first.
static nm_rc_t
s_gather(nm_reach_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_unreached_t row;
    nm_unreached_key_t key = self->at;
    nm_rc_t rc = NM_OK;
    nm_unreached_open(&cursor, txn, &self->at);
    while (self->item_count < NM_REACH_MAX && (rc = nm_unreached_next(&cursor, &key, &row)) == NM_OK)
        self->items[self->item_count++] =
            (nm_reach_item_t){ .key = key, .service = row.service, .user = row.user, .ask = NO_ASK };
    nm_cursor_close(&cursor);
    self->at = rc == NM_OK ? key : (nm_unreached_key_t){ .number = 0 };
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_begin(nm_reach_t *self, nm_turn_t *turn)
{
    s_forget_round(self);
    nm_rc_t rc = s_gather(self, nm_turn_txn(turn));
    if (rc == NM_OK && !self->item_count)
        rc = s_gather(self, nm_turn_txn(turn));
    for (size_t i = 0; rc == NM_OK && i < self->item_count; i++)
        if (self->items[i].ask == NO_ASK)
            s_ask_for(self, turn, &self->items[i].service);
    self->first_count = self->ask_count;
    return rc;
}

static void
s_end(nm_reach_t *self, nm_turn_t *turn)
{
    self->away = !self->heard;
    self->failures = self->moved ? 0 : self->failures + 1;
    int64_t pause_ms = 0;
    for (unsigned i = 0; i < self->failures && pause_ms < NM_REACH_PAUSE_MAX_MS; i++)
        pause_ms = pause_ms ? 2 * pause_ms : NM_REACH_PAUSE_MS;
    if (pause_ms > NM_REACH_PAUSE_MAX_MS)
        pause_ms = NM_REACH_PAUSE_MAX_MS;
    self->again_ms = nm_turn_now(turn) + pause_ms;
    if (self->failures == 1)
        nm_log(NM_LOG_WARNING, "users_unreached",
               "no user actor says where users are reached; %llu notifications wait for it",
               (unsigned long long) self->count);
    s_forget_round(self);
}

//  -- Answers

typedef struct {
    nm_bytes_t users;  //  A list of maps
    bool sure;
} answer_t;

static bool
s_read_answer(nm_reach_t *self, const nm_reply_in_t *reply, answer_t *answer)
{
    nm_list_t list;
    if (reply->status != 200 || nm_reader_find(reply->body, "users", &answer->users) != NM_OK ||
        nm_list_open(&list, answer->users) != NM_OK)
        return false;
    answer->sure = nm_reader_find_flag(reply->body, "sure");
    nm_bytes_to_text(nm_reader_find_text(reply->body, "owner"), self->owner, sizeof self->owner);
    return true;
}

static void
s_put_address(nm_bytes_t user, const char *name, size_t field, nm_bytes_t *address, nm_recipients_t *reached)
{
    *address = nm_reader_find_text(user, name);
    if (address->size)
        reached->has |= UINT64_C(1) << field;
}

static bool
s_find_user(nm_bytes_t users, const nm_id_t *id, nm_recipients_t *reached)
{
    nm_list_t list;
    nm_bytes_t user;
    nm_id_t found;
    *reached = (nm_recipients_t){ .has = 0 };
    nm_rc_t rc = nm_list_open(&list, users);
    while (rc == NM_OK && (rc = nm_list_next(&list, &user)) == NM_OK) {
        if (nm_id_from_text(nm_reader_find_text(user, "id"), &found) != NM_OK || !nm_id_equal(&found, id))
            continue;
        s_put_address(user, "email", NM_AT_recipients_email, &reached->email, reached);
        s_put_address(user, "phone", NM_AT_recipients_phone, &reached->phone, reached);
        return true;
    }
    return false;
}

//  Hands on what the answer says something about. missing: how many it says nothing about.
static nm_rc_t
s_take_answer(nm_reach_t *self, nm_turn_t *turn, size_t ask, const answer_t *answer, size_t *missing)
{
    nm_recipients_t reached;
    for (size_t i = 0; i < self->item_count; i++) {
        nm_reach_item_t *item = &self->items[i];
        if (item->ask != ask || item->done)
            continue;
        bool found = s_find_user(answer->users, &item->user, &reached);
        if (!found && !answer->sure) {
            ++*missing;
            continue;
        }
        item->done = self->moved = true;
        nm_rc_t rc = s_take(self, turn, &item->key, &reached);
        if (rc != NM_OK && rc != NM_ERR_MISSING)  //  Taken back or expired meanwhile
            return rc;
    }
    return NM_OK;
}

//  If the one who is said to be the owner is not sure either, it is asked about in a later round.
static void
s_ask_owner(nm_reach_t *self, nm_turn_t *turn, size_t ask, const nm_reply_in_t *reply)
{
    const nm_id_t *service = NULL;
    if (ask >= self->first_count || !self->owner[0] || strcmp(self->owner, reply->peer) == 0)
        return;
    size_t number = self->ask_count++;
    for (size_t i = 0; i < self->item_count; i++) {
        nm_reach_item_t *item = &self->items[i];
        if (item->ask != ask || item->done)
            continue;
        item->ask = number;
        service = &item->service;
    }
    s_ask(self, turn, service, number, self->owner);
}

nm_rc_t
nm_reach_reply(nm_reach_t *self, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    answer_t answer;
    size_t ask = (uint32_t) reply->token, missing = 0;
    if (reply->token >> 32 != self->serial || !self->open_count)
        return NM_OK;
    self->open_count--;
    if (s_read_answer(self, reply, &answer)) {
        self->heard = true;
        nm_rc_t rc = s_take_answer(self, turn, ask, &answer, &missing);
        if (rc != NM_OK)
            return rc;
        if (missing)
            s_ask_owner(self, turn, ask, reply);
    }
    if (!self->open_count)
        s_end(self, turn);
    return NM_OK;
}

//  -- Time

static nm_rc_t
s_expire(nm_reach_t *self, nm_turn_t *turn)
{
    static const nm_recipients_t NOWHERE;
    nm_unreached_key_t key;
    int64_t at_ms;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < EXPIRED_MAX; i++) {
        rc = nm_unreached_first_end(nm_turn_txn(turn), &key, &at_ms);
        if (rc == NM_OK && at_ms > nm_turn_now(turn)) {
            nm_turn_wake(turn, at_ms);
            return NM_OK;
        }
        if (rc == NM_OK)
            rc = s_take(self, turn, &key, &NOWHERE);
    }
    if (rc == NM_OK)
        nm_turn_wake(turn, nm_turn_now(turn));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static bool
s_is_there(nm_turn_t *turn)
{
    const char *name;
    return nm_turn_alive(turn, NM_ROLE_USER, &name, 1) > 0;
}

//  Who leaves asks nothing more: what waits is there at the next start. Who leaves for good asks until nothing waits.
static nm_rc_t
s_go_on(nm_reach_t *self, nm_turn_t *turn)
{
    if (self->open_count || !self->count || (nm_turn_leaving(turn) && !nm_turn_draining(turn)))
        return NM_OK;
    if (self->again_ms > nm_turn_now(turn)) {
        nm_turn_wake(turn, self->again_ms);
        return NM_OK;
    }
    return s_begin(self, turn);
}

nm_rc_t
nm_reach_due(nm_reach_t *self, nm_turn_t *turn)
{
    bool there = s_is_there(turn);
    if (there && !self->there)
        self->again_ms = 0;
    self->there = there;
    if (!self->count) {
        self->oldest_ms = 0;
        return NM_OK;
    }
    nm_rc_t rc = s_expire(self, turn);
    if (rc == NM_OK)
        rc = s_go_on(self, turn);
    return rc == NM_OK ? s_find_oldest(self, nm_turn_txn(turn)) : rc;
}

//  -- Taking back, and telling what is here

nm_rc_t
nm_reach_withdraw(nm_reach_t *self, nm_turn_t *turn, const nm_id_t *notification, nm_bytes_t *work)
{
    nm_cursor_t cursor;
    nm_unreached_key_t key;
    nm_unreached_t row;
    if (!self->count)
        return NM_ERR_MISSING;
    nm_unreached_open_of(&cursor, nm_turn_txn(turn), notification);
    nm_rc_t rc = nm_unreached_next(&cursor, &key, &row);
    nm_cursor_close(&cursor);
    if (rc == NM_OK && NM_HAS(&row, unreached, skip))
        return NM_ERR_BUSY;
    if (rc == NM_OK)
        rc = nm_unreached_take(nm_turn_txn(turn), &key, work);
    if (rc == NM_OK)
        self->count--;
    return rc;
}

nm_rc_t
nm_reach_holds(void *self_, nm_turn_t *turn, nm_held_t *held)
{
    const nm_reach_t *self = self_;
    nm_cursor_t cursor;
    nm_unreached_key_t key;
    nm_unreached_t row;
    nm_rc_t rc = NM_ERR_MISSING;
    if (!self->count)
        return NM_OK;
    nm_unreached_open_of(&cursor, nm_turn_txn(turn), &held->notification);
    while ((rc = nm_unreached_next(&cursor, &key, &row)) == NM_OK)
        for (size_t i = 0; i < NM_HELD_SIZE; i++)
            held->numbers[i] |= i < row.skip.size ? (uint8_t) ~row.skip.at[i] : UINT8_MAX;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}
