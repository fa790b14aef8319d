#include "tools/nctl/reach.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/when.h"
#include <poll.h>
#include <sodium.h>
#include <zmq.h>

//  One that was launched elsewhere: neither its entry nor its certificate is in the mesh's folder.
typedef struct s_stranger {
    struct s_stranger *next;
    nm_mesh_actor_t actor;
    char public_text[NM_CURVE_TEXT_SIZE + 1];
} s_stranger_t;

struct nm_reach {
    nm_mesh_t *mesh;
    void *context;
    s_stranger_t *strangers;
};

nm_reach_t *
nm_reach_new(const char *folder, nm_error_t *error)
{
    nm_reach_t *self = nm_alloc(sizeof *self);
    if (!nm_files_exists(folder, "mesh.zpl"))
        nm_fail(error, NM_ERR_MISSING, "%s holds no mesh; \"nctl init %s\" makes one, -C DIR names another", folder,
                folder);
    else
        self->mesh = nm_mesh_load(folder, error);
    if (self->mesh)
        self->context = zmq_ctx_new();
    if (!self->context) {
        nm_reach_destroy(&self);
        return NULL;
    }
    zmq_ctx_set(self->context, ZMQ_MAX_SOCKETS, 4096);
    return self;
}

void
nm_reach_destroy(nm_reach_t **self_p)
{
    nm_reach_t *self = *self_p;
    if (!self)
        return;
    if (self->context)
        zmq_ctx_term(self->context);
    while (self->strangers) {
        s_stranger_t *stranger = self->strangers;
        self->strangers = stranger->next;
        free(stranger);
    }
    nm_mesh_destroy(&self->mesh);
    free(self);
    *self_p = NULL;
}

const nm_mesh_t *
nm_reach_mesh(const nm_reach_t *self)
{
    return self->mesh;
}

void *
nm_reach_context(nm_reach_t *self)
{
    return self->context;
}

static nm_rc_t
s_certificate(const nm_reach_t *self, const char *name, nm_cert_t *cert, nm_error_t *error)
{
    char path[NM_PATH_MAX];
    snprintf(path, sizeof path, "%s/certs/%s.cert", self->mesh->folder, name);
    nm_rc_t rc = nm_cert_load(path, cert, error);
    return rc == NM_OK ? nm_cert_verify(cert, self->mesh->authority, nm_when_now(), error) : rc;
}

static nm_rc_t
s_api_key(const nm_reach_t *self, char *out, size_t size, nm_error_t *error)
{
    const char *given = getenv("NMESH_API_KEY");
    if (given && *given) {
        snprintf(out, size, "%s", given);
        return NM_OK;
    }
    nm_buf_t text = { 0 };
    nm_rc_t rc = nm_files_read(self->mesh->folder, "admin.key", &text, error);
    if (rc == NM_OK)
        nm_bytes_to_text(nm_bytes(text.at, strcspn((char *) text.at, "\r\n")), out, size);
    else
        nm_fail(error, rc, "there is no API key: neither $NMESH_API_KEY nor %s/admin.key", self->mesh->folder);
    if (text.at)
        sodium_memzero(text.at, text.room);
    nm_buf_free(&text);
    return rc;
}

static nmesh_t *
s_open(const nmesh_options_t *options, nm_error_t *error)
{
    nmesh_error_t why = { 0 };
    nmesh_t *client = nmesh_open(options, &why);
    if (!client)
        nm_fail(error, NM_ERR_IO, "%s", why.detail);
    return client;
}

