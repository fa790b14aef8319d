#include "broker/gossip_private.h"

#include <sodium.h>

#include "broker/mesh.h"

#define DOMAIN "nmesh-record-1\n"

enum {
    HOLD_LEAST_MS = 1000,
    HOLD_MOST_MS = 3600000,
};

const char *
nm_life_text(nm_life_t life)
{
    static const char *const TEXTS[] = { "alive", "quiet", "gone" };
    return (unsigned) life < NM_COUNT(TEXTS) ? TEXTS[life] : "unknown";
}

nm_gossip_t *
nm_gossip_new(const uint8_t authority[NM_SIGN_PUBLIC_SIZE], size_t member_max, nm_verify_fn *verify)
{
    nm_gossip_t *self = nm_alloc(sizeof *self);
    memcpy(self->authority, authority, sizeof self->authority);
    self->member_max = member_max ? member_max : NM_MEMBER_COUNT;
    self->checks.verify = verify;
    self->statements = nm_statements_new(authority);
    return self;
}

void
nm_gossip_destroy(nm_gossip_t **self_p)
{
    nm_gossip_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free(self->entries[i]);
    free(self->entries);
    nm_statements_destroy(&self->statements);
    free(self);
    *self_p = NULL;
}

nm_statements_t *
nm_gossip_statements(nm_gossip_t *self)
{
    return self->statements;
}

//  -- Places

static void
s_hash(nm_bytes_t name, uint8_t hash[NM_DIGEST_HASH_SIZE])
{
    uint8_t whole[crypto_generichash_BYTES_MIN];
    crypto_generichash(whole, sizeof whole, name.at, name.size, NULL, 0);
    memcpy(hash, whole, NM_DIGEST_HASH_SIZE);
}

