#include "tools/nctl/nctl.h"
#include <unistd.h>
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>

// clang-format off
const nm_command_t nm_commands[] = {
    { "init", nm_cmd_init, "[DIR]", "Makes a mesh: its keys, certificates and mesh file", nm_init_options, 0, 1,
      "DIR is made with mode 0700; without it the folder of --mesh is used. A folder that holds a mesh is left as it is, "
      "and that is an error. The API key of the built-in service admin is shown once and kept in DIR/admin.key." },
    { "up", nm_cmd_up, "", "Starts all actors of the mesh and keeps them running", nm_up_options, 0, 0,
      "Stays in the foreground until Ctrl-C unless -d is given. An actor that ends is started again, with growing "
      "pauses, unless it ended with 74, 75 or 78: then a person has to look." },
    { "down", nm_cmd_down, "", "Stops what up started", NULL, 0, 0, NULL },
    { "ps", nm_cmd_ps, "", "Lists the actors: state, backlog, store, links", NULL, 0, 0, NULL },
    { NULL, NULL, NULL, NULL, NULL, 0, 0, NULL }
};

const nm_option_t nm_shared_options[] = {
    { "mesh", 'C', "DIR", "The folder of the mesh (default: $NMESH_DIR, else ./mesh)" },
    { "json", 0, NULL, "JSON for programs instead of tables for people" },
    { "help", 'h', NULL, "Shows this" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

static void
s_line(const char *prefix, const char *format, va_list args)
{
    fputs(prefix, stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int
nm_nctl_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_line("nctl: ", format, args);
    va_end(args);
    return NM_FAILED;
}

int
nm_nctl_misused(const nm_nctl_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_line("nctl: ", format, args);
    va_end(args);
    if (self && self->command)
        fprintf(stderr, "usage: nctl %s [options] %s\nnctl %s --help says more.\n", self->command->name,
                self->command->arguments, self->command->name);
    return NM_MISUSED;
}

void
nm_nctl_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    s_line("", format, args);
    va_end(args);
}

static void
s_usage_all(FILE *out)
{
    fprintf(out, "usage: nctl COMMAND [options] [arguments]\n\nCommands:\n");
    for (const nm_command_t *row = nm_commands; row->name; row++)
        fprintf(out, "  %-12s %s\n", row->name, row->summary);
    fprintf(out, "\nOptions of every command:\n");
    nm_options_print(out, nm_shared_options);
    fprintf(out, "\nnctl COMMAND --help says more. Exit codes: 0 done, 1 failed, 2 used wrongly.\n");
}

void
nm_nctl_usage(FILE *out, const nm_command_t *command)
{
    if (!command) {
        s_usage_all(out);
        return;
    }
    fprintf(out, "usage: nctl %s [options] %s\n\n%s.\n", command->name, command->arguments, command->summary);
    if (command->more)
        fprintf(out, "%s\n", command->more);
    fprintf(out, "\nOptions:\n");
    nm_options_print(out, command->options);
    nm_options_print(out, nm_shared_options);
}

static const nm_command_t *
s_find(const char *name)
{
    for (const nm_command_t *row = nm_commands; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

static int
s_run(nm_nctl_t *self, int argc, char **argv)
{
    nm_error_t error;
    if (nm_options_parse(&self->options, self->command->options, nm_shared_options, argc, argv, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    if (nm_options_has(&self->options, "help")) {
        nm_nctl_usage(stdout, self->command);
        return NM_DONE;
    }
    size_t count = self->options.arg_count;
    if (count < self->command->least)
        return nm_nctl_misused(self, "%s needs more: %s", self->command->name, self->command->arguments);
    if (count > self->command->most)
        return nm_nctl_misused(self, "\"%s\" is one argument too many", self->options.args[self->command->most]);
    const char *folder = getenv("NMESH_DIR");
    self->mesh_folder = nm_options_text(&self->options, "mesh", folder && *folder ? folder : "mesh");
    self->json = nm_options_has(&self->options, "json");
    return self->command->run(self);
}

//  -C DIR and --mesh DIR may stand before the command too: they are moved behind it.
static int
s_leading(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        bool takes_value = strcmp(argv[at], "-C") == 0 || strcmp(argv[at], "--mesh") == 0;
        if (!takes_value && strncmp(argv[at], "--mesh=", 7) != 0 && strcmp(argv[at], "--json") != 0)
            break;
        at += takes_value ? 2 : 1;
    }
    return at;
}

int
main(int argc, char **argv)
{
    //  Secrets pass through here: no core files. Each file that is made names its own mode.
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0)
        return nm_nctl_fail("libsodium cannot start");

    int at = s_leading(argc, argv);
    if (at < argc &&
        (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "help") == 0)) {
        s_usage_all(stdout);
        return NM_DONE;
    }
    if (at < argc && strcmp(argv[at], "--version") == 0) {
        printf("nctl %s\n", NM_VERSION_TEXT);
        return NM_DONE;
    }
    if (at >= argc) {
        s_usage_all(stderr);
        return NM_MISUSED;
    }
    nm_nctl_t self = { .command = s_find(argv[at]) };
    if (!self.command)
        return nm_nctl_misused(NULL, "\"%s\" is not a command; nctl --help lists them", argv[at]);
    memmove(argv + 2, argv + 1, (size_t) (at - 1) * sizeof *argv);
    int code = s_run(&self, argc - 2, argv + 2);
    nm_options_free(&self.options);
    return code;
}
