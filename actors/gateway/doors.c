//  doors - the ask `doors`: where the gateways of the mesh can be reached by a client.

#include "actors/gateway/ops.h"
#include "wire/writer.h"

static void
s_write_door(nm_case_t *it, const nm_peer_t *gateway, nm_buf_t *out)
{
    bool own = gateway->actor.number == it->gateway->number;
    nm_writer_map(out, 5);
    nm_writer_pair_text(out, "name", gateway->actor.name);
    nm_writer_pair_uint(out, "number", gateway->actor.number);
    nm_writer_pair_text(out, "endpoint", gateway->actor.door);
    nm_writer_pair_text(out, "key", gateway->cert.public_text);
    nm_writer_pair_bool(out, "up", own || nm_turn_is_alive(it->turn, gateway->actor.name));
}

nm_rc_t
nm_op_doors(nm_case_t *it)
{
    enum { DOOR_MAX = 1000 };
    const nm_peer_t *gateways[DOOR_MAX];
    nm_buf_t *body = &it->gateway->body;
    size_t count = nm_directory_list(it->gateway->directory, NM_ROLE_GATEWAY, gateways, DOOR_MAX);
    nm_buf_clear(body);
    nm_writer_map(body, 1);
    nm_writer_text(body, "doors");
    size_t mark = nm_writer_list_open(body), written = 0;
    for (size_t i = 0; i < count && i < DOOR_MAX; i++)
        if ((gateways[i]->certified && !gateways[i]->forgotten) || gateways[i]->actor.number == it->gateway->number) {
            s_write_door(it, gateways[i], body);
            written++;
        }
    nm_writer_list_close(body, mark, written);
    return nm_answer(&it->answer, 200, nm_buf_bytes(body));
}
