#include "broker/mesh.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>

enum {
    IPC_PATH_MAX = 107,  //  A socket's sun_path with its NUL is 108
    LEASE_MS = 5000,
    LEASE_LEAST_MS = 1000,
    LEASE_MOST_MS = 600000,
};

static const char *const PART_NAMES[] = { "mesh",  "actors",  "providers", "store",      "directory", "books",
                                          "email", "gateway", "router",    "deadletter", "http" };
static const char *const MESH_NAMES[] = { "name", "authority", "admin_key_hash", "public_domain", "lease" };
static const char *const ACTOR_NAMES[] = { "role", "number", "mailbox", "desk", "door", "http", "lobby", "host" };

//  -- The mesh part

static nm_rc_t
s_need(const nm_zpl_t *part, const char *name, const nm_zpl_t **setting, nm_error_t *error)
{
    const nm_zpl_t *found = nm_zpl_find(part, name);
    if (!found)
        return nm_zpl_fail(part, error, "\"%s\" has no %s", part->name, name);
    if (!found->value)
        return nm_zpl_fail(found, error, "%s has no value", name);
    *setting = found;
    return NM_OK;
}

static nm_rc_t
s_read_hex(const nm_zpl_t *part, const char *name, uint8_t out[32], nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(part, name, &setting, error);
    if (rc != NM_OK)
        return rc;
    uint8_t bytes[32];
    size_t size = 0;
    if (strlen(setting->value) != 64 ||
        sodium_hex2bin(bytes, sizeof bytes, setting->value, 64, NULL, &size, NULL) != 0 || size != sizeof bytes)
        return nm_zpl_fail(setting, error, "%s is not 64 hex digits", name);
    memcpy(out, bytes, sizeof bytes);
    return NM_OK;
}

static bool
s_is_domain(const char *text)
{
    size_t size = strlen(text);
    if (!size || size > 253 || text[0] == '.' || text[size - 1] == '.' || strstr(text, ".."))
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == size;
}

static nm_rc_t
s_read_lease(nm_mesh_t *self, const nm_zpl_t *part, nm_error_t *error)
{
    nm_rc_t rc = nm_zpl_duration(part, "lease", LEASE_MOST_MS, LEASE_MS, &self->lease_ms, error);
    if (rc == NM_OK && self->lease_ms < LEASE_LEAST_MS)
        rc = nm_zpl_fail(nm_zpl_find(part, "lease"), error, "a lease is at least %d ms", LEASE_LEAST_MS);
    return rc;
}

static nm_rc_t
s_read_mesh(nm_mesh_t *self, const char *path, nm_error_t *error)
{
    const nm_zpl_t *part = nm_zpl_find(self->root, "mesh");
    if (!part)
        return nm_fail(error, NM_ERR_MALFORMED, "%s line 1: there is no mesh part", path);
    const nm_zpl_t *name;
    nm_rc_t rc = nm_zpl_only(part, MESH_NAMES, NM_COUNT(MESH_NAMES), error);
    if (rc == NM_OK)
        rc = s_need(part, "name", &name, error);
    if (rc == NM_OK && !nm_role_is_name(nm_text(name->value)))
        rc = nm_zpl_fail(name, error, "\"%.80s\" is not a name: a to z, 0 to 9 and dashes, at most %d", name->value,
                         NM_NAME_MAX);
    if (rc == NM_OK) {
        nm_bytes_to_text(nm_text(name->value), self->name, sizeof self->name);
        rc = s_read_hex(part, "authority", self->authority, error);
    }
    if (rc == NM_OK)
        rc = s_read_hex(part, "admin_key_hash", self->admin_key_hash, error);

    const char *domain = NULL;
    if (rc == NM_OK)
        rc = nm_zpl_text(part, "public_domain", "nmesh.local", &domain, error);
    if (rc == NM_OK && !s_is_domain(domain))
        rc = nm_zpl_fail(nm_zpl_find(part, "public_domain"), error, "\"%.80s\" is not a domain", domain);
    if (rc == NM_OK)
        nm_bytes_to_text(nm_text(domain), self->public_domain, sizeof self->public_domain);
    return rc == NM_OK ? s_read_lease(self, part, error) : rc;
}

