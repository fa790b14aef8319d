#include "broker/offline.h"

nm_rc_t
nm_offline_check(const nm_store_config_t *config, nm_error_t *error)
{
    nm_store_check_t report = { 0 };
    nm_store_t *store = nm_store_new(config, error);
    if (!store)
        return NM_ERR_REFUSED;
    nm_rc_t rc = nm_store_check(store, &report, error);
    nm_store_destroy(&store);
    //  Names of actors and the place of a bad value hold nothing that JSON would have to escape.
    printf("{\"actor\":\"%s\",\"records\":%llu,\"bytes\":%llu,\"bad\":%llu,\"first_bad\":\"%s\"}\n", config->owner,
           (unsigned long long) report.records, (unsigned long long) report.bytes, (unsigned long long) report.bad,
           report.first_bad);
    return rc;
}

nm_rc_t
nm_offline_restore(const nm_store_config_t *config, const char *backup_path, bool replace, nm_error_t *error)
{
    nm_rc_t rc = nm_store_restore(config, backup_path, replace, error);
    if (rc != NM_OK)
        return rc;
    nm_store_t *store = nm_store_new(config, error);
    if (!store)
        return NM_ERR_REFUSED;
    printf("{\"actor\":\"%s\",\"epoch\":%u}\n", config->owner, nm_store_epoch(store));
    nm_store_destroy(&store);
    return NM_OK;
}
