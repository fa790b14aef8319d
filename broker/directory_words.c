#include "broker/directory_private.h"

#include "broker/log.h"

const nm_table_t nm_directory_table = { NM_TABLE_DIRECTORY, false, "directory" };

//  -- Learning

static void
s_put_text(bool there, nm_bytes_t text, char *out, size_t size)
{
    nm_bytes_to_text(there ? text : nm_bytes(NULL, 0), out, size);
}

//  A number is one gateway's. Who comes second with it does without, so that no id is made twice.
static uint16_t
s_number_for(const nm_directory_t *self, const nm_directory_member_t *member, const nm_member_t *said)
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
s_place_member(nm_directory_t *self, nm_directory_member_t *member, const nm_member_t *said, nm_life_t life)
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

//  The peers follow what one has said. NULL: it may not be, and the log says why.
nm_directory_member_t *
nm_directory_follow(nm_directory_t *self, const char *name)
{
    nm_known_t known;
    nm_cert_t cert;
    if (!nm_gossip_find(self->gossip, name, &known) || nm_cert_from_record(&known.certificate, &cert) != NM_OK)
        return NULL;
    nm_directory_member_t *member = nm_directory_find_member(self, name);
    if (member && member->peer.actor.role != cert.role) {
        nm_log(NM_LOG_ERROR, "member_refused", "%s says that it is a %s, and the roster that it is a %s", name,
               nm_role_text(cert.role), nm_role_text(member->peer.actor.role));
        return NULL;
    }
    if (!member) {
        member = nm_directory_add_member(self, name, cert.role);
        nm_directory_match_files(self, member);
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
    nm_directory_member_t *member = nm_directory_find_member(self, taken.name);
    bool known = member && member->peer.heard;
    if (!taken.news) {
        if (member)
            member->peer.life = NM_LIFE_ALIVE;
        return NM_OK;
    }
    member = nm_directory_follow(self, taken.name);
    if (!member) {
        nm_gossip_drop(self->gossip, taken.name);
        return nm_fail(error, NM_ERR_REFUSED, "%s is not what the roster says", taken.name);
    }
    nm_directory_index(self, now.wall_ms);
    s_log_member(&member->peer, known);
    return NM_OK;
}

//  What a dead certificate said counts no more.
static void
s_drop_dead(nm_directory_t *self, nm_directory_member_t *member)
{
    nm_statements_t *statements = nm_gossip_statements(self->gossip);
    if (!member->said.name[0] || !nm_statements_kill(statements, &member->said, NULL))
        return;
    nm_gossip_drop(self->gossip, member->peer.actor.name);
    member->said = (nm_cert_t){ .name = "" };
    member->peer.life = NM_LIFE_GONE;
}

static void
s_follow_statement(nm_directory_t *self, const nm_stated_t *stated)
{
    nm_directory_member_t *member = nm_directory_find_member(self, stated->name);
    if (!member)
        return;
    nm_stated_t last;
    bool unnamed = stated->kind == NM_STATED_FORGET && !stated->has_store;
    if (unnamed && member->peer.heard && nm_directory_is_lost(self, member, &last))
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
    nm_directory_index(self, now.wall_ms);
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
    nm_directory_member_t *member = nm_directory_find_member(arg, name);
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
    nm_directory_look(self, now.wall_ms);
    if (now.wall_ms >= self->until_ms)
        nm_directory_index(self, now.wall_ms);
}

nm_gossip_t *
nm_directory_gossip(nm_directory_t *self)
{
    return self->gossip;
}

//  -- Keeping

//  One that a statement has ended is still somebody: there may be mail for it, and about it.
static void
s_remember(nm_directory_t *self, nm_bytes_t value)
{
    nm_member_t said;
    nm_cert_t cert;
    nm_stated_t stated;
    if (!nm_gossip_read_saved(value, &said, &cert))
        return;
    nm_directory_member_t *member = nm_directory_find_member(self, cert.name);
    if (!member) {
        member = nm_directory_add_member(self, cert.name, cert.role);
        s_place_member(self, member, &said, NM_LIFE_GONE);
        nm_directory_match_files(self, member);
    }
    nm_directory_note(member, &cert);
    if (nm_directory_is_lost(self, member, &stated))
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
        nm_directory_follow(self, name);
    }
    nm_directory_index(self, now.wall_ms);
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

nm_rc_t
nm_directory_save_statements(nm_directory_t *self, nm_txn_t *txn)
{
    return nm_gossip_save_statements(self->gossip, s_save_piece, txn);
}

void
nm_directory_saved(nm_directory_t *self)
{
    nm_gossip_saved(self->gossip);
}
