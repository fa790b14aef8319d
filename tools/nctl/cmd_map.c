#include "tools/nctl/drawing.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

// clang-format off
const nm_option_t nm_map_options[] = {
    { "dot", 0, "FILE", "Writes the drawing to FILE, in the language of Graphviz" },
    { "svg", 0, "FILE", "Writes it as SVG; needs the program dot (Debian: graphviz)" },
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

extern char **environ;

static nm_rc_t
s_write(FILE *file, const nm_buf_t *text)
{
    size_t written = fwrite(text->at, 1, text->size, file);
    return fclose(file) == 0 && written == text->size ? NM_OK : NM_ERR_IO;
}

static int
s_write_file(const char *path, const nm_buf_t *text)
{
    FILE *file = fopen(path, "we");
    if (!file || s_write(file, text) != NM_OK)
        return nm_nctl_fail("%s cannot be written: %m", path);
    return NM_DONE;
}

//  Gives the drawing to dot, which writes the file.
static int
s_write_svg(const char *path, const nm_buf_t *text)
{
    char *arguments[] = { (char *) "dot", (char *) "-Tsvg", (char *) "-o", (char *) path, NULL };
    posix_spawn_file_actions_t actions;
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return nm_nctl_fail("no pipe: %m");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int rc = posix_spawnp(&pid, "dot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    if (rc) {
        close(ends[1]);
        return nm_nctl_fail("the program dot does not start (%s); on Debian: apt-get install graphviz", strerror(rc));
    }
    FILE *pipe = fdopen(ends[1], "w");
    nm_rc_t written = pipe ? s_write(pipe, text) : NM_ERR_IO;
    waitpid(pid, &status, 0);
    if (written != NM_OK || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return nm_nctl_fail("dot has not written %s", path);
    return NM_DONE;
}

int
nm_cmd_map(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    const char *taken_from, *dot = nm_options_text(&self->options, "dot", NULL);
    const char *svg = nm_options_text(&self->options, "svg", NULL);
    nm_look_t how = { .from = nm_options_text(&self->options, "from", NULL), .brief = true };
    nm_buf_t text = { 0 };
    int code = NM_DONE;
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    json_t *actors = reach ? nm_look(reach, &how, &taken_from, &error) : NULL;
    if (actors)
        nm_drawing_write(actors, nm_reach_mesh(reach)->name, &text);
    else
        code = nm_nctl_fail("%s", error.text);
    if (actors && dot)
        code = s_write_file(dot, &text);
    if (actors && svg && code == NM_DONE)
        code = s_write_svg(svg, &text);
    if (actors && !dot && !svg)
        fwrite(text.at, 1, text.size, stdout);
    nm_buf_free(&text);
    json_decref(actors);
    nm_reach_destroy(&reach);
    return code;
}
