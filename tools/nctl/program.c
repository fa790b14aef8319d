#include "tools/nctl/program.h"
#include "tools/nctl/complaint.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { S_ARGUMENT_MAX = 8, S_REPLY_MAX = 65536, S_LOG_MAX = 16384 };

static void
s_become(const char *program, const nm_mesh_t *mesh, const nm_mesh_actor_t *actor, const char *const *arguments,
         int out, int log)
{
    const char *argv[6 + S_ARGUMENT_MAX] = { program, "--mesh", mesh->folder, "--name", actor->name };
    for (size_t i = 0; i < S_ARGUMENT_MAX && arguments[i]; i++)
        argv[5 + i] = arguments[i];
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(program, (char *const *) argv);
    fprintf(stderr, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

static void
s_read_reply(int fd, nm_buf_t *text)
{
    ssize_t count;
    do {
        count = read(fd, nm_buf_reserve(text, 4096), 4096);
        text->size += count > 0 ? (size_t) count : 0;
    } while (count > 0 && text->size < S_REPLY_MAX);
}

//  Why it failed: what it logged last, or at least how it ended.
static void
s_explain(int log, int code, nm_error_t *error)
{
    uint8_t text[S_LOG_MAX];
    char complaint[512];
    ssize_t size = pread(log, text, sizeof text, 0);
    if (size > 0 && nm_complaint_in(nm_bytes(text, (size_t) size), 0, complaint, sizeof complaint))
        nm_fail(error, NM_ERR_IO, "%s", complaint);
    else if (!error->text[0])
        nm_fail(error, NM_ERR_IO, "its program ended with %d", code);
}

int
nm_program_run(const nm_mesh_t *mesh, const nm_mesh_actor_t *actor, const char *const *arguments, json_t **reply,
               nm_error_t *error)
{
    char program[NM_PATH_MAX];
    int ends[2];
    int status = 0;
    nm_buf_t text = { 0 };
    *reply = NULL;
    if (nm_supervisor_program(actor->role, program, sizeof program, error) != NM_OK)
        return -1;
    int log = memfd_create("log", MFD_CLOEXEC);
    if (log < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        nm_fail(error, NM_ERR_IO, "no pipe: %s", strerror(errno));
        if (log >= 0)
            close(log);
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        s_become(program, mesh, actor, arguments, ends[1], log);
    close(ends[1]);
    if (pid > 0)
        s_read_reply(ends[0], &text);
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (text.size)
        *reply = nm_json_parse(nm_buf_bytes(&text), error);
    nm_buf_free(&text);
    int code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code < 0)
        nm_fail(error, NM_ERR_IO, "%s could not be run, or was killed", program);
    else if (code)
        s_explain(log, code, error);
    close(log);
    return code;
}
