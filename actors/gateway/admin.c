//  admin - services and their API keys: operations for the admin.

#include <sodium.h>

#include "actors/gateway/ops.h"
#include "lmdb_store/book.h"
#include "wire/asks.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

enum { KEYS_PER_SERVICE = 100 };
static const uint32_t ALL_SCOPES = (1u << NM_SCOPE_COUNT) - 1;

//  -- Services as they are shown

static void
s_write_service(nm_buf_t *out, const nm_service_t *service)
{
    nm_writer_map(out, 11);
    nm_writer_pair_id(out, "id", &service->id);
    nm_writer_pair_str(out, "name", service->name);
    nm_writer_text(out, "description");
    if (NM_HAS(service, service, description))
        nm_writer_str(out, service->description);
    else
        nm_writer_nil(out);
    nm_writer_pair_bool(out, "is_active", service->is_active);
    nm_writer_pair_raw_or_nil(out, "limits", NM_HAS(service, service, limits), service->limits);
    nm_writer_pair_raw_or_nil(out, "recipient_limits", NM_HAS(service, service, recipient_limits),
                              service->recipient_limits);
    nm_writer_text(out, "retention_days");
    if (NM_HAS(service, service, retention_days))
        nm_writer_uint(out, service->retention_days);
    else
        nm_writer_nil(out);
    nm_writer_pair_uint(out, "accept", NM_HAS(service, service, accept) ? service->accept : 1);
    nm_writer_pair_bool(out, "accept_alone", NM_HAS(service, service, accept_alone) && service->accept_alone);
    nm_writer_pair_time(out, "created_at", service->created_at);
    nm_writer_pair_time(out, "updated_at", service->updated_at);
}

static nm_rc_t
s_answer_service(nm_case_t *it, unsigned status, const nm_service_t *service)
{
    nm_buf_t *body = &it->gateway->body;
    nm_buf_clear(body);
    s_write_service(body, service);
    return nm_answer(&it->answer, status, nm_buf_bytes(body));
}

//  The service admin is built in: it is shown, and cannot be changed.
static void
s_set_admin(const nm_case_t *it, nm_service_t *service)
{
    *service = (nm_service_t){ .has = 0 };
    NM_PUT(service, service, id, it->gateway->auth.admin);
    NM_PUT(service, service, name, nm_text("admin"));
    NM_PUT(service, service, description, nm_text("Built in"));
    NM_PUT(service, service, is_active, true);
}

static bool
s_is_admin(const nm_case_t *it, const nm_id_t *id)
{
    return nm_id_equal(id, &it->gateway->auth.admin);
}

//  NM_ERR_REFUSED: there is none, and that is answered.
static nm_rc_t
s_find(nm_case_t *it, bool has, nm_bytes_t text, nm_id_t *id, nm_service_t *service)
{
    nm_rc_t rc = has && nm_id_from_text(text, id) == NM_OK ? NM_OK : NM_ERR_MISSING;
    if (rc == NM_OK && s_is_admin(it, id)) {
        s_set_admin(it, service);
        return NM_OK;
    }
    if (rc == NM_OK)
        rc = nm_services_get(it->txn, id, service);
    if (rc == NM_OK && NM_HAS(service, service, deleted_at))
        rc = NM_ERR_MISSING;
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_case_unknown(it, "service");
    return NM_ERR_REFUSED;
}

//  Is the name another service's?
static nm_rc_t
s_name_is_taken(nm_case_t *it, nm_bytes_t name, const nm_id_t *own, bool *taken)
{
    nm_rc_t rc = NM_OK;
    *taken = nm_bytes_is(name, "admin");
    for (size_t i = 0; rc == NM_OK && !*taken && i < it->gateway->services.tenant_count; i++) {
        const nm_tenant_t *tenant = &it->gateway->services.tenants[i];
        nm_service_t service;
        if (tenant->deleted || (own && nm_id_equal(own, &tenant->id)))
            continue;
        rc = nm_services_get(it->txn, &tenant->id, &service);
        *taken = rc == NM_OK && nm_bytes_equal(name, service.name);
    }
    return rc;
}

