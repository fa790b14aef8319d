//  net_zap - the ZAP handler (RFC 27): whose handshake is let in, and who sent a message.

#include "broker/net_private.h"

#include <sys/socket.h>

#include "broker/log.h"

#define KEY_PROPERTY "Client-Key"  //  Z85 of the session's key
#define TRUST_PROPERTY "Trust"     //  The domain that let it in

enum {
    ZAP_FRAME_COUNT = 7,   //  Up to the credentials of CURVE
    ZAP_BATCH_COUNT = 64,  //  Handshakes judged in one run
    LOG_PER_SECOND = 10,   //  A stranger may not fill the log
};

const char *const nm_net_domains[NM_NET_BIND_COUNT] = {
    [NM_NET_MAILBOX] = "mailbox",
    [NM_NET_DESK] = "desk",
    [NM_NET_DOOR] = "door",
    [NM_NET_LOBBY] = "lobby",
};

//  -- Handshakes

enum { ZAP_VERSION, ZAP_REQUEST, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_CREDENTIALS };

typedef struct {
    zmq_msg_t frames[ZAP_FRAME_COUNT];
    size_t count;  //  How many came; more than ZAP_FRAME_COUNT were dropped, but counted
} zap_request_t;

typedef struct {
    const char *user;  //  NULL: refused
    const char *trust;
    char key_text[NM_CURVE_TEXT_SIZE + 1];
} zap_verdict_t;

static nm_bytes_t
s_frame(zap_request_t *request, size_t i)
{
    if (i >= request->count || i >= ZAP_FRAME_COUNT)
        return nm_bytes(NULL, 0);
    return nm_bytes(zmq_msg_data(&request->frames[i]), zmq_msg_size(&request->frames[i]));
}

static void
s_close_request(zap_request_t *request)
{
    for (size_t i = 0; i < request->count && i < ZAP_FRAME_COUNT; i++)
        zmq_msg_close(&request->frames[i]);
}

//  Takes one whole request; false if there is none.
static bool
s_receive_request(void *socket, zap_request_t *request)
{
    request->count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            s_close_request(request);
            return false;
        }
        more = zmq_msg_more(&frame);
        if (request->count < ZAP_FRAME_COUNT)
            request->frames[request->count] = frame;
        else
            zmq_msg_close(&frame);
        request->count++;
    }
    return true;
}

//  Which kind of socket has this domain; NM_NET_BIND_COUNT: none.
static size_t
s_kind(nm_bytes_t domain)
{
    size_t kind = 0;
    while (kind < NM_NET_BIND_COUNT && !nm_bytes_is(domain, nm_net_domains[kind]))
        kind++;
    return kind;
}

//  At most LOG_PER_SECOND refusals are written; the rest are only counted.
static bool
s_may_log(nm_net_t *self, int64_t now_ms)
{
    if (now_ms - self->log_second_ms >= 1000 || now_ms < self->log_second_ms) {
        if (self->log_count > LOG_PER_SECOND)
            nm_log(NM_LOG_WARNING, "strangers_refused", "%u more refused and not named here",
                   self->log_count - LOG_PER_SECOND);
        self->log_second_ms = now_ms;
        self->log_count = 0;
    }
    return self->log_count++ < LOG_PER_SECOND;
}

static void
s_note_refusal(nm_net_t *self, zap_request_t *request, const char *reason, int64_t now_ms)
{
    if (self->testing)
        return;
    size_t kind = s_kind(s_frame(request, ZAP_DOMAIN));
    const char *where = kind < NM_NET_BIND_COUNT ? nm_net_domains[kind] : "unknown domain";
    if (kind < NM_NET_BIND_COUNT && self->refused[kind])
        nm_metric_add(self->refused[kind], 1);
    if (!s_may_log(self, now_ms))
        return;
    char fingerprint[17] = "none";
    nm_bytes_t key = s_frame(request, ZAP_CREDENTIALS);
    if (key.size == NM_CURVE_KEY_SIZE)
        nm_cert_fingerprint(key.at, fingerprint);
    nm_bytes_t address = s_frame(request, ZAP_ADDRESS);
    nm_log(NM_LOG_WARNING, "stranger_refused", "refused at the %s: %s (key %s, from %.*s)", where, reason, fingerprint,
           address.size > 64 ? 64 : (int) address.size, (const char *) address.at);
}

