#include "tests/actors/gateway_client.h"

#include "actors/gateway/gateway.h"
#include "actors/gateway/state.h"
#include "actors/user/user.h"
#include "tests/actors/promised.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

__attribute__((noreturn)) static void
s_die(const char *what)
{
    fprintf(stderr, "gateway_client: %s\n", what);
    abort();
}

//  -- Values

nm_bytes_t
nm_client_map(nm_buf_t *out, ...)
{
    va_list args;
    const char *key;
    size_t start = out->size, count = 0, mark = nm_writer_map_open(out);
    va_start(args, out);
    while ((key = va_arg(args, const char *))) {
        const char *value = va_arg(args, const char *);
        if (value[0] == '#')
            nm_writer_pair_uint(out, key, strtoull(value + 1, NULL, 10));
        else
            nm_writer_pair_text(out, key, value);
        count++;
    }
    va_end(args);
    nm_writer_map_close(out, mark, count);
    return nm_bytes(out->at + start, out->size - start);
}

nm_bytes_t
nm_client_email(nm_buf_t *out, unsigned n)
{
    char recipient[64], subject[64], content[64];
    snprintf(recipient, sizeof recipient, "reader%u@example.org", n);
    snprintf(subject, sizeof subject, "Letter %u of many", n);
    snprintf(content, sizeof content, "The content of letter %u.", n);
    return nm_client_map(out, "channel", "email", "recipient", recipient, "subject", subject, "content", content, NULL);
}

nm_bytes_t
nm_client_raw(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    return nm_reader_find(map, key, &raw) == NM_OK ? raw : nm_bytes(NULL, 0);
}

const char *
nm_client_text(nm_bytes_t map, const char *key)
{
    static char texts[8][1200];
    static unsigned turn;
    char *text = texts[turn++ % NM_COUNT(texts)];
    nm_bytes_t raw = nm_client_raw(map, key), value;
    nm_reader_t reader;
    nm_reader_open(&reader, raw);
    text[0] = 0;
    if (raw.size && nm_reader_str(&reader, &value) == NM_OK)
        nm_bytes_to_text(value, text, sizeof texts[0]);
    return text;
}

uint64_t
nm_client_number(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw = nm_client_raw(map, key);
    nm_reader_t reader;
    uint64_t value = 0;
    nm_reader_open(&reader, raw);
    return raw.size && nm_reader_uint(&reader, &value) == NM_OK ? value : UINT64_MAX;
}

size_t
nm_client_count(nm_bytes_t map, const char *key)
{
    nm_list_t list;
    return nm_list_open(&list, nm_client_raw(map, key)) == NM_OK ? list.count : 0;
}

nm_bytes_t
nm_client_item(nm_bytes_t map, const char *key, size_t n)
{
    nm_list_t list;
    nm_bytes_t item;
    if (nm_list_open(&list, nm_client_raw(map, key)) != NM_OK)
        return nm_bytes(NULL, 0);
    for (size_t i = 0; nm_list_next(&list, &item) == NM_OK; i++)
        if (i == n)
            return item;
    return nm_bytes(NULL, 0);
}

bool
nm_client_points_at(nm_bytes_t problem, const char *pointer)
{
    for (size_t i = 0; i < nm_client_count(problem, "errors"); i++)
        if (strcmp(nm_client_text(nm_client_item(problem, "errors", i), "pointer"), pointer) == 0)
            return true;
    return false;
}

//  -- Asking

const char *
nm_client_keyed(nm_client_t *self, uint16_t number, const char *stem)
{
    static char keys[4][80];
    static unsigned turn;
    char *key = keys[turn++ % NM_COUNT(keys)];
    const nm_gateway_t *gateway = nm_bench_state(self->bench);
    nm_id_t service;
    nm_id_from_text(nm_text(self->service), &service);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof keys[0], "%s-%u", stem, i);
        if (nm_owners_find(&gateway->owners, &service, nm_text(key)) == number)
            return key;
    }
    s_die("no key belongs to that gateway");
}

uint64_t
nm_client_queue(nm_client_t *self, const char *op, const nm_ask_headers_t *headers, nm_bytes_t body)
{
    nm_ask_headers_t own = { .has = 0 };
    NM_PUT(&own, ask_headers, api_key, nm_text(self->key));
    return nm_bench_ask(self->bench, "", op, headers ? headers : &own, body);
}

//  Other gateways are played: they have nothing to list.
static void
s_play_lists(nm_client_t *self, size_t asked)
{
    static const uint8_t NOTHING[] = "\x82\xa5items\x90\xabnext_cursor\xc0";
    for (; asked < nm_bench_asks(self->bench); asked++) {
        const nm_bench_asked_t *ask = nm_bench_asked(self->bench, asked);
        if (strcmp(ask->op, "notifications.list") == 0)
            nm_bench_answer(self->bench, ask->id, ask->peer, 200, nm_bytes(NOTHING, sizeof NOTHING - 1));
    }
    if (nm_bench_turn(self->bench) != NM_OK)
        s_die("a turn failed");
}

//  What a gateway passes on to the user actor.
static bool
s_is_change(const char *op)
{
    static const char *const BOOKS[] = { "services.", "keys.", "providers." };
    const char *verb = strchr(op, '.');
    for (size_t i = 0; verb && i < NM_COUNT(BOOKS); i++)
        if (strncmp(op, BOOKS[i], strlen(BOOKS[i])) == 0)
            return strcmp(verb, ".list") != 0 && strcmp(verb, ".get") != 0;
    return false;
}

