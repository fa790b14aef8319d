/*  sessions - the keys that tokens are signed with, and who has signed out: a book, and in memory for every ask.
 *
 *  The book `sessions` has the entries
 *
 *      signing/{key}   nm_signing_key_t: what a gateway needs to check tokens by itself; kept for a day after its end, so
 *                      that its tokens are known to be old and are taken for no guesses
 *      out/{token}     nm_sign_out_t: the token was logged out; kept until it expires
 *      user/{user}     nm_sign_out_t: all tokens of the user that were issued before a time are void: the account is gone,
 *                      or its password or roles were changed
 *
 *  What else stands in it comes from a newer actor and is passed over. A user actor owns it. The secret half of an
 *  Ed25519 key is not in it: it never leaves the user actor that made it.
 */
#ifndef NM_SESSIONS_H
#define NM_SESSIONS_H

#include "actors/accounts/jwt.h"
#include "actors/accounts/portions.h"
#include "broker/turn.h"

#define NM_SESSIONS_BOOK "sessions"

#define NM_SIGNING_KEY_FIELDS(F, R)                                                            \
    F(R, 1, id, ID, 0, MUST, NULL, "kid of its tokens")                                        \
    F(R, 2, algorithm, ENUM, 0, MUST, &nm_jwt_algorithm_words, "The only one it is good for")  \
    F(R, 3, key, BIN, NM_JWT_KEY_SIZE, MUST, NULL, "An Ed25519 public key; HS256: the secret") \
    F(R, 4, created_at, TIME, 0, MUST, NULL, "When it was made")                               \
    F(R, 5, expires_at, TIME, 0, MAY, NULL, "When its tokens are good no more; it signs none now")
NM_RECORD_DECLARE(signing_key, NM_SIGNING_KEY_FIELDS);

#define NM_SIGN_OUT_FIELDS(F, R)                                               \
    F(R, 1, before, TIME, 0, MUST, NULL, "Tokens issued before are void")      \
    F(R, 2, expires_at, TIME, 0, MUST, NULL, "When the last of those expires") \
    F(R, 3, service, ID, 0, MAY, NULL, "Whose user it was")
NM_RECORD_DECLARE(sign_out, NM_SIGN_OUT_FIELDS);

typedef struct {
    nm_jwt_key_t jwt;
    int64_t created_ms;
    int64_t expires_ms;  //  INT64_MAX: never
} nm_signer_t;

typedef struct {
    nm_id_t id;       //  Of a token or a user
    nm_id_t service;  //  Zeros: an older actor did not say
    int64_t before_ms;
    int64_t expires_ms;
} nm_void_t;

typedef struct {
    nm_void_t *at;  //  By rising id
    size_t count, room;
} nm_voids_t;

//  {0} is an empty one. changes counts every change, so that whoever caches can see one.
typedef struct {
    nm_signer_t *signers;
    size_t signer_count, signer_room;
    nm_voids_t tokens;
    nm_voids_t users;
    nm_portions_t portions;  //  What each service has of both
    uint64_t changes;
} nm_sessions_t;

nm_rc_t nm_sessions_load(nm_sessions_t *self, nm_txn_t *txn);
void nm_sessions_free(nm_sessions_t *self);

//  An entry of the book was changed: memory follows.
nm_rc_t nm_sessions_changed(nm_sessions_t *self, nm_txn_t *txn, nm_bytes_t entry);

//  Checks a token of this mesh. NM_JWT_OLD also for one that is genuine and was signed out. claims say when the token ends,
//  which is with its signing key at the latest.
nm_jwt_verdict_t nm_sessions_check(const nm_sessions_t *self, nm_bytes_t token, const char *mesh, int64_t now_ms,
                                   nm_jwt_claims_t *claims);

//  The earliest time, in whole seconds, at which a token of the user is issued now: not in one that is void.
int64_t nm_sessions_issue_ms(const nm_sessions_t *self, const nm_id_t *user, int64_t now_ms);

//  -- Changes, where the book is this actor's; memory follows by nm_sessions_changed.

nm_rc_t nm_sessions_put_signer(nm_turn_t *turn, const nm_signer_t *signer);

//  Voids one token. NM_ERR_FULL: too many are void already, of its service or of all.
nm_rc_t nm_sessions_void_token(const nm_sessions_t *self, nm_turn_t *turn, const nm_jwt_claims_t *claims);

//  Voids what was issued to a user of the service up to now. NM_ERR_FULL: too many are void already, of the service or of
//  all. NM_ERR_BUSY: it was done so often within seconds that the user's next token would be dated too far ahead. Nothing is
//  changed then.
nm_rc_t nm_sessions_void_user(const nm_sessions_t *self, nm_turn_t *turn, const nm_id_t *service, const nm_id_t *user);

//  Forgets what has expired, a bounded number of entries.
nm_rc_t nm_sessions_tidy(nm_sessions_t *self, nm_turn_t *turn);

#endif
