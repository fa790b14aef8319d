//  users.reach - tells routers where users are reached: {service, ids} -> {users, sure, owner}.
//
//  Who is not among `users` is no user of the service, if `sure`: only the owner of the accounts says so, as another's
//  copy may not have the latest of them; it names the owner instead, if it knows one. What further decides whether and
//  how a user is reached belongs into the same entry of the answer: routers pass over what they do not know.

#include "actors/user/ops.h"
#include "actors/user/people.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  Opens the list of ids. False: it is no such ask.
static bool
s_read(nm_bytes_t body, nm_id_t *service, nm_list_t *ids)
{
    nm_bytes_t raw;
    return body.size && nm_id_from_text(nm_reader_find_text(body, "service"), service) == NM_OK &&
           nm_reader_find(body, "ids", &raw) == NM_OK && nm_list_open(ids, raw) == NM_OK && ids->count <= NM_REACH_MAX;
}

static size_t
s_write_text(nm_buf_t *out, const char *key, nm_bytes_t text)
{
    if (!text.size)
        return 0;
    nm_writer_pair_str(out, key, text);
    return 1;
}

static void
s_write_person(nm_buf_t *out, const nm_person_t *person)
{
    size_t count = 1, mark = nm_writer_map_open(out);
    nm_writer_pair_id(out, "id", &person->id);
    count += s_write_text(out, "email", person->email);
    count += s_write_text(out, "phone", person->phone);
    count += s_write_text(out, "language", person->language);
    count += s_write_text(out, "timezone", person->timezone);
    nm_writer_map_close(out, mark, count);
}

//  NM_ERR_MISSING: the service has no such user.
static nm_rc_t
s_find(nm_act_t *it, const nm_id_t *service, nm_bytes_t item, nm_person_t *person)
{
    nm_reader_t reader;
    nm_bytes_t text;
    nm_id_t id;
    nm_reader_open(&reader, item);
    if (nm_reader_str(&reader, &text) != NM_OK || nm_id_from_text(text, &id) != NM_OK)
        return NM_ERR_MISSING;
    nm_rc_t rc = nm_people_get(it->txn, &id, person);
    return rc == NM_OK && !nm_id_equal(&person->service, service) ? NM_ERR_MISSING : rc;
}

static nm_rc_t
s_write_people(nm_act_t *it, const nm_id_t *service, nm_list_t *ids)
{
    nm_bytes_t item;
    nm_person_t person;
    size_t count = 0;
    nm_writer_text(it->body, "users");
    size_t mark = nm_writer_list_open(it->body);
    while (nm_list_next(ids, &item) == NM_OK) {
        nm_rc_t rc = s_find(it, service, item, &person);
        if (rc == NM_ERR_MISSING)
            continue;
        if (rc != NM_OK)
            return rc;
        s_write_person(it->body, &person);
        count++;
    }
    nm_writer_list_close(it->body, mark, count);
    return NM_OK;
}

nm_rc_t
nm_act_users_reach(nm_act_t *it)
{
    nm_id_t service;
    nm_list_t ids;
    const char *owner;
    if (!s_read(it->asked, &service, &ids))
        return nm_act_problem(it, 422, "users.reach takes {service: UUID, ids: [UUID, ...]}, at most %d", NM_REACH_MAX);
    nm_book_whose_t whose = nm_turn_book(it->turn, NM_PEOPLE_BOOK, &owner);
    nm_buf_clear(it->body);
    nm_writer_map(it->body, 3);
    nm_rc_t rc = s_write_people(it, &service, &ids);
    nm_writer_pair_bool(it->body, "sure", whose == NM_BOOK_HERE);
    nm_writer_pair_text(it->body, "owner", owner);
    return rc == NM_OK ? nm_act_done(it, 200) : rc;
}
