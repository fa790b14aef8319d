/*  pages - what the bridge answers by itself: the rows of wire/api.h marked NM_API_EDGE.
 *
 *  A page is a function, or two if it has to ask others first. It answers with nm_answers_page and nm_turn_answer, in the turn
 *  of the request or in a later one; the request lasts until then. Replies to asks whose token it took from
 *  nm_pages_token come to its second function.
 */
#ifndef NM_PAGES_H
#define NM_PAGES_H

#include "actors/bridge/answers.h"
#include "broker/turn.h"

typedef struct {
    const char *op;
    nm_rc_t (*open)(void *bridge, nm_turn_t *turn, const struct nm_front_request *request);
    nm_rc_t (*reply)(void *bridge, nm_turn_t *turn, const nm_reply_in_t *reply);  //  NULL: it asks nobody
} nm_page_t;

//  NULL: nobody has written this page; the client gets 404.
const nm_page_t *nm_pages_find(const nm_api_t *api);

//  A token for asks of this page; number: at most 48 bits, the page's own.
uint64_t nm_pages_token(const nm_page_t *page, uint64_t number);
uint64_t nm_pages_number(uint64_t token);

//  The page that asked.
const nm_page_t *nm_pages_of(uint64_t token);

#endif
