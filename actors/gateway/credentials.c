#include "actors/gateway/credentials.h"

#include "actors/gateway/guesses.h"
#include "wire/reader.h"

//  Whoever has no credentials of its own: an operator, or another gateway for one that it has let in.
static bool
s_is_trusted(const nm_case_t *it)
{
    return it->ask->role == NM_ROLE_OPERATOR || nm_case_is_passed_on(it);
}

static nm_credential_t
s_look(nm_case_t *it)
{
    nm_gateway_t *gateway = it->gateway;
    nm_credential_t credential = nm_auth_headers(&gateway->auth, &gateway->services, &gateway->sessions,
                                                 &it->ask->headers, it->now_ms, &it->who);
    if (credential != NM_CREDENTIAL_MISSING || !s_is_trusted(it))
        return credential;
    nm_auth_operator(&gateway->auth, &it->who);
    return NM_CREDENTIAL_RIGHT;
}

//  -- Lock-out

//  False: this one is locked out, and that is answered.
static bool
s_admit(nm_case_t *it, const nm_lockout_who_t *who)
{
    int64_t left_ms = nm_lockout_left_ms(&it->gateway->lockout, who, it->now_ms);
    char seconds[24];
    if (!left_ms)
        return true;
    snprintf(seconds, sizeof seconds, "%lld", (long long) (left_ms + 999) / 1000);
    nm_answer_wait(&it->answer, seconds, "Too many wrong credentials came from here.");
    return false;
}

//  The service that a key claims to be of; tokens are all counted as one.
static nm_bytes_t
s_claimed_service(const nm_ask_headers_t *headers)
{
    enum { ID_SIZE = 32 };
    if (!NM_HAS(headers, ask_headers, api_key))
        return nm_text("token");
    return nm_bytes(headers->api_key.at, headers->api_key.size < ID_SIZE ? headers->api_key.size : ID_SIZE);
}

//  May there be keys that this gateway has not heard of? Its copy of the book is that of its owner's last word.
static bool
s_is_behind(nm_case_t *it)
{
    const char *owner;
    return nm_turn_book(it->turn, NM_SERVICES_BOOK, &owner) == NM_BOOK_AWAY && *owner;
}

//  Counts what came of it. What was good once is no guess, nor a key that may be newer than what is known here; and what another
//  actor passes on was counted there.
static void
s_count(nm_case_t *it, nm_credential_t credential)
{
    bool wrong = credential == NM_CREDENTIAL_WRONG && !s_is_behind(it);
    bool right = credential == NM_CREDENTIAL_RIGHT && it->gateway->lockout.taken;
    if (s_is_trusted(it) || !(wrong || right))
        return;
    nm_lockout_who_t who = nm_lockout_who(it->ask, s_claimed_service(&it->ask->headers));
    if (wrong)
        nm_guesses_wrong(it->gateway, it->turn, &who);
    else
        nm_guesses_right(it->gateway, it->turn, &who);
}

static bool
s_may_try(nm_case_t *it)
{
    const nm_ask_headers_t *headers = &it->ask->headers;
    bool tries = NM_HAS(headers, ask_headers, api_key) || NM_HAS(headers, ask_headers, authorization);
    if (!it->gateway->lockout.taken || s_is_trusted(it) || !tries)
        return true;
    nm_lockout_who_t who = nm_lockout_who(it->ask, s_claimed_service(headers));
    return s_admit(it, &who);
}

nm_rc_t
nm_credentials_check(nm_case_t *it, const nm_api_t *api)
{
    char why[NM_AUTH_WHY_SIZE];
    if (!s_may_try(it))
        return NM_ERR_REFUSED;
    nm_credential_t credential = s_look(it);
    s_count(it, credential);
    switch (credential) {
    case NM_CREDENTIAL_MISSING: nm_answer_problem(&it->answer, 401, NULL, "An API key or a token is needed."); break;
    case NM_CREDENTIAL_WRONG: nm_answer_problem(&it->answer, 401, NULL, "The credentials are wrong."); break;
    case NM_CREDENTIAL_OLD: nm_answer_problem(&it->answer, 401, NULL, "The key or token is not good any more."); break;
    case NM_CREDENTIAL_RIGHT:
        if (nm_auth_may(&it->who, api, why))
            return NM_OK;
        nm_answer_problem(&it->answer, 403, NULL, "%s", why);
    }
    return NM_ERR_REFUSED;
}

//  -- Signing in

bool
nm_credentials_may_sign_in(nm_case_t *it, nm_lockout_who_t *who)
{
    nm_bytes_t raw, service = { 0 };
    nm_reader_t reader;
    if (nm_reader_find(it->ask->body, "service", &raw) == NM_OK) {
        nm_reader_open(&reader, raw);
        if (nm_reader_str(&reader, &service) != NM_OK)
            service = nm_bytes(NULL, 0);
    }
    *who = nm_lockout_who(it->ask, service);
    return s_admit(it, who);
}

void
nm_credentials_signed_in(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who, unsigned status)
{
    if (status == 401)
        nm_guesses_wrong(gateway, turn, who);
    else if (status == 200)
        nm_guesses_right(gateway, turn, who);
}
