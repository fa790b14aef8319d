#include "tools/nctl/tenant.h"
#include "tools/nctl/json.h"
#include "tools/nctl/reach.h"
#include "wire/id.h"
#include "wire/records.h"

//  One page: the id of the service of that name in found, if it is there; and where the next page begins.
static int
s_look(const nm_nctl_t *nctl, const char *name, json_t **found, json_t **cursor)
{
    size_t i;
    json_t *page, *service;
    json_t *body = json_pack("{s:i, s:o*}", "limit", 200, "cursor", *cursor);
    *cursor = NULL;
    int code = nm_reach_ask(nctl, "services.list", body, false, &page);
    json_array_foreach(json_object_get(page, "items"), i, service)
    {
        if (strcmp(nm_json_text(service, "name"), name) == 0)
            *found = json_incref(json_object_get(service, "id"));
    }
    if (nm_json_text(page, "next_cursor")[0])
        *cursor = json_incref(json_object_get(page, "next_cursor"));
    json_decref(page);
    return code;
}

json_t *
nm_tenant_id(const nm_nctl_t *nctl, const char *named)
{
    nm_id_t id;
    json_t *found = NULL, *cursor = NULL;
    int code;
    if (nm_id_from_text(nm_text(named), &id) == NM_OK)
        return json_string(named);
    if (strcmp(named, "admin") == 0)
        return json_string(NM_ADMIN_SERVICE_TEXT);
    do {
        code = s_look(nctl, named, &found, &cursor);
    } while (code == NM_DONE && !found && cursor);
    json_decref(cursor);
    if (code == NM_DONE && !found)
        nm_nctl_fail("\"%s\": no service has this name or id; nctl service list names them", named);
    return found;
}
