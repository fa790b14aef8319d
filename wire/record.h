/*  record - one table of fields gives a record's struct, encoder, decoder, checks and schema.
 *
 *  A record is declared by an X-macro with one row per field:
 *
 *      //     tag  name   type  limit        need  more  what it means
 *      #define NM_RECEIPT_FIELDS(F, R) \
 *          F(R, 1, epoch, UINT, UINT32_MAX, MUST, NULL, "Which life of the sender's numbers") \
 *          F(R, 2, seen,  UINT, UINT64_MAX, MUST, NULL, "Everything up to this is on my disk")
 *      NM_RECORD_DECLARE(receipt, NM_RECEIPT_FIELDS)     in the header
 *      NM_RECORD_DEFINE(receipt, NM_RECEIPT_FIELDS, NULL, 0)    in one .c
 *
 *  which make nm_receipt_t, its field numbers NM_AT_receipt_epoch ..., and the shape
 *  nm_receipt_shape. The struct starts with `has`, a bit per field in table order:
 *  NM_HAS(&it, receipt, epoch) reads it, NM_PUT(&it, receipt, epoch, 7) sets value and bit.
 *
 *  On the wire a record is a map. Between actors its keys are the tags (small
 *  integers that are never used again for something else); towards clients they
 *  are the names. The decoder takes both. Unknown tags are passed over, so that an
 *  older actor can read a newer one's mail; unknown names are a fault.
 *
 *  Texts, binaries and nested values are views into the decoded bytes.
 */
#ifndef NM_RECORD_H
#define NM_RECORD_H

#include "nm.h"
#include "wire/limits.h"

//  The kinds of field, the C type each becomes, and what limit means for it.
typedef enum {
    NM_FIELD_BOOL,     //  bool
    NM_FIELD_UINT,     //  uint64_t, at most limit
    NM_FIELD_INT,      //  int64_t, magnitude at most limit
    NM_FIELD_TIME,     //  int64_t, Unix ms of 1970 to 9999; by name as RFC 3339
    NM_FIELD_ID,       //  nm_id_t; by tag 16 bytes, by name a UUID text
    NM_FIELD_ENUM,     //  uint8_t; by tag a number, by name a word; limit 1: by name its number too
    NM_FIELD_STR,      //  nm_bytes_t, UTF-8 without NUL, at most limit bytes
    NM_FIELD_LINE,     //  STR without control characters: what becomes a header or an address
    NM_FIELD_REF,      //  LINE that should be an id: one that is none names nothing, and that is no fault
    NM_FIELD_BIN,      //  nm_bytes_t, at most limit bytes
    NM_FIELD_BASE64,   //  nm_bytes_t, a text of base64 for at most limit bytes: nm_base64_decode reads it
    NM_FIELD_MAP,      //  nm_bytes_t, the raw bytes of a map, keys are texts and unique, at most limit bytes
    NM_FIELD_LIST,     //  nm_bytes_t, the raw bytes of a list with at most limit items
    NM_FIELD_LINES,    //  nm_bytes_t, the raw bytes of a list of at most limit LINEs
    NM_FIELD_RECORD,   //  nm_bytes_t, the raw bytes of a record of shape `more`, at most limit bytes
    NM_FIELD_RECORDS,  //  nm_bytes_t, the raw bytes of a list of at most limit records of shape `more`
    NM_FIELD_ANY,      //  nm_bytes_t, the raw bytes of any one value, at most limit bytes
} nm_field_type_t;

typedef bool nm_c_BOOL;
typedef uint64_t nm_c_UINT;
typedef int64_t nm_c_INT;
typedef int64_t nm_c_TIME;
typedef nm_id_t nm_c_ID;
typedef uint8_t nm_c_ENUM;
typedef nm_bytes_t nm_c_STR;
typedef nm_bytes_t nm_c_LINE;
typedef nm_bytes_t nm_c_REF;
typedef nm_bytes_t nm_c_BIN;
typedef nm_bytes_t nm_c_BASE64;
typedef nm_bytes_t nm_c_MAP;
typedef nm_bytes_t nm_c_LIST;
typedef nm_bytes_t nm_c_LINES;
typedef nm_bytes_t nm_c_RECORD;
typedef nm_bytes_t nm_c_RECORDS;
typedef nm_bytes_t nm_c_ANY;