//  Who is it, by its key and where it knocks? A reason if it may not come in.
static nm_rc_t
s_judge(nm_net_t *self, zap_request_t *request, int64_t now_ms, zap_verdict_t *verdict, nm_error_t *error)
{
    size_t kind = s_kind(s_frame(request, ZAP_DOMAIN));
    nm_bytes_t key = s_frame(request, ZAP_CREDENTIALS);
    if (request->count != ZAP_FRAME_COUNT || !nm_bytes_is(s_frame(request, ZAP_VERSION), "1.0"))
        return nm_fail(error, NM_ERR_MALFORMED, "not a request of ZAP 1.0 with a CURVE key");
    if (!nm_bytes_is(s_frame(request, ZAP_MECHANISM), "CURVE") || key.size != NM_CURVE_KEY_SIZE)
        return nm_fail(error, NM_ERR_REFUSED, "it does not speak CURVE");

    zmq_z85_encode(verdict->key_text, key.at, NM_CURVE_KEY_SIZE);
    if (kind == NM_NET_BIND_COUNT)
        return nm_fail(error, NM_ERR_REFUSED, "the domain is unknown");
    verdict->trust = nm_net_domains[kind];
    if (kind == NM_NET_DOOR || kind == NM_NET_LOBBY) {
        verdict->user = kind == NM_NET_LOBBY ? "newcomer" : "client";
        return NM_OK;
    }
    const nm_peer_t *peer = nm_directory_admit(self->directory, key.at, now_ms, error);
    if (!peer)
        return NM_ERR_REFUSED;
    if (kind == NM_NET_MAILBOX && peer->actor.role == NM_ROLE_OPERATOR)
        return nm_fail(error, NM_ERR_REFUSED, "the operator %s may ask and not mail", peer->actor.name);
    verdict->user = peer->actor.name;
    return NM_OK;
}

static void
s_add_property(nm_buf_t *out, const char *name, const char *value)
{
    uint8_t size = (uint8_t) strlen(name), value_size[4];
    nm_put_u32(value_size, (uint32_t) strlen(value));
    nm_buf_add(out, &size, 1);
    nm_buf_add_text(out, name);
    nm_buf_add(out, value_size, sizeof value_size);
    nm_buf_add_text(out, value);
}

static void
s_answer(nm_net_t *self, zap_request_t *request, const zap_verdict_t *verdict)
{
    nm_buf_t metadata = { 0 };
    if (verdict->user) {
        s_add_property(&metadata, KEY_PROPERTY, verdict->key_text);
        s_add_property(&metadata, TRUST_PROPERTY, verdict->trust);
    }
    const nm_bytes_t frames[] = {
        nm_text("1.0"),
        s_frame(request, ZAP_REQUEST),
        nm_text(verdict->user ? "200" : "400"),
        nm_text(verdict->user ? "OK" : "refused"),
        nm_text(verdict->user),
        nm_buf_bytes(&metadata),
    };
    for (size_t i = 0; i < NM_COUNT(frames); i++)
        zmq_send(self->zap, frames[i].at, frames[i].size, i + 1 < NM_COUNT(frames) ? ZMQ_SNDMORE : 0);
    nm_buf_free(&metadata);
}

void *
nm_net_zap_socket(nm_net_t *self)
{
    return self->zap;
}

void
nm_net_zap_run(nm_net_t *self, int64_t now_ms)
{
    zap_request_t request;
    for (size_t i = 0; i < ZAP_BATCH_COUNT && s_receive_request(self->zap, &request); i++) {
        zap_verdict_t verdict = { 0 };
        nm_error_t error;
        if (s_judge(self, &request, now_ms, &verdict, &error) != NM_OK) {
            verdict.user = NULL;
            s_note_refusal(self, &request, error.text, now_ms);
        }
        s_answer(self, &request, &verdict);
        s_close_request(&request);
    }
}

//  -- Senders

nm_rc_t
nm_net_sender(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms, nm_net_sender_t *sender)
{
    //  Both are set by our handler, and libzmq lets no property of a peer's own replace them
    const char *key_text = zmq_msg_gets(frame, KEY_PROPERTY);
    const char *trust = zmq_msg_gets(frame, TRUST_PROPERTY);
    uint8_t key[NM_CURVE_KEY_SIZE];
    if (!key_text || !trust || strlen(key_text) != NM_CURVE_TEXT_SIZE || !zmq_z85_decode(key, key_text))
        return NM_ERR_REFUSED;

    *sender = (nm_net_sender_t){ .name = "", .role = NM_ROLE_CLIENT };
    memcpy(sender->client_key, key, sizeof key);
    if (strcmp(trust, nm_net_domains[NM_NET_DOOR]) == 0) {
        nm_bytes_to_text(nm_text(zmq_msg_gets(frame, "Peer-Address")), sender->address, sizeof sender->address);
        return NM_OK;
    }
    if (strcmp(trust, nm_net_domains[NM_NET_LOBBY]) == 0) {
        sender->role = NM_ROLE_NONE;
        return NM_OK;
    }
    const nm_peer_t *peer = nm_directory_admit(self->directory, key, now_ms, NULL);
    if (!peer)
        return NM_ERR_REFUSED;
    sender->name = peer->actor.name;
    sender->role = peer->actor.role;
    return NM_OK;
}

void
nm_net_cut(zmq_msg_t *frame)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
}

bool
nm_net_may_knock(nm_net_t *self, zmq_msg_t *frame, int64_t now_ms)
{
    const char *key = zmq_msg_gets(frame, KEY_PROPERTY), *address = zmq_msg_gets(frame, "Peer-Address");
    return nm_knocks_add(&self->knocks, nm_text(key), nm_text(address), now_ms);
}
