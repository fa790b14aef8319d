/*  guesses - wrong credentials are counted for all gateways in one place.
 *
 *  Each gateway counts in its own table (lockout.h). Of those that are there one is the home of each client address, by
 *  the hash that gives recipients theirs (homes.h): whoever has seen a wrong credential tells the home, which counts it
 *  too and answers what stands against that address by now, and the teller counts from there. So a guesser who goes from
 *  door to door has what it has at one, and one more at each that has not heard yet.
 *
 *  Nobody waits for that: the client has its 401 already. What is right costs no question, but where it resets something.
 *  While the home is away the next one counts, from what it has seen itself; and where nothing is heard each gateway still
 *  locks out by its own table.
 *
 *      guesses.count   {address, service, right} -> the same, and {pair_count, pair_ms, address_count, address_ms}
 *
 *  Addresses go to other gateways as they are, and stand on no disk: each hashes them by a key of its own.
 */
#ifndef NM_GUESSES_H
#define NM_GUESSES_H

#include "actors/gateway/case.h"

//  A credential was wrong, or right.
void nm_guesses_wrong(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who);
void nm_guesses_right(nm_gateway_t *gateway, nm_turn_t *turn, const nm_lockout_who_t *who);

//  What the home has answered.
nm_rc_t nm_guesses_reply(nm_gateway_t *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);

#endif
