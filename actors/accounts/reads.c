#include "actors/accounts/reads.h"

#include "wire/asks.h"
#include "wire/id.h"
#include "wire/writer.h"

//  -- Services

static void
s_write_service(nm_buf_t *out, const nm_service_t *service)
{
    nm_writer_map(out, 12);
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
    nm_writer_pair_raw_or_nil(out, "defaults", NM_HAS(service, service, defaults), service->defaults);
    nm_writer_pair_time(out, "created_at", service->created_at);
    nm_writer_pair_time(out, "updated_at", service->updated_at);
}

nm_rc_t
nm_act_show_service(nm_act_t *it, unsigned status, const nm_service_t *service)
{
    nm_buf_clear(it->body);
    s_write_service(it->body, service);
    return nm_act_done(it, status);
}

bool
nm_act_is_admin(const nm_act_t *it, const nm_id_t *service)
{
    return nm_id_equal(service, &it->auth->admin);
}

static void
s_set_admin(const nm_act_t *it, nm_service_t *service)
{
    *service = (nm_service_t){ .has = 0 };
    NM_PUT(service, service, id, it->auth->admin);
    NM_PUT(service, service, name, nm_text("admin"));
    NM_PUT(service, service, description, nm_text("Built in"));
    NM_PUT(service, service, is_active, true);
}

nm_rc_t
nm_act_find_service(nm_act_t *it, nm_bytes_t text, nm_id_t *id, nm_service_t *service)
{
    nm_rc_t rc = nm_id_from_text(text, id) == NM_OK ? NM_OK : NM_ERR_MISSING;
    if (rc == NM_OK && nm_act_is_admin(it, id)) {
        s_set_admin(it, service);
        return NM_OK;
    }
    if (rc == NM_OK)
        rc = nm_services_get(it->txn, id, service);
    if (rc == NM_OK && NM_HAS(service, service, deleted_at))
        rc = NM_ERR_MISSING;
    if (rc != NM_ERR_MISSING)
        return rc;
    nm_act_unknown(it, "service");
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_act_services_get(nm_act_t *it)
{
    nm_by_id_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_act_decode(it, &nm_by_id_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_service(it, ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    return nm_act_show_service(it, 200, &service);
}

//  Reads the query of a list. NM_ERR_REFUSED: answered.
static nm_rc_t
s_open_page(nm_act_t *it, const nm_shape_t *shape, nm_page_ask_t *ask, nm_act_page_t *page)
{
    if (nm_act_decode(it, shape, ask, true) != NM_OK)
        return NM_ERR_REFUSED;
    page->book = NM_SERVICES_BOOK;
    return nm_act_open_page(it, page, NM_HAS(ask, page_ask, limit), ask->limit, NM_HAS(ask, page_ask, cursor),
                            ask->cursor);
}

static nm_rc_t
s_list_service(const nm_act_t *it, const void *arg, nm_bytes_t value, nm_buf_t *out, bool *shown)
{
    (void) it, (void) arg;
    nm_service_t service;
    if (nm_record_decode(&nm_service_shape, &service, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    *shown = !NM_HAS(&service, service, deleted_at);
    if (*shown)
        s_write_service(out, &service);
    return NM_OK;
}

nm_rc_t
nm_act_services_list(nm_act_t *it)
{
    nm_page_ask_t ask;
    nm_act_page_t page = { .prefix = nm_text(NM_SERVICE_PREFIX), .write = s_list_service };
    if (s_open_page(it, &nm_services_page_shape, &ask, &page) != NM_OK)
        return NM_OK;
    return nm_act_answer_page(it, &page);
}

//  -- Keys

static void
s_write_time_or_nil(nm_buf_t *out, const char *key, bool has, int64_t at_ms)
{
    if (has) {
        nm_writer_pair_time(out, key, at_ms);
        return;
    }
    nm_writer_text(out, key);
    nm_writer_nil(out);
}

void
nm_act_write_key(const nm_act_t *it, nm_buf_t *out, const nm_api_key_t *key, const char *text)
{
    unsigned count = 0;
    for (unsigned scope = 0; scope < NM_SCOPE_COUNT; scope++)
        count += key->scopes >> scope & 1;
    nm_writer_map(out, 6);
    nm_writer_pair_id(out, "key_id", &key->id);
    if (text)
        nm_writer_pair_text(out, "key", text);
    nm_writer_pair_str(out, "name", key->name);
    nm_writer_text(out, "scopes");
    nm_writer_list(out, count);
    for (unsigned scope = 0; scope < NM_SCOPE_COUNT; scope++)
        if (key->scopes >> scope & 1)
            nm_writer_text(out, nm_words_text(&nm_scope_words, scope));
    nm_writer_pair_time(out, "created_at", key->created_at);
    s_write_time_or_nil(out, "expires_at", NM_HAS(key, api_key, expires_at), key->expires_at);
    if (text)
        return;
    int64_t used_ms = nm_services_used(it->services, &key->service, &key->id);
    s_write_time_or_nil(out, "last_used_at", used_ms != 0, used_ms);
}

static nm_rc_t
s_list_key(const nm_act_t *it, const void *arg, nm_bytes_t value, nm_buf_t *out, bool *shown)
{
    (void) arg;
    nm_api_key_t key;
    if (nm_record_decode(&nm_api_key_shape, &key, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    nm_act_write_key(it, out, &key, NULL);
    *shown = true;
    return NM_OK;
}

nm_rc_t
nm_act_keys_list(nm_act_t *it)
{
    nm_page_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    char prefix[NM_SERVICES_ENTRY_SIZE];
    nm_act_page_t page = { .write = s_list_key };
    if (s_open_page(it, &nm_keys_page_shape, &ask, &page) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_service(it, ask.service_id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    page.prefix = nm_services_keys_of(&id, prefix);
    return nm_act_answer_page(it, &page);
}
