/*  clients - the connections of the front: what each is doing, and since when.
 *
 *  A client that takes too long is cut off, whatever it takes too long for: libmicrohttpd knows only connections
 *  on which nothing moves, and one byte now and then keeps such a connection alive. A resting one gives its memory back.
 *
 *  Knows descriptors and nothing of HTTP. Time is monotonic and comes from the caller.
 */
#ifndef NM_CLIENTS_H
#define NM_CLIENTS_H

#include "nm.h"

enum {
    NM_CLIENTS_HEAD_MS = 5000,          //  For a whole head, and for the first one of a connection
    NM_CLIENTS_GRACE_MS = 5000,         //  For a body or an answer, whatever its size ...
    NM_CLIENTS_FLOOR_SIZE = 16 * 1024,  //  ... and a second more for each so many bytes of it
    NM_CLIENTS_LOOK_MS = 250,           //  Between two looks at all of them
    NM_CLIENTS_LINGER_MS = 2000,        //  How long what a client still sends is read and thrown away
    NM_CLIENTS_TRIM_MS = 1000,          //  How long one rests before its memory is looked at
    NM_CLIENTS_KERNEL_MS = 10000,       //  How long the kernel waits for one that reads nothing of what it was sent
    NM_CLIENTS_PACE_SIZE = 64 * 1024,   //  What the kernel takes of a stream beyond what is on the way
};

typedef enum {
    NM_CLIENT_HEAD,    //  Sends a head
    NM_CLIENT_BODY,    //  Sends a body
    NM_CLIENT_WAIT,    //  Waits for its answer: that is for others to end
    NM_CLIENT_ANSWER,  //  Is sent one
    NM_CLIENT_REST,    //  Does nothing between two requests
} nm_client_phase_t;

typedef struct nm_client {
    struct nm_client *next;
    struct nm_client **back;
    int fd;
    nm_client_phase_t phase;
    int64_t since_ms;
    uint64_t size;     //  Bytes of the body so far, or of the answer
    const void *pool;  //  Where its memory begins, if that is known
    bool trimmed;
    bool cut;
    struct nm_https_pair *tls;  //  What its TLS goes by; its owner's
} nm_client_t;

//  The descriptor of a connection that has ended for us and not yet for the client.
typedef struct {
    int fd;
    int64_t until_ms;
} nm_lingerer_t;

enum { NM_CLIENTS_LINGER_MAX = 64 };

typedef struct {
    nm_client_t *first;
    size_t count;
    int64_t idle_ms;
    int64_t look_ms;
    size_t pool_size;  //  Memory of one; 0: not to be given back
    uint64_t cut_count;
    nm_lingerer_t lingerers[NM_CLIENTS_LINGER_MAX];
    size_t lingerer_count;
} nm_clients_t;

nm_client_t *nm_clients_add(nm_clients_t *self, int fd, int64_t now_ms);
void nm_clients_remove(nm_clients_t *self, nm_client_t **client_p);

void nm_clients_enter(nm_client_t *client, nm_client_phase_t phase, uint64_t size, int64_t now_ms);

//  It is sent a stream now, at its own pace: the kernel ends it when it reads nothing at all, and takes little beyond
//  what its client has room for.
void nm_clients_pace(nm_client_t *client);

//  Ends the connection: its library notices that with the next read or write.
void nm_clients_cut(nm_clients_t *self, nm_client_t *client);

//  The connection is about to be closed while its client still sends. A close would make the kernel tear it down, and
//  the client might never read its answer: so a copy of the descriptor is kept and read for a while.
void nm_clients_linger(nm_clients_t *self, const nm_client_t *client, int64_t now_ms);

//  Cuts off who takes too long, and gives back memory; when that is due. In how many ms to call it again; -1: never.
void nm_clients_look(nm_clients_t *self, int64_t now_ms);
int nm_clients_timeout(const nm_clients_t *self, int64_t now_ms);

void nm_clients_close(nm_clients_t *self);  //  The lingering ones

#endif
