#include "tools/nctl/usage.h"
#include <dirent.h>

//  The number behind "Name:" in a file of /proc, or -1.
static long long
s_field(const char *path, const char *name)
{
    char line[256];
    long long value = -1;
    FILE *file = fopen(path, "re");
    while (file && value < 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoll(line + strlen(name), NULL, 10);
    }
    if (file)
        fclose(file);
    return value;
}

nm_rc_t
nm_usage_memory(const pid_t *pids, size_t count, double *mib)
{
    nm_rc_t rc = NM_OK;
    long long sum_kib = 0;
    for (size_t i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) pids[i]);
        long long kib = s_field(path, "Pss:");
        if (kib < 0) {
            rc = NM_ERR_REFUSED;
            snprintf(path, sizeof path, "/proc/%d/status", (int) pids[i]);
            kib = s_field(path, "VmRSS:");
        }
        sum_kib += kib > 0 ? kib : 0;
    }
    *mib = (double) sum_kib / 1024;
    return rc;
}

//  schedstat counts ns; stat counts ticks of 10 ms, too coarse for an idle process.
static uint64_t
s_thread_ns(pid_t pid, const char *thread)
{
    char path[320];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", (int) pid, thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &ns) != 1)
        ns = 0;
    fclose(file);
    return ns;
}

uint64_t
nm_usage_cpu_ns(const pid_t *pids, size_t count)
{
    uint64_t sum_ns = 0;
    for (size_t i = 0; i < count; i++) {
        char path[64];
        struct dirent *entry;
        snprintf(path, sizeof path, "/proc/%d/task", (int) pids[i]);
        DIR *folder = opendir(path);
        while (folder && (entry = readdir(folder))) {
            if (entry->d_name[0] != '.')
                sum_ns += s_thread_ns(pids[i], entry->d_name);
        }
        if (folder)
            closedir(folder);
    }
    return sum_ns;
}
