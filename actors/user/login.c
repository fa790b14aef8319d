//  login - signing in and out, and the keys that tokens are signed with.

#include <sodium.h>

#include "actors/user/ops.h"
#include "actors/user/state.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

enum { OVERLAP_SECONDS = 86400, SIGNERS_MAX = 32 };

//  key id -> the Ed25519 secret key. Those of others are not here.
const nm_table_t nm_signing_table = { NM_TABLE_ROLE + 3, true, "signing" };

//  -- Signing keys

static nm_rc_t
s_load_secret(nm_txn_t *txn, const nm_id_t *id, uint8_t secret[NM_JWT_SECRET_SIZE])
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_signing_table, nm_bytes(id->at, NM_ID_SIZE), &value);
    if (rc == NM_OK && value.size != NM_JWT_SECRET_SIZE)
        return NM_ERR_CORRUPT;
    if (rc == NM_OK)
        memcpy(secret, value.at, NM_JWT_SECRET_SIZE);
    return rc;
}

static nm_rc_t
s_make_signer(nm_act_t *it, nm_jwt_algorithm_t algorithm, nm_signer_t *signer, uint8_t secret[NM_JWT_SECRET_SIZE])
{
    nm_rc_t rc = NM_OK;
    *signer = (nm_signer_t){ .created_ms = it->now_ms, .expires_ms = INT64_MAX };
    nm_turn_new_id(it->turn, &signer->jwt.id);
    signer->jwt.algorithm = algorithm;
    if (algorithm == NM_JWT_EDDSA) {
        crypto_sign_keypair(signer->jwt.key, secret);
        rc = nm_table_put(it->txn, &nm_signing_table, nm_bytes(signer->jwt.id.at, NM_ID_SIZE),
                          nm_bytes(secret, NM_JWT_SECRET_SIZE));
    } else {
        randombytes_buf(signer->jwt.key, NM_JWT_KEY_SIZE);
    }
    return rc == NM_OK ? nm_sessions_put_signer(it->turn, signer) : rc;
}

//  The newest that signs and whose secret is here; one is made where there is none, at first or after a promotion.
static nm_rc_t
s_find_signer(nm_act_t *it, nm_signer_t *signer, uint8_t secret[NM_JWT_SECRET_SIZE])
{
    const nm_sessions_t *sessions = &nm_deed(it)->user->sessions;
    bool found = false;
    for (size_t i = 0; i < sessions->signer_count; i++) {
        const nm_signer_t *one = &sessions->signers[i];
        uint8_t other[NM_JWT_SECRET_SIZE] = { 0 };
        if (one->expires_ms != INT64_MAX || (found && one->created_ms <= signer->created_ms))
            continue;
        nm_rc_t rc = one->jwt.algorithm == NM_JWT_HS256 ? NM_OK : s_load_secret(it->txn, &one->jwt.id, other);
        if (rc != NM_OK && rc != NM_ERR_MISSING)
            return rc;
        if (rc == NM_OK) {
            found = true;
            *signer = *one;
            memcpy(secret, other, sizeof other);
        }
        sodium_memzero(other, sizeof other);
    }
    return found ? NM_OK : s_make_signer(it, NM_JWT_EDDSA, signer, secret);
}

//  All that sign now sign no more; what they have signed holds for the overlap.
static nm_rc_t
s_retire_signers(nm_act_t *it, int64_t overlap_ms)
{
    const nm_sessions_t *sessions = &nm_deed(it)->user->sessions;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < sessions->signer_count; i++) {
        nm_signer_t signer = sessions->signers[i];
        if (signer.expires_ms <= it->now_ms + overlap_ms)
            continue;
        signer.expires_ms = it->now_ms + overlap_ms;
        rc = nm_sessions_put_signer(it->turn, &signer);
        if (rc == NM_OK)
            rc = nm_table_delete(it->txn, &nm_signing_table, nm_bytes(signer.jwt.id.at, NM_ID_SIZE));
        if (rc == NM_ERR_MISSING)
            rc = NM_OK;
    }
    return rc;
}

