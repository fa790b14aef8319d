/*  scrape - the page /metrics: the figures of all actors, for Prometheus.
 *
 *  Open to who is on this machine; anybody else is asked about at a gateway, for it takes an admin's key. The bridge
 *  asks all actors by itself, so the figures are there while no gateway is. A text is good for a second: who scrapes
 *  more often gets the same, and the mesh notices nothing.
 */
#ifndef NM_SCRAPE_H
#define NM_SCRAPE_H

#include "broker/exposition.h"
#include "broker/turn.h"

struct nm_front_request;

enum { NM_SCRAPE_MAX = 64, NM_SCRAPE_FRESH_MS = 1000 };

//  Somebody who waits for the page. Changes of a turn count once it is committed.
typedef struct {
    const struct nm_front_request *request;
    uint64_t number;
    bool asking;  //  A gateway is asked whether it may see them
    bool fresh;   //  Came in this turn
    bool done;    //  Was answered in it
} nm_scraper_t;

typedef struct {
    nm_scraper_t waiting[NM_SCRAPE_MAX];
    size_t count;
    uint64_t next;   //  Number of the next one, from 1
    bool surveying;  //  The actors are being asked
    nm_buf_t text;
    int64_t text_ms;  //  When it was made (wall clock); 0: never
} nm_scrape_t;

nm_rc_t nm_scrape_open(void *bridge, nm_turn_t *turn, const struct nm_front_request *request);
nm_rc_t nm_scrape_reply(void *bridge, nm_turn_t *turn, const nm_reply_in_t *reply);
void nm_scrape_due(nm_scrape_t *self, nm_turn_t *turn);
void nm_scrape_commit(nm_scrape_t *self);
void nm_scrape_undo(nm_scrape_t *self);
void nm_scrape_free(nm_scrape_t *self);

#endif
