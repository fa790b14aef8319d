#include "tools/nctl/nctl.h"
#include "tools/nctl/screen.h"
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
      "pauses, unless it ended with 65, 74, 75 or 78: then a person has to look. Of the mesh those actors are started whose "
      "keys are in this folder, but for those that were forgotten or revoked. Where the mesh is up already, those are "
      "started that do not run: after a drain, or when what ended them is mended." },
    { "down", nm_cmd_down, "", "Stops what up started", NULL, 0, 0, NULL },
    { "ps", nm_cmd_ps, "", "Shows the mesh: who is where, and what they hold", nm_ps_options, 0, 0,
      "One live actor is asked, and asks all others. UP is how long the process runs; BACKLOG what it holds, OLDEST for "
      "how long; LINKS how many are up, of how many; OPEN mail on its way to others, WAITING mail that nobody takes yet; "
      "CREDIT how much may be on its way. Ends with 1 if an actor is silent that did not leave." },
    { "top", nm_cmd_top, "", "The same live, with rates", nm_top_options, 0, 0,
      "Rates are of the time between two looks; p99 is of the turns in it, their commits included. Keys: q ends it; n, r, "
      "b, a, d and t sort by name, role, backlog, accepts, deliveries and turns. A row \"all\" sums up a role." },
    { "doctor", nm_cmd_doctor, "", "Says what is wrong with the mesh, and what to do", nm_doctor_options, 0, 0,
      "Looks twice, a moment apart. Each finding has a severity: an error wants a person now, a warning soon, a note is only "
      "good to know. With --json it tells which check found it, of which actor on which host, since when, and what to do. "
      "Ends with 1 if there is an error (with --strict: or a warning), or if nobody answers." },
    { "metrics", nm_cmd_metrics, "", "Prints the figures of all actors, as Prometheus reads them", nm_metrics_options, 0, 0,
      "One live actor is asked, and asks all others. docs/metrics.md says what they mean. Prometheus itself gets the same "
      "from a bridge, at /metrics." },
    { "map", nm_cmd_map, "", "Draws the live mesh, for Graphviz or as SVG", nm_map_options, 0, 0,
      "Without options the drawing is printed in the language of Graphviz. Hosts are frames; what is silent is red, what "
      "drains or is full amber. A line is a link: as thick as the mail that is open on it, grey where it is up." },
    { "send", nm_cmd_send, "[FILE]", "Sends one notification, or many as JSON lines", nm_send_options, 0, 1,
      "With --to one notification is made from the options. Else each line of FILE (or of stdin, for - or no FILE) is "
      "one notification as POST /v1/notifications takes it. Lines that are refused are named on stderr." },
    { "show", nm_cmd_show, "ID", "Shows one notification: status, attempts, timeline", NULL, 1, 1, NULL },
    { "list", nm_cmd_list, "", "Lists notifications, newest first", nm_list_options, 0, 0, NULL },
    { "tail", nm_cmd_tail, "", "Prints events as they happen", nm_tail_options, 0, 0, NULL },
    { "cancel", nm_cmd_cancel, "ID", "Cancels a notification that was not sent yet", NULL, 1, 1, NULL },
    { "dlq", nm_cmd_dlq, "list|show ID|replay ID|discard ID", "Dead letters", nm_dlq_options, 1, 2, NULL },
    { "replay", nm_cmd_replay, "", "Replays dead letters by filter", nm_replay_options, 0, 0,
      "Without any filter every open dead letter is replayed; try --dry-run first." },
    { "service", nm_cmd_service, "create NAME|list|show SERVICE|patch SERVICE|delete SERVICE",
      "Services, that is tenants", nm_service_options, 1, 2, "SERVICE is its name or id." },
    { "key", nm_cmd_key, "create SERVICE|list SERVICE|rotate SERVICE KEY|delete SERVICE KEY|rotate-signing",
      "API keys of a service, and the key that signs tokens", nm_key_options, 1, 3,
      "SERVICE is its name or id. A new key is shown once. rotate makes one with the name and scopes of KEY, which goes on working for the overlap. "
      "rotate-signing is about the tokens of people who sign in: those that were signed before hold for the overlap." },
    { "user", nm_cmd_user, "create EMAIL|list|show ID|patch ID|delete ID", "Accounts of people who sign in",
      nm_user_options, 1, 2,
      "Without --service the account is of the built-in service admin. --admin lets it do everything. A password stands "
      "in the first line of a file; - is the standard input." },
    { "provider", nm_cmd_provider, "create NAME|list|show NAME|patch NAME|delete NAME", "Providers, that is the way out",
      nm_provider_options, 1, 2,
      "A change counts everywhere within about a second, without a restart. The first one copies the providers of the "
      "mesh file into the book of providers; from then on the mesh file's are no longer looked at. Secrets are never "
      "shown again." },
    { "book", nm_cmd_book, "list|promote BOOK ACTOR|aside BOOK ACTOR", "Books: services, people, sessions and providers",
      nm_book_options, 1, 3,
      "promote makes ACTOR the owner of BOOK (all: of each that it may own), as when the old owner is gone for good. Changes of the old owner that "
      "ACTOR does not have are set aside there when it comes back; aside names them." },
    { "cert", nm_cmd_cert, "issue NAME ROLE|renew NAME|revoke NAME|publish FILE|list|show NAME",
      "Certificates of actors and operators", nm_cert_options, 1, 3,
      "issue, renew and revoke need authority.key in the mesh's folder. Where that is kept elsewhere, revoke --statement "
      "FILE there and publish FILE here. renew makes a new key pair beside the old one; a running actor takes it at "
      "once, and the old certificate is let in until it ends or is revoked. Who has a gateway's key for its door needs "
      "the new one then: --keep-key only makes the certificate last longer. revoke puts an actor out within seconds." },
    { "launch", nm_cmd_launch, "ROLE", "Makes further actors and starts them", nm_launch_options, 1, 1,
      "Each gets a name, keys, a certificate, ports and an entry in actors/. A running \"nctl up\" starts them. For "
      "another machine the files are put into outbound/HOST and two commands printed that take them there; it needs "
      "an actor with a lobby in the mesh file. Needs authority.key." },
    { "drain", nm_cmd_drain, "ACTOR", "Lets an actor finish or give away what it has, and leave", nm_drain_options, 1, 1,
      "It takes no more work; what is under way ends, what waits goes to another actor of its role. A gateway stays until "
      "all that it owns is final; a dead-letter actor keeps its letters on its disk. nctl up does not start it again; "
      "the next nctl up does. Drained for good, it can be forgotten." },
    { "forget", nm_cmd_forget, "ACTOR", "Declares an actor and its disk lost for good", nm_forget_options, 1, 1,
      "Signs and publishes a statement that holds for ever: its certificates are dead, its store is fenced, and what it "
      "held is sent again by the gateways. Asks first, unless --yes. Needs authority.key; where that is kept elsewhere, "
      "write it with --statement FILE there and run: nctl cert publish FILE." },
    { "backup", nm_cmd_backup, "ACTOR FILE", "Writes a copy of a running actor's store", NULL, 2, 2,
      "FILE is made by the actor, on its machine, and must not exist." },
    { "restore", nm_cmd_restore, "ACTOR FILE", "Puts a backup in place of a stopped actor's store", nm_restore_options, 2, 2,
      "The restored store takes a new epoch, so that its peers send again what it does not have." },
    { "check", nm_cmd_check, "[ACTOR]", "Reads every value of stopped stores and checks it", NULL, 0, 1, NULL },
    { "bench", nm_cmd_bench, "", "Measures a mesh under generated load", nm_bench_options, 0, 0,
      "Without --mesh a scratch mesh and a mail sink (smtp-sink of postfix) are made for it and removed after. With "
      "--json each figure is one object a line: figure, payload_bytes, value, unit." },
    { "openapi", nm_cmd_openapi, "", "Prints the OpenAPI document of the HTTP API", NULL, 0, 0,
      "The same that a bridge serves at /openapi.json." },
    { "completion", nm_cmd_completion, "bash", "Prints a completion script for the shell", NULL, 1, 1, NULL },
    { "man", nm_cmd_man, "", "Prints the manual page as roff", NULL, 0, 0, NULL },
    { NULL, NULL, NULL, NULL, NULL, 0, 0, NULL }
};

const nm_option_t nm_shared_options[] = {
    { "mesh", 'C', "DIR", "The folder of the mesh (default: $NMESH_DIR, else ./mesh)" },
    { "json", 0, NULL, "JSON for programs instead of tables for people" },
    { "help", 'h', NULL, "Shows this" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

//  Others' words may stand in it: what the mesh answered, or a file said.
static void
s_line(const char *prefix, const char *format, va_list args)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args);
    char *shown = nm_screen_text(text, strlen(text));
    fprintf(stderr, "%s%s\n", prefix, shown);
    free(shown);
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
    bool plain = !command->arguments[0];
    fprintf(out, "usage: nctl %s [options]%s%s\n\n%s.\n", command->name, plain ? "" : " ", command->arguments,
            command->summary);
    if (command->more)
        nm_options_wrap(out, command->more, 0);
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
