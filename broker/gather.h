/*  gather - the inputs of the next turn, as they come in from sockets and from effects, and until when they may wait.
 *
 *  Bounded by count and by bytes: what is full reads no more, and libzmq and the kernel hold the senders back. An ask, a
 *  reply or a request is urgent. Mail and results keep the role's pace, so that under load many share one
 *  commit; greetings and claims cost none, and others wait for the answer. What comes from nobody whom we know is dropped
 *  here, and its connection cut.
 *
 *  Messages and results stay where they are until the turn is over: then nm_gather_forget, or nm_gather_keep if it was
 *  undone.
 */
#ifndef NM_GATHER_H
#define NM_GATHER_H

#include "broker/actor.h"
#include "broker/net.h"

enum {
    NM_GATHER_COUNT = 1024,             //  Inputs of one turn
    NM_GATHER_SIZE = 16 * 1024 * 1024,  //  ... and bytes
    NM_GATHER_COMPANY = 48,             //  So many share a commit well: no reason to wait for more
};

//  Large: one for each loop, in it. The loop reads the fields down to due_ms, and writes turn_ms.
typedef struct {
    nm_input_t inputs[NM_GATHER_COUNT];
    size_t count;
    bool urgent;      //  Something among them cannot wait
    int64_t due_ms;   //  Until when the rest may wait (monotonic, as the next one); INT64_MAX if there is none
    int64_t turn_ms;  //  When the last turn with inputs was that changed the store

    nm_net_t *net;
    int64_t pace_ms;
    zmq_msg_t messages[NM_GATHER_COUNT];
    nm_result_t results[NM_GATHER_COUNT];
    nm_net_sender_t senders[NM_GATHER_COUNT];
    size_t size;
    size_t door_count;  //  Asks that came through the door
    size_t door_size;   //  ... and their bytes
} nm_gather_t;

//  Of zeros before. pace_ms: the role's.
void nm_gather_init(nm_gather_t *self, nm_net_t *net, int64_t pace_ms);

bool nm_gather_has_room(const nm_gather_t *self);

//  Takes what a socket has, as far as there is room. answerer: whose desk or lobby it is connected to, else NULL.
void nm_gather_drain(nm_gather_t *self, void *socket, nm_input_kind_t kind, const nm_peer_t *answerer, nm_now_t now);

//  The same of a ROUTER that is bound: asks, or knocks within what a lobby listens to. number goes into the caller, for
//  the answer to find the socket again.
void nm_gather_drain_router(nm_gather_t *self, void *socket, nm_input_kind_t kind, uint8_t number, nm_now_t now);

//  The same of a door. It gives one frame of each connection by turns; so that this is fair, whatever a frame asks, a turn takes
//  about 1,024 asks or 2 MiB from it: who has much waiting there delays others by a frame of his, and not by all of them.
void nm_gather_drain_door(nm_gather_t *self, void *socket, uint8_t number, nm_now_t now);

//  Only where there is room. The result's memory is the gatherer's from now on; a request lasts until it is forgotten.
void nm_gather_result(nm_gather_t *self, const nm_result_t *result);
void nm_gather_request(nm_gather_t *self, const nm_front_request_t *request);

//  The turn took them.
void nm_gather_forget(nm_gather_t *self);

//  The turn was undone: results and requests cannot come a second time, so they stay for the next one.
void nm_gather_keep(nm_gather_t *self, nm_now_t now);

#endif
