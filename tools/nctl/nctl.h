/*  nctl - the operator's tool: one table of commands, one cmd_<name>.c for each.
 *
 *  A command is given its arguments read by its own table of options and returns the exit
 *  code: 0 done, 1 failed, 2 used wrongly. Results go to stdout, as a table for people or
 *  as JSON with --json; everything else goes to stderr.
 */
#ifndef NM_NCTL_H
#define NM_NCTL_H

#include "nm.h"
#include "tools/nctl/options.h"

enum { NM_DONE = 0, NM_FAILED = 1, NM_MISUSED = 2 };

struct nm_command;

//  What a command may know of its call.
typedef struct {
    const struct nm_command *command;
    nm_options_t options;
    const char *mesh_folder;  //  --mesh, else $NMESH_DIR, else ./mesh
    bool json;
} nm_nctl_t;

typedef int(nm_command_fn)(nm_nctl_t *self);

typedef struct nm_command {
    const char *name;
    nm_command_fn *run;
    const char *arguments;  //  As usage shows them
    const char *summary;    //  One line
    const nm_option_t *options;
    size_t least;  //  How many arguments it takes
    size_t most;
    const char *more;  //  Further paragraphs for --help and the manual page; may be NULL
} nm_command_t;

extern const nm_command_t nm_commands[];  //  Ends with a row without a name
extern const nm_option_t nm_shared_options[];

//  Prints the sentence on stderr and returns NM_FAILED or NM_MISUSED.
__attribute__((format(printf, 1, 2))) int nm_nctl_fail(const char *format, ...);
__attribute__((format(printf, 2, 3))) int nm_nctl_misused(const nm_nctl_t *self, const char *format, ...);

//  The usage of one command, or of nctl.
void nm_nctl_usage(FILE *out, const nm_command_t *command);

//  Progress for people: a line on stderr.
__attribute__((format(printf, 1, 2))) void nm_nctl_say(const char *format, ...);

nm_command_fn nm_cmd_init, nm_cmd_up, nm_cmd_down, nm_cmd_ps, nm_cmd_top, nm_cmd_send, nm_cmd_show, nm_cmd_list,
    nm_cmd_tail, nm_cmd_cancel, nm_cmd_dlq, nm_cmd_replay, nm_cmd_service, nm_cmd_key, nm_cmd_cert, nm_cmd_backup,
    nm_cmd_restore, nm_cmd_check, nm_cmd_launch, nm_cmd_forget, nm_cmd_drain, nm_cmd_bench, nm_cmd_completion,
    nm_cmd_man, nm_cmd_provider, nm_cmd_book, nm_cmd_doctor, nm_cmd_map, nm_cmd_metrics, nm_cmd_openapi, nm_cmd_user;
extern const nm_option_t nm_init_options[], nm_up_options[], nm_top_options[], nm_send_options[], nm_list_options[],
    nm_tail_options[], nm_dlq_options[], nm_replay_options[], nm_service_options[], nm_key_options[], nm_cert_options[],
    nm_restore_options[], nm_bench_options[], nm_launch_options[], nm_forget_options[], nm_drain_options[],
    nm_provider_options[], nm_book_options[], nm_ps_options[], nm_doctor_options[], nm_map_options[],
    nm_metrics_options[], nm_user_options[];

#endif