size_t
nm_gossip_place(const nm_gossip_t *self, const uint8_t hash[NM_DIGEST_HASH_SIZE])
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(self->entries[middle]->hash, hash, NM_DIGEST_HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

nm_gossip_entry_t *
nm_gossip_entry_at(const nm_gossip_t *self, size_t at, const uint8_t hash[NM_DIGEST_HASH_SIZE])
{
    bool found = at < self->count && memcmp(self->entries[at]->hash, hash, NM_DIGEST_HASH_SIZE) == 0;
    return found ? self->entries[at] : NULL;
}

nm_gossip_entry_t *
nm_gossip_entry(const nm_gossip_t *self, const char *name)
{
    uint8_t hash[NM_DIGEST_HASH_SIZE];
    s_hash(nm_text(name), hash);
    nm_gossip_entry_t *entry = nm_gossip_entry_at(self, nm_gossip_place(self, hash), hash);
    return entry && strcmp(entry->name, name) == 0 ? entry : NULL;
}

nm_signed_t
nm_gossip_signed(const nm_gossip_entry_t *entry)
{
    nm_signed_t member = { 0 };
    NM_PUT(&member, signed, body, nm_bytes(entry->raw + NM_GOSSIP_SIGNATURE_SIZE, entry->body_size));
    NM_PUT(&member, signed, signature, nm_bytes(entry->raw, NM_GOSSIP_SIGNATURE_SIZE));
    return member;
}

static void
s_remove(nm_gossip_t *self, size_t at)
{
    nm_gossip_entry_t *entry = self->entries[at];
    self->untold -= entry->untold;
    self->unsaved -= entry->unsaved;
    self->size -= sizeof *entry + NM_GOSSIP_SIGNATURE_SIZE + entry->body_size;
    free(entry);
    memmove(self->entries + at, self->entries + at + 1, (self->count - at - 1) * sizeof *self->entries);
    self->count--;
}

static void
s_insert(nm_gossip_t *self, size_t at, nm_gossip_entry_t *entry)
{
    self->entries = nm_realloc(self->entries, (self->count + 1) * sizeof *self->entries);
    memmove(self->entries + at + 1, self->entries + at, (self->count - at) * sizeof *self->entries);
    self->entries[at] = entry;
    self->count++;
    self->untold += entry->untold;
    self->unsaved += entry->unsaved;
    self->size += sizeof *entry + NM_GOSSIP_SIGNATURE_SIZE + entry->body_size;
}

//  -- Reading a member

static nm_rc_t
s_decode(nm_bytes_t body, nm_member_t *member, nm_certificate_t *certificate)
{
    nm_rc_t rc = nm_record_decode(&nm_member_shape, member, body, NULL, "");
    return rc == NM_OK ? nm_record_decode(&nm_certificate_shape, certificate, member->certificate, NULL, "") : rc;
}

//  What it says but for the times, in short. The same for an encoder that orders fields in another way.
static void
s_sense(const nm_member_t *member, uint8_t sense[NM_GOSSIP_SENSE_SIZE])
{
    nm_member_t timeless = *member;
    nm_buf_t packed = { 0 };
    timeless.stamp = timeless.expires_at = 0;
    nm_record_encode(&nm_member_shape, &timeless, NM_BY_TAG, &packed);
    crypto_generichash(sense, NM_GOSSIP_SENSE_SIZE, packed.at, packed.size, NULL, 0);
    nm_buf_free(&packed);
}

static nm_gossip_entry_t *
s_make_entry(const nm_signed_t *from, const nm_member_t *member, const char *name)
{
    nm_gossip_entry_t *entry = nm_alloc(sizeof *entry + NM_GOSSIP_SIGNATURE_SIZE + from->body.size);
    s_hash(nm_text(name), entry->hash);
    s_sense(member, entry->sense);
    nm_bytes_to_text(nm_text(name), entry->name, sizeof entry->name);
    entry->stamp_ms = member->stamp;
    entry->hold_ms = member->expires_at - member->stamp;
    entry->body_size = from->body.size;
    memcpy(entry->raw, from->signature.at, NM_GOSSIP_SIGNATURE_SIZE);
    memcpy(entry->raw + NM_GOSSIP_SIGNATURE_SIZE, from->body.at, from->body.size);
    return entry;
}

//  Puts the entry where one of that name was, or a new one. Says whether it is more than a heartbeat.
static bool
s_put(nm_gossip_t *self, nm_gossip_entry_t *entry, size_t at, const nm_gossip_entry_t *old)
{
    bool news = !old || memcmp(old->sense, entry->sense, NM_GOSSIP_SENSE_SIZE) != 0;
    entry->untold = news || old->untold;
    entry->unsaved = news || old->unsaved;
    if (old)
        s_remove(self, at);
    s_insert(self, at, entry);
    return news;
}

//  -- Checks, the cheap ones first

static bool
s_is_place(nm_bytes_t endpoint)
{
    char text[NM_ENDPOINT_MAX];
    nm_bytes_to_text(endpoint, text, sizeof text);
    return nm_mesh_is_endpoint(text);
}

//  Who and where: names, places and times that can be.
static nm_rc_t
s_check_form(const nm_signed_t *from, nm_member_t *member, nm_certificate_t *certificate, nm_cert_t *cert,
             nm_error_t *error)
{
    if (from->signature.size != NM_GOSSIP_SIGNATURE_SIZE || s_decode(from->body, member, certificate) != NM_OK ||
        nm_cert_from_record(certificate, cert) != NM_OK)
        return nm_fail(error, NM_ERR_MALFORMED, "a member does not read");
    if (!s_is_place(member->mailbox) || !s_is_place(member->desk) ||
        (NM_HAS(member, member, door) && !s_is_place(member->door)) ||
        (NM_HAS(member, member, lobby) && !s_is_place(member->lobby)))
        return nm_fail(error, NM_ERR_MALFORMED, "an end point of %s cannot be one", cert->name);
    int64_t hold_ms = member->expires_at - member->stamp;
    if (hold_ms < HOLD_LEAST_MS || hold_ms > HOLD_MOST_MS)
        return nm_fail(error, NM_ERR_MALFORMED, "what %s says holds for %lld ms; %d to %d can be", cert->name,
                       (long long) hold_ms, HOLD_LEAST_MS, HOLD_MOST_MS);
    return NM_OK;
}

//  The certificate that was checked with the entry before needs only its time looked at.
static nm_rc_t
s_check_cert(nm_gossip_t *self, const nm_gossip_entry_t *old, const nm_member_t *member, const nm_cert_t *cert,
             nm_now_t now, nm_error_t *error)
{
    nm_member_t before;
    nm_certificate_t unused;
    if (nm_statements_kill(self->statements, cert, error))
        return NM_ERR_REFUSED;
    nm_rc_t rc = nm_cert_check_time(cert, now.wall_ms, error);
    if (rc != NM_OK)
        return rc;
    if (old && s_decode(nm_gossip_signed(old).body, &before, &unused) == NM_OK &&
        nm_bytes_equal(before.certificate, member->certificate))
        return NM_OK;
    nm_buf_t text = { 0 };
    nm_cert_signed_text(cert, &text);
    rc = nm_checks_run(&self->checks, cert->signature, nm_buf_bytes(&text), self->authority, now.mono_ms);
    nm_buf_free(&text);
    return rc == NM_ERR_REFUSED
               ? nm_fail(error, rc, "the certificate of %s is not signed by this mesh's authority", cert->name)
               : rc;
}

static nm_rc_t
s_check_signature(nm_gossip_t *self, const nm_signed_t *from, const nm_cert_t *cert, nm_now_t now, nm_error_t *error)
{
    uint8_t text[sizeof DOMAIN - 1 + NM_MEMBER_MAX];
    memcpy(text, DOMAIN, sizeof DOMAIN - 1);
    memcpy(text + sizeof DOMAIN - 1, from->body.at, from->body.size);
    nm_rc_t rc = nm_checks_run(&self->checks, from->signature.at, nm_bytes(text, sizeof DOMAIN - 1 + from->body.size),
                               cert->sign_key, now.mono_ms);
#ifdef NM_MUTANT_UNSIGNED_MEMBER
    rc = NM_OK;  //  A deliberate fault: anybody may speak for anybody
#endif
    return rc == NM_ERR_REFUSED ? nm_fail(error, rc, "what %s is to have said is not signed by it", cert->name) : rc;
}

//  -- Taking

nm_rc_t
nm_gossip_take(nm_gossip_t *self, const nm_signed_t *from, nm_now_t now, nm_taken_t *taken, nm_error_t *error)
{
    nm_member_t member;
    nm_certificate_t certificate;
    nm_cert_t cert;
    nm_rc_t rc = s_check_form(from, &member, &certificate, &cert, error);
    if (rc != NM_OK)
        return rc;
    uint8_t hash[NM_DIGEST_HASH_SIZE];
    s_hash(nm_text(cert.name), hash);
    size_t at = nm_gossip_place(self, hash);
    const nm_gossip_entry_t *old = nm_gossip_entry_at(self, at, hash);
    if (old && strcmp(old->name, cert.name) != 0)
        return nm_fail(error, NM_ERR_REFUSED, "%s cannot be told from %s by its hash; take another name", cert.name,
                       old->name);
    if (old && member.stamp <= old->stamp_ms)
        return NM_ERR_DUPLICATE;
    if (!old && self->count >= self->member_max)
        return nm_fail(error, NM_ERR_FULL, "there are %zu actors already: %s is not taken in", self->count, cert.name);
    rc = s_check_cert(self, old, &member, &cert, now, error);
    if (rc == NM_OK)
        rc = s_check_signature(self, from, &cert, now, error);
    if (rc != NM_OK)
        return rc;

    nm_bytes_to_text(nm_text(cert.name), taken->name, sizeof taken->name);
    taken->news = false;
    if (strcmp(cert.name, self->own) == 0) {
        self->floor_ms = member.stamp;  //  From an earlier life, or a clock that was ahead
        return NM_ERR_DUPLICATE;
    }
    nm_gossip_entry_t *entry = s_make_entry(from, &member, cert.name);
    //  One that ran out before it came here speaks of somebody who left long ago.
    bool late = !old && member.expires_at <= now.wall_ms;
    entry->heard_ms = late ? now.mono_ms - entry->hold_ms : now.mono_ms;
    entry->life = late ? NM_LIFE_GONE : NM_LIFE_ALIVE;
    taken->news = s_put(self, entry, at, old);
    return NM_OK;
}

nm_rc_t
nm_gossip_hear(nm_gossip_t *self, const nm_statement_t *statement, nm_now_t now, nm_stated_t *stated)
{
    return nm_statements_take(self->statements, statement, &self->checks, now.mono_ms, stated);
}

void
nm_gossip_say(nm_gossip_t *self, nm_member_t *member, const uint8_t secret[NM_SIGN_SECRET_SIZE], nm_now_t now,
              bool *news)
{
    int64_t least_ms = (self->own_ms > self->floor_ms ? self->own_ms : self->floor_ms) + 1;
    int64_t hold_ms = member->expires_at;
    NM_PUT(member, member, stamp, now.wall_ms > least_ms ? now.wall_ms : least_ms);
    NM_PUT(member, member, expires_at, member->stamp + hold_ms);
    self->own_ms = member->stamp;

    nm_buf_t text = { 0 };
    uint8_t signature[NM_GOSSIP_SIGNATURE_SIZE];
    nm_buf_add_text(&text, DOMAIN);
    nm_record_encode(&nm_member_shape, member, NM_BY_TAG, &text);
    crypto_sign_detached(signature, NULL, text.at, text.size, secret);
    nm_signed_t from = { .body = nm_bytes(text.at + sizeof DOMAIN - 1, text.size - (sizeof DOMAIN - 1)),
                         .signature = nm_bytes(signature, sizeof signature) };

    nm_certificate_t certificate;
    nm_member_t unused;
    if (s_decode(from.body, &unused, &certificate) != NM_OK)
        abort();  //  We packed it ourselves, from settings that were checked at the start
    nm_bytes_to_text(certificate.name, self->own, sizeof self->own);
    nm_gossip_entry_t *entry = s_make_entry(&from, member, self->own);
    entry->own = true;
    entry->heard_ms = now.mono_ms;
    size_t at = nm_gossip_place(self, entry->hash);
    *news = s_put(self, entry, at, nm_gossip_entry_at(self, at, entry->hash));
    nm_buf_free(&text);
}

bool
nm_gossip_outdated(const nm_gossip_t *self)
{
    return self->own[0] && self->floor_ms >= self->own_ms;
}

//  -- Looking

static bool
s_know(const nm_gossip_entry_t *entry, nm_known_t *known)
{
    known->life = entry->life;
    known->own = entry->own;
    return s_decode(nm_gossip_signed(entry).body, &known->member, &known->certificate) == NM_OK;
}

bool
nm_gossip_find(const nm_gossip_t *self, const char *name, nm_known_t *known)
{
    const nm_gossip_entry_t *entry = nm_gossip_entry(self, name);
    return entry && s_know(entry, known);
}

bool
nm_gossip_at(const nm_gossip_t *self, size_t index, nm_known_t *known)
{
    return index < self->count && s_know(self->entries[index], known);
}

size_t
nm_gossip_count(const nm_gossip_t *self)
{
    return self->count;
}

nm_life_t
nm_gossip_life(const nm_gossip_t *self, const char *name)
{
    const nm_gossip_entry_t *entry = nm_gossip_entry(self, name);
    return entry ? entry->life : NM_LIFE_GONE;
}

void
nm_gossip_drop(nm_gossip_t *self, const char *name)
{
    const nm_gossip_entry_t *entry = nm_gossip_entry(self, name);
    if (entry && !entry->own)
        s_remove(self, nm_gossip_place(self, entry->hash));
}

void
nm_gossip_tick(nm_gossip_t *self, nm_now_t now, nm_life_fn *fn, void *arg)
{
    for (size_t i = 0; i < self->count; i++) {
        nm_gossip_entry_t *entry = self->entries[i];
        int64_t silent_ms = now.mono_ms - entry->heard_ms;
        nm_life_t life = silent_ms >= entry->hold_ms           ? NM_LIFE_GONE
                         : silent_ms >= entry->hold_ms * 4 / 7 ? NM_LIFE_QUIET
                                                               : NM_LIFE_ALIVE;
        if (entry->own || life == entry->life)
            continue;
        entry->life = life;
        if (fn)
            fn(arg, entry->name, life);
    }
}

//  -- Saving. The key of a member is 'm' and its name, the value its signature and body; statements have keys of
//  their own. What an actor says of itself is not saved: it says it anew.

static nm_rc_t
s_save_member(nm_gossip_entry_t *entry, nm_save_fn *fn, void *arg)
{
    uint8_t key[1 + NM_NAME_MAX] = { 'm' };
    size_t size = strlen(entry->name);
    memcpy(key + 1, entry->name, size);
    return fn(arg, nm_bytes(key, 1 + size), nm_bytes(entry->raw, NM_GOSSIP_SIGNATURE_SIZE + entry->body_size));
}

nm_rc_t
nm_gossip_save(nm_gossip_t *self, nm_save_fn *fn, void *arg)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < self->count && self->unsaved && rc == NM_OK; i++) {
        nm_gossip_entry_t *entry = self->entries[i];
        if (!entry->unsaved)
            continue;
        rc = entry->own ? NM_OK : s_save_member(entry, fn, arg);
        entry->given = rc == NM_OK;
    }
    return rc == NM_OK ? nm_statements_save(self->statements, fn, arg) : rc;
}

