#include "broker/bench.h"

#include <dirent.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/actor_private.h"
#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { S_TURN_MAX = 32 };
#define S_START_MS INT64_C(1795219200000)  //  2026-11-21T00:00:00Z

//  A played peer: both streams, as its own store would know them.
typedef struct {
    const nm_peer_t *peer;
    uint64_t next;         //  Of its stream to the actor
    nm_spans_t acked;      //  What the actor has receipted of it
    nm_spans_t seen;       //  Of the actor's stream
    nm_pending_t offered;  //  ... and what it has not been granted
    nm_id_t store;
    uint64_t boot;
    uint64_t greetings;  //  How many it has sent
    bool away;
    bool frozen;
    bool held;  //  Its receipts get lost
    bool receipt_due;
    nm_buf_t last;  //  Its last mail, as it went
    unsigned last_kind;
    bool last_claim;
} s_peer_t;

typedef struct {
    nm_input_t input;
    nm_buf_t bytes;
    nm_result_t result;
    s_peer_t *mail_peer;  //  Set for mail: its frame is packed when the turn begins
    unsigned kind;
    bool claim;  //  It is to be claimed
} s_input_t;

struct nm_bench {
    char folder[64];
    char store_path[128];
    const nm_table_t *tables[64];
    const nm_role_t *role;
    nm_mesh_t *mesh;
    nm_directory_t *directory;
    nm_metrics_t *metrics;
    nm_store_t *store;
    nm_store_config_t store_config;
    nm_actor_t *actor;
    nm_now_t now;
    uint64_t boot;
    uint64_t next_ask;
    char name[NM_NAME_MAX + 1];
    s_peer_t *peers;
    size_t peer_count;
    s_input_t *inputs;
    size_t input_count;
    nm_bench_mail_t *mails;
    size_t mail_count;
    nm_bench_reply_t *replies;
    size_t reply_count;
    nm_bench_asked_t *asks;
    size_t ask_count;
    nm_effect_t **effects;
    size_t effect_count;
    nm_front_answer_t *answers;
    size_t answer_count;
    bool plays_books;  //  The test answers asks about books
    nm_buf_t *frames;  //  What the kept outputs are views into
    size_t frame_count;
    size_t claims;           //  Frames of claims that the actor has sent
    nm_bench_wire_fn *wire;  //  NULL: the peers are played
    void *wire_arg;
};

static const char MESH[] = "mesh\n"
                           "    name = \"bench\"\n"
                           "    authority = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"\n"
                           "    admin_key_hash = \"%s\"\n"
                           "    public_domain = \"bench.test\"\n"
                           "actors\n";

static void
s_die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    abort();
}

//  -- The folder