nm_rc_t
nm_act_signing_rotate(nm_act_t *it)
{
    nm_signing_t ask;
    nm_signer_t signer;
    uint8_t secret[NM_JWT_SECRET_SIZE];
    if (nm_act_decode(it, &nm_signing_shape, &ask, false) != NM_OK)
        return NM_OK;
    if (nm_deed(it)->user->sessions.signer_count >= SIGNERS_MAX)
        return nm_act_problem(
            it, 409, "There are %u signing keys already, of which old ones are forgotten a day after their end; wait.",
            (unsigned) SIGNERS_MAX);
    uint64_t overlap = NM_HAS(&ask, signing, overlap_seconds) ? ask.overlap_seconds : OVERLAP_SECONDS;
    nm_jwt_algorithm_t algorithm = NM_HAS(&ask, signing, algorithm) ? (nm_jwt_algorithm_t) ask.algorithm : NM_JWT_EDDSA;
    nm_rc_t rc = s_retire_signers(it, (int64_t) overlap * 1000);
    if (rc == NM_OK)
        rc = s_make_signer(it, algorithm, &signer, secret);
    sodium_memzero(secret, sizeof secret);
    if (rc != NM_OK)
        return rc;
    nm_buf_clear(it->body);
    nm_writer_map(it->body, 3);
    nm_writer_pair_id(it->body, "key_id", &signer.jwt.id);
    nm_writer_pair_text(it->body, "algorithm", nm_words_text(&nm_jwt_algorithm_words, algorithm));
    nm_writer_pair_time(it->body, "created_at", signer.created_ms);
    return nm_act_done(it, 201);
}

//  -- Signing in

static nm_rc_t
s_answer_token(nm_act_t *it, const nm_person_t *person)
{
    nm_user_t *user = nm_deed(it)->user;
    nm_signer_t signer;
    uint8_t secret[NM_JWT_SECRET_SIZE];
    char token[NM_JWT_MAX + 1];
    nm_jwt_claims_t claims = { .user = person->id, .service = person->service, .roles = (uint32_t) person->roles };
    nm_rc_t rc = s_find_signer(it, &signer, secret);
    if (rc != NM_OK)
        return rc;
    nm_turn_new_id(it->turn, &claims.token);
    claims.issued_ms = nm_sessions_issue_ms(&user->sessions, &claims.user, it->now_ms);
    claims.expires_ms = claims.issued_ms + NM_JWT_LIFE_MS;
    nm_jwt_make(&signer.jwt, secret, user->mesh->name, &claims, token);
    sodium_memzero(secret, sizeof secret);
    nm_buf_clear(it->body);
    nm_writer_map(it->body, 3);
    nm_writer_pair_text(it->body, "access_token", token);
    nm_writer_pair_text(it->body, "token_type", "Bearer");
    nm_writer_pair_uint(it->body, "expires_in", (uint64_t) NM_JWT_LIFE_MS / 1000);
    sodium_memzero(token, sizeof token);
    return nm_act_done(it, 200);
}

//  Is it the service of that id or name? An empty one fits all.
static nm_rc_t
s_fits(nm_act_t *it, const nm_id_t *id, nm_bytes_t wanted, bool *fits)
{
    nm_id_t asked;
    nm_service_t service;
    *fits = !wanted.size || (nm_id_from_text(wanted, &asked) == NM_OK && nm_id_equal(&asked, id));
    if (*fits)
        return NM_OK;
    if (nm_id_equal(id, &it->auth->admin)) {
        *fits = nm_bytes_is(wanted, "admin");
        return NM_OK;
    }
    nm_rc_t rc = nm_services_get(it->txn, id, &service);
    *fits = rc == NM_OK && nm_bytes_equal(service.name, wanted);
    return rc;
}

