#include "wire/reader.h"
#include "wire/limits.h"
#include "wire/utf8.h"

//  One head: what it is, and its number. Of a text or binary also the bytes; of a
//  list or map the number is the count, and the items follow.
typedef struct {
    nm_kind_t kind;
    uint64_t number;  //  Value, bits of a float, size or count
    const uint8_t *at;
} head_t;

static size_t
s_left(const nm_reader_t *self)
{
    return (size_t) (self->end - self->at);
}

//  The one place that compares a size with the bytes that are left. It compares
//  rather than adds, so a huge claim cannot wrap the pointer.
static bool
s_take(nm_reader_t *self, uint64_t size, const uint8_t **at)
{
    if (size > s_left(self))
        return false;
    *at = self->at;
    self->at += size;
    return true;
}

static bool
s_number(nm_reader_t *self, size_t size, uint64_t *number)
{
    const uint8_t *at;
    if (!s_take(self, size, &at))
        return false;
    switch (size) {
    case 1: *number = at[0]; return true;
    case 2: *number = (uint64_t) at[0] << 8 | at[1]; return true;
    case 4: *number = nm_get_u32(at); return true;
    default: *number = nm_get_u64(at); return true;
    }
}

static bool
s_bytes(nm_reader_t *self, head_t *head, nm_kind_t kind)
{
    head->kind = kind;
    return s_take(self, head->number, &head->at);
}

//  Each item takes at least a byte: a greater claim is a lie, and refused before
//  anybody sizes something by it.
static bool
s_list(nm_reader_t *self, head_t *head)
{
    head->kind = NM_KIND_LIST;
    return head->number <= s_left(self);
}

static bool
s_map(nm_reader_t *self, head_t *head)
{
    head->kind = NM_KIND_MAP;
    return head->number <= s_left(self) / 2;
}

static bool
s_uint(head_t *head)
{
    head->kind = NM_KIND_UINT;
    return true;
}

//  A signed form may hold a number that is not negative: it reads as UINT, so that
//  a value has one kind however it was packed.
static bool
s_int(head_t *head, size_t size)
{
    unsigned unused = (unsigned) (64 - 8 * size);
    int64_t value = (int64_t) (head->number << unused) >> unused;
    head->kind = value < 0 ? NM_KIND_INT : NM_KIND_UINT;
    head->number = (uint64_t) value;
    return true;
}

static bool
s_float(head_t *head, size_t size)
{
    head->kind = NM_KIND_FLOAT;
    if (size == 4) {
        uint32_t bits = (uint32_t) head->number;
        float single;
        memcpy(&single, &bits, 4);
        double real = (double) single;
        memcpy(&head->number, &real, 8);
    }
    return true;
}

static inline bool
s_head(nm_reader_t *self, head_t *head)
{
    const uint8_t *at;
    if (!s_take(self, 1, &at))
        return false;

    uint8_t byte = *at;
    if (byte <= 0x7f) {
        head->number = byte;
        return s_uint(head);
    }
    if (byte >= 0xe0) {
        head->number = byte;
        return s_int(head, 1);
    }
    if (byte <= 0x8f) {
        head->number = byte & 0x0f;
        return s_map(self, head);
    }
    if (byte <= 0x9f) {
        head->number = byte & 0x0f;
        return s_list(self, head);
    }
    if (byte <= 0xbf) {
        head->number = byte & 0x1f;
        return s_bytes(self, head, NM_KIND_STR);
    }

    //  0xc0 nil, 0xc2 and 0xc3 bool; the size of the number that follows the others.
    //  0 stands for 0xc1, which is never used, and for the ext types, which nobody here speaks.
    static const uint8_t SIZES[32] = { 0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8,
                                       1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4 };
    size_t size = SIZES[byte - 0xc0];
    head->number = byte == 0xc3;
    if (size && !s_number(self, size, &head->number))
        return false;

    switch (byte) {
    case 0xc0: head->kind = NM_KIND_NIL; return true;
    case 0xc2:
    case 0xc3: head->kind = NM_KIND_BOOL; return true;
    case 0xc4:
    case 0xc5:
    case 0xc6: return s_bytes(self, head, NM_KIND_BIN);
    case 0xca:
    case 0xcb: return s_float(head, size);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return s_uint(head);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return s_int(head, size);
    case 0xd9:
    case 0xda:
    case 0xdb: return s_bytes(self, head, NM_KIND_STR);
    case 0xdc:
    case 0xdd: return s_list(self, head);
    case 0xde:
    case 0xdf: return s_map(self, head);
    default: return false;
    }
}

