#include <errno.h>
#include <sys/resource.h>

#include "actors/bridge/http_private.h"
#include "broker/log.h"

enum { SPARE_FDS = 256 };  //  For the mesh's own sockets and the store

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
