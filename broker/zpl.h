/*  zpl - reads ZPL (ZeroMQ RFC 4), the format of the mesh file and of certificates.
 *
 *  czmq reads ZPL too, but forgets on which line a value stood, and a mesh file with a
 *  fault must be refused with its line. Bounded: 1 MiB, 16 levels, 10,000 nodes.
 *
 *  Two settings of one name below one parent are a fault, and so are tabs, odd
 *  indentation and an open quote.
 */
#ifndef NM_ZPL_H
#define NM_ZPL_H

#include "nm.h"

typedef struct nm_zpl {
    char *name;
    char *value;           //  NULL where there is none
    unsigned line;         //  0: it was read from no file
    const char *file;      //  The path or label it was read from, which belongs to the root; or its place
    struct nm_zpl *child;  //  First below this one
    struct nm_zpl *next;   //  Next beside this one
} nm_zpl_t;

//  NULL on failure; error then has "FILE line N: ...".
nm_zpl_t *nm_zpl_load(const char *path, nm_error_t *error);
nm_zpl_t *nm_zpl_parse(const char *label, nm_bytes_t text, nm_error_t *error);
void nm_zpl_destroy(nm_zpl_t **self_p);

//  A tree of other origin than a file, node by node; what is added comes last. A fault in it is told as
//  "PLACE: ...", with the place that its node was given, and its nodes have no line.
nm_zpl_t *nm_zpl_new(const char *name, const char *place);
nm_zpl_t *nm_zpl_add(nm_zpl_t *self, const char *name, const char *value, const char *place);

//  The child of that name, or NULL.
const nm_zpl_t *nm_zpl_find(const nm_zpl_t *self, const char *name);

//  Sets the sentence "FILE line N: ..." or "PLACE: ..." of a node and returns NM_ERR_MALFORMED: for checks of your own.
__attribute__((format(printf, 3, 4))) nm_rc_t nm_zpl_fail(const nm_zpl_t *node, nm_error_t *error, const char *format,
                                                          ...);

//  Values with bounds and a default. self may be NULL (the part is not in the file). A value that is there and wrong is a fault with its line.
//  Durations take ms, s, m, h, d (bare numbers are ms); sizes take k, M, G (powers of 1024).
nm_rc_t nm_zpl_text(const nm_zpl_t *self, const char *name, const char *otherwise, const char **value,
                    nm_error_t *error);
nm_rc_t nm_zpl_number(const nm_zpl_t *self, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
                      uint64_t *value, nm_error_t *error);
nm_rc_t nm_zpl_duration(const nm_zpl_t *self, const char *name, int64_t most_ms, int64_t otherwise_ms,
                        int64_t *value_ms, nm_error_t *error);
nm_rc_t nm_zpl_size(const nm_zpl_t *self, const char *name, uint64_t most, uint64_t otherwise, uint64_t *value,
                    nm_error_t *error);
nm_rc_t nm_zpl_bool(const nm_zpl_t *self, const char *name, bool otherwise, bool *value, nm_error_t *error);

//  Names every child that is not in the list (a typing error is not a lost option): NM_ERR_MALFORMED.
nm_rc_t nm_zpl_only(const nm_zpl_t *self, const char *const *names, size_t count, nm_error_t *error);

#endif
