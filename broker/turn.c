#include "broker/actor_private.h"

#include <assert.h>

nm_txn_t *
nm_turn_txn(nm_turn_t *turn)
{
    return turn->txn;
}

int64_t
nm_turn_now(const nm_turn_t *turn)
{
    return turn->now.wall_ms;
}

uint64_t
nm_turn_random(nm_turn_t *turn)
{
    return nm_actor_random(turn->actor);
}

void
nm_turn_new_id(nm_turn_t *turn, nm_id_t *id)
{
    nm_id_make(&turn->actor->ids, turn->now.wall_ms, nm_turn_random(turn), id);
}

void
nm_turn_room(const nm_turn_t *turn, nm_store_room_t *room)
{
    *room = turn->actor->room;
}

bool
nm_turn_tight(const nm_turn_t *turn)
{
    return turn->actor->room.tight;
}

bool
nm_turn_leaving(const nm_turn_t *turn)
{
    return turn->actor->leaving;
}

bool
nm_turn_draining(const nm_turn_t *turn)
{
    return turn->actor->draining;
}

nm_rc_t
nm_turn_mail(nm_turn_t *turn, const nm_mail_out_t *mail)
{
    return nm_posting_put(turn->actor, mail);
}

nm_rc_t
nm_turn_mail_withdraw(nm_turn_t *turn, nm_role_id_t role, nm_bytes_t tag, nm_bytes_t *body)
{
    nm_place_t place;
    nm_outbox_mail_t mail;
    nm_lane_t *lane = nm_posting_lane(turn->actor, role, NULL);
    if (!lane || !lane->count)
        return NM_ERR_MISSING;
    nm_rc_t rc = nm_posting_find(turn->actor, lane, tag, &place, &mail);
    if (rc == NM_OK)
        rc = nm_posting_drop(turn->actor, lane, place, &mail);
    if (rc == NM_OK && body)
        *body = mail.body;
    return rc;
}

nm_rc_t
nm_turn_mail_mine(nm_turn_t *turn, nm_mail_mine_fn *fn, void *arg)
{
    nm_rc_t rc = nm_outbox_each_waiting(turn->txn, fn, arg);
    return rc == NM_OK ? nm_turn_mail_open(turn, fn, arg) : rc;
}

nm_rc_t
nm_turn_mail_open(nm_turn_t *turn, nm_mail_mine_fn *fn, void *arg)
{
    nm_actor_t *self = turn->actor;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->link_count; i++)
        rc = nm_outbox_each_open(turn->txn, self->links[i], nm_forgetting_filter(self, self->links[i]), fn, arg);
    return rc;
}

uint64_t
nm_turn_next(nm_turn_t *turn, const char *peer)
{
    const nm_link_t *link = nm_actor_link(turn->actor, peer);
    return link ? link->next : 0;
}

uint64_t
nm_turn_seen(nm_turn_t *turn, const char *peer)
{
    const nm_link_t *link = nm_actor_link(turn->actor, peer);
    return link ? link->seen.seen : 0;
}

size_t
nm_turn_alive(nm_turn_t *turn, nm_role_id_t role, const char **names, size_t max)
{
    nm_actor_t *self = turn->actor;
    size_t count = 0;
    for (size_t i = 0; i < self->link_count; i++) {
        const nm_link_t *link = self->links[i];
        if (link->peer->actor.role != role || link->state != NM_LINK_UP)
            continue;
        if (count < max)
            names[count] = link->peer->actor.name;
        count++;
    }
    return count < max ? count : max;
}

bool
nm_turn_is_alive(nm_turn_t *turn, const char *name)
{
    const nm_link_t *link = nm_actor_link(turn->actor, name);
    return link && link->state == NM_LINK_UP;
}

uint64_t
nm_turn_life(nm_turn_t *turn, const char *name)
{
    const nm_link_t *link = nm_actor_link(turn->actor, name);
    return link && link->state == NM_LINK_UP ? link->boot : 0;
}

void
nm_turn_answer(nm_turn_t *turn, nm_front_answer_t *answer)
{
    nm_actor_output(turn->actor, NM_OUT_ANSWER)->answer = *answer;
    *answer = (nm_front_answer_t){ .request = 0 };
}

void
nm_turn_effect(nm_turn_t *turn, nm_effect_t *effect)
{
    nm_actor_output(turn->actor, NM_OUT_EFFECT)->effect = effect;
}

void
nm_turn_wake(nm_turn_t *turn, int64_t at_ms)
{
    if (at_ms < turn->actor->role_wake_ms)
        turn->actor->role_wake_ms = at_ms;
}
