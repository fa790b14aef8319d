//  broadcast - notifications.broadcast: one notification to many users, in one ask and one commit.
//
//  What is the same for all is checked once, and its faults are those of the ask; then each user
//  gets a notification of its own, with a copy of the request in it. So users times size is
//  bounded (NM_SPREAD_MAX). All of them are taken in here, whatever their home (homes.h): duplicates and limits
//  of recipients count among what this gateway knows.

#include "actors/gateway/accept.h"
#include "actors/gateway/homes.h"
#include "actors/gateway/keyed.h"
#include "actors/gateway/ops.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char OP_BROADCAST[] = "notifications.broadcast";
static const char DETAIL_COPY[] = "No other gateway could take copies, as the service wants; try again.";

_Static_assert(offsetof(nm_all_of_broadcast_t, user_ids) == sizeof(nm_request_t), "begins as a request does");

typedef struct {
    nm_bytes_t text;  //  As it was given
    nm_id_t id;
    bool malformed;
    size_t index;
} user_t;

typedef struct {
    user_t *users;
    size_t count;
    nm_buf_t rest;  //  The pairs of the request but for user_ids and request_id
    size_t pair_count;
    nm_buf_t raw;    //  The request to one user
    nm_buf_t items;  //  What is answered
    uint64_t accepted;
    bool waits, copyless;  //  As in a batch
} broadcast_t;

static void
s_free(broadcast_t *self)
{
    free(self->users);
    nm_buf_free(&self->rest);
    nm_buf_free(&self->raw);
    nm_buf_free(&self->items);
}

//  -- Whom it goes to