//  NIL, in what clients are told: always there by name, and nil if it has no value.
typedef enum { NM_NEED_MAY, NM_NEED_MUST, NM_NEED_NIL } nm_need_t;

//  The words of an enum, in the order of their numbers.
typedef struct {
    const char *name;
    const char *const *words;
    size_t count;
} nm_words_t;

struct nm_shape;

typedef struct {
    const char *name;
    uint8_t tag;
    uint8_t type;  //  nm_field_type_t
    uint8_t need;  //  nm_need_t
    uint64_t limit;
    size_t offset;     //  In the struct
    const void *more;  //  ENUM: nm_words_t; RECORD and RECORDS: nm_shape_t. LINES: nm_words_t, and LIST: nm_shape_t, of
                       //  items that are checked by whoever opens it; else NULL
    const char *doc;
} nm_field_t;

//  An older name of a field, taken by name only.
typedef struct {
    const char *alias;
    const char *name;
    bool inner;  //  Of older actors, not of clients
} nm_alias_t;

typedef struct nm_shape {
    const char *name;
    const nm_field_t *fields;
    size_t field_count;
    size_t size;  //  Of the struct
    const nm_alias_t *aliases;
    size_t alias_count;
    uint64_t must;                          //  A bit for each further field that must be there
    uint64_t without;                       //  A bit for each field that this shape does not have
    uint64_t naming;                        //  A bit for each LINE that is read as a REF: it names what is meant
    const struct nm_shape *const *choices;  //  A record is of one of these, until NULL, and nothing of the above holds
} nm_shape_t;

//  A shape that stands for two: of the items of a LIST, each may be of either. Nothing is decoded by it.
#define NM_RECORD_CHOICE(choice, first, second)                                                                 \
    static const nm_shape_t *const s_##choice##_shapes[] = { &nm_##first##_shape, &nm_##second##_shape, NULL }; \
    const nm_shape_t nm_##choice##_shape = { #choice, .choices = s_##choice##_shapes }

//  Has it this field, and must a record have it?
static inline bool
nm_shape_knows(const nm_shape_t *self, size_t field)
{
    return !(self->without >> field & 1);
}

static inline bool
nm_shape_wants(const nm_shape_t *self, size_t field)
{
    return nm_shape_knows(self, field) && (self->fields[field].need != NM_NEED_MAY || self->must >> field & 1);
}