//  only: that gateway, or NULL for all.
static nmesh_t *
s_door(nm_reach_t *self, const nm_mesh_actor_t *only, nm_error_t *error)
{
    enum { DOOR_MAX = 64 };
    nmesh_door_t doors[DOOR_MAX];
    nm_cert_t certs[DOOR_MAX];
    char api_key[160];
    size_t count = 0;
    nm_fail(error, NM_ERR_MISSING, "the mesh file has no gateway");
    for (size_t i = 0; i < self->mesh->actor_count && count < DOOR_MAX; i++) {
        const nm_mesh_actor_t *actor = &self->mesh->actors[i];
        if (actor->role != NM_ROLE_GATEWAY || (only && actor != only) ||
            s_certificate(self, actor->name, &certs[count], error) != NM_OK)
            continue;
        doors[count] = (nmesh_door_t){ .endpoint = actor->door, .server_key = certs[count].public_text };
        count++;
    }
    if (!count || s_api_key(self, api_key, sizeof api_key, error) != NM_OK)
        return NULL;
    nmesh_options_t options = {
        .doors = doors,
        .door_count = count,
        .fixed_doors = true,  //  The mesh file has them all
        .api_key = api_key,
        .context = self->context,
        .timeout_ms = 15000,
    };
    nmesh_t *client = s_open(&options, error);
    sodium_memzero(api_key, sizeof api_key);
    return client;
}

nmesh_t *
nm_reach_door(nm_reach_t *self, nm_error_t *error)
{
    return s_door(self, NULL, error);
}

nmesh_t *
nm_reach_gateway(nm_reach_t *self, const nm_mesh_actor_t *gateway, nm_error_t *error)
{
    return s_door(self, gateway, error);
}

//  The key of an actor's desk.
static nm_rc_t
s_desk_key(const nm_reach_t *self, const nm_mesh_actor_t *actor, char key[NM_CURVE_TEXT_SIZE + 1], nm_error_t *error)
{
    nm_cert_t cert;
    const s_stranger_t *stranger = self->strangers;
    while (stranger && &stranger->actor != actor)
        stranger = stranger->next;
    nm_rc_t rc = stranger ? NM_OK : s_certificate(self, actor->name, &cert, error);
    if (rc == NM_OK)
        memcpy(key, stranger ? stranger->public_text : cert.public_text, NM_CURVE_TEXT_SIZE + 1);
    return rc;
}

nmesh_t *
nm_reach_desk(nm_reach_t *self, const nm_mesh_actor_t *actor, nm_error_t *error)
{
    nm_cert_t own = { 0 };
    char path[NM_PATH_MAX], key[NM_CURVE_TEXT_SIZE + 1];
    nmesh_t *client = NULL;
    nm_files_join(path, self->mesh->folder, "keys/operator.key");
    if (s_desk_key(self, actor, key, error) == NM_OK && nm_cert_load(path, &own, error) == NM_OK) {
        nmesh_door_t door = { .endpoint = actor->desk, .server_key = key };
        nmesh_options_t options = {
            .doors = &door,
            .door_count = 1,
            .public_key = own.public_text,
            .secret_key = own.secret_text,
            .context = self->context,
        };
        client = s_open(&options, error);
    }
    nm_cert_wipe(&own);
    return client;
}

//  -- Statuses

static void
s_on_status(nmesh_t *client, const nmesh_reply_t *reply, void *arg)
{
    (void) client;
    if (reply->status == 200)
        *(json_t **) arg = nm_json_unpack(nm_bytes(reply->body.at, reply->body.size));
}

//  Drives all clients until each has its answer, one of replies is there (NULL: that does not matter), or the time is
//  over.
static void
s_drive(nmesh_t **clients, size_t count, json_t *const *replies, int64_t end_ms)
{
    struct pollfd *fds = nm_alloc(count * sizeof *fds);
    for (;;) {
        size_t open_count = 0;
        bool enough = false;
        for (size_t i = 0; i < count; i++) {
            fds[i].fd = -1;
            if (!clients[i])
                continue;
            nmesh_poll(clients[i], 0);
            enough |= replies && replies[i];
            if (!nmesh_open_count(clients[i]))
                continue;
            fds[i] = (struct pollfd){ .fd = nmesh_fd(clients[i]), .events = POLLIN };
            open_count++;
        }
        if (!open_count || enough || nm_when_mono() >= end_ms)
            break;
        poll(fds, count, 20);
    }
    free(fds);
}

