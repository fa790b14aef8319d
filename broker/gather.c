#include "broker/gather.h"

#include "wire/reader.h"

enum {
    READ_COUNT = 1024,            //  Messages of a socket in a turn, those that are dropped included
    BEAT_PATIENCE_MS = 100,       //  A beat says only that a peer is there: it waits for company
    DOOR_COUNT = 1024,            //  Asks of clients in a turn, counted one by one
    DOOR_SIZE = 2 * 1024 * 1024,  //  ... and their bytes
};

void
nm_gather_init(nm_gather_t *self, nm_net_t *net, int64_t pace_ms)
{
    self->net = net;
    self->pace_ms = pace_ms;
    self->due_ms = INT64_MAX;
}

bool
nm_gather_has_room(const nm_gather_t *self)
{
    return self->count < NM_GATHER_COUNT && self->size < NM_GATHER_SIZE;
}

//  -- How long it may wait

static void
s_set_due(nm_gather_t *self, int64_t due_ms)
{
    if (due_ms < self->due_ms)
        self->due_ms = due_ms;
}

//  Is this mail to be claimed? The word stands before the items (see NM_MAIL_FIELDS). A guess before the frame is
//  checked: it decides only when it is looked at.
static bool
s_is_offer(nm_bytes_t frame)
{
    nm_reader_t reader;
    nm_value_t value;
    uint64_t tag = 0;
    bool claim = false;
    nm_reader_open(&reader, frame);
    nm_reader_value(&reader, &value);
    nm_reader_value(&reader, &value);
    if (nm_reader_value(&reader, &value) != NM_KIND_MAP)
        return false;
    while (nm_reader_uint(&reader, &tag) == NM_OK && tag < 4)
        nm_reader_value(&reader, &value);
    return tag == 5 && nm_reader_bool(&reader, &claim) == NM_OK && claim;
}

//  Until when a link frame may wait for company. Greetings and claims cost no commit, and others wait for the
//  answer; a beat says only that its peer is there.
static int64_t
s_patience(const nm_gather_t *self, nm_bytes_t frame, int64_t now_ms)
{
    int64_t paced_ms = self->turn_ms + self->pace_ms;
    if (frame.size < 3 || frame.at[0] != 0x92)  //  A link frame is a list of two, and its first item the kind
        return paced_ms;
    switch (frame.at[1]) {
    case NM_FRAME_GREET:
    case NM_FRAME_CLAIM: return now_ms;
    case NM_FRAME_BEAT: return now_ms + BEAT_PATIENCE_MS;
    case NM_FRAME_MAIL: return s_is_offer(frame) ? now_ms : paced_ms;
    default: return paced_ms;
    }
}

//  -- Messages

//  Takes the message that was received into the next place. What comes from nobody we know is
//  dropped here. answerer: whose desk our socket is connected to. Its messages carry no word of
//  our ZAP handler; that it is the peer was proved by its key when we connected. Else NULL.
static void
s_add(nm_gather_t *self, const nm_input_t *as, const nm_peer_t *answerer, nm_now_t now)
{
    zmq_msg_t *message = &self->messages[self->count];
    nm_net_sender_t *sender = &self->senders[self->count];
    nm_input_t *input = &self->inputs[self->count];
    if (answerer) {
        *sender = (nm_net_sender_t){ .name = answerer->actor.name, .role = answerer->actor.role };
    } else if (nm_net_sender(self->net, message, now.wall_ms, sender) != NM_OK) {
        nm_net_cut(message);
        zmq_msg_close(message);
        return;
    }
    *input = *as;
    input->peer = sender->name;
    input->role = sender->role;
    input->client_key = sender->client_key;
    input->address = sender->address;
    input->bytes = nm_bytes(zmq_msg_data(message), zmq_msg_size(message));
    self->size += input->bytes.size;
    self->count++;
    self->urgent |= input->kind != NM_IN_FRAME;
    s_set_due(self,
              input->kind == NM_IN_FRAME ? s_patience(self, input->bytes, now.mono_ms) : self->turn_ms + self->pace_ms);
}

//  Receives one frame. NM_ERR_MISSING: there is none. NM_ERR_MALFORMED: it had more frames than
//  the protocol knows; all are dropped.
static nm_rc_t
s_receive(void *socket, zmq_msg_t *message)
{
    zmq_msg_init(message);
    if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(message);
        return NM_ERR_MISSING;
    }
    if (!zmq_msg_more(message))
        return NM_OK;
    while (zmq_msg_more(message) && zmq_msg_recv(message, socket, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(message);
    return NM_ERR_MALFORMED;
}

void
nm_gather_drain(nm_gather_t *self, void *socket, nm_input_kind_t kind, const nm_peer_t *answerer, nm_now_t now)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < READ_COUNT && nm_gather_has_room(self) && rc != NM_ERR_MISSING; i++) {
        rc = s_receive(socket, &self->messages[self->count]);
        if (rc == NM_OK)
            s_add(self, &(nm_input_t){ .kind = kind }, answerer, now);
    }
}