static void
s_write_mesh(nm_bench_t *self, const nm_role_t *role, const char *settings)
{
    static const struct {
        const char *name, *role;
        unsigned number;
    } ACTORS[] = { { "gateway-1", "gateway", 1 },       { "gateway-2", "gateway", 2 }, { "router-1", "router", 0 },
                   { "router-2", "router", 0 },         { "email-1", "email", 0 },     { "email-2", "email", 0 },
                   { "deadletter-1", "deadletter", 0 }, { "user-1", "user", 0 } };
    char path[128];
    snprintf(path, sizeof path, "%s/mesh.zpl", self->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        s_die(path, "cannot be written");
    fprintf(file, MESH, NM_BENCH_ADMIN_HASH);
    for (size_t i = 0; i < NM_COUNT(ACTORS); i++) {
        fprintf(file, "    %s\n        role = \"%s\"\n", ACTORS[i].name, ACTORS[i].role);
        fprintf(file, "        mailbox = \"tcp://127.0.0.1:%zu\"\n", 7000 + 3 * i);
        fprintf(file, "        desk = \"tcp://127.0.0.1:%zu\"\n", 7001 + 3 * i);
        if (ACTORS[i].number)
            fprintf(file, "        number = %u\n        door = \"tcp://127.0.0.1:%zu\"\n", ACTORS[i].number,
                    7002 + 3 * i);
    }
    if (role->id == NM_ROLE_BRIDGE)
        fputs("    bridge-1\n        role = \"bridge\"\n        mailbox = \"tcp://127.0.0.1:7100\"\n"
              "        desk = \"tcp://127.0.0.1:7101\"\n",
              file);
    fputs(settings ? settings : "", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/certs", self->folder);
    mkdir(path, 0700);
}

static void
s_remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char inner[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            s_remove_folder(inner);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

//  -- Inputs

static s_input_t *
s_input(nm_bench_t *self, nm_input_kind_t kind, const char *peer)
{
    self->inputs = nm_realloc(self->inputs, (self->input_count + 1) * sizeof *self->inputs);
    s_input_t *input = &self->inputs[self->input_count++];
    memset(input, 0, sizeof *input);
    const nm_peer_t *known = nm_directory_find(self->directory, peer);
    input->input.kind = kind;
    input->input.peer = known ? known->actor.name : "";
    static const uint8_t CLIENT_KEY[NM_CURVE_KEY_SIZE] = { 3, 1, 4, 1, 5, 9 };
    input->input.client_key = CLIENT_KEY;
    input->input.role = known ? known->actor.role : kind == NM_IN_ASK ? NM_ROLE_CLIENT : NM_ROLE_NONE;
    if (strcmp(peer, "operator") == 0) {
        input->input.peer = "operator";
        input->input.role = NM_ROLE_OPERATOR;
    }
    return input;
}

static s_peer_t *
s_peer(nm_bench_t *self, const char *name)
{
    for (size_t i = 0; i < self->peer_count; i++)
        if (strcmp(self->peers[i].peer->actor.name, name) == 0)
            return &self->peers[i];
    s_die(name, "is no peer of this actor");
    return NULL;
}

static s_peer_t
s_new_peer(const nm_peer_t *peer)
{
    s_peer_t self = { .peer = peer, .next = 1, .boot = 77 };
    snprintf((char *) self.store.at, sizeof self.store.at, "%.15s", peer->actor.name);
    return self;
}

static void
s_free_peer(s_peer_t *peer)
{
    nm_buf_free(&peer->last);
    nm_pending_clear(&peer->offered);
}

//  Puts a frame of a peer among the inputs.
static void
s_input_frame(nm_bench_t *self, const s_peer_t *peer, nm_frame_kind_t kind, const nm_shape_t *shape, const void *record)
{
    s_input_t *input = s_input(self, NM_IN_FRAME, peer->peer->actor.name);
    nm_frame_start(&input->bytes, kind);
    nm_record_encode(shape, record, NM_BY_TAG, &input->bytes);
}

static void
s_greet(nm_bench_t *self, s_peer_t *peer, bool answer)
{
    nm_greet_t greet = { 0 };
    nm_buf_t above = { 0 };
    nm_spans_write(&peer->seen, &above);
    NM_PUT(&greet, greet, store, peer->store);
    NM_PUT(&greet, greet, epoch, 1);
    NM_PUT(&greet, greet, boot, peer->boot);
    NM_PUT(&greet, greet, low, peer->acked.seen + 1);
    NM_PUT(&greet, greet, next, peer->next);
    NM_PUT(&greet, greet, seen_store, *nm_store_id(self->store));
    NM_PUT(&greet, greet, seen_epoch, nm_store_epoch(self->store));
    NM_PUT(&greet, greet, seen, peer->seen.seen);
    NM_PUT(&greet, greet, above, nm_buf_bytes(&above));
    NM_PUT(&greet, greet, credit, NM_CREDIT_COUNT);
    NM_PUT(&greet, greet, answer, answer);
    NM_PUT(&greet, greet, claims, true);
    NM_PUT(&greet, greet, number, ++peer->greetings);
    NM_PUT(&greet, greet, your_boot, self->boot);
    NM_PUT(&greet, greet, your_number, nm_actor_link(self->actor, peer->peer->actor.name)->greetings);
    s_input_frame(self, peer, NM_FRAME_GREET, &nm_greet_shape, &greet);
    nm_buf_free(&above);
}

static void
s_receipt(nm_bench_t *self, s_peer_t *peer)
{
    nm_receipt_t receipt = { 0 };
    NM_PUT(&receipt, receipt, store, *nm_store_id(self->store));
    NM_PUT(&receipt, receipt, epoch, nm_store_epoch(self->store));
    NM_PUT(&receipt, receipt, seen, peer->seen.seen);
    NM_PUT(&receipt, receipt, credit, NM_CREDIT_COUNT);
    NM_PUT(&receipt, receipt, boot, peer->boot);
    NM_PUT(&receipt, receipt, your_boot, self->boot);
    nm_buf_t above = { 0 };
    nm_spans_write(&peer->seen, &above);
    NM_PUT(&receipt, receipt, above, nm_buf_bytes(&above));
    s_input_frame(self, peer, NM_FRAME_RECEIPT, &nm_receipt_shape, &receipt);
    nm_buf_free(&above);
    peer->receipt_due = false;
}

static void
s_claim(nm_bench_t *self, s_peer_t *peer)
{
    nm_runs_t runs;
    while (nm_pending_claims(&peer->offered, &runs)) {
        nm_claim_t claim = { 0 };
        nm_buf_t seqs = { 0 };
        nm_runs_write(&runs, &seqs);
        NM_PUT(&claim, claim, boot, peer->boot);
        NM_PUT(&claim, claim, your_boot, self->boot);
        NM_PUT(&claim, claim, store, *nm_store_id(self->store));
        NM_PUT(&claim, claim, epoch, nm_store_epoch(self->store));
        NM_PUT(&claim, claim, seqs, nm_buf_bytes(&seqs));
        s_input_frame(self, peer, NM_FRAME_CLAIM, &nm_claim_shape, &claim);
        nm_buf_free(&seqs);
    }
}

static void
s_beat(nm_bench_t *self, const s_peer_t *peer, uint64_t backlog)
{
    nm_beat_t beat = { 0 };
    NM_PUT(&beat, beat, boot, peer->boot);
    NM_PUT(&beat, beat, credit, NM_CREDIT_COUNT);
    NM_PUT(&beat, beat, backlog, backlog);
    s_input_frame(self, peer, NM_FRAME_BEAT, &nm_beat_shape, &beat);
}

void
nm_bench_mail(nm_bench_t *self, const char *peer, unsigned kind, nm_bytes_t body)
{
    s_input_t *input = s_input(self, NM_IN_FRAME, peer);
    input->mail_peer = s_peer(self, peer);
    input->kind = kind;
    nm_buf_add_bytes(&input->bytes, body);
}

void
nm_bench_record(nm_bench_t *self, const char *peer, unsigned kind, const nm_shape_t *shape, const void *record)
{
    nm_buf_t body = { 0 };
    nm_record_encode(shape, record, NM_BY_TAG, &body);
    nm_bench_mail(self, peer, kind, nm_buf_bytes(&body));
    nm_buf_free(&body);
}

//  A mail frame of one item.
static nm_buf_t
s_mail_frame(nm_bench_t *self, const s_peer_t *peer, uint64_t seq, unsigned kind, nm_bytes_t body, bool claim)
{
    nm_buf_t items = { 0 }, frame = { 0 };
    nm_mail_item_t item = { 0 };
    NM_PUT(&item, mail_item, seq, seq);
    NM_PUT(&item, mail_item, kind, kind);
    NM_PUT(&item, mail_item, priority, NM_PRIORITY_NORMAL);
    NM_PUT(&item, mail_item, body, body);
    nm_writer_list(&items, 1);
    nm_record_encode(&nm_mail_item_shape, &item, NM_BY_TAG, &items);
    nm_mail_t mail = { 0 };
    NM_PUT(&mail, mail, epoch, 1);
    NM_PUT(&mail, mail, store, peer->store);
    NM_PUT(&mail, mail, low, peer->acked.seen + 1);
    if (claim)
        NM_PUT(&mail, mail, claim, true);
    NM_PUT(&mail, mail, boot, peer->boot);
    NM_PUT(&mail, mail, your_boot, self->boot);
    NM_PUT(&mail, mail, items, nm_buf_bytes(&items));
    nm_frame_start(&frame, NM_FRAME_MAIL);
    nm_record_encode(&nm_mail_shape, &mail, NM_BY_TAG, &frame);
    nm_buf_free(&items);
    return frame;
}

//  Queued mail gets its number only now, so that what a restart drops leaves no hole.
static void
s_pack_mail(nm_bench_t *self, s_input_t *input)
{
    s_peer_t *peer = input->mail_peer;
    nm_bytes_t body = nm_buf_bytes(&input->bytes);
    nm_buf_clear(&peer->last);
    nm_buf_add_bytes(&peer->last, body);
    peer->last_kind = input->kind;
    peer->last_claim = input->claim;
    nm_buf_t frame = s_mail_frame(self, peer, peer->next++, input->kind, body, input->claim);
    nm_buf_free(&input->bytes);
    input->bytes = frame;
    input->mail_peer = NULL;
}

void
nm_bench_request(nm_bench_t *self, const nm_front_request_t *request)
{
    s_input(self, NM_IN_REQUEST, "")->input.request = request;
}

uint64_t
nm_bench_ask(nm_bench_t *self, const char *peer, const char *op, const nm_ask_headers_t *headers, nm_bytes_t body)
{
    nm_buf_t raw_headers = { 0 };
    nm_ask_t ask = { 0 };
    uint64_t id = self->next_ask++;
    NM_PUT(&ask, ask, id, id);
    NM_PUT(&ask, ask, op, nm_text(op));
    if (headers) {
        nm_record_encode(&nm_ask_headers_shape, headers, NM_BY_NAME, &raw_headers);
        NM_PUT(&ask, ask, headers, nm_buf_bytes(&raw_headers));
    }
    if (body.size)
        NM_PUT(&ask, ask, body, body);
    s_input_t *input = s_input(self, NM_IN_ASK, peer);
    input->input.caller = (nm_caller_t){ .socket = 1, .route_size = 5, .route = "route" };
    nm_writer_map(&input->bytes, 1);
    nm_writer_text(&input->bytes, "asks");
    nm_writer_list(&input->bytes, 1);
    nm_record_encode(&nm_ask_shape, &ask, NM_BY_NAME, &input->bytes);
    nm_buf_free(&raw_headers);
    return id;
}

void
nm_bench_answer(nm_bench_t *self, uint64_t id, const char *peer, unsigned status, nm_bytes_t body)
{
    nm_bench_answer_with(self, id, peer, status, nm_bytes(NULL, 0), body);
}

void
nm_bench_answer_with(nm_bench_t *self, uint64_t id, const char *peer, unsigned status, nm_bytes_t headers,
                     nm_bytes_t body)
{
    nm_reply_t reply = { 0 };
    NM_PUT(&reply, reply, id, id);
    NM_PUT(&reply, reply, status, status);
    if (headers.size)
        NM_PUT(&reply, reply, headers, headers);
    if (body.size)
        NM_PUT(&reply, reply, body, body);
    s_input_t *input = s_input(self, NM_IN_REPLY, peer);
    nm_writer_map(&input->bytes, 1);
    nm_writer_text(&input->bytes, "replies");
    nm_writer_list(&input->bytes, 1);
    nm_record_encode(&nm_reply_shape, &reply, NM_BY_NAME, &input->bytes);
}

static nm_peer_t *
s_known(nm_bench_t *self, const char *name)
{
    const nm_peer_t *peer = nm_directory_find(self->directory, name);
    if (!peer)
        s_die(name, "is not on the mesh");
    return (nm_peer_t *) peer;
}

void
nm_bench_since(nm_bench_t *self, const char *name, int64_t not_before_ms)
{
    s_known(self, name)->cert.not_before_ms = not_before_ms;
}

void
nm_bench_result(nm_bench_t *self, const nm_effect_t *effect, nm_call_t call, unsigned code, const char *text)
{
    s_input_t *input = s_input(self, NM_IN_RESULT, "");
    input->result = (nm_result_t){ .token = effect->token,
                                   .about = effect->about,
                                   .call = call,
                                   .code = code,
                                   .retry_after_ms = -1,
                                   .took_us = 1234 };
    snprintf(input->result.text, sizeof input->result.text, "%s", text ? text : "");
}

static void
s_drop_inputs(nm_bench_t *self)
{
    for (size_t i = 0; i < self->input_count; i++)
        nm_buf_free(&self->inputs[i].bytes);
    self->input_count = 0;
}

//  -- Outputs

static nm_bytes_t
s_keep(nm_bench_t *self, nm_buf_t bytes)
{
    self->frames = nm_realloc(self->frames, (self->frame_count + 1) * sizeof *self->frames);
    self->frames[self->frame_count++] = bytes;
    return nm_buf_bytes(&bytes);
}

//  The peer takes one mail in.
static void
s_keep_mail(nm_bench_t *self, s_peer_t *peer, const nm_mail_item_t *item)
{
    peer->receipt_due = true;
    if (nm_spans_add(&peer->seen, item->seq) != NM_OK || !item->kind)
        return;
    self->mails = nm_realloc(self->mails, (self->mail_count + 1) * sizeof *self->mails);
    nm_bench_mail_t *kept = &self->mails[self->mail_count++];
    *kept = (nm_bench_mail_t){ .kind = (uint8_t) item->kind, .priority = (uint8_t) item->priority, .body = item->body };
    nm_bytes_to_text(nm_text(peer->peer->actor.name), kept->peer, sizeof kept->peer);
}

static void
s_keep_mails(nm_bench_t *self, s_peer_t *peer, nm_bytes_t record)
{
    nm_mail_t mail;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_record_decode(&nm_mail_shape, &mail, record, NULL, "") != NM_OK || nm_list_open(&list, mail.items) != NM_OK)
        s_die(peer->peer->actor.name, "was sent malformed mail");
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_mail_item_t item;
        if (nm_record_decode(&nm_mail_item_shape, &item, raw, NULL, "") != NM_OK)
            s_die(peer->peer->actor.name, "was sent a malformed mail item");
        if (mail.claim && !nm_spans_has(&peer->seen, item.seq)) {
            nm_pending_keep(&peer->offered, &item);
            continue;
        }
        nm_pending_take(&peer->offered, item.seq, item.seq);
        s_keep_mail(self, peer, &item);
    }
    nm_pending_sweep(&peer->offered);
}

//  What was granted is taken in; its bodies become the bench's.
static void
s_keep_granted(nm_bench_t *self, s_peer_t *peer, nm_bytes_t record)
{
    nm_grant_t grant;
    nm_runs_t runs;
    const nm_pending_mail_t *mail;
    if (nm_record_decode(&nm_grant_shape, &grant, record, NULL, "") != NM_OK ||
        nm_runs_read(&runs, grant.seqs) != NM_OK)
        s_die(peer->peer->actor.name, "was sent a malformed grant");
    for (uint32_t i = 0; i < runs.count && grant.your_boot == peer->boot; i++)
        while ((mail = nm_pending_take(&peer->offered, runs.at[i].first, runs.at[i].last))) {
            nm_buf_t body = { 0 };
            nm_buf_add(&body, mail->body, mail->size);
            nm_mail_item_t item = { .seq = mail->seq, .kind = mail->kind, .priority = mail->priority };
            item.body = s_keep(self, body);
            s_keep_mail(self, peer, &item);
        }
    nm_pending_sweep(&peer->offered);
}

static void
s_keep_frame(nm_bench_t *self, const nm_output_t *output)
{
    nm_frame_kind_t kind;
    nm_bytes_t record;
    nm_receipt_t receipt;
    nm_greet_t greet;
    s_peer_t *peer = s_peer(self, output->peer->actor.name);
    if (nm_frame_open(s_keep(self, output->bytes), &kind, &record) != NM_OK)
        s_die(peer->peer->actor.name, "was sent a malformed frame");
    if (kind == NM_FRAME_MAIL)
        s_keep_mails(self, peer, record);
    if (kind == NM_FRAME_GRANT)
        s_keep_granted(self, peer, record);
    if (kind == NM_FRAME_CLAIM)
        self->claims++;
    if (kind == NM_FRAME_RECEIPT && nm_record_decode(&nm_receipt_shape, &receipt, record, NULL, "") == NM_OK)
        nm_spans_read(&peer->acked, receipt.seen, receipt.above);
    bool there = !peer->away && !peer->frozen;
    if (there && kind == NM_FRAME_GREET && nm_record_decode(&nm_greet_shape, &greet, record, NULL, "") == NM_OK &&
        !greet.answer)
        s_greet(self, peer, true);
}

static void
s_keep_replies(nm_bench_t *self, nm_bytes_t bytes)
{
    nm_reply_frame_t frame;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_reader_check(bytes) != NM_OK || nm_record_decode(&nm_reply_frame_shape, &frame, bytes, NULL, "") != NM_OK ||
        nm_list_open(&list, frame.replies) != NM_OK)
        s_die("reply frame", "is malformed");
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_reply_t reply;
        if (nm_record_decode(&nm_reply_shape, &reply, raw, NULL, "") != NM_OK)
            s_die("reply", "is malformed");
        self->replies = nm_realloc(self->replies, (self->reply_count + 1) * sizeof *self->replies);
        self->replies[self->reply_count++] =
            (nm_bench_reply_t){ reply.id, (unsigned) reply.status, reply.headers, reply.body };
    }
}

