#include "broker/directory.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include "broker/log.h"

enum {
    FILE_MAX = 4096,            //  Certificate files that are looked at
    FILE_SIZE_MAX = 16 * 1024,  //  Of one of them
    OPERATOR_MAX = 1000,
    READ_PAUSE_MS = 1000,  //  Least time between two looks at certs/
};

//  One file of certs/ as it was read. A file that did not change is not read or verified again.
typedef struct {
    char file[256];
    struct timespec changed_at;
    ino_t inode;
    off_t size;
    bool good;  //  Read, and signed by the authority
    nm_cert_t cert;
    nm_peer_t *peer;  //  Whose it is; NULL if not good
} entry_t;

struct nm_directory {
    const nm_mesh_t *mesh;
    char folder[NM_MESH_PATH_MAX + 16];  //  certs/
    struct timespec folder_changed_at;
    int64_t looked_ms;  //  When the folder was looked at last; 0 is never
    nm_peer_t **peers;  //  The roster in its order, then operators as they come
    size_t peer_count;
    entry_t *entries;
    size_t entry_count;
    entry_t **by_key;  //  The good ones, by key
    size_t key_count;
    uint64_t version;
};

static bool
s_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

//  -- Peers

static nm_peer_t *
s_find_peer(const nm_directory_t *self, const char *name)
{
    for (size_t i = 0; i < self->peer_count; i++)
        if (strcmp(self->peers[i]->actor.name, name) == 0)
            return self->peers[i];
    return NULL;
}

static void
s_add_roster(nm_directory_t *self)
{
    self->peers = nm_alloc((self->mesh->actor_count + OPERATOR_MAX) * sizeof *self->peers);
    for (size_t i = 0; i < self->mesh->actor_count; i++) {
        nm_peer_t *peer = nm_alloc(sizeof *peer);
        peer->actor = self->mesh->actors[i];
        self->peers[self->peer_count++] = peer;
    }
}

static nm_peer_t *
s_add_operator(nm_directory_t *self, const nm_cert_t *cert, nm_error_t *error)
{
    if (self->peer_count == self->mesh->actor_count + OPERATOR_MAX) {
        nm_fail(error, NM_ERR_FULL, "there are more than %d operators", OPERATOR_MAX);
        return NULL;
    }
    nm_peer_t *peer = nm_alloc(sizeof *peer);
    nm_bytes_to_text(nm_text(cert->name), peer->actor.name, sizeof peer->actor.name);
    peer->actor.role = NM_ROLE_OPERATOR;
    self->peers[self->peer_count++] = peer;
    return peer;
}

//  Whose certificate is it? An actor's is its roster entry's, and names the same role.
static nm_peer_t *
s_peer_of(nm_directory_t *self, const nm_cert_t *cert, nm_error_t *error)
{
    nm_peer_t *peer = s_find_peer(self, cert->name);
    if (!peer && cert->role == NM_ROLE_OPERATOR)
        return s_add_operator(self, cert, error);
    if (!peer) {
        nm_fail(error, NM_ERR_REFUSED, "%s is not in the roster", cert->name);
        return NULL;
    }
    if (peer->actor.role != cert->role) {
        nm_fail(error, NM_ERR_REFUSED, "the certificate of %s is for the role %s, the roster says %s", cert->name,
                nm_role_text(cert->role), nm_role_text(peer->actor.role));
        return NULL;
    }
    return peer;
}

//  -- Files

//  Reads a file and has its signature checked. Its time is checked at each admit.
static void
s_read_entry(nm_directory_t *self, entry_t *entry)
{
    nm_error_t error;
    char path[sizeof self->folder + sizeof entry->file + 1];
    snprintf(path, sizeof path, "%s/%s", self->folder, entry->file);
    nm_rc_t rc = NM_ERR_MALFORMED;
    if (entry->size > FILE_SIZE_MAX)
        rc = nm_fail(&error, rc, "%s is larger than %d bytes", path, FILE_SIZE_MAX);
    else
        rc = nm_cert_load(path, &entry->cert, &error);
    if (rc == NM_OK) {
        memset(entry->cert.secret_text, 0, sizeof entry->cert.secret_text);
        rc = nm_cert_verify(&entry->cert, self->mesh->authority, entry->cert.not_before_ms, &error);
    }
    if (rc == NM_OK)
        entry->peer = s_peer_of(self, &entry->cert, &error);
    entry->good = rc == NM_OK && entry->peer;
    if (!entry->good)
        nm_log(NM_LOG_WARNING, "certificate_refused", "%s: %s", entry->file, error.text);
}

