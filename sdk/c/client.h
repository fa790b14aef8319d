/*  client - what a client is made of. For nmesh.c and calls.c only. */
#ifndef NM_CLIENT_H
#define NM_CLIENT_H

#include "sdk/c/pending.h"
#include "sdk/c/line.h"
#include "sdk/c/doors.h"

struct nmesh {
    nm_pending_t *pending;
    nm_line_t *line;
    int timeout_ms;
    int silence_ms;      //  Of a notification
    int ask_silence_ms;  //  Of any other ask
    uint64_t random[2];  //  With key_count: the idempotency keys that the client makes
    uint64_t key_count;
    int64_t heard_ms;  //  When the door last said something
    int64_t moved_ms;  //  When the door in use was gone to
    int64_t upkeep_ms;
    bool learns;       //  Asks for the doors of other gateways
    int64_t asked_ms;  //  When it did last; 0: not at this door
    nm_buf_t frame;    //  The frame that is sent
    nm_buf_t body;     //  The notification that is packed
    nm_buf_t kept;     //  The last answer of a blocking call
};

#endif