//  Passes what was given on to the service, and names what cannot be.
static void
s_apply(const nm_service_ask_t *ask, nm_service_t *service, nm_faults_t *faults)
{
#define S_PASS(name)                                   \
    do {                                               \
        if (NM_HAS(ask, service_ask, name))            \
            NM_PUT(service, service, name, ask->name); \
    } while (0)
    S_PASS(name);
    S_PASS(description);
    S_PASS(is_active);
    S_PASS(limits);
    S_PASS(recipient_limits);
    S_PASS(retention_days);
    S_PASS(accept);
    S_PASS(accept_alone);
#undef S_PASS
    if (NM_HAS(ask, service_ask, name) && !ask->name.size)
        nm_faults_add(faults, "", "name", "must not be empty");
    if (NM_HAS(ask, service_ask, retention_days) && ask->retention_days == 0)
        nm_faults_add(faults, "", "retention_days", "must be 1 to 3,650");
    if (NM_HAS(ask, service_ask, accept) && ask->accept == 0)
        nm_faults_add(faults, "", "accept", "must be 1 or 2");
}

//  RFC 7396: what is null in a patch is cleared.
static bool
s_is_null(nm_bytes_t body, const char *key)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    if (nm_reader_find(body, key, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_peek(&reader) == NM_KIND_NIL;
}

static void
s_clear(nm_case_t *it, nm_service_t *service, nm_faults_t *faults)
{
    static const struct {
        const char *name;
        unsigned number;
        bool may;
    } FIELDS[] = {
        { "description", NM_AT_service_description, true },
        { "limits", NM_AT_service_limits, true },
        { "recipient_limits", NM_AT_service_recipient_limits, true },
        { "retention_days", NM_AT_service_retention_days, true },
        { "accept", NM_AT_service_accept, true },
        { "accept_alone", NM_AT_service_accept_alone, true },
        { "name", NM_AT_service_name, false },
        { "is_active", NM_AT_service_is_active, false },
    };
    for (size_t i = 0; i < NM_COUNT(FIELDS); i++) {
        if (!s_is_null(it->ask->body, FIELDS[i].name))
            continue;
        if (FIELDS[i].may)
            service->has &= ~(UINT64_C(1) << FIELDS[i].number);
        else
            nm_faults_add(faults, "", FIELDS[i].name, "cannot be cleared");
    }
}

//  Answers what is wrong with it, or saves it and shows it.
static nm_rc_t
s_save(nm_case_t *it, unsigned status, nm_service_t *service, const nm_id_t *own)
{
    nm_faults_t *faults = &it->gateway->faults;
    bool taken = false;
    if (faults->count)
        return nm_answer_problem(&it->answer, 422, faults, "The service has faults; each is named in errors.");
    nm_rc_t rc = s_name_is_taken(it, service->name, own, &taken);
    if (rc != NM_OK)
        return rc;
    if (taken)
        return nm_answer_problem(&it->answer, 409, NULL, "Another service has this name.");
    NM_PUT(service, service, updated_at, it->now_ms);
    rc = nm_services_put(it->turn, service);
    return rc == NM_OK ? s_answer_service(it, status, service) : rc;
}

nm_rc_t
nm_op_services_create(nm_case_t *it)
{
    nm_service_ask_t ask;
    nm_service_t service = { .has = 0 };
    nm_faults_t *faults = &it->gateway->faults;
    nm_id_t id;
    if (nm_case_decode(it, &nm_service_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    if (nm_turn_tight(it->turn))
        return nm_answer_problem(&it->answer, 507, NULL, "The store of this gateway is full; try again later.");
    if (NM_HAS(&ask, service_ask, id))
        nm_faults_add(faults, "", "id", "is not known");
    if (!NM_HAS(&ask, service_ask, name))
        nm_faults_add(faults, "", "name", "is missing");
    nm_turn_new_id(it->turn, &id);
    NM_PUT(&service, service, id, id);
    NM_PUT(&service, service, is_active, true);
    NM_PUT(&service, service, created_at, it->now_ms);
    s_apply(&ask, &service, faults);
    return s_save(it, 201, &service, NULL);
}

nm_rc_t
nm_op_services_get(nm_case_t *it)
{
    nm_service_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_case_decode(it, &nm_service_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, NM_HAS(&ask, service_ask, id), ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return s_answer_service(it, 200, &service);
}

nm_rc_t
nm_op_services_patch(nm_case_t *it)
{
    nm_service_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_case_decode(it, &nm_service_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, NM_HAS(&ask, service_ask, id), ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (s_is_admin(it, &id))
        return nm_answer_problem(&it->answer, 409, NULL, "The service admin is built in and cannot be changed.");
    s_apply(&ask, &service, &it->gateway->faults);
    s_clear(it, &service, &it->gateway->faults);
    return s_save(it, 200, &service, &id);
}

nm_rc_t
nm_op_services_delete(nm_case_t *it)
{
    nm_service_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_case_decode(it, &nm_service_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, NM_HAS(&ask, service_ask, id), ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (s_is_admin(it, &id))
        return nm_answer_problem(&it->answer, 409, NULL, "The service admin is built in and cannot be deleted.");
    NM_PUT(&service, service, is_active, false);
    NM_PUT(&service, service, updated_at, it->now_ms);
    NM_PUT(&service, service, deleted_at, it->now_ms);
    rc = nm_services_put(it->turn, &service);
    return rc == NM_OK ? nm_answer(&it->answer, 204, nm_bytes(NULL, 0)) : rc;
}

//  -- Pages, newest first: what both lists have in common

typedef struct {
    nm_bytes_t prefix;  //  Of the entries, whose keys go on with an id
    nm_id_t before;
    uint64_t limit;
    //  Packs one value if it is to be shown, and tells whether it did.
    nm_rc_t (*write)(nm_case_t *it, nm_bytes_t value, nm_buf_t *out, bool *shown);
} walk_t;

static nm_rc_t
s_fill(nm_case_t *it, const walk_t *walk, nm_buf_t *items, size_t *count, nm_id_t *last, bool *more)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    char from[NM_SERVICES_ENTRY_SIZE];
    nm_rc_t rc;
    nm_bytes_to_text(walk->prefix, from, sizeof from);
    nm_id_to_text(&walk->before, from + walk->prefix.size);
    *more = false;
    *count = 0;
    nm_book_open(&cursor, it->txn, NM_SERVICES_BOOK, walk->prefix, nm_text(from), true);
    while ((rc = nm_book_next(&cursor, &key, &value)) == NM_OK) {
        nm_id_t id;
        bool shown = false;
        if (nm_id_from_text(nm_bytes(key.at + walk->prefix.size, key.size - walk->prefix.size), &id) != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        if (memcmp(id.at, walk->before.at, NM_ID_SIZE) >= 0)
            continue;
        if (*count == walk->limit) {
            *more = true;
            break;
        }
        if ((rc = walk->write(it, value, items, &shown)) != NM_OK)
            break;
        *last = id;
        *count += shown;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_answer_page(nm_case_t *it, const walk_t *walk)
{
    nm_buf_t items = { 0 };
    nm_buf_t *body = &it->gateway->body;
    char cursor[NM_CURSOR_TEXT_SIZE + 1];
    nm_id_t last = { { 0 } };
    size_t count;
    bool more;
    nm_rc_t rc = s_fill(it, walk, &items, &count, &last, &more);
    if (rc == NM_OK) {
        nm_cursor_text(&last, cursor);
        nm_buf_clear(body);
        nm_writer_map(body, 2);
        nm_writer_text(body, "items");
        nm_writer_list(body, count);
        nm_buf_add_bytes(body, nm_buf_bytes(&items));
        nm_writer_text(body, "next_cursor");
        if (more)
            nm_writer_text(body, cursor);
        else
            nm_writer_nil(body);
        rc = nm_answer(&it->answer, 200, nm_buf_bytes(body));
    }
    nm_buf_free(&items);
    return rc;
}

//  Reads the query of a list. NM_ERR_REFUSED: answered.
static nm_rc_t
s_open_page(nm_case_t *it, nm_page_ask_t *ask, walk_t *walk)
{
    if (nm_case_decode(it, &nm_page_ask_shape, ask, true) != NM_OK)
        return NM_ERR_REFUSED;
    memset(walk->before.at, 0xff, NM_ID_SIZE);
    walk->limit = ask->limit;
    return nm_case_page(it, NM_HAS(ask, page_ask, limit), &walk->limit, NM_HAS(ask, page_ask, cursor), ask->cursor,
                        &walk->before);
}

static nm_rc_t
s_show_service(nm_case_t *it, nm_bytes_t value, nm_buf_t *out, bool *shown)
{
    (void) it;
    nm_service_t service;
    if (nm_record_decode(&nm_service_shape, &service, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    *shown = !NM_HAS(&service, service, deleted_at);
    if (*shown)
        s_write_service(out, &service);
    return NM_OK;
}

nm_rc_t
nm_op_services_list(nm_case_t *it)
{
    nm_page_ask_t ask;
    walk_t walk = { .prefix = nm_text(NM_SERVICE_PREFIX), .write = s_show_service };
    if (s_open_page(it, &ask, &walk) != NM_OK)
        return NM_OK;
    if (NM_HAS(&ask, page_ask, service_id))
        return nm_case_refuse(it, "?service_id", "is not known");
    return s_answer_page(it, &walk);
}

//  -- Keys

static void
s_write_key(nm_buf_t *out, const nm_api_key_t *key, const char *secret)
{
    unsigned count = 0;
    for (unsigned scope = 0; scope < NM_SCOPE_COUNT; scope++)
        count += key->scopes >> scope & 1;
    nm_writer_map(out, 5);
    nm_writer_pair_id(out, "key_id", &key->id);
    if (secret)
        nm_writer_pair_text(out, "key", secret);
    nm_writer_pair_str(out, "name", key->name);
    nm_writer_text(out, "scopes");
    nm_writer_list(out, count);
    for (unsigned scope = 0; scope < NM_SCOPE_COUNT; scope++)
        if (key->scopes >> scope & 1)
            nm_writer_text(out, nm_words_text(&nm_scope_words, scope));
    nm_writer_pair_time(out, "created_at", key->created_at);
}

//  The last pair of a key that is listed.
static void
s_write_use(nm_buf_t *out, int64_t used_ms)
{
    if (used_ms) {
        nm_writer_pair_time(out, "last_used_at", used_ms);
        return;
    }
    nm_writer_text(out, "last_used_at");
    nm_writer_nil(out);
}

static void
s_read_scopes(const nm_key_ask_t *ask, uint32_t *scopes, nm_faults_t *faults)
{
    nm_list_t list;
    nm_bytes_t item, word;
    *scopes = ALL_SCOPES;
    if (!NM_HAS(ask, key_ask, scopes) || nm_list_open(&list, ask->scopes) != NM_OK)
        return;
    *scopes = 0;
    if (list.count == 0)
        nm_faults_add(faults, "", "scopes", "must name at least one scope");
    for (unsigned i = 0; nm_list_next(&list, &item) == NM_OK; i++) {
        char index[16];
        nm_reader_t reader;
        nm_reader_open(&reader, item);
        int scope = nm_reader_str(&reader, &word) == NM_OK ? nm_words_find(&nm_scope_words, word) : -1;
        snprintf(index, sizeof index, "%u", i);
        if (scope < 0)
            nm_faults_add(faults, "/scopes", index, "is not a scope");
        else
            *scopes |= 1u << scope;
    }
}

//  The text of a new key, and the hash of its secret half. Secrets do not come from the
//  turn's randomness, which ids show to everybody.
static void
s_make_key(const nm_id_t *service, char text[NM_KEY_TEXT_SIZE + 1], uint8_t hash[NM_SECRET_SIZE])
{
    uint8_t secret[16];
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(text, 33, service->at, NM_ID_SIZE);
    text[32] = '-';
    sodium_bin2hex(text + 33, 33, secret, sizeof secret);
    nm_auth_hash(nm_text(text + 33), hash);
    sodium_memzero(secret, sizeof secret);
}

static size_t
s_count_keys(const nm_services_t *services, const nm_id_t *service)
{
    size_t count = 0;
    for (size_t i = 0; i < services->key_count; i++)
        count += nm_id_equal(&services->keys[i].service, service);
    return count;
}

static nm_rc_t
s_create_key(nm_case_t *it, nm_api_key_t *key)
{
    char text[NM_KEY_TEXT_SIZE + 1];
    uint8_t hash[NM_SECRET_SIZE];
    nm_id_t id;
    nm_buf_t *body = &it->gateway->body;
    nm_turn_new_id(it->turn, &id);
    s_make_key(&key->service, text, hash);
    NM_PUT(key, api_key, id, id);
    NM_PUT(key, api_key, hash, nm_bytes(hash, sizeof hash));
    NM_PUT(key, api_key, created_at, it->now_ms);
    nm_rc_t rc = nm_services_put_key(it->turn, key);
    if (rc == NM_OK) {
        nm_buf_clear(body);
        s_write_key(body, key, text);
        rc = nm_answer(&it->answer, 201, nm_buf_bytes(body));
        sodium_memzero(body->at, body->size);
    }
    sodium_memzero(text, sizeof text);
    return rc;
}

nm_rc_t
nm_op_keys_create(nm_case_t *it)
{
    nm_key_ask_t ask;
    nm_service_t service;
    nm_api_key_t key = { .has = 0 };
    nm_id_t id;
    uint32_t scopes;
    nm_faults_t *faults = &it->gateway->faults;
    if (nm_case_decode(it, &nm_key_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, true, ask.service_id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (NM_HAS(&ask, key_ask, key_id))
        nm_faults_add(faults, "", "key_id", "is not known");
    s_read_scopes(&ask, &scopes, faults);
    if (faults->count)
        return nm_answer_problem(&it->answer, 422, faults, "The key has faults; each is named in errors.");
    if (s_count_keys(&it->gateway->services, &id) >= KEYS_PER_SERVICE)
        return nm_answer_problem(&it->answer, 409, NULL, "The service has %u keys already; delete one first.",
                                 (unsigned) KEYS_PER_SERVICE);
    if (nm_turn_tight(it->turn))
        return nm_answer_problem(&it->answer, 507, NULL, "The store of this gateway is full; try again later.");
    NM_PUT(&key, api_key, service, id);
    NM_PUT(&key, api_key, name, NM_HAS(&ask, key_ask, name) ? ask.name : nm_text("key"));
    NM_PUT(&key, api_key, scopes, scopes);
    return s_create_key(it, &key);
}

static nm_rc_t
s_show_key(nm_case_t *it, nm_bytes_t value, nm_buf_t *out, bool *shown)
{
    nm_api_key_t key;
    if (nm_record_decode(&nm_api_key_shape, &key, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    s_write_key(out, &key, NULL);
    s_write_use(out, nm_services_used(&it->gateway->services, &key.service, &key.id));
    *shown = true;
    return NM_OK;
}

nm_rc_t
nm_op_keys_list(nm_case_t *it)
{
    nm_page_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    char prefix[NM_SERVICES_ENTRY_SIZE];
    walk_t walk = { .write = s_show_key };
    if (s_open_page(it, &ask, &walk) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, NM_HAS(&ask, page_ask, service_id), ask.service_id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    walk.prefix = nm_services_keys_of(&id, prefix);
    return s_answer_page(it, &walk);
}

nm_rc_t
nm_op_keys_delete(nm_case_t *it)
{
    nm_key_ask_t ask;
    nm_service_t service;
    nm_id_t id, key;
    if (nm_case_decode(it, &nm_key_ask_shape, &ask, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_find(it, true, ask.service_id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (!NM_HAS(&ask, key_ask, key_id) || nm_id_from_text(ask.key_id, &key) != NM_OK)
        return nm_case_unknown(it, "key");
    rc = nm_services_delete_key(it->turn, &id, &key);
    if (rc == NM_ERR_MISSING)
        return nm_case_unknown(it, "key");
    return rc == NM_OK ? nm_answer(&it->answer, 204, nm_bytes(NULL, 0)) : rc;
}