static void
s_keep_asks(nm_bench_t *self, const nm_peer_t *peer, nm_bytes_t bytes)
{
    nm_ask_frame_t frame;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_record_decode(&nm_ask_frame_shape, &frame, bytes, NULL, "") != NM_OK ||
        nm_list_open(&list, frame.asks) != NM_OK)
        s_die("ask frame", "is malformed");
    while (nm_list_next(&list, &raw) == NM_OK) {
        nm_ask_t ask;
        if (nm_record_decode(&nm_ask_shape, &ask, raw, NULL, "") != NM_OK)
            s_die("ask", "is malformed");
        if (!self->plays_books && ask.op.size > 5 && memcmp(ask.op.at, "book.", 5) == 0) {
            nm_bench_answer(self, ask.id, peer->actor.name, 503, nm_bytes(NULL, 0));
            continue;
        }
        self->asks = nm_realloc(self->asks, (self->ask_count + 1) * sizeof *self->asks);
        nm_bench_asked_t *kept = &self->asks[self->ask_count++];
        *kept = (nm_bench_asked_t){ .id = ask.id, .headers = ask.headers, .body = ask.body };
        nm_bytes_to_text(nm_text(peer->actor.name), kept->peer, sizeof kept->peer);
        nm_bytes_to_text(ask.op, kept->op, sizeof kept->op);
    }
}