#define NM_ROW_MEMBER(record, tag, name, type, limit, need, more, doc) nm_c_##type name;
#define NM_ROW_NUMBER(record, tag, name, type, limit, need, more, doc) NM_AT_##record##_##name,
#define NM_ROW_FIELD(record, tag, name, type, limit, need, more, doc) \
    { #name, tag, NM_FIELD_##type, NM_NEED_##need, limit, offsetof(nm_##record##_t, name), more, doc },

#define NM_RECORD_DECLARE(record, FIELDS)                           \
    typedef struct {                                                \
        uint64_t has;                                               \
        FIELDS(NM_ROW_MEMBER, record)                               \
    } nm_##record##_t;                                              \
    enum { FIELDS(NM_ROW_NUMBER, record) NM_FIELD_COUNT_##record }; \
    extern const nm_shape_t nm_##record##_shape

#define NM_RECORD_DEFINE(record, FIELDS, aliases, alias_count)                                                     \
    static const nm_field_t s_##record##_fields[] = { FIELDS(NM_ROW_FIELD, record) };                              \
    _Static_assert(NM_COUNT(s_##record##_fields) <= 64, "a bit for each field");                                   \
    const nm_shape_t nm_##record##_shape = {                                                                       \
        #record, s_##record##_fields, NM_COUNT(s_##record##_fields), sizeof(nm_##record##_t), aliases, alias_count \
    }

//  The bit of a field, in `has` and in the two sets of a variant.
#define NM_BIT(record, name) (UINT64_C(1) << NM_AT_##record##_##name)

//  Another shape of the same struct, below its NM_RECORD_DEFINE: some fields must be there as well, some are unknown.
#define NM_RECORD_VARIANT(variant, record, more, less, names, name_count)      \
    const nm_shape_t nm_##variant##_shape = { #variant,                        \
                                              s_##record##_fields,             \
                                              NM_COUNT(s_##record##_fields),   \
                                              .size = sizeof(nm_##record##_t), \
                                              .aliases = names,                \
                                              .alias_count = name_count,       \
                                              .must = more,                    \
                                              .without = less }

//  One of which a field, a LINE, names what there is already: what cannot be a name is no fault there, and names nothing.
#define NM_RECORD_NAMING(variant, record, more, less, name)                          \
    const nm_shape_t nm_##variant##_shape = { #variant,                              \
                                              s_##record##_fields,                   \
                                              NM_COUNT(s_##record##_fields),         \
                                              .size = sizeof(nm_##record##_t),       \
                                              .must = (more) | NM_BIT(record, name), \
                                              .without = less,                       \
                                              .naming = NM_BIT(record, name) }

#define NM_HAS(it, record, name) (((it)->has >> NM_AT_##record##_##name) & 1)
#define NM_PUT(it, record, name, value) ((it)->name = (value), (void) ((it)->has |= NM_BIT(record, name)))
#define NM_DROP(it, record, name) ((void) ((it)->has &= ~NM_BIT(record, name)))

//  -- Faults: everything that is wrong with a value, each with a JSON pointer (RFC 6901).

typedef struct {
    char pointer[128];
    char detail[160];
} nm_fault_t;

typedef struct {
    nm_fault_t items[NM_FAULT_COUNT];
    size_t count;   //  What is in items
    size_t missed;  //  What no longer found room
} nm_faults_t;

//  parent is the pointer of the enclosing value ("" at the top); name is escaped, and
//  NULL for the enclosing value itself. What is longer than the arrays is cut between
//  characters. self may be NULL: then nothing is kept.
__attribute__((format(printf, 4, 5))) void nm_faults_add(nm_faults_t *self, const char *parent, const char *name,
                                                         const char *format, ...);

//  They are about the fields of a query: "/name" becomes "?name".
void nm_faults_of_query(nm_faults_t *self);

//  Packs them as the `errors` list of a problem: [{pointer, detail}].
void nm_faults_write(const nm_faults_t *self, nm_buf_t *out);

//  -- Decoding and encoding

//  Decodes raw into record (a struct of that shape, zeroed first); raw is exactly one map
//  and need not have been checked before. With faults NULL the first fault ends it with
//  NM_ERR_MALFORMED; else all faults are collected, with pointers below parent, and the
//  result is NM_ERR_MALFORMED if there were any: fields without one of their own are set
//  even then. By name: null means absent, unknown names, repeated names and an alias beside its field are
//  faults. Records inside are checked as strictly, and stay raw.
nm_rc_t nm_record_decode(const nm_shape_t *shape, void *record, nm_bytes_t raw, nm_faults_t *faults,
                         const char *parent);

typedef enum { NM_BY_TAG, NM_BY_NAME } nm_keys_t;

//  Packs the fields whose bit is set and that the shape knows; by name also those that are NIL. Nested values are raw,
//  so they keep the keys that they were packed with.
void nm_record_encode(const nm_shape_t *shape, const void *record, nm_keys_t keys, nm_buf_t *out);

//  Walks a raw list: gives the next item; NM_ERR_MISSING at the end. Open with
//  nm_list_open; count tells how many there are.
typedef struct {
    nm_bytes_t rest;
    uint32_t count;
    uint32_t index;
} nm_list_t;

nm_rc_t nm_list_open(nm_list_t *self, nm_bytes_t raw);
nm_rc_t nm_list_next(nm_list_t *self, nm_bytes_t *item);

//  The same for a list of records: decodes the next one into record as nm_record_decode does without faults, in the
//  one walk that finds its end. NM_ERR_MALFORMED: it is none of that shape, and is passed over; so is all that follows if
//  it has no end.
nm_rc_t nm_list_decode(nm_list_t *self, const nm_shape_t *shape, void *record);

//  The word of a number and back. nm_words_find answers -1 for an unknown word.
const char *nm_words_text(const nm_words_t *words, unsigned number);
int nm_words_find(const nm_words_t *words, nm_bytes_t word);

#endif
