/*  state - what a bridge has in memory, shared by the files of this folder; nobody else includes it.
 */
#ifndef NM_BRIDGE_STATE_H
#define NM_BRIDGE_STATE_H

#include "actors/bridge/documents.h"
#include "actors/bridge/request.h"
#include "actors/bridge/scrape.h"
#include "actors/bridge/settings.h"
#include "broker/owners.h"
#include "broker/turn.h"

enum {
    NM_BRIDGE_PATIENCE_MS = 30000,
    NM_BRIDGE_GATEWAY_MAX = 64,
    NM_BRIDGE_ROW_MAX = 96,     //  Rows of wire/api.h
    NM_BRIDGE_STATUS_MAX = 24,  //  Statuses that are counted one by one
};

//  What the front counts, for the status.
typedef struct {
    char url[NM_ENDPOINT_MAX + 16];
    uint64_t connections;  //  Now
    uint64_t accepted;     //  All so far
    uint64_t requests;     //  ... whole heads
    uint64_t refused;      //  ... answered by the bridge itself with 4xx
    uint64_t cut;          //  Connections that were cut off: too slow, or at fault
    int64_t cert_ends_ms;  //  When the certificate that clients are shown ends; 0: without TLS
} nm_bridge_gauge_t;

//  A request that waits for a reply. Changes of a turn count once it is committed.
typedef struct {
    const struct nm_front_request *request;  //  NULL: the place is free
    uint32_t serial;                         //  Replies to an earlier request in this place do not count
    bool fresh;                              //  Came in this turn
    bool done;                               //  ... was answered in it
    bool changed;                            //  ... is in the list of those that were
    const nm_peer_t *gateway;                //  That is to be asked, or was asked last; NULL: there is none
    uint64_t life;                           //  Which process of it was asked
    int64_t came_ms;                         //  Wall clock, as is the next
    int64_t until_ms;
    bool keyed;            //  Under an idempotency key, and owner is whose that is
    nm_refusal_t refusal;  //  What it gets if the gateway would have let it in

    bool resting;  //  Asked when somebody is there; a stream, when at_ms has come

    //  Of a stream of events.
    bool told;     //  A piece of it was answered in this turn
    bool flowing;  //  Its first piece has left
    bool behind;   //  Its client has not taken the last piece yet: nobody is asked for another
    int64_t at_ms;
    nm_buf_t cursor;  //  Where the next piece begins
    nm_buf_t next;    //  ... once this turn is committed
} nm_exchange_slot_t;

//  A gateway, and which process of it is there; 0: none.
typedef struct {
    const nm_peer_t *peer;
    uint64_t life;
} nm_bridge_gateway_t;

typedef struct {
    nm_bridge_settings_t settings;
    nm_routes_t *routes;
    const nm_directory_t *directory;
    nm_owners_t owners;
    nm_bridge_gauge_t gauge;
    nm_documents_t documents;

    nm_exchange_slot_t *slots;
    uint32_t *free_slots;
    size_t slot_count;
    size_t free_count;
    uint32_t *changed;  //  Slots that this turn has changed
    size_t changed_count;
    size_t changed_room;
    uint32_t serial;

    nm_bridge_gateway_t gateways[NM_BRIDGE_GATEWAY_MAX];
    size_t gateway_count;
    uint64_t directory_version;  //  As of which they were taken from it
    size_t next;                 //  Whose turn it is among them
    bool looked;                 //  ... whether they are there was looked at in this turn
    int64_t look_ms;             //  When what is open is looked at next

    nm_buf_t body;  //  Scratch
    nm_buf_t text;  //  Scratch
    nm_faults_t faults;
    nm_scrape_t scrape;
    nm_metrics_t *metrics;
    nm_metric_t *again;
    nm_metric_t *request_us;
    nm_metric_t *answers[NM_BRIDGE_ROW_MAX][NM_BRIDGE_STATUS_MAX];  //  Made when first used
} nm_bridge_t;

//  The first byte of a token says whose ask it was.
enum { NM_BRIDGE_TOKEN_EXCHANGE = 1, NM_BRIDGE_TOKEN_PAGE = 2 };

//  exchanges.c: the places of open requests
nm_exchange_slot_t *nm_exchanges_add(nm_bridge_t *self, const struct nm_front_request *request);
nm_exchange_slot_t *nm_exchanges_of(nm_bridge_t *self, uint64_t token);  //  NULL: its request is over
nm_exchange_slot_t *nm_exchanges_again(nm_bridge_t *self, const struct nm_front_request *request);  //  Likewise
uint64_t nm_exchanges_token(nm_bridge_t *self, const nm_exchange_slot_t *slot);
void nm_exchanges_end(nm_bridge_t *self, nm_exchange_slot_t *slot);
void nm_exchanges_tell(nm_bridge_t *self, nm_exchange_slot_t *slot);  //  A piece, and more follow
void nm_exchanges_commit(nm_bridge_t *self);
void nm_exchanges_undo(nm_bridge_t *self);
void nm_exchanges_free(nm_bridge_t *self);
static inline size_t
nm_exchanges_count(const nm_bridge_t *self)
{
    return self->slot_count - self->free_count;
}

//  asking.c: which gateway a request goes to, and with what
void nm_asking_look(nm_bridge_t *self, nm_turn_t *turn);  //  Who is there now; once in a turn
void nm_asking_send(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot);
void nm_asking_choose(nm_bridge_t *self, nm_exchange_slot_t *slot);
bool nm_asking_is_lost(const nm_bridge_t *self, const nm_exchange_slot_t *slot);  //  Who was asked is no longer there

//  figures.c: what there is to see of a bridge
void nm_bridge_figures_make(nm_bridge_t *self, nm_metrics_t *metrics);
void nm_bridge_figures_look(void *state, nm_turn_t *turn);
void nm_bridge_count(nm_bridge_t *self, const nm_api_t *api, unsigned status);  //  An answer

//  bridge.c
void nm_bridge_answer(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, nm_front_answer_t *answer);
__attribute__((format(printf, 5, 6))) void nm_bridge_refuse(nm_bridge_t *self, nm_turn_t *turn,
                                                            nm_exchange_slot_t *slot, unsigned status,
                                                            const char *format, ...);

void nm_bridge_refuse_as_said(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot);  //  With its own refusal

//  streams.c: events as they happen
nm_rc_t nm_streams_reply(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot, const nm_reply_in_t *reply);
void nm_streams_taken(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot);  //  Its client can take more
void nm_streams_lost(nm_turn_t *turn, nm_exchange_slot_t *slot);                      //  The gateway has gone
void nm_streams_due(nm_bridge_t *self, nm_turn_t *turn, nm_exchange_slot_t *slot);    //  It has begun, and time passed
void nm_streams_pack(nm_exchange_slot_t *slot, nm_buf_t *out, size_t *count);
bool nm_streams_packs(nm_bytes_t name);  //  Does that put this value of the query in?

#endif
