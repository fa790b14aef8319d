/*  openapi_private - what the files of openapi share: openapi.c has the document, openapi_operations.c what one operation
 *  takes and gives, openapi_schemas.c the values. Private to these three.
 *
 *  Functions that are named after a part of the document write its name too, as one pair of the map that is open.
 */
#ifndef NM_OPENAPI_PRIVATE_H
#define NM_OPENAPI_PRIVATE_H

#include "wire/openapi.h"
#include "wire/writer.h"

//  A map whose pairs are counted as they come.
typedef struct {
    nm_buf_t *out;
    size_t mark;
    size_t count;
} nm_pairs_t;

static inline nm_pairs_t
nm_pairs_open(nm_buf_t *out)
{
    return (nm_pairs_t){ out, nm_writer_map_open(out), 0 };
}

//  The name of a pair: its value comes next.
static inline void
nm_pairs_name(nm_pairs_t *self, const char *name)
{
    nm_writer_text(self->out, name);
    self->count++;
}

static inline void
nm_pairs_text(nm_pairs_t *self, const char *name, const char *value)
{
    nm_pairs_name(self, name);
    nm_writer_text(self->out, value);
}

static inline void
nm_pairs_uint(nm_pairs_t *self, const char *name, uint64_t value)
{
    nm_pairs_name(self, name);
    nm_writer_uint(self->out, value);
}

static inline void
nm_pairs_bool(nm_pairs_t *self, const char *name, bool value)
{
    nm_pairs_name(self, name);
    nm_writer_bool(self->out, value);
}

static inline void
nm_pairs_close(nm_pairs_t *self)
{
    nm_writer_map_close(self->out, self->mark, self->count);
}

//  -- openapi_operations.c

//  Adds it under its method.
void nm_openapi_operation(nm_pairs_t *path, const nm_api_t *row);
void nm_openapi_tags(nm_buf_t *out);
void nm_openapi_parameters(nm_buf_t *out);
void nm_openapi_headers(nm_buf_t *out);
void nm_openapi_responses(nm_buf_t *out);

//  Is this field of the ask of a row one of its JSON object?
bool nm_openapi_is_in_body(const nm_api_t *row, size_t field);

//  Whether there is any, and whether any must be there.
bool nm_openapi_has_body(const nm_api_t *row);
bool nm_openapi_wants_body(const nm_api_t *row);

//  -- openapi_schemas.c

//  All that the rows name, and what these name.
void nm_openapi_schemas(nm_buf_t *out);

//  A value: {"$ref": "#/components/KIND/NAME"}; of a schema the name is made from that of a shape.
void nm_openapi_ref(nm_buf_t *out, const char *kind, const char *name);
void nm_openapi_ref_shape(nm_buf_t *out, const nm_shape_t *shape);

//  What a value of that name looks like; NULL: not told.
const char *nm_openapi_example(const char *field);

//  A value: the schema of one field. nulls: null is one of its values.
void nm_openapi_field(nm_buf_t *out, const nm_field_t *field, bool nulls);

#endif
