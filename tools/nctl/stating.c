#include "tools/nctl/stating.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "wire/writer.h"
#include <dirent.h>
#include <sodium.h>

enum { S_PATIENCE_MS = 2000 };

#define SIGNATURE_LINE "signature "

nm_rc_t
nm_stating_make(const char *folder, const nm_stated_t *stated, nm_stating_t *out, nm_error_t *error)
{
    uint8_t authority[NM_SIGN_SECRET_SIZE];
    nm_rc_t rc = nm_files_authority(folder, authority, error);
    if (rc != NM_OK)
        return rc;
    nm_buf_t text = { 0 };
    out->stated = *stated;
    nm_stated_write(stated, &text);
    crypto_sign_detached(out->signature, NULL, text.at, text.size, authority);
    sodium_memzero(authority, sizeof authority);
    nm_buf_free(&text);
    return NM_OK;
}

static void
s_write(const nm_stating_t *self, nm_buf_t *out)
{
    char hex[2 * sizeof self->signature + 1];
    sodium_bin2hex(hex, sizeof hex, self->signature, sizeof self->signature);
    nm_stated_write(&self->stated, out);
    nm_buf_format(out, SIGNATURE_LINE "%s\n", hex);
}

nm_rc_t
nm_stating_save(const char *folder, const char *path, const nm_stating_t *self, nm_error_t *error)
{
    nm_buf_t text = { 0 };
    char kept[NM_NAME_MAX + 80], statements[NM_PATH_MAX];
    s_write(self, &text);
    nm_rc_t rc = NM_OK;
    if (!path) {
        const nm_stated_t *stated = &self->stated;
        nm_files_join(statements, folder, "statements");
        if (stated->kind == NM_STATED_REVOKE)
            snprintf(kept, sizeof kept, "revoke-%s-%s", stated->name, stated->serial);
        else
            snprintf(kept, sizeof kept, "forget-%s-%lld", stated->name, (long long) stated->at_ms);
        rc = nm_files_folder(statements, error);
        if (rc == NM_OK)
            rc = nm_files_write(statements, kept, 0644, nm_buf_bytes(&text), error);
        rc = rc == NM_ERR_DUPLICATE ? NM_OK : rc;
    } else if (path[0] == '/') {
        rc = nm_files_write("", path + 1, 0644, nm_buf_bytes(&text), error);
    } else {
        rc = nm_files_write(".", path, 0644, nm_buf_bytes(&text), error);
    }
    nm_buf_free(&text);
    return rc;
}

//  The last line is the signature over those before it.
static nm_rc_t
s_read(nm_bytes_t text, const uint8_t authority[NM_SIGN_PUBLIC_SIZE], nm_stating_t *out)
{
    enum { LINE_SIZE = sizeof SIGNATURE_LINE - 1 + 128 + 1 };
    size_t size = 0;
    if (text.size <= LINE_SIZE)
        return NM_ERR_MALFORMED;
    nm_bytes_t said = nm_bytes(text.at, text.size - LINE_SIZE);
    const char *line = (const char *) said.at + said.size;
    if (memcmp(line, SIGNATURE_LINE, sizeof SIGNATURE_LINE - 1) != 0 || line[LINE_SIZE - 1] != '\n' ||
        sodium_hex2bin(out->signature, sizeof out->signature, line + sizeof SIGNATURE_LINE - 1, 128, NULL, &size,
                       NULL) != 0 ||
        size != sizeof out->signature || nm_stated_read(said, &out->stated) != NM_OK)
        return NM_ERR_MALFORMED;
    return crypto_sign_verify_detached(out->signature, said.at, said.size, authority) == 0 ? NM_OK : NM_ERR_REFUSED;
}

nm_rc_t
nm_stating_load(const char *path, const uint8_t authority[NM_SIGN_PUBLIC_SIZE], nm_stating_t *out, nm_error_t *error)
{
    nm_buf_t text = { 0 };
    bool absolute = path[0] == '/';
    nm_rc_t rc = nm_files_read(absolute ? "" : ".", absolute ? path + 1 : path, &text, error);
    if (rc == NM_OK) {
        rc = s_read(nm_buf_bytes(&text), authority, out);
        if (rc == NM_ERR_MALFORMED)
            nm_fail(error, rc, "%s: this is no statement", path);
        else if (rc != NM_OK)
            nm_fail(error, rc, "%s: the statement is not signed by this mesh's authority", path);
    }
    nm_buf_free(&text);
    return rc;
}

//  Calls fn with each good statement that is kept in statements/, until it answers true.
typedef bool(s_stating_fn)(void *arg, const nm_stated_t *stated);

static bool
s_each(const nm_mesh_t *mesh, s_stating_fn *fn, void *arg)
{
    char folder[NM_PATH_MAX], path[NM_PATH_MAX + 256];
    nm_stating_t stating;
    const struct dirent *entry;
    bool found = false;
    nm_files_join(folder, mesh->folder, "statements");
    DIR *statements = opendir(folder);
    while (statements && !found && (entry = readdir(statements))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        found = entry->d_name[0] != '.' && nm_stating_load(path, mesh->authority, &stating, NULL) == NM_OK &&
                fn(arg, &stating.stated);
    }
    if (statements)
        closedir(statements);
    return found;
}

typedef struct {
    const nm_cert_t *cert;
    nm_error_t *error;
} s_ending_t;