static nm_rc_t
s_bad(nm_reader_t *self)
{
    self->bad = true;
    return NM_ERR_MALFORMED;
}

//  Takes a head of that kind.
static nm_rc_t
s_expect(nm_reader_t *self, nm_kind_t kind, head_t *head)
{
    if (self->bad || !s_head(self, head) || head->kind != kind)
        return s_bad(self);
    return NM_OK;
}

static bool
s_is_text(const head_t *head)
{
    return head->kind != NM_KIND_STR || nm_utf8_is_valid(nm_bytes(head->at, head->number));
}

//  Walks one value with everything in it. The stack says how many items are still
//  to come on each level; an item that closes its level is an item of the level above.
static nm_rc_t
s_walk(nm_reader_t *self, size_t *deepest, size_t *nodes)
{
    uint64_t items[NM_DEPTH_MAX];
    size_t depth = 0;
    *deepest = *nodes = 0;
    do {
        head_t head;
        if (self->bad || ++*nodes > NM_NODE_MAX || !s_head(self, &head) || !s_is_text(&head))
            return s_bad(self);

        uint64_t inside = head.kind == NM_KIND_LIST ? head.number : head.kind == NM_KIND_MAP ? head.number * 2 : 0;
        if (inside && depth == NM_DEPTH_MAX)
            return s_bad(self);
        if (inside)
            items[depth++] = inside;
        if (depth > *deepest)
            *deepest = depth;
        if (!inside)
            while (depth && --items[depth - 1] == 0)
                depth--;
    } while (depth);
    return NM_OK;
}

nm_rc_t
nm_reader_check(nm_bytes_t bytes)
{
    nm_reader_t reader;
    size_t deepest, nodes;
    nm_reader_open(&reader, bytes);
    nm_rc_t rc = s_walk(&reader, &deepest, &nodes);
    return rc == NM_OK && !nm_reader_done(&reader) ? NM_ERR_MALFORMED : rc;
}

size_t
nm_reader_depth(nm_bytes_t bytes)
{
    nm_reader_t reader;
    size_t deepest, nodes;
    nm_reader_open(&reader, bytes);
    return s_walk(&reader, &deepest, &nodes) == NM_OK ? deepest : SIZE_MAX;
}

size_t
nm_reader_nodes(nm_bytes_t bytes)
{
    nm_reader_t reader;
    size_t deepest, nodes;
    nm_reader_open(&reader, bytes);
    return s_walk(&reader, &deepest, &nodes) == NM_OK ? nodes : SIZE_MAX;
}

void
nm_reader_open(nm_reader_t *self, nm_bytes_t bytes)
{
    //  An empty view may be NULL, and arithmetic on NULL is undefined
    const uint8_t *at = bytes.size ? bytes.at : (const uint8_t *) "";
    *self = (nm_reader_t){ at, at + bytes.size, false };
}

nm_kind_t
nm_reader_peek(const nm_reader_t *self)
{
    nm_reader_t copy = *self;
    head_t head;
    return !copy.bad && s_head(&copy, &head) ? head.kind : NM_KIND_NONE;
}

nm_kind_t
nm_reader_value(nm_reader_t *self, nm_value_t *value)
{
    head_t head;
    if (self->bad || !s_head(self, &head) || !s_is_text(&head)) {
        s_bad(self);
        return value->kind = NM_KIND_NONE;
    }

    value->kind = head.kind;
    switch (head.kind) {
    case NM_KIND_BOOL: value->flag = head.number != 0; break;
    case NM_KIND_INT: value->negative = (int64_t) head.number; break;
    case NM_KIND_FLOAT: memcpy(&value->real, &head.number, 8); break;
    case NM_KIND_STR:
    case NM_KIND_BIN: value->bytes = nm_bytes(head.at, head.number); break;
    case NM_KIND_LIST:
    case NM_KIND_MAP: value->count = (uint32_t) head.number; break;
    default: value->number = head.number; break;
    }
    return head.kind;
}

nm_rc_t
nm_reader_nil(nm_reader_t *self)
{
    head_t head;
    return s_expect(self, NM_KIND_NIL, &head);
}

nm_rc_t
nm_reader_bool(nm_reader_t *self, bool *value)
{
    head_t head;
    nm_rc_t rc = s_expect(self, NM_KIND_BOOL, &head);
    if (rc == NM_OK)
        *value = head.number != 0;
    return rc;
}

