/*  breaker - keeps deliveries away from a provider that is down.
 *
 *  Pure: events and `now` in, a decision out. Closed: calls go. After so many failures
 *  in a row it is open: no calls for a while. Then it is half-open: exactly one call goes
 *  as a trial; if that works the breaker closes, if not it is open for as long again.
 *
 *  A failure is the provider's (not reached, broken off, no answer in time, "closing the
 *  service"). A refused recipient is an answer, and so a success.
 *
 *  It is a value: a copy is a snapshot, which the channel worker takes when a turn is undone.
 */
#ifndef NM_BREAKER_H
#define NM_BREAKER_H

#include "nm.h"

typedef struct {
    unsigned failures;  //  In a row that open it
    int64_t open_ms;    //  How long it stays open
} nm_breaker_rule_t;

typedef enum { NM_BREAKER_CLOSED, NM_BREAKER_HALF_OPEN, NM_BREAKER_OPEN } nm_breaker_state_t;

//  {0} is closed.
typedef struct {
    unsigned failures;  //  In a row
    bool open;          //  Open or half-open
    bool trying;        //  The trial is under way
    int64_t until_ms;   //  When an open one becomes half-open
} nm_breaker_t;

nm_breaker_state_t nm_breaker_state(const nm_breaker_t *self, int64_t now_ms);
const char *nm_breaker_text(nm_breaker_state_t state);

//  May a call go now?
bool nm_breaker_admits(const nm_breaker_t *self, int64_t now_ms);

//  When to ask again, if it does not admit now. While a trial is under way nobody knows:
//  then it is a second from now.
int64_t nm_breaker_admits_at(const nm_breaker_t *self, int64_t now_ms);

//  A call goes. It was admitted.
void nm_breaker_start(nm_breaker_t *self, int64_t now_ms);

//  A call ended. Failures of calls that began before it opened change nothing while it is open.
void nm_breaker_success(nm_breaker_t *self);
void nm_breaker_failure(nm_breaker_t *self, const nm_breaker_rule_t *rule, int64_t now_ms);

#endif