//  -- End points

//  host:port with a port that is not below least.
static bool
s_is_tcp(const char *rest, unsigned least)
{
    const char *colon = strrchr(rest, ':');
    if (!colon || colon == rest || colon - rest > 100)
        return false;
    if (rest[0] == '*' || strpbrk(rest, " /;,@"))
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    if (!digits || digits > 5 || colon[1 + digits])
        return false;
    unsigned long port = strtoul(colon + 1, NULL, 10);
    return port >= least && port <= 65535;
}

//  A relative socket path starts at the mesh file's folder, as all paths do.
static nm_rc_t
s_read_ipc(const nm_mesh_t *self, const nm_zpl_t *setting, char out[NM_ENDPOINT_MAX], nm_error_t *error)
{
    const char *rest = setting->value + strlen("ipc://");
    char path[NM_MESH_PATH_MAX * 2];
    nm_mesh_path(self, rest, path, sizeof path);
    if (!rest[0] || rest[0] == '@' || rest[0] == '*')
        return nm_zpl_fail(setting, error, "\"%.80s\" has no path of a file", setting->value);
    if (strlen(path) > IPC_PATH_MAX)
        return nm_zpl_fail(setting, error, "the socket path %.160s is longer than %d bytes", path, IPC_PATH_MAX);
    snprintf(out, NM_ENDPOINT_MAX, "ipc://%.*s", IPC_PATH_MAX, path);
    return NM_OK;
}

static nm_rc_t
s_read_endpoint(const nm_mesh_t *self, const nm_zpl_t *actor, const char *name, char out[NM_ENDPOINT_MAX],
                nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(actor, name, &setting, error);
    if (rc != NM_OK)
        return rc;
    if (strncmp(setting->value, "ipc://", 6) == 0)
        return s_read_ipc(self, setting, out, error);
    if (strncmp(setting->value, "tcp://", 6) != 0)
        return nm_zpl_fail(setting, error, "\"%.80s\": an end point begins with tcp:// or ipc://", setting->value);
    if (strlen(setting->value) >= NM_ENDPOINT_MAX || !s_is_tcp(setting->value + 6, 1))
        return nm_zpl_fail(setting, error, "\"%.80s\": expected tcp://HOST:PORT, PORT from 1 to 65535", setting->value);
    nm_bytes_to_text(nm_text(setting->value), out, NM_ENDPOINT_MAX);
    return NM_OK;
}

//  -- Actors

static nm_rc_t
s_read_role(const nm_zpl_t *node, nm_mesh_actor_t *actor, nm_error_t *error)
{
    const nm_zpl_t *setting;
    nm_rc_t rc = s_need(node, "role", &setting, error);
    if (rc != NM_OK)
        return rc;
    actor->role = nm_role_find(nm_text(setting->value));
    if (!nm_role_is_actor(actor->role))
        return nm_zpl_fail(setting, error, "there is no role \"%.80s\" for actors", setting->value);
    return NM_OK;
}

