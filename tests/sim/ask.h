/*  ask - asks and replies as a client outside packs and reads them.
 */
#ifndef SIM_ASK_H
#define SIM_ASK_H

#include "broker/role.h"

extern const uint8_t SIM_CLIENT_KEY[NM_CURVE_KEY_SIZE];

typedef struct {
    uint64_t id;
    const char *op;
    const char *api_key;          //  NULL: none, an operator asks
    const char *idempotency_key;  //  NULL: none
    nm_bytes_t body;
} sim_ask_t;

typedef struct {
    uint64_t id;
    unsigned status;
    nm_bytes_t body;
} sim_reply_t;

//  A frame with this one ask.
void sim_ask_pack(const sim_ask_t *self, nm_buf_t *out);

//  The first reply of a frame; false if the frame is none.
bool sim_reply_read(nm_bytes_t frame, sim_reply_t *reply);

//  Packs a map from pairs of texts, ended by NULL.
void sim_body_put(nm_buf_t *out, ...);

//  The text under a key of a packed map; "" if it is not there or not a text.
void sim_body_text(nm_bytes_t map, const char *key, char *out, size_t size);

//  The number under a key; 0 if it is not there or none.
unsigned sim_body_uint(nm_bytes_t map, const char *key);

//  How many items the list under a key has, and one of them (empty past the end).
size_t sim_body_count(nm_bytes_t map, const char *key);
nm_bytes_t sim_body_item(nm_bytes_t map, const char *key, size_t n);

#endif
