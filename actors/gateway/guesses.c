#include "actors/gateway/guesses.h"

#include "actors/gateway/homes.h"
#include "actors/gateway/ops.h"

static const int64_t TIMEOUT_MS = 3000;

#define NM_GUESS_FIELDS(F, R)                                                                            \
    F(R, 1, address, BIN, NM_LOCKOUT_ADDRESS_MAX, MUST, NULL, "Where it came from")                      \
    F(R, 2, service, BIN, NM_LOCKOUT_SERVICE_MAX, MUST, NULL, "What was tried")                          \
    F(R, 3, right, BOOL, 0, MAY, NULL, "The credential was right: the pair is reset")                    \
    F(R, 4, pair_count, UINT, UINT32_MAX, MAY, NULL, "In the answer: wrong ones of address and service") \
    F(R, 5, pair_ms, UINT, INT64_MAX, MAY, NULL, "... since the first of them")                          \
    F(R, 6, address_count, UINT, UINT32_MAX, MAY, NULL, "... wrong ones of the address")                 \
    F(R, 7, address_ms, UINT, INT64_MAX, MAY, NULL, "... since the first of them")
NM_RECORD_DECLARE(guess, NM_GUESS_FIELDS);
NM_RECORD_DEFINE(guess, NM_GUESS_FIELDS, NULL, 0);

static void
s_put_who(nm_guess_t *guess, const nm_lockout_who_t *who)
{
    NM_PUT(guess, guess, address, nm_bytes(who->address, who->address_size));
    NM_PUT(guess, guess, service, nm_bytes(who->service, who->service_size));
}

static nm_lockout_who_t
s_who(const nm_guess_t *guess)
{
    nm_lockout_who_t who = { .address_size = guess->address.size, .service_size = guess->service.size };
    if (who.address_size)
        memcpy(who.address, guess->address.at, who.address_size);
    if (who.service_size)
        memcpy(who.service, guess->service.at, who.service_size);
    return who;
}

//  -- Telling

//  An address has no service: it is its own home's, whatever was tried from there.
static void
s_tell(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who, bool right)
{
    static const nm_id_t NO_SERVICE = { { 0 } };
    const nm_peer_t *home = nm_homes_among(gateway, turn, &NO_SERVICE, nm_bytes(who->address, who->address_size));
    nm_guess_t guess = { .has = 0 };
    if (!home)
        return;
    s_put_who(&guess, who);
    if (right)
        NM_PUT(&guess, guess, right, true);
    nm_buf_clear(&gateway->work);
    nm_record_encode(&nm_guess_shape, &guess, NM_BY_NAME, &gateway->work);
    nm_turn_ask(turn, NM_ROLE_GATEWAY, home->actor.name, "guesses.count", nm_buf_bytes(&gateway->work), TIMEOUT_MS,
                nm_token(NM_TOKEN_GUESS, 0, 0));
}

void
nm_guesses_wrong(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who)
{
    nm_lockout_wrong(&gateway->lockout, who, nm_turn_now(turn));
    s_tell(gateway, turn, who, false);
}

void
nm_guesses_right(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who)
{
    if (nm_lockout_right(&gateway->lockout, who))
        s_tell(gateway, turn, who, true);
}

nm_rc_t
nm_guesses_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_guess_t guess;
    if (reply->status != 200 || nm_record_decode(&nm_guess_shape, &guess, reply->body, NULL, "") != NM_OK)
        return NM_OK;
    nm_lockout_who_t who = s_who(&guess);
    nm_lockout_score_t score = { .pair = { (uint32_t) guess.pair_count, (int64_t) guess.pair_ms },
                                 .address = { (uint32_t) guess.address_count, (int64_t) guess.address_ms } };
    nm_lockout_learn(&gateway->lockout, &who, &score, nm_turn_now(turn));
    return NM_OK;
}

//  -- guesses.count

nm_rc_t
nm_op_count(nm_case_t *it)
{
    nm_lockout_t *lockout = &it->gateway->lockout;
    nm_guess_t guess;
    if (!nm_case_is_passed_on(it))
        return nm_answer_problem(&it->answer, 403, NULL, "Only a gateway may ask this.");
    if (nm_case_decode(it, &nm_guess_shape, &guess, false) != NM_OK)
        return NM_OK;
    nm_lockout_who_t who = s_who(&guess);
    if (!guess.right)
        nm_lockout_wrong(lockout, &who, it->now_ms);
    else if (!nm_lockout_left_ms(lockout, &who, it->now_ms))
        nm_lockout_right(lockout, &who);
    nm_lockout_score_t score = nm_lockout_score(lockout, &who, it->now_ms);
    NM_PUT(&guess, guess, pair_count, score.pair.count);
    NM_PUT(&guess, guess, pair_ms, (uint64_t) score.pair.age_ms);
    NM_PUT(&guess, guess, address_count, score.address.count);
    NM_PUT(&guess, guess, address_ms, (uint64_t) score.address.age_ms);
    nm_buf_clear(&it->gateway->body);
    nm_record_encode(&nm_guess_shape, &guess, NM_BY_NAME, &it->gateway->body);
    return nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body));
}
