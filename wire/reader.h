/*  reader - a cursor over MessagePack that trusts nothing.
 *
 *  It never allocates, never recurses and never looks past the end. Strings and
 *  binaries come back as views into the frame, so keep the frame. The first fault
 *  is kept: after it every read answers NM_ERR_MALFORMED, so a caller may check once
 *  at the end.
 *
 *  Run nm_reader_check over a whole frame before walking it: it bounds depth, the
 *  number of values and each claimed count by the bytes that are left, and refuses
 *  ext types, invalid UTF-8 in strings, and bytes after the value.
 */
#ifndef NM_READER_H
#define NM_READER_H

#include "nm.h"

typedef enum {
    NM_KIND_NIL,
    NM_KIND_BOOL,
    NM_KIND_UINT,
    NM_KIND_INT,  //  Negative
    NM_KIND_FLOAT,
    NM_KIND_STR,
    NM_KIND_BIN,
    NM_KIND_LIST,
    NM_KIND_MAP,
    NM_KIND_NONE,  //  The end, or something malformed
} nm_kind_t;

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
} nm_reader_t;

//  NM_OK if bytes are exactly one well-formed value within NM_DEPTH_MAX and NM_NODE_MAX.
nm_rc_t nm_reader_check(nm_bytes_t bytes);

//  How deep lists and maps are nested in it: 0 for a number or a text. SIZE_MAX: it is not well-formed.
size_t nm_reader_depth(nm_bytes_t bytes);

//  How many values are in it, itself and all levels: what NM_NODE_MAX bounds. SIZE_MAX: it is not well-formed.
size_t nm_reader_nodes(nm_bytes_t bytes);

void nm_reader_open(nm_reader_t *self, nm_bytes_t bytes);

//  What comes next, without taking it.
nm_kind_t nm_reader_peek(const nm_reader_t *self);

//  One value, or the head of a list or map.
typedef struct {
    nm_kind_t kind;
    union {
        bool flag;
        uint64_t number;   //  UINT
        int64_t negative;  //  INT
        double real;
        uint32_t count;  //  LIST and MAP: the items follow
    };
    nm_bytes_t bytes;  //  STR and BIN
} nm_value_t;

//  Takes what comes next, whatever it is; NM_KIND_NONE if it is malformed.
nm_kind_t nm_reader_value(nm_reader_t *self, nm_value_t *value);

//  Takes a whole number below 128, which is one byte, as nearly every tag is. False: it is none, and still comes next.
static inline bool
nm_reader_small(nm_reader_t *self, uint8_t *number)
{
    if (self->bad || self->at == self->end || *self->at > 0x7f)
        return false;
    *number = *self->at++;
    return true;
}

//  Each takes one value; NM_ERR_MALFORMED if it is not of that kind.
nm_rc_t nm_reader_nil(nm_reader_t *self);
nm_rc_t nm_reader_bool(nm_reader_t *self, bool *value);
nm_rc_t nm_reader_uint(nm_reader_t *self, uint64_t *value);
nm_rc_t nm_reader_int(nm_reader_t *self, int64_t *value);
nm_rc_t nm_reader_float(nm_reader_t *self, double *value);  //  Integers are taken too
nm_rc_t nm_reader_str(nm_reader_t *self, nm_bytes_t *value);
nm_rc_t nm_reader_bin(nm_reader_t *self, nm_bytes_t *value);

//  Takes the head of a list or map; the items follow. A count is believed only
//  if that many items could fit in the bytes that are left.
nm_rc_t nm_reader_list(nm_reader_t *self, uint32_t *count);
nm_rc_t nm_reader_map(nm_reader_t *self, uint32_t *count);

//  Takes one whole value of any kind and gives its raw bytes.
nm_rc_t nm_reader_raw(nm_reader_t *self, nm_bytes_t *raw);

//  True when everything was taken and nothing was wrong.
bool nm_reader_done(const nm_reader_t *self);

//  Looks up a text key in raw bytes that hold a map. NM_ERR_MISSING if it is not there.
nm_rc_t nm_reader_find(nm_bytes_t map, const char *key, nm_bytes_t *raw);

//  The text at that key, else an empty one; the flag, else false; the number, else 0.
nm_bytes_t nm_reader_find_text(nm_bytes_t map, const char *key);
bool nm_reader_find_flag(nm_bytes_t map, const char *key);
uint64_t nm_reader_find_uint(nm_bytes_t map, const char *key);

#endif