static const entry_t *
s_find_file(const entry_t *entries, size_t count, const char *file)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].file, file) == 0)
            return &entries[i];
    return NULL;
}

static int
s_is_cert_file(const struct dirent *file)
{
    size_t size = strlen(file->d_name);
    return file->d_name[0] != '.' && size > 5 && strcmp(file->d_name + size - 5, ".cert") == 0;
}

//  Fills in the entry of a file, from what was known if the file did not change.
static bool
s_take_file(nm_directory_t *self, const char *file, const entry_t *old, size_t old_count, entry_t *entry)
{
    char path[sizeof self->folder + sizeof entry->file + 1];
    snprintf(path, sizeof path, "%s/%s", self->folder, file);
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    const entry_t *known = s_find_file(old, old_count, file);
    if (known && known->inode == status.st_ino && known->size == status.st_size &&
        s_same_time(known->changed_at, status.st_ctim)) {
        *entry = *known;
        return true;
    }
    *entry = (entry_t){ .changed_at = status.st_ctim, .inode = status.st_ino, .size = status.st_size };
    nm_bytes_to_text(nm_text(file), entry->file, sizeof entry->file);
    s_read_entry(self, entry);
    return true;
}

static nm_rc_t
s_read_files(nm_directory_t *self, nm_error_t *error)
{
    struct dirent **files;
    int found = scandir(self->folder, &files, s_is_cert_file, alphasort);
    if (found < 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", self->folder, strerror(errno));
    size_t count = (size_t) found;
    if (count > FILE_MAX) {
        nm_log(NM_LOG_ERROR, "certificates_many", "%s has %zu certificates; %d are read", self->folder, count,
               FILE_MAX);
        count = FILE_MAX;
    }

    entry_t *old = self->entries;
    size_t old_count = self->entry_count;
    self->entries = nm_alloc(count * sizeof *self->entries);
    self->entry_count = 0;
    for (size_t i = 0; i < count; i++)
        if (s_take_file(self, files[i]->d_name, old, old_count, &self->entries[self->entry_count]))
            self->entry_count++;

    for (size_t i = 0; i < (size_t) found; i++)
        free(files[i]);
    free(files);
    free(old);
    return NM_OK;
}

//  -- The view by key

static int
s_compare_keys(const void *a, const void *b)
{
    const entry_t *const *left = a, *const *right = b;
    int order = memcmp((*left)->cert.public_key, (*right)->cert.public_key, NM_CURVE_KEY_SIZE);
    return order ? order : strcmp((*left)->file, (*right)->file);
}

//  Of several certificates of one peer the one that ends last is its certificate; while keys
//  are changed, all of them are admitted.
static void
s_index(nm_directory_t *self, int64_t now_ms)
{
    free(self->by_key);
    self->by_key = nm_alloc(self->entry_count * sizeof *self->by_key);
    self->key_count = 0;
    for (size_t i = 0; i < self->peer_count; i++)
        self->peers[i]->certified = false;

    for (size_t i = 0; i < self->entry_count; i++) {
        entry_t *entry = &self->entries[i];
        if (!entry->good)
            continue;
        self->by_key[self->key_count++] = entry;
        if (nm_cert_check_time(&entry->cert, now_ms, NULL) != NM_OK)
            continue;
        if (!entry->peer->certified || entry->cert.not_after_ms > entry->peer->cert.not_after_ms)
            entry->peer->cert = entry->cert;
        entry->peer->certified = true;
    }
    qsort(self->by_key, self->key_count, sizeof *self->by_key, s_compare_keys);
    self->version++;
}

//  Only what the roster counts on is worth a line.
static void
s_log_uncertified(const nm_directory_t *self)
{
    for (size_t i = 0; i < self->mesh->actor_count; i++)
        if (!self->peers[i]->certified)
            nm_log(NM_LOG_WARNING, "peer_uncertified", "%s has no valid certificate in %s and is admitted nowhere",
                   self->peers[i]->actor.name, self->folder);
}

static nm_rc_t
s_read(nm_directory_t *self, int64_t now_ms, nm_error_t *error)
{
    struct stat status;
    if (stat(self->folder, &status) != 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", self->folder, strerror(errno));
    self->looked_ms = now_ms;
    nm_rc_t rc = s_read_files(self, error);
    if (rc != NM_OK)
        return rc;
    self->folder_changed_at = status.st_ctim;
    s_index(self, now_ms);
    return NM_OK;
}

//  A file that was added or removed shows in the folder's time. A look costs one system call.
static void
s_look(nm_directory_t *self, int64_t now_ms)
{
    if (now_ms - self->looked_ms < READ_PAUSE_MS && now_ms >= self->looked_ms)
        return;
    self->looked_ms = now_ms;
    struct stat status;
    if (stat(self->folder, &status) == 0 && s_same_time(status.st_ctim, self->folder_changed_at))
        return;
    nm_error_t error;
    if (s_read(self, now_ms, &error) != NM_OK)
        nm_log(NM_LOG_ERROR, "certificates_unread", "%s", error.text);
}

//  -- Public

nm_directory_t *
nm_directory_new(const nm_mesh_t *mesh, int64_t now_ms, nm_error_t *error)
{
    nm_directory_t *self = nm_alloc(sizeof *self);
    self->mesh = mesh;
    nm_mesh_path(mesh, "certs", self->folder, sizeof self->folder);
    s_add_roster(self);
    if (s_read(self, now_ms, error) != NM_OK)
        nm_directory_destroy(&self);
    else
        s_log_uncertified(self);
    return self;
}

void
nm_directory_destroy(nm_directory_t **self_p)
{
    nm_directory_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->peer_count; i++)
        free(self->peers[i]);
    free(self->peers);
    free(self->entries);
    free(self->by_key);
    free(self);
    *self_p = NULL;
}

//  The first entry with that key, or NULL. There may be more, for a certificate that was renewed.
static entry_t **
s_find_key(const nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE])
{
    size_t low = 0, high = self->key_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(self->by_key[middle]->cert.public_key, public_key, NM_CURVE_KEY_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == self->key_count || memcmp(self->by_key[low]->cert.public_key, public_key, NM_CURVE_KEY_SIZE) != 0)
        return NULL;
    return &self->by_key[low];
}

