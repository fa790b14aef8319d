/*  gateway_client - asks a gateway on a bench as a client would, for its tests and benchmark.
 *
 *  Bodies are written as JSON-like MessagePack by the caller; answers are read by key.
 */
#ifndef NM_GATEWAY_CLIENT_H
#define NM_GATEWAY_CLIENT_H

#include "broker/bench.h"

enum { NM_CLIENT_KEY_SIZE = 65 };

typedef struct {
    nm_bench_t *bench;
    nm_bench_t *user;                    //  user-1, which makes the changes that the admin asks for
    char admin[NM_CLIENT_KEY_SIZE + 1];  //  The key of the mesh file
    char key[NM_CLIENT_KEY_SIZE + 1];    //  Of the service `shop`, all scopes
    char service[37];                    //  Its id
} nm_client_t;

//  A started gateway-1 with one service.
nm_client_t *nm_client_new(const char *settings);
void nm_client_destroy(nm_client_t **self_p);

//  Makes a service with one key; scope may be NULL for all.
void nm_client_service(nm_client_t *self, const char *name, const char *scope, char id[37],
                       char key[NM_CLIENT_KEY_SIZE + 1]);

//  Builds a map from pairs of texts, ended by NULL. A value that starts with # is a number,
//  with = an id or other value that was packed before: not for people, for tests.
nm_bytes_t nm_client_map(nm_buf_t *out, ...);

//  A notification that is taken: n makes recipient, subject and content differ.
nm_bytes_t nm_client_email(nm_buf_t *out, unsigned n);

//  An idempotency key of `shop` that begins with stem and belongs to the gateway of that number; static.
const char *nm_client_keyed(nm_client_t *self, uint16_t gateway, const char *stem);

//  Queues an ask. headers NULL: the key of `shop` alone.
uint64_t nm_client_queue(nm_client_t *self, const char *op, const nm_ask_headers_t *headers, nm_bytes_t body);

//  Asks, turns, and returns the reply. NULL: not answered yet. Other gateways that are asked for their list have none. What
//  the admin changes of services, keys and providers user-1 does, and the gateway has it at once.
const nm_bench_reply_t *nm_client_ask(nm_client_t *self, const char *op, nm_bytes_t body);
const nm_bench_reply_t *nm_client_ask_as(nm_client_t *self, const char *key, const char *op, nm_bytes_t body);

//  Takes notification n in; its id.
nm_id_t nm_client_send(nm_client_t *self, unsigned n);

//  What a key of a packed map holds, as a static text; "" if it is not there or nil.
const char *nm_client_text(nm_bytes_t map, const char *key);
uint64_t nm_client_number(nm_bytes_t map, const char *key);
nm_bytes_t nm_client_raw(nm_bytes_t map, const char *key);

//  The n-th item of the list under a key; empty past the end.
nm_bytes_t nm_client_item(nm_bytes_t map, const char *key, size_t n);
size_t nm_client_count(nm_bytes_t map, const char *key);

//  Does a problem name this pointer?
bool nm_client_points_at(nm_bytes_t problem, const char *pointer);

//  The status of a notification as a client reads it.
const char *nm_client_status(nm_client_t *self, const nm_id_t *id);

//  An event of a delivery, as its holder mails it.
nm_event_t nm_client_event(const nm_client_t *self, const nm_id_t *id, nm_event_kind_t kind, uint64_t order);
void nm_client_tell(nm_client_t *self, const char *peer, const nm_event_t *event);

#endif
