#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/pages.h"
#include "tools/nctl/reach.h"

int
nm_cmd_cancel(nm_nctl_t *self)
{
    json_t *reply;
    const char *id = self->options.args[0];
    int code = nm_reach_ask(self, "notifications.cancel", json_pack("{ss}", "id", id), false, &reply);
    if (code == NM_DONE)
        nm_pages_done(self, reply, "%s %s", id,
                      nm_json_text(reply, "status")[0] ? nm_json_text(reply, "status") : "cancelled");
    json_decref(reply);
    return code;
}
