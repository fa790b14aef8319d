/*  pages - answers that are lists: one page from one ask, as a table or as JSON.
 */
#ifndef NM_PAGES_H
#define NM_PAGES_H

#include <jansson.h>
#include "tools/nctl/nctl.h"

//  A column: its title (see nm_grid_new) and the field it shows; a field of booleans or
//  numbers is shown too.
typedef struct {
    const char *title;
    const char *field;
} nm_column_t;

//  Asks, prints, and says how to get the next page if there is one. Takes body over.
int nm_pages_print(nm_nctl_t *nctl, const char *op, json_t *body, const nm_column_t *columns, size_t column_count);

//  The same, with the page that the options limit and cursor say.
int nm_pages_list(nm_nctl_t *nctl, const char *op, json_t *body, const nm_column_t *columns, size_t column_count);

//  Prints a list of objects as a table.
void nm_pages_table(const json_t *items, const nm_column_t *columns, size_t column_count);

//  Sets body[field] from an option, if it was given.
void nm_pages_text(json_t *body, const nm_options_t *options, const char *option, const char *field);
nm_rc_t nm_pages_time(json_t *body, const nm_options_t *options, const char *option, const char *field,
                      nm_error_t *error);
nm_rc_t nm_pages_number(json_t *body, const nm_options_t *options, const char *option, const char *field, uint64_t most,
                        nm_error_t *error);

//  The first line of a file, - being the standard input. NULL: error says why.
json_t *nm_pages_secret(const char *path, nm_error_t *error);

//  Prints one answer: JSON, or the line for people.
__attribute__((format(printf, 3, 4))) void nm_pages_done(const nm_nctl_t *nctl, const json_t *reply, const char *format,
                                                         ...);

//  Shows or deletes the one that key names, as id or name; returns the exit code.
int nm_pages_one(nm_nctl_t *nctl, const char *op, const char *key, const char *value);

#endif