//  How many asks a frame has: its list of them says so. A guess before the frame is checked, good enough to share out a turn.
static size_t
s_count_asks(nm_bytes_t frame)
{
    nm_reader_t reader;
    nm_value_t key;
    nm_bytes_t raw;
    uint32_t pairs, count;
    nm_reader_open(&reader, frame);
    if (nm_reader_map(&reader, &pairs) != NM_OK)
        return 1;
    while (pairs--) {
        nm_kind_t kind = nm_reader_value(&reader, &key);
        bool named = kind == NM_KIND_STR && nm_bytes_is(key.bytes, "asks");
        if (named || (kind == NM_KIND_UINT && key.number == nm_ask_frame_shape.fields[NM_AT_ask_frame_asks].tag))
            return nm_reader_list(&reader, &count) == NM_OK && count ? count : 1;
        if (nm_reader_raw(&reader, &raw) != NM_OK)
            return 1;
    }
    return 1;
}

//  A ROUTER gives the route first, then the frame. False: there was nothing, or no room.
static bool
s_take_routed(nm_gather_t *self, void *socket, nm_input_kind_t kind, uint8_t number, nm_now_t now)
{
    nm_input_t as = { .kind = kind, .caller = { .socket = number } };
    int size = nm_gather_has_room(self) ? zmq_recv(socket, as.caller.route, sizeof as.caller.route, ZMQ_DONTWAIT) : -1;
    if (size < 0)
        return false;
    as.caller.route_size = (uint8_t) size;
    zmq_msg_t *message = &self->messages[self->count];
    if (s_receive(socket, message) != NM_OK)
        return true;
    if (kind == NM_IN_KNOCK && !nm_net_may_knock(self->net, message, now.mono_ms))
        zmq_msg_close(message);
    else
        s_add(self, &as, NULL, now);
    return true;
}

void
nm_gather_drain_router(nm_gather_t *self, void *socket, nm_input_kind_t kind, uint8_t number, nm_now_t now)
{
    for (size_t i = 0; i < READ_COUNT && s_take_routed(self, socket, kind, number, now); i++)
        ;
}

void
nm_gather_drain_door(nm_gather_t *self, void *socket, uint8_t number, nm_now_t now)
{
    size_t before = self->count;
    for (size_t i = 0; i < READ_COUNT && self->door_count < DOOR_COUNT && self->door_size < DOOR_SIZE &&
                       s_take_routed(self, socket, NM_IN_ASK, number, now);
         i++) {
        for (; before < self->count; before++) {
            self->door_count += s_count_asks(self->inputs[before].bytes);
            self->door_size += self->inputs[before].bytes.size;
        }
    }
}

//  -- What comes from elsewhere

void
nm_gather_result(nm_gather_t *self, const nm_result_t *result)
{
    size_t at = self->count++;
    zmq_msg_init(&self->messages[at]);
    self->results[at] = *result;
    self->inputs[at] = (nm_input_t){ .kind = NM_IN_RESULT, .peer = "", .result = &self->results[at] };
    s_set_due(self, self->turn_ms + self->pace_ms);
}

//  Somebody waits for the answer.
void
nm_gather_request(nm_gather_t *self, const nm_front_request_t *request)
{
    size_t at = self->count++;
    zmq_msg_init(&self->messages[at]);
    self->inputs[at] = (nm_input_t){ .kind = NM_IN_REQUEST, .peer = "", .request = request };
    self->urgent = true;
}

//  -- After the turn

void
nm_gather_forget(nm_gather_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        zmq_msg_close(&self->messages[i]);
        if (self->inputs[i].kind == NM_IN_RESULT)
            nm_result_free(&self->results[i]);
    }
    self->count = self->size = self->door_count = self->door_size = 0;
    self->urgent = false;
    self->due_ms = INT64_MAX;
}

void
nm_gather_keep(nm_gather_t *self, nm_now_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        zmq_msg_close(&self->messages[i]);
        if (self->inputs[i].kind != NM_IN_RESULT && self->inputs[i].kind != NM_IN_REQUEST)
            continue;
        self->results[kept] = self->results[i];
        zmq_msg_init(&self->messages[kept]);
        self->inputs[kept] = self->inputs[i];
        if (self->inputs[kept].kind == NM_IN_RESULT)
            self->inputs[kept].result = &self->results[kept];
        kept++;
    }
    self->count = kept;
    self->size = self->door_count = self->door_size = 0;
    self->urgent = false;
    self->due_ms = kept ? now.mono_ms : INT64_MAX;
}
