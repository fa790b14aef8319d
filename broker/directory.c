#include "broker/directory_private.h"

#include <sodium.h>
#include "broker/log.h"

enum {
    OPERATOR_MAX = 1000,
    BEAT_MS = 20000,    //  An actor says that it is there so often ...
    EXPIRY_MS = 70000,  //  ... and each time for so long
};

//  -- Peers

nm_directory_member_t *
nm_directory_find_member(const nm_directory_t *self, const char *name)
{
    size_t place = nm_names_find(&self->names, name);
    return place < self->member_count ? self->members[place] : NULL;
}

nm_directory_member_t *
nm_directory_add_member(nm_directory_t *self, const char *name, nm_role_id_t role)
{
    nm_directory_member_t *member = nm_alloc(sizeof *member);
    nm_bytes_to_text(nm_text(name), member->peer.actor.name, sizeof member->peer.actor.name);
    member->peer.actor.role = role;
    self->members = nm_realloc(self->members, (self->member_count + 1) * sizeof *self->members);
    member->peer.place = nm_names_add(&self->names, member->peer.actor.name);
    self->members[self->member_count++] = member;
    return member;
}

static void
s_add_roster(nm_directory_t *self)
{
    for (size_t i = 0; i < self->mesh->actor_count; i++) {
        const nm_mesh_actor_t *actor = &self->mesh->actors[i];
        nm_directory_add_member(self, actor->name, actor->role)->peer.actor = *actor;
    }
}

//  Whose certificate is it? An actor's is its roster entry's, or of one that has said who it is, and names the
//  same role.
nm_directory_member_t *
nm_directory_member_of(nm_directory_t *self, const nm_cert_t *cert, nm_error_t *error)
{
    nm_directory_member_t *member = nm_directory_find_member(self, cert->name);
    if (!member && cert->role == NM_ROLE_OPERATOR) {
        if (self->operator_count == OPERATOR_MAX) {
            nm_fail(error, NM_ERR_FULL, "there are more than %d operators", OPERATOR_MAX);
            return NULL;
        }
        self->operator_count++;
        return nm_directory_add_member(self, cert->name, NM_ROLE_OPERATOR);
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

void
nm_directory_note(nm_directory_member_t *member, const nm_cert_t *cert)
{
    if (cert->name[0] && cert->not_before_ms > member->since_ms)
        member->since_ms = cert->not_before_ms;
}

bool
nm_directory_is_lost(const nm_directory_t *self, const nm_directory_member_t *member, nm_stated_t *stated)
{
    return nm_statements_forgotten(nm_gossip_statements(self->gossip), member->peer.actor.name, stated) &&
           member->since_ms <= stated->at_ms;
}

static void
s_follow_losses(nm_directory_t *self, nm_directory_member_t *member)
{
    nm_peer_t *peer = &member->peer;
    nm_stated_t stated = { .at_ms = 0 };
    peer->forgotten = nm_directory_is_lost(self, member, &stated);
    peer->lost_ms = stated.at_ms;
    if (stated.has_store)
        peer->fenced = stated.store;
}

//  -- The view by key

static int
s_compare_keys(const void *a, const void *b)
{
    const nm_directory_key_t *left = a, *right = b;
    int order = memcmp(left->cert->public_key, right->cert->public_key, NM_CURVE_KEY_SIZE);
    return order ? order : strcmp(left->cert->serial, right->cert->serial);
}

static void
s_admit(nm_directory_t *self, const nm_cert_t *cert, nm_directory_member_t *member)
{
    nm_directory_note(member, cert);
    if (cert->name[0] && !nm_statements_kill(nm_gossip_statements(self->gossip), cert, NULL))
        self->keys[self->key_count++] = (nm_directory_key_t){ cert, member };
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
void
nm_directory_index(nm_directory_t *self, int64_t now_ms)
{
    self->keys = nm_realloc(self->keys, (self->file_count + 2 * self->member_count) * sizeof *self->keys);
    self->key_count = 0;
    self->until_ms = INT64_MAX;
    for (size_t i = 0; i < self->member_count; i++) {
        nm_directory_member_t *member = self->members[i];
        member->peer.certified = false;
        s_admit(self, &member->said, member);
        s_admit(self, &member->before, member);
    }
    for (size_t i = 0; i < self->file_count; i++)
        if (self->files[i].good)
            s_admit(self, &self->files[i].cert, self->files[i].member);

    for (size_t i = 0; i < self->key_count; i++)
        if (self->keys[i].cert == &self->keys[i].member->said)
            s_choose(self, self->keys[i].cert, &self->keys[i].member->peer, now_ms);
    for (size_t i = 0; i < self->key_count; i++) {
        const nm_directory_key_t *key = &self->keys[i];
        const nm_peer_t *peer = &key->member->peer;
        bool spoke = peer->certified && strcmp(peer->cert.serial, key->member->said.serial) == 0;
        if (!spoke && key->cert != &key->member->before)
            s_choose(self, key->cert, &key->member->peer, now_ms);
    }
    qsort(self->keys, self->key_count, sizeof *self->keys, s_compare_keys);
    for (size_t i = 0; i < self->member_count; i++)
        s_follow_losses(self, self->members[i]);
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
    if (s_read_settings(self, error) != NM_OK || nm_directory_read(self, now_ms, error) != NM_OK)
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
    nm_names_free(&self->names);
    free(self->files);
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
        const nm_directory_key_t *found = &self->keys[at];
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
    for (size_t i = 0; i < self->file_count; i++)
        if (self->files[i].good && memcmp(self->files[i].cert.public_key, public_key, NM_CURVE_KEY_SIZE) == 0 &&
            nm_statements_kill(nm_gossip_statements(self->gossip), &self->files[i].cert, error))
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
    bool may_read = now_ms - self->looked_ms >= NM_DIRECTORY_READ_PAUSE_MS || now_ms < self->looked_ms;
    nm_directory_look(self, now_ms);
    size_t at = s_find_key(self, public_key);
    if (at == self->key_count && may_read && nm_directory_read(self, now_ms, error) == NM_OK)
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
    const nm_directory_member_t *member = nm_directory_find_member(self, name);
    return member ? &member->peer : NULL;
}

static nm_rc_t
s_tell_of_strangers(const nm_directory_t *self, nm_lost_fn *fn, void *arg)
{
    nm_stated_t stated;
    nm_rc_t rc = NM_OK;
    size_t at = 0;
    while (rc == NM_OK && nm_statements_next_forgotten(nm_gossip_statements(self->gossip), &at, &stated)) {
        nm_peer_t stranger = { .forgotten = true, .lost_ms = stated.at_ms };
        nm_bytes_to_text(nm_text(stated.name), stranger.actor.name, sizeof stranger.actor.name);
        if (!nm_directory_find_member(self, stated.name))
            rc = fn(arg, &stranger);
    }
    return rc;
}

nm_rc_t
nm_directory_each_lost(const nm_directory_t *self, nm_lost_fn *fn, void *arg)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->member_count; i++)
        if (self->members[i]->peer.lost_ms)
            rc = fn(arg, &self->members[i]->peer);
    return rc == NM_OK ? s_tell_of_strangers(self, fn, arg) : rc;
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
