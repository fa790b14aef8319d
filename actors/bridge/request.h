/*  request - an HTTP request as the front hands it to the role: checked, routed, and whole.
 *
 *  All that it points to belongs to the front and lasts until the request is answered.
 */
#ifndef NM_BRIDGE_REQUEST_H
#define NM_BRIDGE_REQUEST_H

#include "actors/bridge/routes.h"
#include "broker/front.h"
#include "wire/frames.h"

//  What is wrong with a request that the bridge refuses by itself; status 0: nothing.
typedef struct {
    unsigned status;
    char detail[160];
} nm_refusal_t;

struct nm_front_request {
    uint64_t id;
    bool gone;                 //  Nobody waits for more of its answer; the rest means nothing
    bool taken;                //  The client has taken all pieces of its answer so far
    uint64_t token;            //  Of the last of them
    const nm_api_t *api;       //  What is asked
    nm_route_t route;          //  ... and the values of the path
    nm_bytes_t path;           //  As it came, without the query
    nm_bytes_t query;          //  As it came; empty if there is none
    nm_bytes_t body;           //  JSON; empty if there is none
    nm_ask_headers_t headers;  //  That go with the ask; always with a correlation id and the client's address
    nm_bytes_t last_event;     //  Last-Event-ID
    nm_bytes_t if_none_match;  //  If-None-Match
    nm_bytes_t origin;         //  Of a page of another site that may ask; else empty
    bool local;                //  The client is on this machine

    //  Refused by the bridge, but only after a gateway has said that the client may ask this at all.
    nm_refusal_t refusal;
};

#endif
