/*  options - reads a command's arguments by its table, and prints its usage from the same rows.
 *
 *  --name VALUE, --name=VALUE, -n VALUE; a row without a value name is a switch. Options may
 *  stand anywhere; "--" ends them. Everything points into argv, so nothing is freed but
 *  the list.
 */
#ifndef NM_OPTIONS_H
#define NM_OPTIONS_H

#include "nm.h"

enum { NM_OPTIONS_MAX = 64 };  //  How often options may be given, repeats counted

typedef struct {
    const char *name;   //  Without dashes; NULL ends a table
    char letter;        //  0 if it has no short form
    const char *value;  //  What stands for the value in usage; NULL for a switch
    const char *doc;
} nm_option_t;

typedef struct {
    const nm_option_t *row;
    const char *value;
} nm_given_t;

typedef struct {
    nm_given_t given[NM_OPTIONS_MAX];
    size_t given_count;
    const char **args;  //  What is not an option
    size_t arg_count;
} nm_options_t;

//  tables: the command's rows, then those that all commands share; either may be NULL.
//  NM_ERR_MALFORMED: error quotes what was typed and says what was expected.
nm_rc_t nm_options_parse(nm_options_t *self, const nm_option_t *rows, const nm_option_t *shared, int argc, char **argv,
                         nm_error_t *error);
void nm_options_free(nm_options_t *self);

//  The last value given; otherwise if there was none.
const char *nm_options_text(const nm_options_t *self, const char *name, const char *otherwise);
bool nm_options_has(const nm_options_t *self, const char *name);

//  The index-th value of an option that may be repeated, or NULL.
const char *nm_options_repeat(const nm_options_t *self, const char *name, size_t index);

nm_rc_t nm_options_number(const nm_options_t *self, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
                          uint64_t *value, nm_error_t *error);

//  Prints a text and a newline, with line breaks between its words: no line but one of a long word goes beyond 100 columns.
//  The first line goes on from where it is, at column indent, and the others begin there.
void nm_options_wrap(FILE *out, const char *text, size_t indent);

//  Prints "  -n, --name VALUE   doc" for each row.
void nm_options_print(FILE *out, const nm_option_t *rows);

#endif