size_t
nm_reach_statuses(nm_reach_t *self, json_t **replies, int timeout_ms)
{
    size_t count = self->mesh->actor_count;
    size_t answered_count = 0;
    nm_error_t error;
    nmesh_ask_t ask = { .op = "status", .timeout_ms = timeout_ms, .silence_ms = timeout_ms };
    nmesh_t **clients = nm_alloc(count * sizeof *clients);
    for (size_t i = 0; i < count; i++) {
        if (replies[i])
            continue;
        clients[i] = nm_reach_desk(self, &self->mesh->actors[i], &error);
        if (clients[i])
            nmesh_submit_ask(clients[i], &ask, s_on_status, &replies[i]);
    }
    s_drive(clients, count, NULL, nm_when_mono() + timeout_ms);
    for (size_t i = 0; i < count; i++) {
        nmesh_close(&clients[i]);
        answered_count += replies[i] != NULL;
    }
    free(clients);
    return answered_count;
}

//  Asks count actors at once. The place of the first that answers; count: none does.
static size_t
s_first(nm_reach_t *self, const nm_mesh_actor_t *actors, size_t count, int timeout_ms)
{
    nm_error_t error;
    nm_buf_t body = { 0 };
    json_t *brief = json_pack("{s:b}", "brief", 1);
    nm_json_pack(brief, &body);
    nmesh_ask_t ask = {
        .op = "status", .body = { body.at, body.size }, .timeout_ms = timeout_ms, .silence_ms = timeout_ms
    };
    nmesh_t **clients = nm_alloc(count * sizeof *clients);
    json_t **replies = nm_alloc(count * sizeof *replies);
    for (size_t i = 0; i < count; i++) {
        clients[i] = nm_reach_desk(self, &actors[i], &error);
        if (clients[i])
            nmesh_submit_ask(clients[i], &ask, s_on_status, &replies[i]);
    }
    s_drive(clients, count, replies, nm_when_mono() + timeout_ms);
    size_t first = count;
    for (size_t i = count; i-- > 0;) {
        nmesh_close(&clients[i]);
        first = replies[i] ? i : first;
        json_decref(replies[i]);
    }
    free(clients);
    free(replies);
    json_decref(brief);
    nm_buf_free(&body);
    return first;
}

const nm_mesh_actor_t *
nm_reach_live(nm_reach_t *self, int timeout_ms)
{
    enum { AT_ONCE = 16 };
    for (size_t at = 0; at < self->mesh->actor_count; at += AT_ONCE) {
        size_t count = self->mesh->actor_count - at < AT_ONCE ? self->mesh->actor_count - at : AT_ONCE;
        size_t first = s_first(self, self->mesh->actors + at, count, timeout_ms);
        if (first < count)
            return &self->mesh->actors[at + first];
    }
    return NULL;
}

json_t *
nm_reach_members(nm_reach_t *self)
{
    enum { PATIENCE_MS = 1000 };
    nm_error_t error;
    nmesh_error_t problem;
    json_t *members = NULL, *reply = NULL;
    const nm_mesh_actor_t *live = nm_reach_live(self, PATIENCE_MS);
    nmesh_t *client = live ? nm_reach_desk(self, live, &error) : NULL;
    nmesh_ask_t ask = { .op = "directory.list", .timeout_ms = 5 * PATIENCE_MS, .silence_ms = 5 * PATIENCE_MS };
    if (client && nm_reach_ask_over(client, &ask, NULL, &reply, &problem) == 0)
        members = json_incref(json_object_get(reply, "members"));
    json_decref(reply);
    nmesh_close(&client);
    return members ? members : json_array();
}

