#include <errno.h>
#include <sys/resource.h>

#include "actors/bridge/http_private.h"
#include "broker/log.h"

enum { SPARE_FDS = 256 };  //  For the mesh's own sockets and the store

nm_rc_t
nm_http_read_file(const char *path, char **text, nm_error_t *error)
{
    nm_buf_t file = { 0 };
    FILE *in = fopen(path, "re");
    if (!in)
        return nm_fail(error, NM_ERR_REFUSED, "%s: %s", path, strerror(errno));
    size_t size;
    while ((size = fread(nm_buf_reserve(&file, 4096), 1, 4096, in)) > 0 && file.size < 1024 * 1024)
        file.size += size;
    fclose(in);
    nm_buf_add(&file, "", 1);
    *text = (char *) file.at;
    return NM_OK;
}

//  As many descriptors as the system allows; how many connections those are enough for.
unsigned
nm_http_limit(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return (unsigned) wanted;
    rlim_t need = (rlim_t) wanted + SPARE_FDS;
    if (limit.rlim_cur < need) {
        limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > need ? need : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= need)
        return (unsigned) wanted;
    unsigned count = limit.rlim_cur > 2 * SPARE_FDS ? (unsigned) (limit.rlim_cur - SPARE_FDS) : SPARE_FDS;
    nm_log(NM_LOG_WARNING, "http_limit", "The limit of open files (%llu) allows %u connections, not %llu.",
           (unsigned long long) limit.rlim_cur, count, (unsigned long long) wanted);
    return count;
}
