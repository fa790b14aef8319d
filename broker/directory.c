#include "broker/directory.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include "broker/log.h"

enum {
    FILE_MAX = 4096,            //  Certificate files that are looked at
    FILE_SIZE_MAX = 16 * 1024,  //  Of one of them
    OPERATOR_MAX = 1000,
    READ_PAUSE_MS = 1000,  //  Least time between two looks at certs/
    BEAT_MS = 20000,       //  An actor says that it is there so often ...
    EXPIRY_MS = 70000,     //  ... and each time for so long
};

//  A peer, and the certificates that its own words brought. It begins with what others see.
typedef struct {
    nm_peer_t peer;
    nm_cert_t said;    //  Of what it said last; without name if it said nothing, or that is dead
    nm_cert_t before;  //  The one before, while links still go by it
} member_t;

//  One file of certs/ as it was read. A file that did not change is not read or verified again.
typedef struct {
    char file[256];
    struct timespec changed_at;
    ino_t inode;
    off_t size;
    bool good;  //  Read, and signed by the authority
    nm_cert_t cert;
    bool missing;      //  Good, but nobody of that name is known: looked at again when one comes
    member_t *member;  //  Whose it is; NULL if not good
} entry_t;

//  A key that is let in, and whose it is.
typedef struct {
    const nm_cert_t *cert;
    member_t *member;
} admitted_t;

//  What this actor says of itself.
typedef struct {
    nm_directory_own_t as;
    nm_cert_t cert;  //  With secret
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    bool speaks;
    bool draining;
    bool leaving;
    int64_t beat_at_ms;  //  Monotonic
} own_t;

struct nm_directory {
    const nm_mesh_t *mesh;
    char folder[NM_MESH_PATH_MAX + 16];  //  certs/
    struct timespec folder_changed_at;
    int64_t looked_ms;   //  When the folder was looked at last; 0 is never
    member_t **members;  //  The roster in its order, then others as they come
    size_t member_count;
    size_t operator_count;
    entry_t *entries;
    size_t entry_count;
    admitted_t *keys;  //  By rising key
    size_t key_count;
    int64_t until_ms;  //  When the first of the certificates that are in use ends (wall clock)
    uint64_t version;
    nm_gossip_t *gossip;
    int64_t beat_ms;
    int64_t expiry_ms;
    own_t own;
};

const nm_table_t nm_directory_table = { NM_TABLE_DIRECTORY, false, "directory" };

static bool
s_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

//  -- Peers

static member_t *
s_find_member(const nm_directory_t *self, const char *name)
{
    for (size_t i = 0; i < self->member_count; i++)
        if (strcmp(self->members[i]->peer.actor.name, name) == 0)
            return self->members[i];
    return NULL;
}

static member_t *
s_add_member(nm_directory_t *self, const char *name, nm_role_id_t role)
{
    member_t *member = nm_alloc(sizeof *member);
    nm_bytes_to_text(nm_text(name), member->peer.actor.name, sizeof member->peer.actor.name);
    member->peer.actor.role = role;
    self->members = nm_realloc(self->members, (self->member_count + 1) * sizeof *self->members);
    self->members[self->member_count++] = member;
    return member;
}

static void
s_add_roster(nm_directory_t *self)
{
    for (size_t i = 0; i < self->mesh->actor_count; i++) {
        const nm_mesh_actor_t *actor = &self->mesh->actors[i];
        s_add_member(self, actor->name, actor->role)->peer.actor = *actor;
    }
}

//  Whose certificate is it? An actor's is its roster entry's, or of one that has said who it is, and names the
//  same role.
static member_t *
s_member_of(nm_directory_t *self, const nm_cert_t *cert, nm_error_t *error)
{
    member_t *member = s_find_member(self, cert->name);
    if (!member && cert->role == NM_ROLE_OPERATOR) {
        if (self->operator_count == OPERATOR_MAX) {
            nm_fail(error, NM_ERR_FULL, "there are more than %d operators", OPERATOR_MAX);
            return NULL;
        }
        self->operator_count++;
        return s_add_member(self, cert->name, NM_ROLE_OPERATOR);
    }
    if (!member) {
        nm_fail(error, NM_ERR_REFUSED, "%s is not in the roster and has not said where it is", cert->name);
        return NULL;
    }
    if (member->peer.actor.role != cert->role) {
        nm_fail(error, NM_ERR_REFUSED, "the certificate of %s is for the role %s, the roster says %s", cert->name,
                nm_role_text(cert->role), nm_role_text(member->peer.actor.role));
        return NULL;
    }
    return member;
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
        entry->member = s_member_of(self, &entry->cert, &error);
    entry->missing = rc == NM_OK && !entry->member && !s_find_member(self, entry->cert.name);
    entry->good = rc == NM_OK && entry->member;
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
    const admitted_t *left = a, *right = b;
    int order = memcmp(left->cert->public_key, right->cert->public_key, NM_CURVE_KEY_SIZE);
    return order ? order : strcmp(left->cert->serial, right->cert->serial);
}

