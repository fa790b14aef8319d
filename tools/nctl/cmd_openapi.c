#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "wire/openapi.h"

int
nm_cmd_openapi(nm_nctl_t *self)
{
    nm_buf_t packed = { 0 };
    nm_openapi_write(&packed);
    json_t *document = nm_json_unpack(nm_buf_bytes(&packed));
    nm_buf_free(&packed);
    if (!document)
        return nm_nctl_fail("the document is not well-formed");
    nm_json_print(document, !self->json, stdout);
    json_decref(document);
    return NM_DONE;
}