static bool
s_ends(void *arg, const nm_stated_t *stated)
{
    const s_ending_t *ending = arg;
    bool revoke = stated->kind == NM_STATED_REVOKE;
    if (strcmp(stated->name, ending->cert->name) != 0 ||
        !(revoke ? strcmp(stated->serial, ending->cert->serial) == 0 : ending->cert->not_before_ms <= stated->at_ms))
        return false;
    nm_fail(ending->error, NM_ERR_REFUSED, "%s", revoke ? "revoked" : "forgotten");
    return true;
}

bool
nm_stating_ended(const nm_mesh_t *mesh, const nm_cert_t *cert, nm_error_t *error)
{
    s_ending_t ending = { .cert = cert, .error = error };
    return s_each(mesh, s_ends, &ending);
}

//  One that is to go by a new key has that beside the old one.
static bool
s_is_ours(const nm_mesh_t *mesh, const char *name)
{
    char path[NM_PATH_MAX], next[NM_NAME_MAX + 16];
    nm_cert_t cert;
    nm_error_t error;
    if (!nm_files_is_here(mesh->folder, name))
        return false;
    snprintf(next, sizeof next, "keys/%s.next.key", name);
    snprintf(path, sizeof path, "%s/certs/%s.cert", mesh->folder, name);
    return nm_files_exists(mesh->folder, next) || nm_cert_load(path, &cert, &error) != NM_OK ||
           !nm_stating_ended(mesh, &cert, &error);
}

void
nm_stating_keep_ours(nm_mesh_t *mesh)
{
    size_t kept = 0;
    for (size_t i = 0; i < mesh->actor_count; i++)
        if (s_is_ours(mesh, mesh->actors[i].name))
            mesh->actors[kept++] = mesh->actors[i];
    mesh->actor_count = kept;
}

typedef struct {
    const char *name;
    int64_t last_ms;  //  When it was last forgotten
} s_forgetting_t;

static bool
s_note_forget(void *arg, const nm_stated_t *stated)
{
    s_forgetting_t *forgetting = arg;
    if (stated->kind == NM_STATED_FORGET && strcmp(stated->name, forgetting->name) == 0 &&
        stated->at_ms > forgetting->last_ms)
        forgetting->last_ms = stated->at_ms;
    return false;
}

int64_t
nm_stating_since(const char *folder, const char *name, int64_t now_ms)
{
    enum { BACK_MS = 3600 * 1000 };  //  A new certificate begins so long before
    nm_error_t error;
    s_forgetting_t forgetting = { .name = name };
    nm_mesh_t *mesh = nm_mesh_load(folder, &error);
    if (mesh)
        s_each(mesh, s_note_forget, &forgetting);
    nm_mesh_destroy(&mesh);
    int64_t least_ms = forgetting.last_ms + 1 + BACK_MS;
    return now_ms > least_ms ? now_ms : least_ms;
}

//  -- Publishing

static void
s_pack(const nm_stating_t *self, nm_buf_t *out)
{
    nm_buf_t text = { 0 }, list = { 0 };
    nm_statement_t statement = { 0 };
    nm_updates_t updates = { 0 };
    nm_stated_write(&self->stated, &text);
    NM_PUT(&statement, statement, text, nm_buf_bytes(&text));
    NM_PUT(&statement, statement, signature, nm_bytes(self->signature, sizeof self->signature));
    nm_writer_list(&list, 1);
    nm_record_encode(&nm_statement_shape, &statement, NM_BY_TAG, &list);
    NM_PUT(&updates, updates, statements, nm_buf_bytes(&list));
    nm_record_encode(&nm_updates_shape, &updates, NM_BY_TAG, out);
    nm_buf_free(&text);
    nm_buf_free(&list);
}

//  0: it has taken it, or knew it.
static int
s_give(nm_reach_t *reach, const nm_mesh_actor_t *actor, const nm_buf_t *body, nmesh_error_t *problem)
{
    nm_error_t error;
    nmesh_t *client = nm_reach_desk(reach, actor, &error);
    if (!client)
        return -1;
    nmesh_ask_t ask = { .op = "directory.publish",
                        .body = { body->at, body->size },
                        .timeout_ms = S_PATIENCE_MS,
                        .silence_ms = S_PATIENCE_MS };
    int rc = nm_reach_ask_over(client, &ask, NULL, NULL, problem);
    nmesh_close(&client);
    return rc;
}

int
nm_stating_publish(nm_reach_t *reach, const nm_stating_t *self)
{
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    nmesh_error_t problem = { .title = "" };
    nm_buf_t body = { 0 };
    const nm_mesh_actor_t *taker = NULL;
    s_pack(self, &body);
    for (int last = 0; last < 2 && !taker; last++)
        for (size_t i = 0; i < mesh->actor_count && !taker; i++) {
            const nm_mesh_actor_t *actor = &mesh->actors[i];
            if ((strcmp(actor->name, self->stated.name) == 0) == (last == 1) &&
                s_give(reach, actor, &body, &problem) == 0)
                taker = actor;
        }
    nm_buf_free(&body);
    if (taker) {
        nm_nctl_say("%s has taken it and tells the others.", taker->name);
        return NM_DONE;
    }
    if (problem.status)
        return nm_reach_problem(&problem);
    return nm_nctl_fail("no actor answers; publish it when one does: nctl cert publish FILE");
}
