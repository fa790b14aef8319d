/*  http_private - the front's insides, shared by the files that make it up; nobody else includes it.
 */
#ifndef NM_HTTP_PRIVATE_H
#define NM_HTTP_PRIVATE_H

#include <microhttpd.h>

#include "actors/bridge/clients.h"
#include "actors/bridge/head.h"
#include "actors/bridge/http.h"
#include "actors/bridge/state.h"
#include "actors/bridge/https.h"

enum { NM_HTTP_CORRELATION_SIZE = 32 };

typedef enum {
    NM_HTTP_READING,   //  Its head was read, its body comes in
    NM_HTTP_QUEUED,    //  Whole, and not taken yet
    NM_HTTP_GIVEN,     //  Its role has it; in the queue again once its client has taken a piece of the answer, or left
    NM_HTTP_ANSWERED,  //  The whole answer is here
} nm_http_state_t;

typedef struct nm_http_request {
    struct nm_front_request public;  //  What the role sees
    struct nm_http_request *next;    //  In the queue
    struct nm_http_request **back;   //  ... what points to it there; NULL: it is not in it
    nm_front_t *front;
    struct MHD_Connection *connection;
    nm_client_t *client;
    uint32_t place;
    nm_http_state_t state;
    bool judged;
    bool suspended;
    bool left;     //  Its connection has gone, and the role was not told yet or has not answered
    bool unread;   //  A part of its body was not read
    bool flows;    //  Its answer comes in pieces; the first is on its way
    bool closing;  //  Nothing more is to come from this connection
    bool head_only;
    uint64_t body_max;
    nm_front_answer_t answer;  //  The whole of it, or what has not been sent yet
    size_t sent;               //  Of its body, of a stream
    nm_buf_t body;
    const char *target_at;  //  Where libmicrohttpd has the target
    char correlation[NM_HTTP_CORRELATION_SIZE + 1];
    char address[NM_BRIDGE_ADDRESS_SIZE];
    char target[];
} nm_http_request_t;

struct nm_front {
    nm_bridge_t *bridge;
    struct MHD_Daemon *daemon;
    int fd;
    nm_clients_t clients;
    nm_head_rules_t rules;
    nm_head_t head;              //  The one that is judged now
    nm_http_request_t **places;  //  By the lower bits of their numbers
    uint32_t *free_places;
    size_t place_count;
    size_t free_count;
    uint64_t serial;
    nm_http_request_t *queue;
    nm_http_request_t **queue_end;
    size_t open_count;     //  Queued or given
    uint64_t bodies_size;  //  Of all bodies that are here
    int64_t now_ms;
    bool leaving;
    bool dying;
    nm_https_t *tls;  //  NULL: without
};

//  http_requests.c: requests, their numbers, and the queue of those that are whole
nm_http_request_t *nm_http_request_new(nm_front_t *self, const char *target);
void nm_http_request_free(nm_front_t *self, nm_http_request_t *request);
nm_http_request_t *nm_http_request(nm_front_t *self, uint64_t id);  //  NULL: it is gone
void nm_http_drop_body(nm_front_t *self, nm_http_request_t *request);
void nm_http_enqueue(nm_front_t *self, nm_http_request_t *request);  //  If it is not there
nm_http_request_t *nm_http_dequeue(nm_front_t *self);                //  NULL: there is none
void nm_http_suspend(nm_http_request_t *request);
void nm_http_resume(nm_http_request_t *request);
void nm_http_complete(nm_front_t *self, nm_http_request_t *request);  //  Over to the role

//  http_head.c: reads a head out of libmicrohttpd, and judges it. method and version as that gives them.
void nm_http_read_head(nm_front_t *self, nm_http_request_t *request, const char *method, const char *version,
                       nm_head_result_t *result);

//  http_files.c: what the system gives
unsigned nm_http_limit(uint64_t wanted);  //  As many connections as descriptors can be had for

#endif