static void
s_admit(nm_directory_t *self, const nm_cert_t *cert, member_t *member)
{
    if (cert->name[0] && !nm_statements_kill(nm_gossip_statements(self->gossip), cert, NULL))
        self->keys[self->key_count++] = (admitted_t){ cert, member };
}

//  Is it good now, and a better one than the peer has so far?
static void
s_choose(nm_directory_t *self, const nm_cert_t *cert, nm_peer_t *peer, int64_t now_ms)
{
    if (nm_cert_check_time(cert, now_ms, NULL) != NM_OK)
        return;
    if (!peer->certified || cert->not_after_ms > peer->cert.not_after_ms)
        peer->cert = *cert;
    peer->certified = true;
    if (cert->not_after_ms < self->until_ms)
        self->until_ms = cert->not_after_ms;
}

//  The certificate of a peer is what it says that it goes by. Before it has spoken, the one of its files that ends
//  last. While keys are changed, all of them are let in.
static void
s_index(nm_directory_t *self, int64_t now_ms)
{
    self->keys = nm_realloc(self->keys, (self->entry_count + 2 * self->member_count) * sizeof *self->keys);
    self->key_count = 0;
    self->until_ms = INT64_MAX;
    for (size_t i = 0; i < self->member_count; i++) {
        member_t *member = self->members[i];
        member->peer.certified = false;
        s_admit(self, &member->said, member);
        s_admit(self, &member->before, member);
    }
    for (size_t i = 0; i < self->entry_count; i++)
        if (self->entries[i].good)
            s_admit(self, &self->entries[i].cert, self->entries[i].member);

    for (size_t i = 0; i < self->key_count; i++)
        if (self->keys[i].cert == &self->keys[i].member->said)
            s_choose(self, self->keys[i].cert, &self->keys[i].member->peer, now_ms);
    for (size_t i = 0; i < self->key_count; i++) {
        const admitted_t *key = &self->keys[i];
        const nm_peer_t *peer = &key->member->peer;
        bool spoke = peer->certified && strcmp(peer->cert.serial, key->member->said.serial) == 0;
        if (!spoke && key->cert != &key->member->before)
            s_choose(self, key->cert, &key->member->peer, now_ms);
    }
    qsort(self->keys, self->key_count, sizeof *self->keys, s_compare_keys);
    for (size_t i = 0; i < self->member_count; i++) {
        nm_peer_t *peer = &self->members[i]->peer;
        nm_stated_t stated;
        bool stated_gone = nm_statements_forgotten(nm_gossip_statements(self->gossip), peer->actor.name, &stated);
        peer->forgotten = stated_gone && !peer->certified;
        if (stated_gone && stated.has_store)
            peer->fenced = stated.store;
    }
    self->version++;
}

