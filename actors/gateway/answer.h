/*  answer - replies of the gateway: what HTTP calls status, header fields and body.
 *
 *  Each carries x-correlation-id. An asker is a value, so that one who waits can be kept
 *  and answered in a later turn.
 */
#ifndef NM_ANSWER_H
#define NM_ANSWER_H

#include "broker/turn.h"
#include "wire/api.h"

struct nm_gateway;
struct nm_quota_use;
struct nm_quota_refusal;

typedef struct {
    nm_caller_t caller;
    char correlation[NM_CORRELATION_MAX + 1];
    const nm_api_t *api;  //  What was asked; NULL: there is no such operation
} nm_asker_t;

//  Who is answered: one that asks now or one that waits.
typedef struct {
    struct nm_gateway *gateway;
    nm_turn_t *turn;
    const nm_asker_t *asker;
    const struct nm_quota_use *quota;  //  The limits that it tells of; NULL: none
} nm_answer_t;

//  All return NM_OK, so that a handler can end with them.
nm_rc_t nm_answer(const nm_answer_t *to, unsigned status, nm_bytes_t body);

//  With one more header field, whose value is a text.
nm_rc_t nm_answer_with(const nm_answer_t *to, unsigned status, const char *header, const char *value, nm_bytes_t body);

//  A problem (RFC 9457). 401 brings www-authenticate; 429 and 503 bring retry-after.
__attribute__((format(printf, 4, 5))) nm_rc_t nm_answer_problem(const nm_answer_t *to, unsigned status,
                                                                const nm_faults_t *faults, const char *format, ...);

//  429 because of a limit: which one, and retry-after.
nm_rc_t nm_answer_limited(const nm_answer_t *to, const struct nm_quota_refusal *why);

//  429 with this retry-after.
nm_rc_t nm_answer_wait(const nm_answer_t *to, const char *seconds, const char *detail);

//  What another actor has answered, a problem too, with the header field of its status.
nm_rc_t nm_answer_again(const nm_answer_t *to, unsigned status, nm_bytes_t body);

//  503 because of another gateway, whichever door is asked: retry-after, and nmesh-owner: away.
nm_rc_t nm_answer_away(const nm_answer_t *to, const char *detail);

#endif
