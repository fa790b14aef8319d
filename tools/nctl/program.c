#include "tools/nctl/program.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { S_ARGUMENT_MAX = 8, S_REPLY_MAX = 65536 };

static void
s_become(const char *program, const nm_mesh_t *mesh, const nm_mesh_actor_t *actor, const char *const *arguments,
         int out)
{
    const char *argv[6 + S_ARGUMENT_MAX] = { program, "--mesh", mesh->folder, "--name", actor->name };
    for (size_t i = 0; i < S_ARGUMENT_MAX && arguments[i]; i++)
        argv[5 + i] = arguments[i];
    dup2(out, STDOUT_FILENO);
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
    if (pipe2(ends, O_CLOEXEC) != 0) {
        nm_fail(error, NM_ERR_IO, "no pipe: %s", strerror(errno));
        return -1;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        s_become(program, mesh, actor, arguments, ends[1]);
    close(ends[1]);
    if (pid > 0)
        s_read_reply(ends[0], &text);
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (text.size)
        *reply = nm_json_parse(nm_buf_bytes(&text), error);
    nm_buf_free(&text);
    if (pid < 0 || !WIFEXITED(status)) {
        nm_fail(error, NM_ERR_IO, "%s could not be run, or was killed", program);
        return -1;
    }
    return WEXITSTATUS(status);
}