static void
s_take_outputs(nm_bench_t *self)
{
    nm_output_t output;
    while (nm_actor_take(self->actor, &output)) {
        switch (output.kind) {
        case NM_OUT_FRAME:
            if (self->wire)
                self->wire(self->wire_arg, output.peer->actor.name, s_keep(self, output.bytes));
            else
                s_keep_frame(self, &output);
            break;
        case NM_OUT_REPLY: s_keep_replies(self, s_keep(self, output.bytes)); break;
        case NM_OUT_ASK: s_keep_asks(self, output.peer, s_keep(self, output.bytes)); break;
        case NM_OUT_KNOCK: nm_buf_free(&output.bytes); break;  //  No directory is exchanged here
        case NM_OUT_ANSWER:
            self->answers = nm_realloc(self->answers, (self->answer_count + 1) * sizeof *self->answers);
            self->answers[self->answer_count++] = output.answer;
            break;
        case NM_OUT_EFFECT:
            self->effects = nm_realloc(self->effects, (self->effect_count + 1) * sizeof(nm_effect_t *));
            self->effects[self->effect_count++] = output.effect;
            break;
        }
    }
    for (size_t i = 0; i < self->peer_count && !self->wire; i++) {
        s_peer_t *peer = &self->peers[i];
        if (peer->away || peer->frozen)
            continue;
        s_claim(self, peer);
        if (peer->receipt_due && !peer->held)
            s_receipt(self, peer);
    }
}