nm_rc_t
nm_gossip_save_statements(nm_gossip_t *self, nm_save_fn *fn, void *arg)
{
    for (size_t i = 0; i < self->count && self->unsaved; i++)
        self->entries[i]->given = false;  //  Also what a turn was given that was undone
    return nm_statements_save(self->statements, fn, arg);
}

void
nm_gossip_saved(nm_gossip_t *self)
{
    for (size_t i = 0; i < self->count && self->unsaved; i++) {
        nm_gossip_entry_t *entry = self->entries[i];
        if (!entry->given || !entry->unsaved)
            continue;
        entry->unsaved = false;
        self->unsaved--;
    }
    nm_statements_saved(self->statements);
}

static nm_signed_t
s_saved(nm_bytes_t value)
{
    return (nm_signed_t){ .body = nm_bytes(value.at + NM_GOSSIP_SIGNATURE_SIZE, value.size - NM_GOSSIP_SIGNATURE_SIZE),
                          .signature = nm_bytes(value.at, NM_GOSSIP_SIGNATURE_SIZE) };
}

bool
nm_gossip_read_saved(nm_bytes_t value, nm_member_t *member, nm_cert_t *cert)
{
    nm_certificate_t certificate;
    if (value.size < NM_GOSSIP_SIGNATURE_SIZE || value.size > NM_GOSSIP_SIGNATURE_SIZE + NM_MEMBER_MAX)
        return false;
    nm_signed_t from = s_saved(value);
    return s_check_form(&from, member, &certificate, cert, NULL) == NM_OK;
}

