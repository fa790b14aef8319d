/*  tenant - services as people name them: by name, where the API wants an id.
 */
#ifndef NM_TENANT_H
#define NM_TENANT_H

#include <jansson.h>
#include "tools/nctl/nctl.h"

//  The id of the service of this id or name. NULL: there is none, or nobody could be asked, and that was printed. The caller
//  lets go of it.
json_t *nm_tenant_id(const nm_nctl_t *nctl, const char *named);

#endif