void
nm_bench_forget(nm_bench_t *self)
{
    for (size_t i = 0; i < self->frame_count; i++)
        nm_buf_free(&self->frames[i]);
    for (size_t i = 0; i < self->effect_count; i++)
        nm_effect_destroy(&self->effects[i]);
    for (size_t i = 0; i < self->answer_count; i++)
        nm_front_answer_free(&self->answers[i]);
    self->claims = self->answer_count = 0;
    self->frame_count = self->mail_count = self->reply_count = self->ask_count = self->effect_count = 0;
}

//  -- Turns

static nm_rc_t
s_turn(nm_bench_t *self)
{
    size_t count = self->input_count;
    nm_input_t *inputs = nm_alloc(count * sizeof *inputs);
    for (size_t i = 0; i < count; i++) {
        s_input_t *input = &self->inputs[i];
        if (input->mail_peer)
            s_pack_mail(self, input);
        inputs[i] = input->input;
        inputs[i].bytes = nm_buf_bytes(&input->bytes);
        inputs[i].result = &input->result;
    }
    nm_rc_t rc = nm_actor_turn(self->actor, inputs, count, self->now);
    s_drop_inputs(self);
    s_take_outputs(self);
    free(inputs);
    return rc;
}

nm_rc_t
nm_bench_turn_once(nm_bench_t *self)
{
    return s_turn(self);
}

nm_rc_t
nm_bench_turn(nm_bench_t *self)
{
    nm_rc_t rc = s_turn(self);
    for (int i = 0; i < S_TURN_MAX && rc == NM_OK; i++) {
        if (!self->input_count && self->actor->role_wake_ms > self->now.wall_ms)
            break;
        rc = s_turn(self);
    }
    return rc;
}