static void
s_load_member(nm_gossip_t *self, nm_bytes_t value, nm_now_t now)
{
    nm_member_t member;
    nm_cert_t cert;
    if (!nm_gossip_read_saved(value, &member, &cert) || nm_statements_kill(self->statements, &cert, NULL))
        return;
    nm_signed_t from = s_saved(value);
    nm_gossip_entry_t *entry = s_make_entry(&from, &member, cert.name);
    size_t at = nm_gossip_place(self, entry->hash);
    if (self->count >= self->member_max || nm_gossip_entry_at(self, at, entry->hash)) {
        free(entry);
        return;
    }
    //  Nobody knows whether it is there: quiet, until it speaks or its time is over.
    entry->life = NM_LIFE_QUIET;
    entry->heard_ms = now.mono_ms - entry->hold_ms * 4 / 7;
    s_insert(self, at, entry);
}

void
nm_gossip_load(nm_gossip_t *self, nm_bytes_t key, nm_bytes_t value, nm_now_t now)
{
    if (key.size && key.at[0] == 'm')
        s_load_member(self, value, now);
    else
        nm_statements_load(self->statements, value);
}

uint64_t
nm_gossip_checks(const nm_gossip_t *self)
{
    return self->checks.count;
}

size_t
nm_gossip_size(const nm_gossip_t *self)
{
    return self->size + self->count * sizeof *self->entries;
}
