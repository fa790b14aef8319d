/*  net - the one place that makes sockets: CURVE on each, a ZAP handler behind each that is bound.
 *
 *  libzmq lets every CURVE key in while no ZAP handler is there, so nm_net_new binds the
 *  handler before any other socket can exist, each bound socket demands its domain (a
 *  missing handler then refuses all), and nobody else may call zmq_bind or zmq_connect.
 *  The handler runs in the actor's own thread: poll nm_net_zap_socket with the rest.
 *
 *  Handshakes are judged in nm_net_zap_run, and senders once more with each message in
 *  nm_net_sender, because libzmq keeps a session whose certificate is revoked or has expired.
 *
 *  One thread, one context. Sockets are plain libzmq sockets; close them with nm_net_close.
 */
#ifndef NM_NET_H
#define NM_NET_H

#include <zmq.h>
#include "broker/directory.h"
#include "broker/metrics.h"

typedef struct nm_net nm_net_t;

typedef enum {
    NM_NET_MAILBOX,  //  PULL: mail of certified actors, operators excluded
    NM_NET_DESK,     //  ROUTER: asks of certified actors and operators
    NM_NET_DOOR,     //  ROUTER: asks of clients with any CURVE key
    NM_NET_LOBBY,    //  ROUTER: knocks of newcomers with any CURVE key, few and small
} nm_net_bind_t;

typedef enum {
    NM_NET_POST,    //  PUSH to one mailbox
    NM_NET_DEALER,  //  DEALER to one desk or door
    NM_NET_KNOCK,   //  DEALER to one lobby
} nm_net_connect_t;

//  Who a message is from.
typedef struct {
    const char *name;                       //  Certified; "" for a client. Lives as long as the directory
    nm_role_id_t role;                      //  NM_ROLE_CLIENT at a door, NM_ROLE_NONE at a lobby
    uint8_t client_key[NM_CURVE_KEY_SIZE];  //  The CURVE key of the session
    char address[NM_CLIENT_ADDRESS_SIZE];   //  Where a client at a door comes from; empty if that is not to be known
} nm_net_sender_t;

//  own carries the secret key; it is copied. Binds the ZAP handler, or fails. metrics may be NULL.
nm_net_t *nm_net_new(const nm_cert_t *own, nm_directory_t *directory, nm_metrics_t *metrics, nm_error_t *error);

//  Closes the handler and the context. Close all sockets before.
void nm_net_destroy(nm_net_t **self_p);

//  Binds a socket to a tcp:// or ipc:// end point; port 0 or * lets the system choose. bound may
//  be NULL and gets the real end point. An ipc socket's folder is made, mode 0700, if it is missing.
//  NULL on failure.
void *nm_net_bind(nm_net_t *self, nm_net_bind_t kind, const char *endpoint, char bound[NM_ENDPOINT_MAX],
                  nm_error_t *error);

//  Connects to an end point whose server has this CURVE key and no other. NULL on failure. That the
//  peer is there is not known yet: sends answer EAGAIN until its handshake is done.
void *nm_net_connect(nm_net_t *self, nm_net_connect_t kind, const char *endpoint,
                     const uint8_t server_key[NM_CURVE_KEY_SIZE], nm_error_t *error);

void nm_net_close(nm_net_t *self, void **socket_p);

//  Gives the buffer to libzmq without a copy, and empties it in any case. False: it cannot go now, and is dropped.
//  socket may be NULL.
bool nm_net_send(void *socket, nm_buf_t *frame);

//  Poll this for ZMQ_POLLIN and then run: it answers the handshakes that wait, a bounded number.
//  now_ms is the wall clock, as certificates mean it.
void *nm_net_zap_socket(nm_net_t *self);
void nm_net_zap_run(nm_net_t *self, int64_t now_ms);

//  Who sent this frame? Give a payload frame, never a ROUTER's first: libzmq 4.3.4 leaves that
//  without metadata. NM_ERR_REFUSED if the certificate is no longer good: drop the message.
nm_rc_t nm_net_sender(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms, nm_net_sender_t *sender);

//  Ends the connection that this frame came over, if it is still there: its sender may not speak any more.
//  libzmq has no call for that. The frame knows the descriptor; should that belong to another connection by
//  now, that one is made again.
void nm_net_cut(zmq_msg_t *frame);

//  Is this frame at the lobby within what the lobby listens to?
bool nm_net_may_knock(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms);

//  The own certificate has changed: sockets that are bound, or connected, from now on go by this one. Those that are
//  there stay as they are.
void nm_net_serve_as(nm_net_t *self, const nm_cert_t *cert);
void nm_net_call_as(nm_net_t *self, const nm_cert_t *cert);

//  Binds a mailbox of its own and knocks with a throw-away key: NM_OK if it was turned away.
nm_rc_t nm_net_self_test(nm_net_t *self, int64_t now_ms, nm_error_t *error);

#endif