static void
s_start(nm_bench_t *self)
{
    nm_error_t error = { .text = "" };
    self->store = nm_store_new(&self->store_config, &error);
    if (!self->store)
        s_die("store", error.text);
    nm_actor_config_t config = { .role = self->role,
                                 .setup = { .mesh = self->mesh,
                                            .directory = self->directory,
                                            .self = nm_mesh_find(self->mesh, self->name),
                                            .metrics = self->metrics },
                                 .store = self->store,
                                 .boot = ++self->boot,
                                 .seed = 42 + self->boot };
    self->actor = nm_actor_new(&config, self->now, &error);
    if (!self->actor)
        s_die(self->name, error.text);
    if (!self->peers) {
        self->peers = nm_alloc((self->actor->link_count + 1) * sizeof *self->peers);
        for (size_t i = 0; i < self->actor->link_count; i++)
            self->peers[self->peer_count++] = s_new_peer(self->actor->links[i]->peer);
    }
    for (size_t i = 0; i < self->peer_count; i++)
        nm_pending_clear(&self->peers[i].offered);
    s_take_outputs(self);  //  Whoever is there answers its greeting
    if (nm_bench_turn(self) != NM_OK)
        s_die(self->name, "did not take its peers' greetings");
}

nm_bench_t *
nm_bench_new(const nm_role_t *role, const char *name, const char *settings)
{
    nm_error_t error = { .text = "" };
    nm_bench_t *self = nm_alloc(sizeof *self);
    nm_log_open("bench", NM_LOG_CRITICAL);
    self->role = role;
    self->now = (nm_now_t){ .wall_ms = S_START_MS, .mono_ms = 1000000 };
    self->next_ask = 1;
    nm_bytes_to_text(nm_text(name), self->name, sizeof self->name);
    snprintf(self->folder, sizeof self->folder, "/tmp/nmesh-bench-XXXXXX");
    if (!mkdtemp(self->folder))
        s_die(self->folder, "cannot be made");
    s_write_mesh(self, role, settings);
    self->mesh = nm_mesh_load(self->folder, &error);
    if (!self->mesh)
        s_die("mesh", error.text);
    self->directory = nm_directory_new(self->mesh, self->now.wall_ms, &error);
    if (!self->directory)
        s_die("directory", error.text);
    self->metrics = nm_metrics_new();

    static const nm_store_key_t key = { 1, { 9, 8, 7, 6, 5, 4, 3, 2, 1 } };
    snprintf(self->store_path, sizeof self->store_path, "%s/store", self->folder);
    self->store_config =
        (nm_store_config_t){ .path = self->store_path,
                             .owner = self->name,
                             .tables = self->tables,
                             .table_count = nm_actor_tables(role, self->tables, NM_COUNT(self->tables)),
                             .keys = &key,
                             .key_count = 1,
                             .map_size = UINT64_C(1) << 32,
                             .reserve = 1,
                             .volatile_for_tests = true };
    s_start(self);
    nm_bench_forget(self);
    return self;
}

static void
s_stop(nm_bench_t *self)
{
    s_drop_inputs(self);
    nm_bench_forget(self);
    nm_actor_destroy(&self->actor);
    nm_store_destroy(&self->store);
}

void
nm_bench_restart(nm_bench_t *self)
{
    s_stop(self);
    s_start(self);
}

void
nm_bench_destroy(nm_bench_t **self_p)
{
    nm_bench_t *self = *self_p;
    if (!self)
        return;
    s_stop(self);
    for (size_t i = 0; i < self->peer_count; i++)
        s_free_peer(&self->peers[i]);
    free(self->peers);
    nm_metrics_destroy(&self->metrics);
    nm_directory_destroy(&self->directory);
    nm_mesh_destroy(&self->mesh);
    s_remove_folder(self->folder);
    free(self->inputs);
    free(self->mails);
    free(self->replies);
    free(self->asks);
    free(self->effects);
    free(self->answers);
    free(self->frames);
    free(self);
    *self_p = NULL;
}

//  -- Books

typedef struct {
    nm_bench_t *self;
    nm_bench_t *owner;
    const char *book;
    nm_txn_t *txn;  //  Of the follower
} s_following_t;

static nm_rc_t
s_take_changes(nm_txn_t *theirs, void *arg)
{
    const s_following_t *follow = arg;
    nm_actor_t *actor = follow->self->actor;
    nm_book_copy_t *copy = nm_books_find(actor, nm_text(follow->book));
    nm_book_head_t head;
    nm_rc_t rc = nm_book_load(theirs, follow->book, &head);
    actor->turn = (nm_turn_t){ .actor = actor, .now = follow->self->now, .txn = follow->txn };
    while (rc == NM_OK && copy->head.number < head.number) {
        nm_book_change_t change;
        rc = nm_book_change(theirs, follow->book, copy->head.number + 1, &change);
        if (rc == NM_OK)
            rc = nm_book_apply(follow->txn, follow->book, &copy->head, &change);
        if (rc == NM_OK)
            rc = nm_books_changed(actor, copy, change.key);
    }
    nm_book_adopt(&copy->head, &head);
    return rc == NM_OK ? nm_book_save(follow->txn, follow->book, &copy->head) : rc;
}

static nm_rc_t
s_follow(nm_txn_t *txn, void *arg)
{
    s_following_t *follow = arg;
    follow->txn = txn;
    return nm_store_view(follow->owner->store, s_take_changes, follow);
}

