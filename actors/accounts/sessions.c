#include "actors/accounts/sessions.h"

#include <sodium.h>

#include "lmdb_store/book.h"
#include "wire/id.h"

#define SIGNING "signing/"
#define OUT "out/"
#define USER "user/"

enum {
    VOID_MAX = 65000,        //  Of the NM_BOOK_ENTRY_MAX entries: signing keys always find room
    VOID_TOKEN_MAX = 60000,  //  Tokens end by themselves; an account that is changed or deleted needs its place
    TIDY_COUNT = 500,        //  Entries forgotten in a turn
    ENTRY_SIZE = 64,
};

//  How far ahead a token may be dated. Those who check it forgive more (jwt.h), and their clocks are not quite ours.
static const int64_t AHEAD_MS = 20000;

NM_RECORD_DEFINE(signing_key, NM_SIGNING_KEY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(sign_out, NM_SIGN_OUT_FIELDS, NULL, 0);

//  -- In memory

static size_t
s_place(const nm_voids_t *self, const nm_id_t *id)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(self->at[middle].id.at, id->at, NM_ID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const nm_void_t *
s_find_void(const nm_voids_t *self, const nm_id_t *id)
{
    size_t at = s_place(self, id);
    return at < self->count && nm_id_equal(&self->at[at].id, id) ? &self->at[at] : NULL;
}

//  One that is not there.
static void
s_keep_void(nm_sessions_t *sessions, nm_voids_t *self, const nm_void_t *item)
{
    size_t at = s_place(self, &item->id);
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->at = nm_realloc(self->at, self->room * sizeof *self->at);
    }
    memmove(self->at + at + 1, self->at + at, (self->count - at) * sizeof *self->at);
    self->count++;
    self->at[at] = *item;
    nm_portions_take(&sessions->portions, &item->service);
}

static void
s_drop_void(nm_sessions_t *sessions, nm_voids_t *self, const nm_id_t *id)
{
    size_t at = s_place(self, id);
    if (at == self->count || !nm_id_equal(&self->at[at].id, id))
        return;
    nm_portions_give(&sessions->portions, &self->at[at].service);
    self->count--;
    memmove(self->at + at, self->at + at + 1, (self->count - at) * sizeof *self->at);
}

static nm_signer_t *
s_find_signer(const nm_sessions_t *self, const nm_id_t *id)
{
    for (size_t i = 0; i < self->signer_count; i++)
        if (nm_id_equal(&self->signers[i].jwt.id, id))
            return &self->signers[i];
    return NULL;
}

static void
s_keep_signer(nm_sessions_t *self, const nm_signer_t *signer)
{
    nm_signer_t *place = s_find_signer(self, &signer->jwt.id);
    if (!place) {
        if (self->signer_count == self->signer_room) {
            self->signer_room = self->signer_room ? 2 * self->signer_room : 4;
            self->signers = nm_realloc(self->signers, self->signer_room * sizeof *self->signers);
        }
        place = &self->signers[self->signer_count++];
    }
    *place = *signer;
}

static void
s_drop_signer(nm_sessions_t *self, const nm_id_t *id)
{
    nm_signer_t *place = s_find_signer(self, id);
    if (place)
        *place = self->signers[--self->signer_count];
}

//  -- The book

static nm_bytes_t
s_entry(const char *prefix, const nm_id_t *id, char out[ENTRY_SIZE])
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(id, text);
    snprintf(out, ENTRY_SIZE, "%s%s", prefix, text);
    return nm_text(out);
}

//  Does the entry stand under the prefix, and for which id?
static bool
s_is_entry(nm_bytes_t entry, const char *prefix, nm_id_t *id)
{
    size_t size = strlen(prefix);
    return entry.size == size + NM_ID_TEXT_SIZE && memcmp(entry.at, prefix, size) == 0 &&
           nm_id_from_text(nm_bytes(entry.at + size, NM_ID_TEXT_SIZE), id) == NM_OK;
}

static nm_rc_t
s_take_signer(nm_sessions_t *self, nm_bytes_t value)
{
    nm_signing_key_t record;
    nm_signer_t signer = { .expires_ms = INT64_MAX };
    if (nm_record_decode(&nm_signing_key_shape, &record, value, NULL, "") != NM_OK ||
        record.key.size != NM_JWT_KEY_SIZE)
        return NM_ERR_CORRUPT;
    signer.jwt.id = record.id;
    signer.jwt.algorithm = (nm_jwt_algorithm_t) record.algorithm;
    memcpy(signer.jwt.key, record.key.at, NM_JWT_KEY_SIZE);
    signer.created_ms = record.created_at;
    if (NM_HAS(&record, signing_key, expires_at))
        signer.expires_ms = record.expires_at;
    s_keep_signer(self, &signer);
    return NM_OK;
}