//  Only what the roster counts on is worth a line.
static void
s_log_uncertified(const nm_directory_t *self)
{
    for (size_t i = 0; i < self->mesh->actor_count; i++)
        if (!self->members[i]->peer.certified)
            nm_log(NM_LOG_WARNING, "peer_uncertified", "%s has no valid certificate in %s and is admitted nowhere",
                   self->members[i]->peer.actor.name, self->folder);
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

//  -- Making one

static nm_rc_t
s_read_settings(nm_directory_t *self, nm_error_t *error)
{
    static const char *const NAMES[] = { "beat", "expiry" };
    const nm_zpl_t *part = nm_mesh_part(self->mesh, "directory");
    nm_rc_t rc = part ? nm_zpl_only(part, NAMES, NM_COUNT(NAMES), error) : NM_OK;
    if (rc == NM_OK)
        rc = nm_zpl_duration(part, "beat", 600000, BEAT_MS, &self->beat_ms, error);
    if (rc == NM_OK)
        rc = nm_zpl_duration(part, "expiry", 3600000, EXPIRY_MS, &self->expiry_ms, error);
    if (rc == NM_OK && (self->beat_ms < 100 || self->expiry_ms < 1000 || self->expiry_ms < 2 * self->beat_ms))
        rc = nm_zpl_fail(part, error, "beat is at least 100ms, expiry at least 1s and twice the beat");
    return rc;
}

nm_directory_t *
nm_directory_new(const nm_mesh_t *mesh, int64_t now_ms, nm_error_t *error)
{
    nm_directory_t *self = nm_alloc(sizeof *self);
    self->mesh = mesh;
    self->own.beat_at_ms = INT64_MAX;
    self->gossip = nm_gossip_new(mesh->authority, 0, NULL);
    nm_mesh_path(mesh, "certs", self->folder, sizeof self->folder);
    s_add_roster(self);
    if (s_read_settings(self, error) != NM_OK || s_read(self, now_ms, error) != NM_OK)
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
    for (size_t i = 0; i < self->member_count; i++)
        free(self->members[i]);
    free(self->members);
    free(self->entries);
    free(self->keys);
    nm_gossip_destroy(&self->gossip);
    nm_cert_wipe(&self->own.cert);
    sodium_memzero(self->own.secret, sizeof self->own.secret);
    free(self);
    *self_p = NULL;
}

//  -- Asking

//  The first place with that key; key_count if there is none. There may be more, for a certificate that was renewed.
static size_t
s_find_key(const nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE])
{
    size_t low = 0, high = self->key_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(self->keys[middle].cert->public_key, public_key, NM_CURVE_KEY_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == self->key_count || memcmp(self->keys[low].cert->public_key, public_key, NM_CURVE_KEY_SIZE) != 0)
        return self->key_count;
    return low;
}

//  Goes through the certificates of one key; the sentence is about the last that failed.
static const nm_peer_t *
s_admit_from(const nm_directory_t *self, size_t at, int64_t now_ms, nm_error_t *error)
{
    const uint8_t *key = self->keys[at].cert->public_key;
    for (; at < self->key_count; at++) {
        const admitted_t *found = &self->keys[at];
        nm_peer_t *peer = &found->member->peer;
        if (memcmp(found->cert->public_key, key, NM_CURVE_KEY_SIZE) != 0)
            break;
        if (nm_cert_check_time(found->cert, now_ms, error) != NM_OK)
            continue;
        //  One whose time had not come when the files were read
        if (!peer->certified) {
            peer->cert = *found->cert;
            peer->certified = true;
        }
        return peer;
    }
    return NULL;
}

//  Why nobody has this key: a statement may have ended it.
static void
s_say_unknown(const nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE], nm_error_t *error)
{
    char fingerprint[17];
    for (size_t i = 0; i < self->entry_count; i++)
        if (self->entries[i].good && memcmp(self->entries[i].cert.public_key, public_key, NM_CURVE_KEY_SIZE) == 0 &&
            nm_statements_kill(nm_gossip_statements(self->gossip), &self->entries[i].cert, error))
            return;
    for (size_t i = 0; i < self->member_count; i++)
        if (memcmp(self->members[i]->peer.cert.public_key, public_key, NM_CURVE_KEY_SIZE) == 0 &&
            nm_statements_kill(nm_gossip_statements(self->gossip), &self->members[i]->peer.cert, error))
            return;
    nm_cert_fingerprint(public_key, fingerprint);
    nm_fail(error, NM_ERR_REFUSED, "no certificate of this mesh has the key %s", fingerprint);
}

const nm_peer_t *
nm_directory_admit(nm_directory_t *self, const uint8_t public_key[NM_CURVE_KEY_SIZE], int64_t now_ms, nm_error_t *error)
{
    bool may_read = now_ms - self->looked_ms >= READ_PAUSE_MS || now_ms < self->looked_ms;
    s_look(self, now_ms);
    size_t at = s_find_key(self, public_key);
    if (at == self->key_count && may_read && s_read(self, now_ms, error) == NM_OK)
        at = s_find_key(self, public_key);
    if (at < self->key_count)
        return s_admit_from(self, at, now_ms, error);
    if (error)
        s_say_unknown(self, public_key, error);
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
    const member_t *member = s_find_member(self, name);
    return member ? &member->peer : NULL;
}