void
nm_bench_follow_book(nm_bench_t *self, nm_bench_t *owner, const char *book)
{
    s_following_t follow = { .self = self, .owner = owner, .book = book };
    if (nm_store_update(self->store, s_follow, &follow) != NM_OK)
        s_die(book, "could not be followed");
    self->actor->turn.txn = NULL;
}

void
nm_bench_hear_owner(nm_bench_t *self, const char *book)
{
    nm_books_find(self->actor, nm_text(book))->owner_away = false;
}

//  -- Looking

void *
nm_bench_state(nm_bench_t *self)
{
    return self->actor->state;
}

nm_store_t *
nm_bench_store(nm_bench_t *self)
{
    return self->store;
}

typedef struct {
    const nm_table_t *table;
    uint64_t count;
} s_rows_t;

static nm_rc_t
s_count_rows(nm_txn_t *txn, void *arg)
{
    s_rows_t *rows = arg;
    rows->count = nm_table_count(txn, rows->table);
    return NM_OK;
}

uint64_t
nm_bench_rows(nm_bench_t *self, const nm_table_t *table)
{
    s_rows_t rows = { .table = table };
    if (nm_store_view(self->store, s_count_rows, &rows) != NM_OK)
        s_die(table->name, "cannot be counted");
    return rows.count;
}

const nm_mesh_t *
nm_bench_mesh(nm_bench_t *self)
{
    return self->mesh;
}

int64_t
nm_bench_now(const nm_bench_t *self)
{
    return self->now.wall_ms;
}

void
nm_bench_step(nm_bench_t *self, int64_t ms)
{
    self->now.wall_ms += ms;
}

void
nm_bench_wait(nm_bench_t *self, int64_t ms)
{
    self->now.wall_ms += ms;
    self->now.mono_ms += ms;
    for (size_t i = 0; i < self->peer_count && !self->wire; i++)
        if (!self->peers[i].frozen && !self->peers[i].away)
            nm_actor_link(self->actor, self->peers[i].peer->actor.name)->heard_ms = self->now.mono_ms;
}

const nm_bench_mail_t *
nm_bench_sent(const nm_bench_t *self, unsigned kind, size_t n)
{
    for (size_t i = 0; i < self->mail_count; i++)
        if ((!kind || self->mails[i].kind == kind) && n-- == 0)
            return &self->mails[i];
    return NULL;
}

size_t
nm_bench_mails(const nm_bench_t *self, unsigned kind)
{
    size_t count = 0;
    for (size_t i = 0; i < self->mail_count; i++)
        count += !kind || self->mails[i].kind == kind;
    return count;
}

const nm_bench_reply_t *
nm_bench_reply(const nm_bench_t *self, uint64_t id)
{
    for (size_t i = 0; i < self->reply_count; i++)
        if (self->replies[i].id == id)
            return &self->replies[i];
    return NULL;
}

size_t
nm_bench_answers(const nm_bench_t *self)
{
    return self->answer_count;
}

const nm_front_answer_t *
nm_bench_answered(const nm_bench_t *self, size_t n)
{
    return n < self->answer_count ? &self->answers[n] : NULL;
}

size_t
nm_bench_asks(const nm_bench_t *self)
{
    return self->ask_count;
}

const nm_bench_asked_t *
nm_bench_asked(const nm_bench_t *self, size_t n)
{
    return n < self->ask_count ? &self->asks[n] : NULL;
}

size_t
nm_bench_effects(const nm_bench_t *self)
{
    return self->effect_count;
}

const nm_effect_t *
nm_bench_effect(const nm_bench_t *self, size_t n)
{
    return n < self->effect_count ? self->effects[n] : NULL;
}

nm_actor_t *
nm_bench_actor(nm_bench_t *self)
{
    return self->actor;
}

//  -- The world around

void
nm_bench_frame(nm_bench_t *self, const char *peer, nm_bytes_t frame)
{
    nm_buf_add_bytes(&s_input(self, NM_IN_FRAME, peer)->bytes, frame);
}

void
nm_bench_again(nm_bench_t *self, const char *name)
{
    s_peer_t *peer = s_peer(self, name);
    peer->next--;
    nm_bench_mail(self, name, peer->last_kind, nm_buf_bytes(&peer->last));
    self->inputs[self->input_count - 1].claim = peer->last_claim;
}

void
nm_bench_boast(nm_bench_t *self, const char *name, uint64_t seen)
{
    s_peer(self, name)->seen = (nm_spans_t){ .seen = seen };
    nm_bench_reborn(self, name);
}

void
nm_bench_reborn(nm_bench_t *self, const char *name)
{
    s_peer_t *peer = s_peer(self, name);
    nm_pending_clear(&peer->offered);
    peer->boot++;
    peer->greetings = 0;
    peer->away = peer->frozen = false;
    s_greet(self, peer, false);
}

void
nm_bench_hold(nm_bench_t *self, const char *name, bool held)
{
    s_peer(self, name)->held = held;
}

void
nm_bench_freeze(nm_bench_t *self, const char *name, bool frozen)
{
    s_peer_t *peer = s_peer(self, name);
    peer->frozen = frozen;
    if (frozen)
        return;
    s_claim(self, peer);
    if (peer->receipt_due && !peer->held)
        s_receipt(self, peer);
    s_beat(self, peer, 0);
}