static nm_rc_t
s_take_void(nm_sessions_t *self, nm_voids_t *voids, const nm_id_t *id, nm_bytes_t value)
{
    nm_sign_out_t record;
    if (nm_record_decode(&nm_sign_out_shape, &record, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    nm_void_t item = { .id = *id, .before_ms = record.before, .expires_ms = record.expires_at };
    if (NM_HAS(&record, sign_out, service))
        item.service = record.service;
    s_keep_void(self, voids, &item);
    return NM_OK;
}

//  gone: the entry is there no more.
static nm_rc_t
s_take(nm_sessions_t *self, nm_bytes_t entry, nm_bytes_t value, bool gone)
{
    nm_id_t id;
    nm_voids_t *voids;
    self->changes++;
    if (s_is_entry(entry, SIGNING, &id)) {
        if (!gone)
            return s_take_signer(self, value);
        s_drop_signer(self, &id);
        return NM_OK;
    }
    if (s_is_entry(entry, OUT, &id))
        voids = &self->tokens;
    else if (s_is_entry(entry, USER, &id))
        voids = &self->users;
    else
        return NM_OK;
    s_drop_void(self, voids, &id);
    return gone ? NM_OK : s_take_void(self, voids, &id, value);
}

nm_rc_t
nm_sessions_changed(nm_sessions_t *self, nm_txn_t *txn, nm_bytes_t entry)
{
    nm_bytes_t value = { 0 };
    nm_rc_t rc = nm_book_get(txn, NM_SESSIONS_BOOK, entry, &value);
    return rc == NM_OK || rc == NM_ERR_MISSING ? s_take(self, entry, value, rc == NM_ERR_MISSING) : rc;
}

nm_rc_t
nm_sessions_load(nm_sessions_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t entry, value;
    nm_rc_t rc;
    self->signer_count = self->tokens.count = self->users.count = 0;
    nm_portions_clear(&self->portions);
    nm_book_open(&cursor, txn, NM_SESSIONS_BOOK, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_book_next(&cursor, &entry, &value)) == NM_OK)
        if ((rc = s_take(self, entry, value, false)) != NM_OK)
            break;
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

void
nm_sessions_free(nm_sessions_t *self)
{
    if (self->signers)
        sodium_memzero(self->signers, self->signer_room * sizeof *self->signers);
    free(self->signers);
    free(self->tokens.at);
    free(self->users.at);
    nm_portions_free(&self->portions);
    *self = (nm_sessions_t){ 0 };
}

//  -- Checking

typedef struct {
    const nm_sessions_t *sessions;
    const nm_signer_t **signer;
} look_t;

static const nm_jwt_key_t *
s_find_key(const void *arg, const nm_id_t *id)
{
    const look_t *look = arg;
    *look->signer = s_find_signer(look->sessions, id);
    return *look->signer ? &(*look->signer)->jwt : NULL;
}

nm_jwt_verdict_t
nm_sessions_check(const nm_sessions_t *self, nm_bytes_t token, const char *mesh, int64_t now_ms,
                  nm_jwt_claims_t *claims)
{
    const nm_signer_t *signer;
    look_t look = { self, &signer };
    nm_jwt_verdict_t verdict = nm_jwt_check(token, s_find_key, &look, mesh, now_ms, claims);
    if (verdict != NM_JWT_GOOD)
        return verdict;
    if (claims->expires_ms > signer->expires_ms)
        claims->expires_ms = signer->expires_ms;
    if (claims->expires_ms <= now_ms)
        return NM_JWT_OLD;
    const nm_void_t *user = s_find_void(&self->users, &claims->user);
    bool out = s_find_void(&self->tokens, &claims->token) || (user && claims->issued_ms < user->before_ms);
    return out ? NM_JWT_OLD : NM_JWT_GOOD;
}

int64_t
nm_sessions_issue_ms(const nm_sessions_t *self, const nm_id_t *user, int64_t now_ms)
{
    const nm_void_t *item = s_find_void(&self->users, user);
    int64_t issue_ms = now_ms - now_ms % 1000;
    return item && item->before_ms > issue_ms ? item->before_ms : issue_ms;
}

//  -- Changing

static nm_rc_t
s_put(nm_turn_t *turn, nm_bytes_t entry, const nm_shape_t *shape, const void *record)
{
    nm_buf_t packed = { 0 };
    nm_record_encode(shape, record, NM_BY_TAG, &packed);
    nm_rc_t rc = nm_turn_book_put(turn, NM_SESSIONS_BOOK, entry, nm_buf_bytes(&packed));
    sodium_memzero(packed.at, packed.size);
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_sessions_put_signer(nm_turn_t *turn, const nm_signer_t *signer)
{
    char entry[ENTRY_SIZE];
    nm_signing_key_t record = { .has = 0 };
    NM_PUT(&record, signing_key, id, signer->jwt.id);
    NM_PUT(&record, signing_key, algorithm, (uint8_t) signer->jwt.algorithm);
    NM_PUT(&record, signing_key, key, nm_bytes(signer->jwt.key, NM_JWT_KEY_SIZE));
    NM_PUT(&record, signing_key, created_at, signer->created_ms);
    if (signer->expires_ms != INT64_MAX)
        NM_PUT(&record, signing_key, expires_at, signer->expires_ms);
    return s_put(turn, s_entry(SIGNING, &signer->jwt.id, entry), &nm_signing_key_shape, &record);
}

static nm_rc_t
s_void(nm_turn_t *turn, const char *prefix, const nm_void_t *item)
{
    char entry[ENTRY_SIZE];
    nm_sign_out_t record = { .has = 0 };
    NM_PUT(&record, sign_out, before, item->before_ms);
    NM_PUT(&record, sign_out, expires_at, item->expires_ms);
    NM_PUT(&record, sign_out, service, item->service);
    return s_put(turn, s_entry(prefix, &item->id, entry), &nm_sign_out_shape, &record);
}

nm_rc_t
nm_sessions_void_token(const nm_sessions_t *self, nm_turn_t *turn, const nm_jwt_claims_t *claims)
{
    nm_void_t item = { claims->token, claims->service, claims->expires_ms, claims->expires_ms };
    if (self->portions.total >= VOID_TOKEN_MAX || !nm_portions_may(&self->portions, &item.service, VOID_MAX))
        return NM_ERR_FULL;
    return s_void(turn, OUT, &item);
}

//  Tokens count in whole seconds: one of this very second is void too, and the next one is issued in the next.
nm_rc_t
nm_sessions_void_user(const nm_sessions_t *self, nm_turn_t *turn, const nm_id_t *service, const nm_id_t *user)
{
    int64_t before_ms = nm_sessions_issue_ms(self, user, nm_turn_now(turn)) + 1000;
    nm_void_t item = { *user, *service, before_ms, before_ms + NM_JWT_LIFE_MS };
    if (before_ms > nm_turn_now(turn) + AHEAD_MS)
        return NM_ERR_BUSY;
    if (!s_find_void(&self->users, user) && !nm_portions_may(&self->portions, service, VOID_MAX))
        return NM_ERR_FULL;
    return s_void(turn, USER, &item);
}

static nm_rc_t
s_tidy_voids(nm_voids_t *voids, const char *prefix, nm_turn_t *turn, size_t *left)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = voids->count; rc == NM_OK && i-- > 0 && *left;) {
        char entry[ENTRY_SIZE];
        if (voids->at[i].expires_ms > nm_turn_now(turn))
            continue;
        --*left;
        rc = nm_turn_book_delete(turn, NM_SESSIONS_BOOK, s_entry(prefix, &voids->at[i].id, entry));
    }
    return rc;
}

nm_rc_t
nm_sessions_tidy(nm_sessions_t *self, nm_turn_t *turn)
{
    size_t left = TIDY_COUNT;
    nm_rc_t rc = s_tidy_voids(&self->tokens, OUT, turn, &left);
    if (rc == NM_OK)
        rc = s_tidy_voids(&self->users, USER, turn, &left);
    for (size_t i = self->signer_count; rc == NM_OK && i-- > 0;) {
        char entry[ENTRY_SIZE];
        nm_id_t id = self->signers[i].jwt.id;
        if (self->signers[i].expires_ms != INT64_MAX &&
            self->signers[i].expires_ms <= nm_turn_now(turn) - NM_JWT_LIFE_MS)
            rc = nm_turn_book_delete(turn, NM_SESSIONS_BOOK, s_entry(SIGNING, &id, entry));
    }
    return rc;
}