size_t
nm_directory_list(const nm_directory_t *self, nm_role_id_t role, const nm_peer_t **peers, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < self->member_count; i++) {
        const nm_peer_t *peer = &self->members[i]->peer;
        if (!nm_role_is_actor(peer->actor.role) || (role != NM_ROLE_NONE && peer->actor.role != role))
            continue;
        if (count < max)
            peers[count] = peer;
        count++;
    }
    return count;
}

//  A number that was given again after its gateway was forgotten is the later one's.
const nm_peer_t *
nm_directory_gateway(const nm_directory_t *self, uint16_t number)
{
    const nm_peer_t *found = NULL;
    for (size_t i = 0; number && i < self->member_count; i++)
        if (self->members[i]->peer.actor.number == number && (!found || found->forgotten))
            found = &self->members[i]->peer;
    return found;
}

//  -- Learning

static void
s_put_text(bool there, nm_bytes_t text, char *out, size_t size)
{
    nm_bytes_to_text(there ? text : nm_bytes(NULL, 0), out, size);
}

//  A number is one gateway's. Who comes second with it does without, so that no id is made twice.
static uint16_t
s_number_for(const nm_directory_t *self, const member_t *member, const nm_member_t *said)
{
    uint16_t number = NM_HAS(said, member, number) ? (uint16_t) said->number : 0;
    const nm_peer_t *other = nm_directory_gateway(self, number);
    if (!other || other == &member->peer || other->forgotten)
        return number;
    nm_log(NM_LOG_ERROR, "number_twice", "%s says that it is gateway number %u, and %s has that number",
           member->peer.actor.name, number, other->actor.name);
    return 0;
}

static void
s_place_member(nm_directory_t *self, member_t *member, const nm_member_t *said, nm_life_t life)
{
    nm_peer_t *peer = &member->peer;
    nm_mesh_actor_t *actor = &peer->actor;
    s_put_text(true, said->mailbox, actor->mailbox, sizeof actor->mailbox);
    s_put_text(true, said->desk, actor->desk, sizeof actor->desk);
    s_put_text(NM_HAS(said, member, door), said->door, actor->door, sizeof actor->door);
    s_put_text(NM_HAS(said, member, lobby), said->lobby, actor->lobby, sizeof actor->lobby);
    s_put_text(true, said->host, actor->host, sizeof actor->host);
    s_put_text(true, said->version, peer->version, sizeof peer->version);
    actor->number = s_number_for(self, member, said);
    peer->heard = true;
    peer->life = life;
    peer->draining = NM_HAS(said, member, draining) && said->draining;
    peer->leaving = NM_HAS(said, member, leaving) && said->leaving;
    peer->store = said->store;
    peer->epoch = (uint32_t) said->epoch;
}

//  Files of a name that was unknown when they were read.
static void
s_match_files(nm_directory_t *self, member_t *member)
{
    for (size_t i = 0; i < self->entry_count; i++) {
        entry_t *entry = &self->entries[i];
        if (!entry->missing || strcmp(entry->cert.name, member->peer.actor.name) != 0 ||
            entry->cert.role != member->peer.actor.role)
            continue;
        entry->missing = false;
        entry->good = true;
        entry->member = member;
    }
}

//  The peers follow what one has said. NULL: it may not be, and the log says why.
static member_t *
s_follow_member(nm_directory_t *self, const char *name)
{
    nm_known_t known;
    nm_cert_t cert;
    if (!nm_gossip_find(self->gossip, name, &known) || nm_cert_from_record(&known.certificate, &cert) != NM_OK)
        return NULL;
    member_t *member = s_find_member(self, name);
    if (member && member->peer.actor.role != cert.role) {
        nm_log(NM_LOG_ERROR, "member_refused", "%s says that it is a %s, and the roster that it is a %s", name,
               nm_role_text(cert.role), nm_role_text(member->peer.actor.role));
        return NULL;
    }
    if (!member) {
        member = s_add_member(self, name, cert.role);
        s_match_files(self, member);
    }
    s_place_member(self, member, &known.member, known.life);
    if (member->said.name[0] && memcmp(member->said.public_key, cert.public_key, sizeof cert.public_key) != 0)
        member->before = member->said;
    member->said = cert;
    return member;
}

