/*  grid - tables for people: rows of cells, padded to the widest, printed at the end.
 *
 *  Cells are UTF-8. Control characters from outside are shown as '?', so that no
 *  notification can move the cursor of whoever looks at it.
 */
#ifndef NM_GRID_H
#define NM_GRID_H

#include "nm.h"

enum { NM_GRID_COLUMN_MAX = 16 };

typedef struct nm_grid nm_grid_t;

//  titles: separated by '|'. A title that starts with '>' stands over right-aligned cells.
nm_grid_t *nm_grid_new(const char *titles);
void nm_grid_destroy(nm_grid_t **self_p);

//  Adds a cell; after the last column the next row begins. What is absent is "-".
__attribute__((format(printf, 2, 3))) void nm_grid_add(nm_grid_t *self, const char *format, ...);
void nm_grid_text(nm_grid_t *self, const char *text);

//  The whole table, with its titles.
void nm_grid_write(const nm_grid_t *self, nm_buf_t *out);
void nm_grid_print(const nm_grid_t *self, FILE *out);

//  Short forms for people: 950, 12.3k, 4.5M; 512 B, 1.2 MiB; 350ms, 12s, 3m, 5h, 2d.
void nm_grid_count(uint64_t count, char out[16]);
void nm_grid_bytes(uint64_t size, char out[16]);
void nm_grid_span(int64_t span_ms, char out[16]);

#endif
