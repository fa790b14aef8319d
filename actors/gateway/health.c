//  health - is this gateway there, will it take more, and who may see its figures.

#include "actors/gateway/credentials.h"
#include "actors/gateway/notes.h"
#include "actors/gateway/ops.h"
#include "wire/writer.h"

nm_rc_t
nm_op_health(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_pair_text(body, "status", "ok");
    return nm_answer(&it->answer, 200, nm_buf_bytes(body));
}

//  Is it there? Of those with whom no mail is exchanged the directory has heard.
static bool
s_is_there(nm_case_t *it, const nm_peer_t *peer)
{
    if (peer->actor.role == NM_ROLE_GATEWAY && peer->actor.number == it->gateway->number)
        return true;
    if (nm_roles_link(NM_ROLE_GATEWAY, peer->actor.role))
        return nm_turn_is_alive(it->turn, peer->actor.name);
    return peer->heard && peer->life == NM_LIFE_ALIVE;
}

//  How many actors of a role are there, of how many that have not left for good.
static void
s_write_role(nm_case_t *it, nm_role_id_t role, nm_buf_t *body)
{
    const nm_peer_t *peers[NM_OWNERS_MAX];
    size_t listed = nm_directory_list(it->gateway->directory, role, peers, NM_OWNERS_MAX), alive = 0, total = 0;
    for (size_t i = 0; i < listed && i < NM_OWNERS_MAX; i++) {
        bool there = s_is_there(it, peers[i]);
        alive += there;
        total += there || !(peers[i]->forgotten || peers[i]->leaving);
    }
    nm_writer_text(body, nm_role_text(role));
    nm_writer_map(body, 2);
    nm_writer_pair_uint(body, "alive", alive);
    nm_writer_pair_uint(body, "total", total);
}

static size_t
s_write_roles(nm_case_t *it, nm_buf_t *body)
{
    nm_writer_text(body, "roles");
    size_t mark = nm_writer_map_open(body), count = 0;
    for (unsigned role = NM_ROLE_NONE + 1; role < NM_ROLE_OPERATOR; role++)
        if (it->gateway->present >> role & 1) {
            s_write_role(it, (nm_role_id_t) role, body);
            count++;
        }
    nm_writer_map_close(body, mark, count);
    return 1;
}

//  Returns how many pairs.
static size_t
s_write_readiness(nm_case_t *it, nm_buf_t *body)
{
    const nm_gateway_t *gateway = it->gateway;
    nm_store_room_t room;
    nm_turn_room(it->turn, &room);
    uint64_t oldest_ms =
        gateway->oldest_ms && it->now_ms > gateway->oldest_ms ? (uint64_t) (it->now_ms - gateway->oldest_ms) : 0;
    nm_writer_pair_text(body, "store", room.tight ? "tight" : "ok");
    nm_writer_pair_uint(body, "store_used_bytes", room.used);
    nm_writer_pair_uint(body, "store_quota_bytes", room.quota);
    nm_writer_pair_uint(body, "disk_free_bytes", room.free_space);
    nm_writer_pair_uint(body, "backlog", nm_notes_unfinished(gateway));
    nm_writer_pair_uint(body, "oldest_seconds", oldest_ms / 1000);
    return 6 + s_write_roles(it, body);
}

//  A notification is accepted as long as there is room on our disk: whoever is away gets
//  it later. So the others are shown, and only room decides.
nm_rc_t
nm_op_ready(nm_case_t *it)
{
    nm_buf_t *body = &it->gateway->body;
    bool draining = nm_turn_draining(it->turn), ready = !draining && !nm_turn_tight(it->turn);
    nm_buf_clear(body);
    size_t mark = nm_writer_map_open(body);
    nm_writer_pair_text(body, "status", ready ? "ok" : draining ? "draining" : "full");
    nm_writer_map_close(body, mark, 1 + s_write_readiness(it, body));
    return nm_answer_with(&it->answer, ready ? 200 : 503, ready ? NULL : "retry-after", "10", nm_buf_bytes(body));
}

//  The figures are the bridge's to show. Whether somebody who is not on its machine may see them is asked here.
nm_rc_t
nm_op_metrics(nm_case_t *it)
{
    static const nm_api_t FOR_ADMINS = { .op = "metrics", .scope = NM_SCOPE_ADMIN };
    if (nm_credentials_check(it, &FOR_ADMINS) != NM_OK)
        return NM_OK;
    nm_buf_clear(&it->gateway->body);
    nm_writer_map(&it->gateway->body, 0);
    return nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body));
}
