#include "actors/owner/holds.h"

#include <stdlib.h>

#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  Those that are asked about, sorted by id.
typedef struct {
    nm_held_t items[NM_HOLDS_MAX];
    size_t count;
    bool open;  //  One of them may be with us or with a peer
} found_t;

static int
s_compare(const void *a, const void *b)
{
    return memcmp(((const nm_held_t *) a)->notification.at, ((const nm_held_t *) b)->notification.at, NM_ID_SIZE);
}

static nm_rc_t
s_read_ids(nm_bytes_t body, found_t *found)
{
    nm_bytes_t raw, item, text;
    nm_list_t list;
    nm_reader_t reader;
    if (!body.size || nm_reader_find(body, "ids", &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK ||
        list.count > NM_HOLDS_MAX)
        return NM_ERR_MALFORMED;
    memset(found, 0, sizeof *found);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reader_open(&reader, item);
        if (nm_reader_str(&reader, &text) != NM_OK ||
            nm_id_from_text(text, &found->items[found->count++].notification) != NM_OK)
            return NM_ERR_MALFORMED;
    }
    qsort(found->items, found->count, sizeof *found->items, s_compare);
    return NM_OK;
}

//  NULL: nobody asks about it.
static nm_held_t *
s_find(found_t *found, const nm_id_t *notification)
{
    const nm_held_t wanted = { .notification = *notification };
    return bsearch(&wanted, found->items, found->count, sizeof *found->items, s_compare);
}

//  A delivery that the peer may have handled has perhaps gone on from there: nobody can say that it is here.
static nm_rc_t
s_mark_delivery(found_t *found, const nm_mail_mine_t *mail)
{
    nm_delivery_t delivery;
    if (nm_record_decode(&nm_delivery_shape, &delivery, mail->body, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    nm_held_t *held = s_find(found, &delivery.notification);
    if (held && mail->handed)
        found->open = true;
    else if (held)
        nm_held_set(held->numbers, delivery.number);
    return NM_OK;
}

//  The word that it has ended accounts for it. Other words say where it was when they were said.
static nm_rc_t
s_mark_event(found_t *found, const nm_mail_mine_t *mail)
{
    nm_event_t event;
    if (nm_record_decode(&nm_event_shape, &event, mail->body, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    nm_held_t *held = s_find(found, &event.notification);
    if (held && event.kind >= NM_EVENT_SENT && event.kind <= NM_EVENT_SUPPRESSED)
        nm_held_set(held->numbers, event.number);
    return NM_OK;
}

//  Mail of other kinds says nothing of a delivery that an event would not say as well.
static nm_rc_t
s_look_at_mail(void *arg, const nm_mail_mine_t *mail)
{
    switch (mail->kind) {
    case NM_MAIL_DELIVERY:
    case NM_MAIL_RETURN: return s_mark_delivery(arg, mail);
    case NM_MAIL_EVENT: return s_mark_event(arg, mail);
    default: return NM_OK;
    }
}

static void
s_write_known(const nm_directory_t *directory, nm_buf_t *body)
{
    static const nm_role_id_t ROLES[] = { NM_ROLE_ROUTER, NM_ROLE_EMAIL, NM_ROLE_PUSH, NM_ROLE_SMS };
    const nm_peer_t *peers[NM_MESH_ACTOR_MAX];
    size_t count = 0;
    nm_writer_text(body, "knows");
    size_t mark = nm_writer_list_open(body);
    for (size_t i = 0; i < NM_COUNT(ROLES); i++) {
        size_t listed = nm_directory_list(directory, ROLES[i], peers, NM_MESH_ACTOR_MAX);
        for (size_t j = 0; j < listed && j < NM_MESH_ACTOR_MAX; j++) {
            if (!peers[j]->certified || peers[j]->forgotten)
                continue;
            nm_writer_text(body, peers[j]->actor.name);
            count++;
        }
    }
    nm_writer_list_close(body, mark, count);
}

static void
s_reply(nm_turn_t *turn, const nm_directory_t *directory, const nm_ask_in_t *ask, const found_t *found)
{
    static const uint8_t NOTHING[NM_HELD_SIZE];
    nm_buf_t body = { 0 };
    size_t count = 0;
    nm_writer_map(&body, 3);
    nm_writer_pair_uint(&body, "next", nm_turn_next(turn, ask->peer));
    s_write_known(directory, &body);
    nm_writer_text(&body, "held");
    size_t mark = nm_writer_list_open(&body);
    for (size_t i = 0; i < found->count; i++) {
        if (memcmp(found->items[i].numbers, NOTHING, NM_HELD_SIZE) == 0)
            continue;
        nm_writer_map(&body, 2);
        nm_writer_pair_id(&body, "id", &found->items[i].notification);
        nm_writer_text(&body, "numbers");
        nm_writer_bin(&body, nm_bytes(found->items[i].numbers, NM_HELD_SIZE));
        count++;
    }
    nm_writer_list_close(&body, mark, count);
    nm_turn_reply(turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
}

nm_rc_t
nm_owner_holds(nm_turn_t *turn, const nm_directory_t *directory, const nm_ask_in_t *ask, nm_holds_fn *find, void *arg)
{
    found_t found;
    if (s_read_ids(ask->body, &found) != NM_OK) {
        nm_turn_problem(turn, &ask->caller, 422, ask->headers.correlation_id, NULL,
                        "custody.holds takes {ids: [UUID, ...]}, at most %d", NM_HOLDS_MAX);
        return NM_OK;
    }
    nm_rc_t rc = nm_turn_mail_mine(turn, s_look_at_mail, &found);
    for (size_t i = 0; rc == NM_OK && find && i < found.count; i++)
        rc = find(arg, turn, &found.items[i]);
    if (rc == NM_OK && found.open)
        nm_turn_problem(turn, &ask->caller, 503, ask->headers.correlation_id, NULL,
                        "A peer may have some of it, and has not said so yet: ask again");
    else if (rc == NM_OK)
        s_reply(turn, directory, ask, &found);
    return rc;
}