nm_rc_t
nm_reader_uint(nm_reader_t *self, uint64_t *value)
{
    head_t head;
    nm_rc_t rc = s_expect(self, NM_KIND_UINT, &head);
    if (rc == NM_OK)
        *value = head.number;
    return rc;
}

nm_rc_t
nm_reader_int(nm_reader_t *self, int64_t *value)
{
    head_t head;
    if (self->bad || !s_head(self, &head))
        return s_bad(self);
    bool fits = head.kind == NM_KIND_INT || (head.kind == NM_KIND_UINT && head.number <= INT64_MAX);
    if (!fits)
        return s_bad(self);
    *value = (int64_t) head.number;
    return NM_OK;
}

nm_rc_t
nm_reader_float(nm_reader_t *self, double *value)
{
    head_t head;
    if (self->bad || !s_head(self, &head))
        return s_bad(self);
    switch (head.kind) {
    case NM_KIND_UINT: *value = (double) head.number; return NM_OK;
    case NM_KIND_INT: *value = (double) (int64_t) head.number; return NM_OK;
    case NM_KIND_FLOAT: memcpy(value, &head.number, 8); return NM_OK;
    default: return s_bad(self);
    }
}

nm_rc_t
nm_reader_str(nm_reader_t *self, nm_bytes_t *value)
{
    head_t head;
    if (s_expect(self, NM_KIND_STR, &head) != NM_OK || !s_is_text(&head))
        return s_bad(self);
    *value = nm_bytes(head.at, head.number);
    return NM_OK;
}

nm_rc_t
nm_reader_bin(nm_reader_t *self, nm_bytes_t *value)
{
    head_t head;
    nm_rc_t rc = s_expect(self, NM_KIND_BIN, &head);
    if (rc == NM_OK)
        *value = nm_bytes(head.at, head.number);
    return rc;
}

nm_rc_t
nm_reader_list(nm_reader_t *self, uint32_t *count)
{
    head_t head;
    nm_rc_t rc = s_expect(self, NM_KIND_LIST, &head);
    if (rc == NM_OK)
        *count = (uint32_t) head.number;
    return rc;
}

nm_rc_t
nm_reader_map(nm_reader_t *self, uint32_t *count)
{
    head_t head;
    nm_rc_t rc = s_expect(self, NM_KIND_MAP, &head);
    if (rc == NM_OK)
        *count = (uint32_t) head.number;
    return rc;
}

nm_rc_t
nm_reader_raw(nm_reader_t *self, nm_bytes_t *raw)
{
    const uint8_t *start = self->at;
    size_t deepest, nodes;
    nm_rc_t rc = s_walk(self, &deepest, &nodes);
    if (rc == NM_OK)
        *raw = nm_bytes(start, (size_t) (self->at - start));
    return rc;
}

bool
nm_reader_done(const nm_reader_t *self)
{
    return !self->bad && self->at == self->end;
}

nm_rc_t
nm_reader_find(nm_bytes_t map, const char *key, nm_bytes_t *raw)
{
    nm_reader_t reader;
    uint32_t count;
    nm_reader_open(&reader, map);
    if (nm_reader_map(&reader, &count) != NM_OK)
        return NM_ERR_MALFORMED;

    while (count--) {
        nm_bytes_t name, value;
        bool text = nm_reader_peek(&reader) == NM_KIND_STR;
        nm_rc_t rc = text ? nm_reader_str(&reader, &name) : nm_reader_raw(&reader, &name);
        if (rc != NM_OK || nm_reader_raw(&reader, &value) != NM_OK)
            return NM_ERR_MALFORMED;
        if (text && nm_bytes_is(name, key)) {
            *raw = value;
            return NM_OK;
        }
    }
    return NM_ERR_MISSING;
}

nm_bytes_t
nm_reader_find_text(nm_bytes_t map, const char *key)
{
    nm_reader_t reader;
    nm_bytes_t raw, text = { 0 };
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return text;
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, &text) == NM_OK ? text : nm_bytes(NULL, 0);
}

bool
nm_reader_find_flag(nm_bytes_t map, const char *key)
{
    nm_reader_t reader;
    nm_bytes_t raw;
    bool flag = false;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return false;
    nm_reader_open(&reader, raw);
    return nm_reader_bool(&reader, &flag) == NM_OK && flag;
}

uint64_t
nm_reader_find_uint(nm_bytes_t map, const char *key)
{
    nm_reader_t reader;
    nm_bytes_t raw;
    uint64_t number;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return 0;
    nm_reader_open(&reader, raw);
    return nm_reader_uint(&reader, &number) == NM_OK ? number : 0;
}
