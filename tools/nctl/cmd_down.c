#include "tools/nctl/files.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/supervisor.h"
#include "tools/nctl/when.h"
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

enum { S_PATIENCE_MS = 15000 };

static long
s_log_size(const char *folder)
{
    char path[NM_PATH_MAX];
    struct stat found;
    nm_files_join(path, folder, "log/nctl.log");
    return stat(path, &found) == 0 ? (long) found.st_size : 0;
}

//  What the supervisor has said since.
static void
s_print_log(const char *folder, long from)
{
    char path[NM_PATH_MAX];
    char line[600];
    nm_files_join(path, folder, "log/nctl.log");
    FILE *log = fopen(path, "re");
    if (!log)
        return;
    if (fseek(log, from, SEEK_SET) == 0) {
        while (fgets(line, sizeof line, log)) {
            const char *text = strchr(line, ' ');
            fputs(text ? text + 1 : line, stdout);
        }
    }
    fclose(log);
}

int
nm_cmd_down(nm_nctl_t *self)
{
    pid_t pid;
    if (!nm_files_exists(self->mesh_folder, "mesh.zpl"))
        return nm_nctl_fail("%s holds no mesh; -C DIR names another folder", self->mesh_folder);
    if (nm_supervisor_find(self->mesh_folder, &pid) != NM_OK)
        return nm_nctl_fail("%s: this mesh is not up", self->mesh_folder);
    long from = s_log_size(self->mesh_folder);
    if (kill(pid, SIGTERM) != 0)
        return nm_nctl_fail("the supervisor (pid %d) cannot be stopped: %s", (int) pid, strerror(errno));
    int64_t end_ms = nm_when_mono() + S_PATIENCE_MS;
    while (nm_supervisor_find(self->mesh_folder, &pid) == NM_OK && nm_when_mono() < end_ms)
        nm_when_sleep(20);
    s_print_log(self->mesh_folder, from);
    if (nm_supervisor_find(self->mesh_folder, &pid) == NM_OK)
        return nm_nctl_fail("the supervisor (pid %d) has not ended after %d s", (int) pid, S_PATIENCE_MS / 1000);
    return NM_DONE;
}
