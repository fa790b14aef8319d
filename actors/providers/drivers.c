#include "actors/providers/maildir.h"
#include "actors/providers/provider.h"
#include "actors/providers/sandbox.h"
#include "actors/providers/smtp.h"

static const nm_driver_t *const DRIVERS[] = { &nm_smtp_driver, &nm_maildir_driver, &nm_sandbox_driver };

const nm_driver_t *
nm_driver_find(const char *kind)
{
    for (size_t i = 0; i < NM_COUNT(DRIVERS); i++)
        if (strcmp(DRIVERS[i]->kind, kind) == 0)
            return DRIVERS[i];
    return NULL;
}

void
nm_driver_list(char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < NM_COUNT(DRIVERS) && used < size; i++)
        used += (size_t) snprintf(out + used, size - used, "%s%s", i ? ", " : "", DRIVERS[i]->kind);
}