//  Goes through the entries of one key; the sentence is about the last that failed.
static const nm_peer_t *
s_admit_entries(const nm_directory_t *self, entry_t **found, int64_t now_ms, nm_error_t *error)
{
    const uint8_t *key = (*found)->cert.public_key;
    for (; found < self->by_key + self->key_count; found++) {
        entry_t *entry = *found;
        if (memcmp(entry->cert.public_key, key, NM_CURVE_KEY_SIZE) != 0)
            break;
        if (nm_cert_check_time(&entry->cert, now_ms, error) != NM_OK)
            continue;
        //  One whose time had not come when the files were read
        if (!entry->peer->certified) {
            entry->peer->cert = entry->cert;
            entry->peer->certified = true;
        }
        return entry->peer;
    }
    return NULL;
}

const nm_peer_t *
nm_directory_admit(nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE], int64_t now_ms, nm_error_t *error)
{
    bool may_read = now_ms - self->looked_ms >= READ_PAUSE_MS || now_ms < self->looked_ms;
    s_look(self, now_ms);
    entry_t **found = s_find_key(self, public_key);
    if (!found && may_read && s_read(self, now_ms, error) == NM_OK)
        found = s_find_key(self, public_key);
    if (found)
        return s_admit_entries(self, found, now_ms, error);

    char fingerprint[17];
    nm_cert_fingerprint(public_key, fingerprint);
    nm_fail(error, NM_ERR_REFUSED, "no certificate of this mesh has the key %s", fingerprint);
    return NULL;
}

uint64_t
nm_directory_version(const nm_directory_t *self)
{
    return self->version;
}

const nm_peer_t *
nm_directory_find(const nm_directory_t *self, const char *name)
{
    return s_find_peer(self, name);
}

size_t
nm_directory_list(const nm_directory_t *self, nm_role_id_t role, const nm_peer_t **peers, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < self->mesh->actor_count; i++) {
        if (role != NM_ROLE_NONE && self->peers[i]->actor.role != role)
            continue;
        if (count < max)
            peers[count] = self->peers[i];
        count++;
    }
    return count;
}

const nm_peer_t *
nm_directory_gateway(const nm_directory_t *self, uint16_t number)
{
    for (size_t i = 0; number && i < self->mesh->actor_count; i++)
        if (self->peers[i]->actor.number == number)
            return self->peers[i];
    return NULL;
}
