//  completion and man: made from the same rows as the usage.
#include "tools/nctl/nctl.h"
#include <ctype.h>

static void
s_option_words(const nm_option_t *rows)
{
    for (; rows && rows->name; rows++)
        printf(" --%s", rows->name);
}

//  The words of "create NAME|list|show ID" that are typed as they stand.
static void
s_verb_words(const char *arguments)
{
    while (*arguments) {
        size_t size = strcspn(arguments, " |");
        if (size && islower((unsigned char) arguments[0]))
            printf(" %.*s", (int) size, arguments);
        arguments += strcspn(arguments, "|");
        arguments += *arguments == '|';
    }
}

int
nm_cmd_completion(nm_nctl_t *self)
{
    if (strcmp(self->options.args[0], "bash") != 0)
        return nm_nctl_misused(self, "\"%s\": bash was expected", self->options.args[0]);
    printf("# bash completion of nctl, made by: nctl completion bash\n_nctl()\n{\n"
           "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"");
    for (const nm_command_t *row = nm_commands; row->name; row++)
        printf("%s%s", row == nm_commands ? "" : " ", row->name);
    printf("\"\n    else\n        case \"${COMP_WORDS[1]}\" in\n");
    for (const nm_command_t *row = nm_commands; row->name; row++) {
        printf("        %s) words=\"", row->name);
        s_verb_words(row->arguments);
        s_option_words(row->options);
        s_option_words(nm_shared_options);
        printf("\" ;;\n");
    }
    printf("        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
           "complete -o default -F _nctl nctl\n");
    return NM_DONE;
}

//  Roff takes a dash for a hyphen and a dot at the start of a line for a request.
static void
s_roff(const char *text)
{
    for (bool first = true; *text; text++, first = false) {
        if (*text == '-' || *text == '\\')
            putchar('\\');
        if (first && (*text == '.' || *text == '\''))
            printf("\\&");
        putchar(*text == '\\' ? 'e' : *text);
    }
    putchar('\n');
}

static void
s_man_options(const nm_option_t *rows)
{
    for (; rows && rows->name; rows++) {
        printf(".TP\n\\fB");
        if (rows->letter)
            printf("\\-%c\\fR, \\fB", rows->letter);
        printf("\\-\\-%s\\fR", rows->name);
        if (rows->value)
            printf(" \\fI%s\\fR", rows->value);
        printf("\n");
        s_roff(rows->doc);
    }
}

int
nm_cmd_man(nm_nctl_t *self)
{
    (void) self;
    printf(".TH NCTL 1 \"\" \"nmesh " NM_VERSION_TEXT "\" \"nmesh\"\n.SH NAME\nnctl \\- runs and asks a mesh of "
           "nmesh\n.SH SYNOPSIS\n.B nctl\n.I COMMAND\n[options] [arguments]\n.SH DESCRIPTION\n"
           "nctl makes a mesh (init), runs its actors on this machine (up, down), and asks them: what they do (ps, "
           "top, map), what is wrong (doctor), what became of a notification (show, list, tail), what failed for good "
           "(dlq). Results are tables "
           "for people, or JSON with \\-\\-json.\n.SH OPTIONS OF EVERY COMMAND\n");
    s_man_options(nm_shared_options);
    printf(".SH COMMANDS\n");
    for (const nm_command_t *row = nm_commands; row->name; row++) {
        printf(".SS nctl %s ", row->name);
        s_roff(row->arguments);
        s_roff(row->summary);
        printf(".br\n");
        if (row->more)
            s_roff(row->more);
        s_man_options(row->options);
    }
    printf(".SH EXIT STATUS\n0 done, 1 failed, 2 used wrongly.\n.SH ENVIRONMENT\n.TP\nNMESH_DIR\nThe folder of the "
           "mesh.\n.TP\nNMESH_API_KEY\nThe API key to use instead of admin.key.\n.TP\nNMESH_LIBEXEC\nWhere the "
           "programs of the actors are.\n.SH SEE ALSO\n.BR nmesh\\-actor (8)\n");
    return NM_DONE;
}