static const nm_mesh_actor_t *
s_meet(nm_reach_t *self, const json_t *member)
{
    s_stranger_t *stranger = nm_alloc(sizeof *stranger);
    nm_mesh_actor_t *actor = &stranger->actor;
    actor->role = nm_role_find(nm_text(nm_json_text(member, "role")));
    nm_bytes_to_text(nm_text(nm_json_text(member, "name")), actor->name, sizeof actor->name);
    nm_bytes_to_text(nm_text(nm_json_text(member, "host")), actor->host, sizeof actor->host);
    nm_bytes_to_text(nm_text(nm_json_text(member, "desk")), actor->desk, sizeof actor->desk);
    nm_bytes_to_text(nm_text(nm_json_text(member, "public_key")), stranger->public_text, sizeof stranger->public_text);
    stranger->next = self->strangers;
    self->strangers = stranger;
    return actor;
}

const nm_mesh_actor_t *
nm_reach_find(nm_reach_t *self, const char *name, nm_error_t *error)
{
    size_t i;
    json_t *member;
    const nm_mesh_actor_t *actor = nm_mesh_find(self->mesh, name);
    if (actor)
        return actor;
    json_t *members = nm_reach_members(self);
    json_array_foreach(members, i, member)
    {
        if (!actor && strcmp(nm_json_text(member, "name"), name) == 0 && *nm_json_text(member, "public_key"))
            actor = s_meet(self, member);
    }
    if (!actor)
        nm_fail(error, NM_ERR_MISSING, "\"%s\" is not an actor of this mesh%s", name,
                json_array_size(members) ? "" : ", or nobody answers who knows it");
    json_decref(members);
    return actor;
}

void
nm_reach_keep(nm_reach_t *self, void (*keep)(nm_mesh_t *mesh))
{
    keep(self->mesh);
}

//  -- One ask

int
nm_reach_problem(const nmesh_error_t *error)
{
    if (error->status)
        nm_nctl_fail("%s (%u): %s", error->title, error->status, error->detail);
    else
        nm_nctl_fail("%s: %s", error->title, error->detail);
    for (size_t i = 0; i < error->fault_count; i++)
        nm_nctl_say("  %s: %s", error->faults[i].pointer, error->faults[i].detail);
    return NM_FAILED;
}

int
nm_reach_ask_over(nmesh_t *client, const nmesh_ask_t *ask, json_t *body, json_t **reply, nmesh_error_t *error)
{
    nm_buf_t packed = { 0 };
    nmesh_ask_t whole = *ask;
    nmesh_reply_t answer = { 0 };
    int rc = -1;
    if (reply)
        *reply = NULL;
    if (body && nm_json_pack(body, &packed) != NM_OK) {
        *error = (nmesh_error_t){ .title = "Wrong call", .detail = "The body is nested too deeply" };
        goto done;
    }
    if (body)
        whole.body = (nmesh_packed_t){ packed.at, packed.size };
    rc = nmesh_ask(client, &whole, &answer, error);
    if (rc == 0 && reply && answer.body.size)
        *reply = nm_json_unpack(nm_bytes(answer.body.at, answer.body.size));

done:
    nm_buf_free(&packed);
    return rc;
}

int
nm_reach_ask(const nm_nctl_t *nctl, const char *op, json_t *body, bool once, json_t **reply)
{
    nm_error_t error = { "" };
    nmesh_error_t problem;
    nmesh_t *client = NULL;
    int code = NM_FAILED;
    nm_reach_t *reach = nm_reach_new(nctl->mesh_folder, &error);
    if (reach)
        client = nm_reach_door(reach, &error);
    if (!client) {
        nm_nctl_fail("%s", error.text);
        goto done;
    }
    nmesh_ask_t ask = { .op = op, .once = once, .impatient = true };
    if (nm_reach_ask_over(client, &ask, body, reply, &problem) == 0)
        code = NM_DONE;
    else
        nm_reach_problem(&problem);

done:
    json_decref(body);
    nmesh_close(&client);
    nm_reach_destroy(&reach);
    return code;
}
