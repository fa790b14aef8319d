/*  decode_private - what decode.c, which walks records, and decode_value.c, which takes
 *  values, share. Private to these two.
 */
#ifndef NM_DECODE_PRIVATE_H
#define NM_DECODE_PRIVATE_H

#include "wire/reader.h"
#include "wire/record.h"

//  Where we are: a chain on the stack, made into a pointer only when there is a fault.
typedef struct nm_at {
    const struct nm_at *up;  //  NULL at the top
    const char *name;        //  NULL for an item of a list
    uint32_t index;
} nm_at_t;

typedef struct {
    nm_reader_t reader;
    nm_faults_t *faults;  //  NULL: the first fault ends it
    const char *parent;
    size_t depth;
    bool wrong;
} nm_decoder_t;

//  How a key was written decides how its value is.
typedef struct {
    const nm_field_t *field;
    const char *name;  //  As written: an alias, perhaps
    bool older;        //  ... and it is one
    bool by_name;
    bool names;  //  What is meant: see NM_RECORD_NAMING
} nm_named_t;

enum { NM_DECODER_DETAIL_SIZE = 160 };

//  True when nothing more can be taken.
static inline bool
nm_decoder_is_over(const nm_decoder_t *self)
{
    return self->reader.bad || (self->wrong && !self->faults);
}

//  Notes what is wrong with the value at here.
__attribute__((format(printf, 3, 4))) void nm_decoder_fault(nm_decoder_t *self, const nm_at_t *here, const char *format,
                                                            ...);

//  The value that comes next is not what it should be: it is stepped over.
void nm_decoder_refuse(nm_decoder_t *self, const nm_at_t *here, const char *detail);

//  Takes what comes next if it is of that kind; else refuses it with that detail.
bool nm_decoder_take_kind(nm_decoder_t *self, const nm_at_t *here, nm_kind_t kind, nm_value_t *value,
                          const char *detail);

//  Takes one value of a field into the C type of it; true if it was as the field wants it.
bool nm_decoder_take_value(nm_decoder_t *self, const nm_at_t *here, const nm_named_t *key, void *value);

//  Takes one record; record NULL only checks it.
void nm_decoder_take_record(nm_decoder_t *self, const nm_at_t *here, const nm_shape_t *shape, void *record);

#endif