//  Only a gateway has a number and a door, and it must have both.
static nm_rc_t
s_read_gateway(const nm_mesh_t *self, const nm_zpl_t *node, nm_mesh_actor_t *actor, nm_error_t *error)
{
    if (actor->role != NM_ROLE_GATEWAY) {
        static const char *const ONLY_GATEWAYS[] = { "number", "door" };
        for (size_t i = 0; i < NM_COUNT(ONLY_GATEWAYS); i++) {
            const nm_zpl_t *setting = nm_zpl_find(node, ONLY_GATEWAYS[i]);
            if (setting)
                return nm_zpl_fail(setting, error, "only a gateway has a %s, and %s is a %s", ONLY_GATEWAYS[i],
                                   actor->name, nm_role_text(actor->role));
        }
        return NM_OK;
    }
    const nm_zpl_t *setting;
    uint64_t number = 0;
    nm_rc_t rc = s_need(node, "number", &setting, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(node, "number", 1, 65535, 0, &number, error);
    if (rc == NM_OK) {
        actor->number = (uint16_t) number;
        rc = s_read_endpoint(self, node, "door", actor->door, error);
    }
    return rc;
}

//  Where a bridge listens. Nobody of the mesh connects to it, so that the system may pick the port.
static nm_rc_t
s_read_http(const nm_zpl_t *node, nm_mesh_actor_t *actor, nm_error_t *error)
{
    const nm_zpl_t *setting = nm_zpl_find(node, "http");
    if (setting && actor->role != NM_ROLE_BRIDGE)
        return nm_zpl_fail(setting, error, "only a bridge has http, and %s is a %s", actor->name,
                           nm_role_text(actor->role));
    if (actor->role != NM_ROLE_BRIDGE)
        return NM_OK;
    const char *value = setting ? setting->value : NM_MESH_HTTP_DEFAULT;
    if (!value || strncmp(value, "tcp://", 6) != 0 || strlen(value) >= NM_ENDPOINT_MAX || !s_is_tcp(value + 6, 0))
        return nm_zpl_fail(setting, error, "\"%.80s\": expected tcp://ADDRESS:PORT; 0 picks a free port",
                           value ? value : "");
    nm_bytes_to_text(nm_text(value), actor->http, sizeof actor->http);
    return NM_OK;
}

//  What the mailbox says of the machine, where nothing else is said.
static void
s_host_of(const char *endpoint, char out[NM_HOST_MAX])
{
    const char *host = endpoint + strlen("tcp://");
    const char *colon = strrchr(host, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon)
        nm_bytes_to_text(nm_text("local"), out, NM_HOST_MAX);
    else
        nm_bytes_to_text(nm_bytes(host, (size_t) (colon - host)), out, NM_HOST_MAX);
}

//  Where it is, and where newcomers find it. Both may be left out.
static nm_rc_t
s_read_place(const nm_mesh_t *self, const nm_zpl_t *node, nm_mesh_actor_t *actor, nm_error_t *error)
{
    const nm_zpl_t *host = nm_zpl_find(node, "host");
    s_host_of(actor->mailbox, actor->host);
    if (host &&
        (!host->value || !host->value[0] || strlen(host->value) >= NM_HOST_MAX || strpbrk(host->value, " \t\"\r\n")))
        return nm_zpl_fail(host, error, "host is a word of at most %d bytes", NM_HOST_MAX - 1);
    if (host)
        nm_bytes_to_text(nm_text(host->value), actor->host, sizeof actor->host);
    return nm_zpl_find(node, "lobby") ? s_read_endpoint(self, node, "lobby", actor->lobby, error) : NM_OK;
}

static nm_rc_t
s_read_actor(const nm_mesh_t *self, const nm_zpl_t *node, const char *name, nm_mesh_actor_t *actor, nm_error_t *error)
{
    if (!nm_role_is_name(nm_text(name)))
        return nm_zpl_fail(node, error, "\"%s\" is not a name: a to z, 0 to 9 and dashes, at most %d", name,
                           NM_NAME_MAX);
    nm_bytes_to_text(nm_text(name), actor->name, sizeof actor->name);
    actor->line = node->line;
    nm_rc_t rc = nm_zpl_only(node, ACTOR_NAMES, NM_COUNT(ACTOR_NAMES), error);
    if (rc == NM_OK)
        rc = s_read_role(node, actor, error);
    if (rc == NM_OK)
        rc = s_read_endpoint(self, node, "mailbox", actor->mailbox, error);
    if (rc == NM_OK)
        rc = s_read_endpoint(self, node, "desk", actor->desk, error);
    if (rc == NM_OK)
        rc = s_read_gateway(self, node, actor, error);
    if (rc == NM_OK)
        rc = s_read_http(node, actor, error);
    if (rc == NM_OK)
        rc = s_read_place(self, node, actor, error);
    return rc;
}

//  The first end point of one actor that another has too, or that it has twice itself.
static const char *
s_shared_endpoint(const nm_mesh_actor_t *a, const nm_mesh_actor_t *b)
{
    const char *const ours[] = { a->mailbox, a->desk, a->door, a->lobby };
    const char *const theirs[] = { b->mailbox, b->desk, b->door, b->lobby };
    for (size_t i = 0; i < NM_COUNT(ours); i++)
        for (size_t j = 0; j < NM_COUNT(theirs); j++)
            if (ours[i][0] && (a != b || i != j) && strcmp(ours[i], theirs[j]) == 0)
                return ours[i];
    return NULL;
}

//  Compares the last actor with itself and those before it. Names differ already: ZPL sees to it.
static nm_rc_t
s_check_last(const nm_mesh_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    const nm_mesh_actor_t *last = &self->actors[self->actor_count - 1];
    for (size_t i = 0; i < self->actor_count; i++) {
        const nm_mesh_actor_t *other = &self->actors[i];
        const char *endpoint = s_shared_endpoint(last, other);
        if (endpoint)
            return nm_zpl_fail(node, error, "%s has the end point %s, as has %s in line %u", last->name, endpoint,
                               other->name, other->line);
        if (other != last && last->number && other->number == last->number)
            return nm_zpl_fail(node, error, "%s has the number %u, as has %s in line %u", last->name, last->number,
                               other->name, other->line);
    }
    return NM_OK;
}

static nm_rc_t
s_read_actors(nm_mesh_t *self, const char *path, nm_error_t *error)
{
    const nm_zpl_t *part = nm_zpl_find(self->root, "actors");
    if (!part || !part->child)
        return nm_fail(error, NM_ERR_MALFORMED, "%s line %u: there are no actors", path, part ? part->line : 1);
    size_t room = 0;
    for (const nm_zpl_t *node = part->child; node; node = node->next)
        room++;
    if (room > NM_MESH_ACTOR_MAX)
        return nm_zpl_fail(part, error, "more than %d actors", NM_MESH_ACTOR_MAX);

    self->actors = nm_alloc(room * sizeof *self->actors);
    nm_rc_t rc = NM_OK;
    for (const nm_zpl_t *node = part->child; node && rc == NM_OK; node = node->next) {
        rc = s_read_actor(self, node, node->name, &self->actors[self->actor_count++], error);
        if (rc == NM_OK)
            rc = s_check_last(self, node, error);
    }
    return rc;
}

//  -- actors/: those of this machine that the mesh file does not have

static int
s_is_local(const struct dirent *file)
{
    const char *dot = strrchr(file->d_name, '.');
    return dot && dot != file->d_name && strcmp(dot, ".zpl") == 0 && file->d_name[0] != '.';
}

static nm_rc_t
s_read_local(nm_mesh_t *self, const char *folder, const char *file, nm_error_t *error)
{
    char path[NM_MESH_PATH_MAX * 2 + 256], name[NM_NAME_MAX + 1];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    nm_bytes_to_text(nm_bytes(file, strlen(file) - strlen(".zpl")), name, sizeof name);
    if (self->local_count == NM_MESH_LOCAL_MAX || self->actor_count == NM_MESH_ACTOR_MAX)
        return nm_fail(error, NM_ERR_FULL, "%s: there are more actors than a machine or a mesh may have", path);
    if (nm_mesh_find(self, name))
        return nm_fail(error, NM_ERR_DUPLICATE, "%s: the mesh file has %s already", path, name);
    nm_zpl_t *root = nm_zpl_load(path, error);
    if (!root)
        return NM_ERR_MALFORMED;
    self->locals[self->local_count++] = root;
    self->actors = nm_realloc(self->actors, (self->actor_count + 1) * sizeof *self->actors);
    nm_mesh_actor_t *actor = &self->actors[self->actor_count++];
    *actor = (nm_mesh_actor_t){ .local = true };
    nm_rc_t rc = s_read_actor(self, root, name, actor, error);
    if (rc == NM_OK)
        rc = s_check_last(self, root, error);
    actor->local = true;
    return rc;
}

static nm_rc_t
s_read_locals(nm_mesh_t *self, nm_error_t *error)
{
    char folder[NM_MESH_PATH_MAX + 16];
    struct dirent **files = NULL;
    nm_mesh_path(self, "actors", folder, sizeof folder);
    int count = scandir(folder, &files, s_is_local, alphasort);
    if (count < 0)
        return errno == ENOENT ? NM_OK : nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", folder, strerror(errno));
    nm_rc_t rc = NM_OK;
    for (int i = 0; i < count; i++) {
        if (rc == NM_OK)
            rc = s_read_local(self, folder, files[i]->d_name, error);
        free(files[i]);
    }
    free(files);
    return rc;
}

//  -- The whole

nm_mesh_t *
nm_mesh_load(const char *folder, nm_error_t *error)
{
    if (strlen(folder) >= NM_MESH_PATH_MAX) {
        nm_fail(error, NM_ERR_REFUSED, "the path of the mesh's folder is longer than %d bytes", NM_MESH_PATH_MAX - 1);
        return NULL;
    }
    nm_mesh_t *self = nm_alloc(sizeof *self);
    nm_bytes_to_text(nm_text(folder), self->folder, sizeof self->folder);
    char path[NM_MESH_PATH_MAX + 16];
    nm_mesh_path(self, "mesh.zpl", path, sizeof path);

    nm_rc_t rc = NM_ERR_MALFORMED;
    self->root = nm_zpl_load(path, error);
    if (!self->root)
        goto done;
    rc = nm_zpl_only(self->root, PART_NAMES, NM_COUNT(PART_NAMES), error);
    if (rc == NM_OK)
        rc = s_read_mesh(self, path, error);
    if (rc == NM_OK)
        rc = s_read_actors(self, path, error);
    if (rc == NM_OK)
        rc = s_read_locals(self, error);

done:
    if (rc != NM_OK)
        nm_mesh_destroy(&self);
    return self;
}

void
nm_mesh_destroy(nm_mesh_t **self_p)
{
    nm_mesh_t *self = *self_p;
    if (!self)
        return;
    nm_zpl_destroy(&self->root);
    for (size_t i = 0; i < self->local_count; i++)
        nm_zpl_destroy(&self->locals[i]);
    free(self->actors);
    free(self);
    *self_p = NULL;
}

const nm_mesh_actor_t *
nm_mesh_find(const nm_mesh_t *self, const char *name)
{
    for (size_t i = 0; i < self->actor_count; i++)
        if (strcmp(self->actors[i].name, name) == 0)
            return &self->actors[i];
    return NULL;
}

const nm_zpl_t *
nm_mesh_part(const nm_mesh_t *self, const char *name)
{
    return nm_zpl_find(self->root, name);
}

bool
nm_mesh_is_endpoint(const char *text)
{
    if (strlen(text) >= NM_ENDPOINT_MAX)
        return false;
    return strncmp(text, "tcp://", 6) == 0 ? s_is_tcp(text + 6, 1) : strncmp(text, "ipc:///", 7) == 0 && text[7];
}

void
nm_mesh_path(const nm_mesh_t *self, const char *path, char *out, size_t size)
{
    if (path[0] == '/')
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s/%s", self->folder, path);
}
