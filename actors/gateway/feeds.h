/*  feeds - the journals of other gateways, followed while somebody follows all events here.
 *
 *  One long poll to each other gateway (events.feed) brings what its journal gets, whoever waits here and however many:
 *  a thousand followers cost it no more than one. What came lately is kept in memory, a window of bounded
 *  size, so that who asks again with the cursor of a moment ago is answered without asking anybody. Who stands
 *  before the window is read for by a question of its own (events.c).
 *
 *  A gateway that is away is asked again when it is back, from where its feed ended. When nobody has followed for
 *  a while the feeds end. Nothing is durable: a restart begins them anew.
 */
#ifndef NM_FEEDS_H
#define NM_FEEDS_H

#include "actors/gateway/journal.h"

struct nm_gateway;

typedef struct {
    const nm_peer_t *peer;
    uint32_t life;       //  Another number whenever it begins anew; 0: nothing has come yet
    uint64_t low, end;   //  All that was written from low on to end is in entries
    uint64_t turn_from;  //  Where what came in this turn begins
    nm_buf_t entries;    //  Position, size, entry; oldest first
    bool asked;
    uint32_t serial;    //  Of the question
    int64_t ask_at_ms;  //  Not before

    //  The same as of the last commit.
    uint32_t settled_life;
    uint64_t settled_low, settled_end;
    size_t settled_size;
} nm_feed_t;

typedef struct {
    nm_feed_t *items;
    size_t count;
    uint32_t lives;
    int64_t until_ms;  //  They are wanted
    uint64_t version;  //  Of the directory, when it was looked for gateways last
} nm_feeds_t;

void nm_feeds_free(nm_feeds_t *self);
void nm_feeds_undo(nm_feeds_t *self);
void nm_feeds_commit(nm_feeds_t *self);
nm_rc_t nm_feeds_reply(struct nm_gateway *gateway, nm_turn_t *turn, const nm_reply_in_t *reply);

//  Asks those that are to be asked. Before those who wait for events are looked at.
void nm_feeds_due(struct nm_gateway *gateway, nm_turn_t *turn);

//  Somebody follows: all gateways that are not forgotten have a feed now, whose window may still be empty.
void nm_feeds_want(struct nm_gateway *gateway, nm_turn_t *turn);

//  Did one begin anew in this turn?
bool nm_feeds_began(const nm_feeds_t *self);

//  The feed of a gateway; NULL: there is none.
const nm_feed_t *nm_feeds_find(const nm_feeds_t *self, uint16_t number);

//  Does the window have all that comes after this position?
bool nm_feed_reaches(const nm_feed_t *self, uint64_t position);

//  Walks the entries after a position. Views into the window.
typedef struct {
    nm_bytes_t rest;
    uint64_t after;
} nm_feed_walk_t;
void nm_feed_walk(nm_feed_walk_t *self, const nm_feed_t *feed, uint64_t after);
nm_rc_t nm_feed_next(nm_feed_walk_t *self, nm_entry_t *entry, uint64_t *position);

//  The answer to events.feed, as it travels and as it is kept: a list of positions and packed entries in turn.
typedef struct {
    nm_list_t rest;
    uint64_t next;
    bool more;
} nm_feed_page_t;
nm_rc_t nm_feed_page_open(nm_feed_page_t *self, nm_bytes_t body);
nm_rc_t nm_feed_page_next(nm_feed_page_t *self, nm_bytes_t *raw, uint64_t *position);

#endif