//  The accounts that fit: how many there are, and the first of those that have a password.
enum { FOUND_MAX = 2 };
typedef struct {
    size_t count;
    size_t with_password;
    nm_person_t people[FOUND_MAX];
} found_t;

//  Looks in one service.
static nm_rc_t
s_look(nm_act_t *it, const nm_id_t *service, const nm_login_t *ask, found_t *found)
{
    nm_id_t id;
    nm_person_t person;
    bool fits;
    nm_rc_t rc = s_fits(it, service, NM_HAS(ask, login, service) ? ask->service : nm_bytes(NULL, 0), &fits);
    if (rc != NM_OK || !fits)
        return rc;
    rc = nm_people_find(&nm_deed(it)->user->people, it->txn, service, ask->email, &id);
    if (rc == NM_OK)
        rc = nm_people_get(it->txn, &id, &person);
    if (rc == NM_OK) {
        found->count++;
        if (NM_HAS(&person, person, password_hash) && found->with_password < FOUND_MAX)
            found->people[found->with_password++] = person;
    }
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  The accounts with this e-mail, in the service that is named or in all.
static nm_rc_t
s_find(nm_act_t *it, const nm_login_t *ask, found_t *found)
{
    found->count = found->with_password = 0;
    nm_rc_t rc = s_look(it, &it->auth->admin, ask, found);
    for (size_t i = 0; rc == NM_OK && i < it->services->tenant_count; i++) {
        const nm_tenant_t *tenant = &it->services->tenants[i];
        if (!tenant->deleted)
            rc = s_look(it, &tenant->id, ask, found);
    }
    return rc;
}

//  The n-th hash; NULL: there are not so many.
static const nm_bytes_t *
s_hash_of(const found_t *found, size_t n)
{
    return n < found->with_password ? &found->people[n].password_hash : NULL;
}

//  The one that the password is of. NULL: of none, or what was compared has been changed meanwhile.
static const nm_person_t *
s_owner(const found_t *found, const nm_hashing_t *hashed)
{
    for (size_t i = 0; hashed->right && i < found->with_password; i++)
        if (nm_bytes_is(found->people[i].password_hash, hashed->hash))
            return &found->people[i];
    return NULL;
}

//  Whether there is such an account, or are several, and whether the password is wrong cannot be told apart, by words or
//  by work: who names no service has two passwords compared, whatever there is.
nm_rc_t
nm_act_login(nm_act_t *it)
{
    nm_login_t ask;
    found_t found;
    nm_deed_t *deed = nm_deed(it);
    if (nm_act_decode(it, &nm_login_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, &ask, &found);
    if (rc != NM_OK)
        return rc;
    if (!deed->hashed) {
        nm_hashing_verify(&deed->wanted, ask.password, s_hash_of(&found, 0));
        if (!NM_HAS(&ask, login, service))
            nm_hashing_verify_also(&deed->wanted, s_hash_of(&found, 1));
        return NM_OK;
    }
    const nm_person_t *person = s_owner(&found, deed->hashed);
    if (!person)
        return nm_act_problem(it, 401, "The e-mail address or the password is wrong.");
    if (found.count > 1)
        return nm_act_refuse(it, "/service", "is needed: the e-mail address is known to several");
    const nm_tenant_t *tenant = nm_services_find(it->services, &person->service);
    if (tenant && !tenant->active)
        return nm_act_problem(it, 403, "The service is switched off.");
    return s_answer_token(it, person);
}

nm_rc_t
nm_act_logout(nm_act_t *it)
{
    if (!it->who->signed_in)
        return nm_act_problem(it, 403, "Only who has signed in can sign out.");
    nm_rc_t rc = nm_sessions_void_token(&nm_deed(it)->user->sessions, it->turn, &it->who->claims);
    if (rc == NM_ERR_FULL)
        return nm_act_problem(it, 503,
                              "The users of the service have signed out too often today; the token ends by itself.");
    return rc == NM_OK ? nm_act_nothing(it) : rc;
}