static void
s_log_member(const nm_peer_t *peer, bool known)
{
    const char *how = peer->leaving    ? "leaves"
                      : peer->draining ? "drains"
                      : known          ? "has news of itself"
                                       : "is new here";
    nm_log(NM_LOG_INFO, "member", "%s (%s on %s) %s: mailbox %s, desk %s.", peer->actor.name,
           nm_role_text(peer->actor.role), peer->actor.host, how, peer->actor.mailbox, peer->actor.desk);
}

nm_rc_t
nm_directory_learn(nm_directory_t *self, const nm_signed_t *from, nm_now_t now, nm_error_t *error)
{
    nm_taken_t taken;
    nm_rc_t rc = nm_gossip_take(self->gossip, from, now, &taken, error);
    if (rc != NM_OK)
        return rc;
    member_t *member = s_find_member(self, taken.name);
    bool known = member && member->peer.heard;
    if (!taken.news) {
        if (member)
            member->peer.life = NM_LIFE_ALIVE;
        return NM_OK;
    }
    member = s_follow_member(self, taken.name);
    if (!member) {
        nm_gossip_drop(self->gossip, taken.name);
        return nm_fail(error, NM_ERR_REFUSED, "%s is not what the roster says", taken.name);
    }
    s_index(self, now.wall_ms);
    s_log_member(&member->peer, known);
    return NM_OK;
}

//  What a dead certificate said counts no more.
static void
s_drop_dead(nm_directory_t *self, member_t *member)
{
    nm_statements_t *statements = nm_gossip_statements(self->gossip);
    if (!member->said.name[0] || !nm_statements_kill(statements, &member->said, NULL))
        return;
    nm_gossip_drop(self->gossip, member->peer.actor.name);
    member->said = (nm_cert_t){ .name = "" };
}

static void
s_follow_statement(nm_directory_t *self, const nm_stated_t *stated)
{
    member_t *member = s_find_member(self, stated->name);
    if (!member)
        return;
    if (stated->kind == NM_STATED_FORGET && !stated->has_store && member->peer.heard)
        member->peer.fenced = member->peer.store;
    s_drop_dead(self, member);
}

nm_rc_t
nm_directory_hear(nm_directory_t *self, const nm_statement_t *statement, nm_now_t now, nm_error_t *error)
{
    nm_stated_t stated;
    nm_rc_t rc = nm_gossip_hear(self->gossip, statement, now, &stated);
    switch (rc) {
    case NM_OK: break;
    case NM_ERR_DUPLICATE: return nm_fail(error, rc, "the statement is known already");
    case NM_ERR_MALFORMED: return nm_fail(error, rc, "the statement does not read");
    case NM_ERR_REFUSED: return nm_fail(error, rc, "the statement is not signed by this mesh's authority");
    case NM_ERR_BUSY: return nm_fail(error, rc, "there is too much to check in this moment");
    default:
        nm_log(NM_LOG_ERROR, "statements_full", "There are %d statements already.", NM_STATEMENT_COUNT);
        return nm_fail(error, rc, "there are %d statements already", NM_STATEMENT_COUNT);
    }
    s_follow_statement(self, &stated);
    s_index(self, now.wall_ms);
    if (stated.kind == NM_STATED_REVOKE)
        nm_log(NM_LOG_WARNING, "revoked", "The authority has revoked the certificate %s of %s.", stated.serial,
               stated.name);
    else
        nm_log(NM_LOG_WARNING, "forgotten", "The authority says that %s and its disk are gone for good.", stated.name);
    return NM_OK;
}

static void
s_on_life(void *arg, const char *name, nm_life_t life)
{
    member_t *member = s_find_member(arg, name);
    if (!member)
        return;
    member->peer.life = life;
    nm_log(life == NM_LIFE_GONE && !member->peer.leaving ? NM_LOG_WARNING : NM_LOG_DEBUG, "member_life",
           "%s is %s: it has said nothing for a while.", name, nm_life_text(life));
}