static const nm_bench_reply_t *
s_change(nm_client_t *self, const char *op, nm_bytes_t body)
{
    nm_bench_wait(self->user, nm_bench_now(self->bench) - nm_bench_now(self->user));
    uint64_t id = nm_bench_ask(self->user, "gateway-1", op, NULL, body);
    if (nm_bench_turn(self->user) != NM_OK)
        s_die("a turn of the user actor failed");
    nm_bench_follow_book(self->bench, self->user, "services");
    nm_bench_follow_book(self->bench, self->user, "providers");
    return nm_bench_reply(self->user, id);
}

const nm_bench_reply_t *
nm_client_ask_as(nm_client_t *self, const char *key, const char *op, nm_bytes_t body)
{
    if (key && strcmp(key, self->admin) == 0 && s_is_change(op))
        return s_change(self, op, body);
    nm_ask_headers_t headers = { .has = 0 };
    if (key)
        NM_PUT(&headers, ask_headers, api_key, nm_text(key));
    size_t asked = nm_bench_asks(self->bench);
    uint64_t id = nm_bench_ask(self->bench, "", op, &headers, body);
    if (nm_bench_turn(self->bench) != NM_OK)
        s_die("a turn failed");
    if (!nm_bench_reply(self->bench, id) && nm_bench_asks(self->bench) > asked)
        s_play_lists(self, asked);
    const nm_bench_reply_t *reply = nm_bench_reply(self->bench, id);
    if (reply)
        s_check_promised(op, reply->status, reply->body);
    return reply;
}

const nm_bench_reply_t *
nm_client_ask(nm_client_t *self, const char *op, nm_bytes_t body)
{
    return nm_client_ask_as(self, self->key, op, body);
}

nm_id_t
nm_client_send(nm_client_t *self, unsigned n)
{
    nm_buf_t body = { 0 };
    nm_id_t id;
    const nm_bench_reply_t *reply = nm_client_ask(self, "notifications.create", nm_client_email(&body, n));
    nm_buf_free(&body);
    if (!reply || reply->status != 202 || nm_id_from_text(nm_text(nm_client_text(reply->body, "id")), &id) != NM_OK)
        s_die("a notification was not taken");
    return id;
}

const char *
nm_client_status(nm_client_t *self, const nm_id_t *id)
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_buf_t body = { 0 };
    nm_id_to_text(id, text);
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self, self->admin, "notifications.get", nm_client_map(&body, "id", text, NULL));
    nm_buf_free(&body);
    return reply && reply->status == 200 ? nm_client_text(reply->body, "status") : "";
}

//  -- Services

void
nm_client_service(nm_client_t *self, const char *name, const char *scope, char id[37], char key[NM_CLIENT_KEY_SIZE + 1])
{
    nm_buf_t body = { 0 };
    const nm_bench_reply_t *reply =
        nm_client_ask_as(self, self->admin, "services.create", nm_client_map(&body, "name", name, NULL));
    if (!reply || reply->status != 201)
        s_die("a service was not made");
    snprintf(id, 37, "%s", nm_client_text(reply->body, "id"));

    nm_buf_clear(&body);
    nm_writer_map(&body, scope ? 2 : 1);
    nm_writer_pair_text(&body, "service_id", id);
    if (scope) {
        nm_writer_text(&body, "scopes");
        nm_writer_list(&body, 1);
        nm_writer_text(&body, scope);
    }
    reply = nm_client_ask_as(self, self->admin, "keys.create", nm_buf_bytes(&body));
    if (!reply || reply->status != 201)
        s_die("a key was not made");
    snprintf(key, NM_CLIENT_KEY_SIZE + 1, "%s", nm_client_text(reply->body, "key"));
    nm_buf_free(&body);
}

nm_client_t *
nm_client_new(const char *settings)
{
    nm_client_t *self = nm_alloc(sizeof *self);
    nm_id_t admin;
    self->bench = nm_bench_new(&nm_gateway_role, "gateway-1", settings);
    self->user = nm_bench_new(&nm_user_role, "user-1", settings);
    nm_id_from_text(nm_text(NM_ADMIN_SERVICE_TEXT), &admin);
    for (size_t i = 0; i < NM_ID_SIZE; i++)
        snprintf(self->admin + 2 * i, 3, "%02x", admin.at[i]);
    snprintf(self->admin + 32, sizeof self->admin - 32, "-%s", NM_BENCH_ADMIN_SECRET);
    nm_client_service(self, "shop", NULL, self->service, self->key);
    nm_bench_forget(self->bench);
    return self;
}

void
nm_client_destroy(nm_client_t **self_p)
{
    if (!*self_p)
        return;
    nm_bench_destroy(&(*self_p)->bench);
    nm_bench_destroy(&(*self_p)->user);
    free(*self_p);
    *self_p = NULL;
}

//  -- Events

nm_event_t
nm_client_event(const nm_client_t *self, const nm_id_t *id, nm_event_kind_t kind, uint64_t order)
{
    nm_event_t event = { .has = 0 };
    NM_PUT(&event, event, notification, *id);
    NM_PUT(&event, event, kind, (uint8_t) kind);
    NM_PUT(&event, event, at, nm_bench_now(self->bench) + (int64_t) order);
    NM_PUT(&event, event, number, 0);
    NM_PUT(&event, event, generation, 0);
    NM_PUT(&event, event, order, order);
    return event;
}

void
nm_client_tell(nm_client_t *self, const char *peer, const nm_event_t *event)
{
    nm_bench_record(self->bench, peer, NM_MAIL_EVENT, &nm_event_shape, event);
    if (nm_bench_turn(self->bench) != NM_OK)
        s_die("a turn failed");
}