void
nm_bench_busy(nm_bench_t *self, const char *name, uint64_t backlog)
{
    s_beat(self, s_peer(self, name), backlog);
}

size_t
nm_bench_offered(nm_bench_t *self, const char *name)
{
    return s_peer(self, name)->offered.count;
}

void
nm_bench_offer(nm_bench_t *self, const char *name, unsigned kind, nm_bytes_t body)
{
    nm_bench_mail(self, name, kind, body);
    self->inputs[self->input_count - 1].claim = true;
}

size_t
nm_bench_claims(const nm_bench_t *self)
{
    return self->claims;
}

void
nm_bench_grant(nm_bench_t *self, const char *name, uint64_t first, uint64_t last)
{
    s_peer_t *peer = s_peer(self, name);
    nm_grant_t grant = { 0 };
    nm_runs_t runs = { .count = 1, .at = { { first, last } } };
    nm_buf_t seqs = { 0 };
    nm_runs_write(&runs, &seqs);
    NM_PUT(&grant, grant, boot, peer->boot);
    NM_PUT(&grant, grant, your_boot, self->boot);
    NM_PUT(&grant, grant, store, peer->store);
    NM_PUT(&grant, grant, epoch, 1);
    NM_PUT(&grant, grant, seqs, nm_buf_bytes(&seqs));
    s_input_frame(self, peer, NM_FRAME_GRANT, &nm_grant_shape, &grant);
    nm_buf_free(&seqs);
}

void
nm_bench_void(nm_bench_t *self, const char *name, uint64_t seq)
{
    nm_buf_t frame = s_mail_frame(self, s_peer(self, name), seq, 0, nm_bytes(NULL, 0), false);
    nm_bench_frame(self, name, nm_buf_bytes(&frame));
    nm_buf_free(&frame);
}

void
nm_bench_away(nm_bench_t *self, const char *name)
{
    nm_bye_t bye = { 0 };
    s_peer_t *peer = s_peer(self, name);
    peer->away = true;
    NM_PUT(&bye, bye, boot, peer->boot);
    NM_PUT(&bye, bye, reason, nm_text("the test says so"));
    s_input_frame(self, peer, NM_FRAME_BYE, &nm_bye_shape, &bye);
}

void
nm_bench_back(nm_bench_t *self, const char *name)
{
    nm_bench_reborn(self, name);
}

//  Has the actor look at the directory in its next turn.
static void
s_change_peer(nm_bench_t *self, const s_peer_t *peer, bool forgotten)
{
    nm_peer_t *known = (nm_peer_t *) peer->peer;  //  The directory's own, which no certificate backs here
    known->forgotten = forgotten;
    if (forgotten) {
        known->fenced = peer->store;
        known->lost_ms = self->now.wall_ms > known->lost_ms ? self->now.wall_ms : known->lost_ms + 1;
    }
    self->actor->directory_version = self->actor->told_version = 0;
}

void
nm_bench_bury(nm_bench_t *self, const char *name)
{
    s_peer_t *peer = s_peer(self, name);
    peer->away = true;
    s_change_peer(self, peer, true);
}

void
nm_bench_bury_stranger(nm_bench_t *self, const char *name)
{
    //  The key of the mesh's authority: RFC 8032, 7.1, test 1.
    static const uint8_t SEED[crypto_sign_SEEDBYTES] = { 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
                                                         0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
                                                         0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
                                                         0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60 };
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
    nm_stated_t stated = { .kind = NM_STATED_FORGET, .at_ms = self->now.wall_ms };
    nm_statement_t statement = { .has = 0 };
    nm_error_t error = { .text = "" };
    nm_buf_t text = { 0 };
    snprintf(stated.name, sizeof stated.name, "%s", name);
    nm_stated_write(&stated, &text);
    crypto_sign_seed_keypair(public_key, secret, SEED);
    crypto_sign_detached(signature, NULL, text.at, text.size, secret);
    NM_PUT(&statement, statement, text, nm_buf_bytes(&text));
    NM_PUT(&statement, statement, signature, nm_bytes(signature, sizeof signature));
    if (nm_directory_hear(self->directory, &statement, self->now, &error) != NM_OK)
        s_die("a statement", error.text);
    nm_buf_free(&text);
}

void
nm_bench_follow(nm_bench_t *self, const char *name)
{
    s_peer_t *peer = s_peer(self, name);
    uint64_t boot = peer->boot;
    s_free_peer(peer);
    *peer = s_new_peer(peer->peer);
    peer->store.at[15] = 1;
    peer->boot = boot;
    s_change_peer(self, peer, false);
    nm_bench_reborn(self, name);
}

void
nm_bench_connect(nm_bench_t *self, nm_bench_wire_fn *wire, void *arg)
{
    self->wire = wire;
    self->wire_arg = arg;
    nm_bench_restart(self);
}

void
nm_bench_play_books(nm_bench_t *self)
{
    self->plays_books = true;
}

void
nm_bench_full(nm_bench_t *self, bool tight)
{
    self->actor->room.tight = tight;
    self->actor->room_at_ms = INT64_MAX / 2;
}