void
nm_directory_tick(nm_directory_t *self, nm_now_t now)
{
    nm_gossip_tick(self->gossip, now, s_on_life, self);
    s_look(self, now.wall_ms);
    if (now.wall_ms >= self->until_ms)
        s_index(self, now.wall_ms);
}

nm_gossip_t *
nm_directory_gossip(nm_directory_t *self)
{
    return self->gossip;
}

//  -- Speaking

nm_rc_t
nm_directory_enter(nm_directory_t *self, const nm_directory_own_t *own)
{
    self->own.as = *own;
    self->own.cert = *own->cert;
    self->own.as.cert = &self->own.cert;
    self->own.speaks = nm_cert_sign_secret(own->cert, self->own.secret) == NM_OK;
    self->own.beat_at_ms = self->own.speaks ? INT64_MIN : INT64_MAX;
    return self->own.speaks ? NM_OK : NM_ERR_MISSING;
}

const nm_cert_t *
nm_directory_own(const nm_directory_t *self)
{
    return self->own.as.actor ? &self->own.cert : NULL;
}

static void
s_say(nm_directory_t *self, nm_now_t now)
{
    const nm_mesh_actor_t *actor = self->own.as.actor;
    nm_member_t member = { 0 };
    nm_buf_t certificate = { 0 };
    bool news;
    nm_cert_to_record(&self->own.cert, &certificate);
    NM_PUT(&member, member, certificate, nm_buf_bytes(&certificate));
    NM_PUT(&member, member, expires_at, self->expiry_ms);
    NM_PUT(&member, member, host, nm_text(actor->host));
    NM_PUT(&member, member, mailbox, nm_text(actor->mailbox));
    NM_PUT(&member, member, desk, nm_text(actor->desk));
    if (actor->number)
        NM_PUT(&member, member, number, actor->number);
    if (actor->door[0])
        NM_PUT(&member, member, door, nm_text(actor->door));
    if (actor->lobby[0])
        NM_PUT(&member, member, lobby, nm_text(actor->lobby));
    NM_PUT(&member, member, store, self->own.as.store);
    NM_PUT(&member, member, epoch, self->own.as.epoch);
    NM_PUT(&member, member, version, nm_text(NM_VERSION_TEXT));
    if (self->own.draining)
        NM_PUT(&member, member, draining, true);
    if (self->own.leaving)
        NM_PUT(&member, member, leaving, true);
    nm_gossip_say(self->gossip, &member, self->own.secret, now, &news);
    nm_buf_free(&certificate);
    if (news && s_follow_member(self, actor->name))
        s_index(self, now.wall_ms);
}

int64_t
nm_directory_beat(nm_directory_t *self, nm_now_t now)
{
    if (self->own.speaks && (now.mono_ms >= self->own.beat_at_ms || nm_gossip_outdated(self->gossip))) {
        s_say(self, now);
        self->own.beat_at_ms = now.mono_ms + self->beat_ms;
    }
    return self->own.beat_at_ms;
}

static void
s_say_soon(nm_directory_t *self)
{
    if (self->own.speaks)
        self->own.beat_at_ms = INT64_MIN;
}

void
nm_directory_drain(nm_directory_t *self)
{
    self->own.draining = true;
    s_say_soon(self);
}

void
nm_directory_leave(nm_directory_t *self)
{
    self->own.leaving = true;
    s_say_soon(self);
}

//  The file of the new pair while it is being changed, else the one that there always is.
static nm_rc_t
s_load_renewed(const nm_directory_t *self, nm_cert_t *cert, nm_error_t *error)
{
    char relative[NM_NAME_MAX + 24], path[NM_MESH_PATH_MAX + sizeof relative];
    struct stat status;
    snprintf(relative, sizeof relative, "keys/%s.next.key", self->own.as.actor->name);
    nm_mesh_path(self->mesh, relative, path, sizeof path);
    if (stat(path, &status) != 0) {
        snprintf(relative, sizeof relative, "keys/%s.key", self->own.as.actor->name);
        nm_mesh_path(self->mesh, relative, path, sizeof path);
    }
    return nm_cert_load(path, cert, error);
}

