//  services - what the admin changes of services.

#include "actors/accounts/reads.h"
#include "actors/user/ops.h"
#include "wire/asks.h"
#include "wire/patch.h"

//  Is the name another service's?
static nm_rc_t
s_name_is_taken(nm_act_t *it, nm_bytes_t name, const nm_id_t *own, bool *taken)
{
    nm_rc_t rc = NM_OK;
    *taken = nm_bytes_is(name, "admin");
    for (size_t i = 0; rc == NM_OK && !*taken && i < it->services->tenant_count; i++) {
        const nm_tenant_t *tenant = &it->services->tenants[i];
        nm_service_t service;
        if (tenant->deleted || (own && nm_id_equal(own, &tenant->id)))
            continue;
        rc = nm_services_get(it->txn, &tenant->id, &service);
        *taken = rc == NM_OK && nm_bytes_equal(name, service.name);
    }
    return rc;
}

//  A part of a service that was patched (RFC 7396), or given without its nulls. Lives as long as the turn.
static nm_bytes_t
s_patch(nm_act_t *it, bool has, nm_bytes_t target, nm_bytes_t patch)
{
    nm_buf_t packed = { 0 };
    nm_patch_apply(has ? target : nm_bytes(NULL, 0), patch, &packed);
    uint8_t *at = nm_txn_alloc(it->txn, packed.size);
    memcpy(at, packed.at, packed.size);
    nm_bytes_t merged = nm_bytes(at, packed.size);
    nm_buf_free(&packed);
    return merged;
}

//  What becomes of the parts that the ask names.
static void
s_merge(nm_act_t *it, const nm_service_t *service, nm_service_ask_t *ask)
{
#define S_MERGE(name)                                                                          \
    do {                                                                                       \
        if (NM_HAS(ask, service_ask, name))                                                    \
            ask->name = s_patch(it, NM_HAS(service, service, name), service->name, ask->name); \
    } while (0)
    S_MERGE(limits);
    S_MERGE(recipient_limits);
    S_MERGE(defaults);
#undef S_MERGE
}

//  Passes what was given on to the service, and names what cannot be.
static void
s_apply(nm_act_t *it, nm_service_ask_t *ask, nm_service_t *service)
{
    s_merge(it, service, ask);
    nm_service_ask_check(ask, it->faults);
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
    S_PASS(defaults);
#undef S_PASS
}

//  Answers what is wrong with it, or saves it and shows it.
static nm_rc_t
s_save(nm_act_t *it, unsigned status, nm_service_t *service, const nm_id_t *own)
{
    nm_faults_t *faults = it->faults;
    bool taken = false;
    if (faults->count)
        return nm_act_faulty(it, "The service has faults");
    nm_rc_t rc = s_name_is_taken(it, service->name, own, &taken);
    if (rc != NM_OK)
        return rc;
    if (taken)
        return nm_act_problem(it, 409, "Another service has this name.");
    NM_PUT(service, service, updated_at, it->now_ms);
    rc = nm_services_put(it->turn, service);
    return rc == NM_OK ? nm_act_show_service(it, status, service) : rc;
}

nm_rc_t
nm_act_services_create(nm_act_t *it)
{
    nm_service_ask_t ask;
    nm_service_t service = { .has = 0 };
    nm_id_t id;
    if (nm_act_read(it, &nm_service_new_shape, &ask) != NM_OK)
        return NM_OK;
    if (nm_turn_tight(it->turn))
        return nm_act_full(it);
    nm_turn_new_id(it->turn, &id);
    NM_PUT(&service, service, id, id);
    NM_PUT(&service, service, is_active, true);
    NM_PUT(&service, service, created_at, it->now_ms);
    s_apply(it, &ask, &service);
    return s_save(it, 201, &service, NULL);
}

nm_rc_t
nm_act_services_patch(nm_act_t *it)
{
    static const nm_act_field_t FIELDS[] = {
        { "description", NM_AT_service_description, true },
        { "limits", NM_AT_service_limits, true },
        { "recipient_limits", NM_AT_service_recipient_limits, true },
        { "retention_days", NM_AT_service_retention_days, true },
        { "accept", NM_AT_service_accept, true },
        { "accept_alone", NM_AT_service_accept_alone, true },
        { "defaults", NM_AT_service_defaults, true },
        { "name", NM_AT_service_name, false },
        { "is_active", NM_AT_service_is_active, false },
    };
    nm_service_ask_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_act_read(it, &nm_service_change_shape, &ask) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_service(it, ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (nm_act_is_admin(it, &id))
        return nm_act_problem(it, 409, "The service admin is built in and cannot be changed.");
    s_apply(it, &ask, &service);
    nm_act_clear(it, FIELDS, NM_COUNT(FIELDS), &service.has);
    return s_save(it, 200, &service, &id);
}

nm_rc_t
nm_act_services_delete(nm_act_t *it)
{
    nm_by_id_t ask;
    nm_service_t service;
    nm_id_t id;
    if (nm_act_decode(it, &nm_by_id_shape, &ask, true) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_act_find_service(it, ask.id, &id, &service);
    if (rc != NM_OK)
        return rc == NM_ERR_REFUSED ? NM_OK : rc;
    if (nm_act_is_admin(it, &id))
        return nm_act_problem(it, 409, "The service admin is built in and cannot be deleted.");
    NM_PUT(&service, service, is_active, false);
    NM_PUT(&service, service, updated_at, it->now_ms);
    NM_PUT(&service, service, deleted_at, it->now_ms);
    rc = nm_services_put(it->turn, &service);
    return rc == NM_OK ? nm_act_nothing(it) : rc;
}
