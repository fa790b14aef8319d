/*  gossip - what actors have said of themselves, and how two that know different things even out: the pure part of
 *  the directory.
 *
 *  Values and the time in, decisions out: no sockets, no store, no files, so that a test runs a
 *  thousand of these in one process. It keeps the newest signed member of each name, as it came,
 *  and the statements of the authority. A member is taken only if its certificate is the
 *  authority's, valid and not dead by a statement, and the actor itself signed it; so it does not
 *  matter who passed it on.
 *
 *  Two that differ find out by a digest (nm_gossip_write_sync, nm_gossip_answer). What is new
 *  beside a heartbeat is news: to be told at once, and once by each.
 *
 *  Cheap checks come first: a member that is no newer than what is known costs no signature.
 *  Everything is bounded by the limits of wire/members.h.
 */
#ifndef NM_GOSSIP_H
#define NM_GOSSIP_H

#include "broker/statements.h"

typedef struct nm_gossip nm_gossip_t;

//  Three steps from here to away; an actor that says something again is alive at once.
typedef enum {
    NM_LIFE_ALIVE,
    NM_LIFE_QUIET,  //  No new stamp for half the time that its last one holds
    NM_LIFE_GONE,   //  ... nor until that ran out. Its certificate still lets it in
} nm_life_t;

const char *nm_life_text(nm_life_t life);

//  What is known of one name; views live until something is taken.
typedef struct {
    nm_life_t life;
    bool own;
    nm_member_t member;
    nm_certificate_t certificate;
} nm_known_t;

//  member_max 0: NM_MEMBER_COUNT. verify NULL: Ed25519.
nm_gossip_t *nm_gossip_new(const uint8_t authority[NM_SIGN_PUBLIC_SIZE], size_t member_max, nm_verify_fn *verify);
void nm_gossip_destroy(nm_gossip_t **self_p);

nm_statements_t *nm_gossip_statements(nm_gossip_t *self);

//  -- Members

//  What became of a member that was offered.
typedef struct {
    char name[NM_NAME_MAX + 1];
    bool news;  //  More than a heartbeat: new here, moved, leaving, another certificate
} nm_taken_t;

//  NM_OK: taken. NM_ERR_DUPLICATE: known, or older than what is known. NM_ERR_MALFORMED, NM_ERR_REFUSED: not
//  believed, error (may be NULL) says why. NM_ERR_BUSY: too many at once, it will come again. NM_ERR_FULL: there
//  are too many actors.
nm_rc_t nm_gossip_take(nm_gossip_t *self, const nm_signed_t *member, nm_now_t now, nm_taken_t *taken,
                       nm_error_t *error);

//  Takes a statement, as nm_statements_take.
nm_rc_t nm_gossip_hear(nm_gossip_t *self, const nm_statement_t *statement, nm_now_t now, nm_stated_t *stated);

//  What this actor says of itself. Fills in the stamp; expires_at of the member is for how long it holds, in ms.
//  secret belongs to the sign key of the member's certificate. news: it is more than a heartbeat.
void nm_gossip_say(nm_gossip_t *self, nm_member_t *member, const uint8_t secret[NM_SIGN_SECRET_SIZE], nm_now_t now,
                   bool *news);

//  True once others hold a word of ours that is newer than our own, from an earlier life: say it again.
bool nm_gossip_outdated(const nm_gossip_t *self);

//  By name, or by place: 0 .. count - 1, in no order that means anything. False if there is none.
bool nm_gossip_find(const nm_gossip_t *self, const char *name, nm_known_t *known);
bool nm_gossip_at(const nm_gossip_t *self, size_t index, nm_known_t *known);
size_t nm_gossip_count(const nm_gossip_t *self);
nm_life_t nm_gossip_life(const nm_gossip_t *self, const char *name);  //  GONE for an unknown name

//  Drops what is known of a name that is forgotten.
void nm_gossip_drop(nm_gossip_t *self, const char *name);

//  Time passed. Calls fn (may be NULL) for each member whose life changed.
typedef void(nm_life_fn)(void *arg, const char *name, nm_life_t life);
void nm_gossip_tick(nm_gossip_t *self, nm_now_t now, nm_life_fn *fn, void *arg);

//  -- Exchange. Each packs one record.

void nm_gossip_write_sync(const nm_gossip_t *self, nm_buf_t *out);

//  The answer to a sync: what the asker lacks, and what is wanted of it. NM_ERR_MALFORMED: it is no sync.
nm_rc_t nm_gossip_answer(nm_gossip_t *self, const nm_sync_t *sync, nm_buf_t *out);

//  What the other wanted in its answer. False, and nothing is packed, if there is nothing to send.
bool nm_gossip_write_wanted(nm_gossip_t *self, const nm_updates_t *answer, nm_buf_t *out);

//  What is to be told at once, each piece once. False if there is nothing.
bool nm_gossip_write_news(nm_gossip_t *self, nm_buf_t *out);
bool nm_gossip_has_news(const nm_gossip_t *self);

//  The own member alone, as `signed`; NM_ERR_MISSING if nothing was said yet.
nm_rc_t nm_gossip_write_own(const nm_gossip_t *self, nm_buf_t *out);

//  -- Saving: everything but heartbeats. fn gets each piece that was not saved yet; of a store that is short of room
//  the statements alone.
nm_rc_t nm_gossip_save(nm_gossip_t *self, nm_save_fn *fn, void *arg);
nm_rc_t nm_gossip_save_statements(nm_gossip_t *self, nm_save_fn *fn, void *arg);
void nm_gossip_saved(nm_gossip_t *self);  //  What save gave is on disk

//  Takes a piece that was saved: what it says was checked then. What no longer reads is passed over.
void nm_gossip_load(nm_gossip_t *self, nm_bytes_t key, nm_bytes_t value, nm_now_t now);

//  What such a piece says, whether it counts or not; views into value. False if it is no member.
bool nm_gossip_read_saved(nm_bytes_t value, nm_member_t *member, nm_cert_t *cert);

uint64_t nm_gossip_checks(const nm_gossip_t *self);  //  Signatures checked so far
size_t nm_gossip_size(const nm_gossip_t *self);      //  Bytes that the members take

#endif