static nm_rc_t
s_check_renewed(const nm_directory_t *self, const nm_cert_t *cert, nm_now_t now, nm_error_t *error)
{
    const nm_cert_t *old = &self->own.cert;
    nm_rc_t rc = nm_cert_verify(cert, self->mesh->authority, now.wall_ms, error);
    if (rc != NM_OK)
        return rc;
    if (strcmp(cert->name, old->name) != 0 || cert->role != old->role)
        return nm_fail(error, NM_ERR_REFUSED, "the new key is of %s (%s), not of %s (%s)", cert->name,
                       nm_role_text(cert->role), old->name, nm_role_text(old->role));
    if (!cert->signs || !cert->secret_text[0])
        return nm_fail(error, NM_ERR_REFUSED, "the new key of %s has no secret or no sign key", cert->name);
    if (nm_statements_kill(nm_gossip_statements(self->gossip), cert, error))
        return NM_ERR_REFUSED;
    if (strcmp(cert->serial, old->serial) == 0)
        return nm_fail(error, NM_ERR_DUPLICATE, "%s goes by that certificate already", cert->name);
    return NM_OK;
}

nm_rc_t
nm_directory_renew(nm_directory_t *self, nm_now_t now, nm_error_t *error)
{
    nm_cert_t cert = { .name = "" };
    nm_rc_t rc = s_load_renewed(self, &cert, error);
    if (rc == NM_OK)
        rc = s_check_renewed(self, &cert, now, error);
    if (rc == NM_OK) {
        self->own.cert = cert;
        self->own.speaks = nm_cert_sign_secret(&cert, self->own.secret) == NM_OK;
        s_say_soon(self);
        nm_log(NM_LOG_INFO, "renewed", "This actor goes by the certificate %s now.", cert.serial);
    }
    nm_cert_wipe(&cert);
    return rc;
}

bool
nm_directory_is_out(const nm_directory_t *self, nm_error_t *error)
{
    return self->own.as.actor && nm_statements_kill(nm_gossip_statements(self->gossip), &self->own.cert, error);
}

//  -- Keeping

//  One that a statement has ended is still somebody: there may be mail for it, and about it.
static void
s_remember(nm_directory_t *self, nm_bytes_t value)
{
    nm_member_t said;
    nm_cert_t cert;
    nm_stated_t stated;
    nm_statements_t *statements = nm_gossip_statements(self->gossip);
    if (!nm_gossip_read_saved(value, &said, &cert))
        return;
    member_t *member = s_find_member(self, cert.name);
    if (!member) {
        member = s_add_member(self, cert.name, cert.role);
        s_place_member(self, member, &said, NM_LIFE_GONE);
        s_match_files(self, member);
    }
    if (nm_statements_forgotten(statements, cert.name, &stated) && nm_statements_kill(statements, &cert, NULL))
        member->peer.fenced = said.store;
}

//  Statements first: what they ended is not taken in again.
nm_rc_t
nm_directory_load(nm_directory_t *self, nm_txn_t *txn, nm_now_t now)
{
    static const char *const KINDS[] = { "s", "m" };
    nm_rc_t rc = NM_ERR_MISSING;
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_cursor_t cursor;
        nm_bytes_t key, value;
        nm_cursor_open(&cursor, txn, &nm_directory_table, nm_text(KINDS[i]), nm_bytes(NULL, 0), false);
        while ((rc = nm_cursor_next(&cursor, &key, &value)) == NM_OK) {
            nm_gossip_load(self->gossip, key, value, now);
            if (key.at[0] == 'm')
                s_remember(self, value);
        }
        nm_cursor_close(&cursor);
        if (rc != NM_ERR_MISSING)
            return rc;
    }
    nm_known_t known;
    for (size_t i = 0; nm_gossip_at(self->gossip, i, &known); i++) {
        char name[NM_NAME_MAX + 1];
        nm_bytes_to_text(known.certificate.name, name, sizeof name);
        s_follow_member(self, name);
    }
    s_index(self, now.wall_ms);
    return NM_OK;
}

static nm_rc_t
s_save_piece(void *arg, nm_bytes_t key, nm_bytes_t value)
{
    return nm_table_put(arg, &nm_directory_table, key, value);
}

nm_rc_t
nm_directory_save(nm_directory_t *self, nm_txn_t *txn)
{
    return nm_gossip_save(self->gossip, s_save_piece, txn);
}

void
nm_directory_saved(nm_directory_t *self)
{
    nm_gossip_saved(self->gossip);
}