static int
s_compare(const void *a, const void *b)
{
    const user_t *left = a, *right = b;
    int order = left->malformed - right->malformed;
    if (!order)
        order = memcmp(left->id.at, right->id.at, NM_ID_SIZE);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static int
s_compare_index(const void *a, const void *b)
{
    const user_t *left = a, *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

//  Of those that are named twice the first stays, in its place.
static void
s_drop_repeated(broadcast_t *self)
{
    size_t kept = 0;
    qsort(self->users, self->count, sizeof *self->users, s_compare);
    for (size_t i = 0; i < self->count; i++) {
        const user_t *user = &self->users[i];
        if (kept && !user->malformed && nm_id_equal(&user->id, &self->users[kept - 1].id) &&
            !self->users[kept - 1].malformed)
            continue;
        self->users[kept++] = *user;
    }
    self->count = kept;
    qsort(self->users, self->count, sizeof *self->users, s_compare_index);
}

static void
s_read_users(broadcast_t *self, nm_bytes_t raw)
{
    nm_list_t list;
    nm_bytes_t item;
    nm_list_open(&list, raw);
    self->users = nm_alloc((list.count ? list.count : 1) * sizeof *self->users);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reader_t reader;
        user_t *user = &self->users[self->count];
        nm_reader_open(&reader, item);
        nm_reader_str(&reader, &user->text);
        user->malformed = nm_id_from_text(user->text, &user->id) != NM_OK;
        user->index = self->count++;
    }
    s_drop_repeated(self);
}

//  -- What goes to all

static bool
s_is_for_all(nm_bytes_t key)
{
    return !nm_bytes_is(key, "user_ids") && !nm_bytes_is(key, "request_id");
}

static void
s_read_rest(broadcast_t *self, nm_bytes_t body)
{
    nm_reader_t reader;
    nm_bytes_t key, value;
    uint32_t count = 0;
    nm_reader_open(&reader, body);
    nm_reader_map(&reader, &count);
    while (count-- && nm_reader_str(&reader, &key) == NM_OK && nm_reader_raw(&reader, &value) == NM_OK)
        if (s_is_for_all(key)) {
            nm_writer_str(&self->rest, key);
            nm_writer_raw(&self->rest, value);
            self->pair_count++;
        }
}

static nm_bytes_t
s_pack_request(broadcast_t *self, const user_t *user)
{
    nm_buf_clear(&self->raw);
    nm_writer_map(&self->raw, self->pair_count + 1);
    nm_writer_pair_id(&self->raw, "user_id", &user->id);
    nm_buf_add_bytes(&self->raw, nm_buf_bytes(&self->rest));
    return nm_buf_bytes(&self->raw);
}

//  That is a fault already, and not a second one beside a user.
static bool
s_names_recipient(nm_bytes_t body)
{
    nm_bytes_t raw;
    return nm_reader_find(body, "recipient", &raw) == NM_OK || nm_reader_find(body, "recipients", &raw) == NM_OK;
}

//  Everything that is wrong for all. NM_ERR_REFUSED: answered.
static nm_rc_t
s_open(nm_case_t *it, nm_bytes_t header, broadcast_t *self, nm_bytes_t *key)
{
    nm_all_of_broadcast_t ask;
    nm_request_t request;
    nm_faults_t *faults = &it->gateway->faults;
    faults->count = faults->missed = 0;
    nm_record_decode(&nm_broadcast_shape, &ask, it->ask->body, faults, "");
    nm_accept_key(header, NM_HAS(&ask, all_of_broadcast, request_id), ask.request_id, faults, key);
    memcpy(&request, &ask, sizeof request);
    if (NM_HAS(&it->defaults, defaults, channel) && !nm_defaults_names_channel(it->ask->body))
        NM_PUT(&request, request, channel, it->defaults.channel);
    if (!s_names_recipient(it->ask->body))
        NM_PUT(&request, request, user_id, it->who.service);  //  Any: whoever it is, the checks are the same
    if (NM_HAS(&ask, all_of_broadcast, user_ids)) {
        s_read_users(self, ask.user_ids);
        s_read_rest(self, it->ask->body);
        if (!self->count)
            nm_faults_add(faults, "", "user_ids", "must have 1 to 10,000 items");
        if (self->count * self->rest.size > NM_SPREAD_MAX)
            nm_faults_add(faults, "", "user_ids",
                          "are too many for a notification of this size; users times size may be 64 MiB");
    }
    nm_request_check(&request, it->now_ms, faults, "");
    nm_accept_check_mesh(it->gateway, &request, faults);
    if (!faults->count)
        return NM_OK;
    nm_answer_problem(&it->answer, 422, faults, "The broadcast has faults; each is named in errors.");
    return NM_ERR_REFUSED;
}

//  -- Taking it in

static void
s_add_refused(broadcast_t *self, nm_bytes_t user_id, unsigned status, const char *detail)
{
    nm_writer_map(&self->items, 3);
    nm_writer_pair_str(&self->items, "user_id", user_id);
    nm_writer_pair_uint(&self->items, "status", status);
    nm_writer_pair_text(&self->items, "detail", detail);
}

static void
s_add_taken(broadcast_t *self, nm_bytes_t user_id, const nm_accepted_t *accepted)
{
    self->accepted++;
    nm_writer_map(&self->items, 2u + (accepted->code == 200));
    nm_writer_pair_str(&self->items, "user_id", user_id);
    nm_writer_pair_id(&self->items, "id", &accepted->id);
    if (accepted->code == 200)
        nm_writer_pair_bool(&self->items, "deduplicated", true);
}

static nm_rc_t
s_take_user(nm_case_t *it, broadcast_t *self, size_t i)
{
    const user_t *user = &self->users[i];
    nm_idempotency_t none;
    nm_accepted_t accepted;
    if (user->malformed) {
        s_add_refused(self, user->text, 422, "The user_id is not an id.");
        return NM_OK;
    }
    nm_item_t item = { .index = i, .raw = s_pack_request(self, user), .keyless = true };
    nm_rc_t rc = nm_accept_one(it, &item, &none, &accepted);
    self->waits |= rc == NM_ERR_BUSY;
    if (rc != NM_OK)
        return rc == NM_ERR_BUSY ? NM_OK : rc;
    self->copyless |= accepted.code == 503;
    if (accepted.code >= 400)
        s_add_refused(self, user->text, accepted.code, accepted.detail);
    else
        s_add_taken(self, user->text, &accepted);
    return NM_OK;
}

static void
s_pack(const broadcast_t *self, nm_buf_t *out)
{
    nm_buf_clear(out);
    nm_writer_map(out, 2);
    nm_writer_pair_uint(out, "accepted", self->accepted);
    nm_writer_pair_raw(out, "items", nm_buf_bytes(&self->items));
}

static nm_rc_t
s_take_all(nm_case_t *it, broadcast_t *self, const nm_idempotency_t *idempotency)
{
    nm_buf_t *body = &it->gateway->body;
    nm_rc_t rc = NM_OK;
    nm_writer_list(&self->items, self->count);
    for (size_t i = 0; rc == NM_OK && i < self->count; i++)
        rc = s_take_user(it, self, i);
    if (rc != NM_OK || self->waits)
        return rc;
    if (self->copyless && idempotency->key.size)  //  Its answer would be kept
        return nm_answer_problem(&it->answer, 503, NULL, "%s", DETAIL_COPY);
    s_pack(self, body);
    rc = nm_idempotency_keep(it, idempotency, 202, nm_buf_bytes(body));
    return rc == NM_OK ? nm_answer(&it->answer, 202, nm_buf_bytes(body)) : rc;
}

//  Every copy is a question of one errand.
static nm_rc_t
s_check_copies(nm_case_t *it, const broadcast_t *self)
{
    const nm_tenant_t *tenant = nm_services_find(&it->gateway->services, &it->who.service);
    if (!tenant || tenant->accept < 2 || self->count <= NM_QUESTION_COUNT)
        return NM_OK;
    nm_case_refuse(it, "/user_ids", "may have at most 2,000 items where the service wants two disks");
    return NM_ERR_REFUSED;
}

static nm_rc_t
s_run(nm_case_t *it, broadcast_t *self, const nm_idempotency_t *idempotency)
{
    nm_quota_refusal_t why;
    nm_first_answer_t first;
    nm_rc_t rc = nm_idempotency_find(it, idempotency, &first);
    if (rc == NM_OK)
        return nm_accept_replay(it, &first);
    if (rc == NM_ERR_REFUSED)
        return nm_accept_refuse_key(it);
    if (rc != NM_ERR_MISSING)
        return rc;
    if (nm_accept_no_room(it) != NM_OK || s_check_copies(it, self) != NM_OK)
        return NM_OK;
    rc = nm_quota_prepare(it, self->count, &why);
    if (rc == NM_ERR_REFUSED)
        return nm_answer_limited(&it->answer, &why);
    return rc == NM_OK ? s_take_all(it, self, idempotency) : rc == NM_ERR_BUSY ? NM_OK : rc;
}

nm_rc_t
nm_op_broadcast(nm_case_t *it)
{
    broadcast_t self = { 0 };
    nm_idempotency_t idempotency;
    nm_bytes_t header, key;
    nm_rc_t rc = nm_accept_begin(it);
    if (rc != NM_OK || nm_accept_open(it, true, &header) != NM_OK)
        return rc;
    if (s_open(it, header, &self, &key) != NM_OK)
        goto done;
    rc = nm_keyed_route(it, OP_BROADCAST, key, it->ask->body);
    if (rc == NM_OK) {
        nm_idempotency_set(it, &idempotency, key, OP_BROADCAST, it->ask->body);
        rc = s_run(it, &self, &idempotency);
    }
    if (rc == NM_ERR_REFUSED)  //  On its way, or answered
        rc = NM_OK;

done:
    s_free(&self);
    return rc;
}
