/*  nm.h - the few words that every folder shares: results, views of bytes, error texts.
 *
 *  Header only and without dependencies, so that wire/ and lmdb_store/, which do
 *  not know each other, still speak of success and of bytes in the same terms.
 *  Nothing else belongs here: what has behaviour has a module.
 */
#ifndef NM_H
#define NM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NM_VERSION_TEXT "0.1.0"

#define NM_ID_SIZE 16   //  A UUID
#define NM_NAME_MAX 63  //  Longest name of an actor, role, provider or service, in bytes

#define NM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

//  What a function that can fail returns. Results come back through pointers,
//  which are written only on NM_OK. Each folder that wraps a library turns that
//  library's codes into these in one place.
typedef enum {
    NM_OK = 0,
    NM_ERR_MISSING,    //  Not there
    NM_ERR_DUPLICATE,  //  There already
    NM_ERR_MALFORMED,  //  Bytes that do not follow the format, or break a limit
    NM_ERR_REFUSED,    //  Understood, and not allowed
    NM_ERR_FULL,       //  No room: store quota, queue or buffer
    NM_ERR_BUSY,       //  Somebody else holds it, or it is not the time; may pass
    NM_ERR_CORRUPT,    //  The store holds something that it cannot vouch for
    NM_ERR_IO,         //  The system or a device failed; the log says how
    NM_ERR_BUG,        //  A state that our own code should have excluded
} nm_rc_t;

static inline const char *
nm_rc_text(nm_rc_t rc)
{
    static const char *const TEXTS[] = { "ok",   "missing", "duplicate", "malformed", "refused",
                                         "full", "busy",    "corrupt",   "io error",  "bug" };
    _Static_assert(NM_COUNT(TEXTS) == NM_ERR_BUG + 1, "a text for each result");
    return (unsigned) rc < NM_COUNT(TEXTS) ? TEXTS[rc] : "unknown";
}

//  A view of bytes that somebody else owns. For text it is UTF-8 without a NUL.
typedef struct {
    const uint8_t *at;
    size_t size;
} nm_bytes_t;

static inline nm_bytes_t
nm_bytes(const void *at, size_t size)
{
    return (nm_bytes_t){ (const uint8_t *) at, size };
}

static inline nm_bytes_t
nm_text(const char *text)
{
    return (nm_bytes_t){ (const uint8_t *) text, text ? strlen(text) : 0 };
}

static inline bool
nm_bytes_equal(nm_bytes_t a, nm_bytes_t b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

static inline bool
nm_bytes_is(nm_bytes_t bytes, const char *text)
{
    return nm_bytes_equal(bytes, nm_text(text));
}

//  Copies into a C string of at most size - 1 bytes; what does not fit is cut.
static inline void
nm_bytes_to_text(nm_bytes_t bytes, char *out, size_t size)
{
    size_t count = bytes.size < size - 1 ? bytes.size : size - 1;
    if (count)
        memcpy(out, bytes.at, count);
    out[count] = 0;
}

//  For printf's "%.*s".
#define NM_PRINT(bytes) (int) (bytes).size, (const char *) (bytes).at

//  A UUID, in network order.
typedef struct {
    uint8_t at[NM_ID_SIZE];
} nm_id_t;

static inline bool
nm_id_equal(const nm_id_t *a, const nm_id_t *b)
{
    return memcmp(a->at, b->at, NM_ID_SIZE) == 0;
}

//  Out of memory ends the process, here and nowhere else. A size that came from
//  outside has been checked against wire/limits.h long before it gets here.
static inline void *
nm_alloc(size_t size)
{
    void *memory = calloc(1, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "<2>out of memory: %zu bytes were refused\n", size);
        abort();
    }
    return memory;
}

static inline void *
nm_realloc(void *memory, size_t size)
{
    memory = realloc(memory, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "<2>out of memory: %zu bytes were refused\n", size);
        abort();
    }
    return memory;
}

//  A growing buffer. {0} is an empty one. Free with nm_buf_free; nm_buf_clear
//  keeps the memory for the next use.
typedef struct {
    uint8_t *at;
    size_t size;
    size_t room;
} nm_buf_t;

//  Makes room for size more bytes and returns where they go. The caller adds to
//  self->size what it wrote.
static inline uint8_t *
nm_buf_reserve(nm_buf_t *self, size_t size)
{
    if (self->room - self->size < size) {
        size_t room = self->room ? self->room * 2 : 256;
        while (room - self->size < size)
            room *= 2;
        self->at = (uint8_t *) nm_realloc(self->at, room);
        self->room = room;
    }
    return self->at + self->size;
}

static inline void
nm_buf_add(nm_buf_t *self, const void *at, size_t size)
{
    if (!size)
        return;
    memcpy(nm_buf_reserve(self, size), at, size);
    self->size += size;
}

static inline void
nm_buf_add_bytes(nm_buf_t *self, nm_bytes_t bytes)
{
    nm_buf_add(self, bytes.at, bytes.size);
}

static inline void
nm_buf_add_text(nm_buf_t *self, const char *text)
{
    nm_buf_add(self, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static inline void
nm_buf_format(nm_buf_t *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size <= 0)
        return;
    uint8_t *at = nm_buf_reserve(self, (size_t) size + 1);
    va_start(args, format);
    vsnprintf((char *) at, (size_t) size + 1, format, args);
    va_end(args);
    self->size += (size_t) size;
}

static inline nm_bytes_t
nm_buf_bytes(const nm_buf_t *self)
{
    return (nm_bytes_t){ self->at, self->size };
}

static inline void
nm_buf_clear(nm_buf_t *self)
{
    self->size = 0;
}

static inline void
nm_buf_free(nm_buf_t *self)
{
    free(self->at);
    *self = (nm_buf_t){ 0 };
}

//  Numbers in keys and frames are big-endian, so that bytes order as numbers do.
static inline void
nm_put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t) (value >> (24 - 8 * i));
}

static inline void
nm_put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t) (value >> (56 - 8 * i));
}

static inline uint32_t
nm_get_u32(const uint8_t *at)
{
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static inline uint64_t
nm_get_u64(const uint8_t *at)
{
    return (uint64_t) nm_get_u32(at) << 32 | nm_get_u32(at + 4);
}

//  One sentence for a person: what was wrong, where, and what to do.
typedef struct {
    char text[512];
} nm_error_t;

//  Sets the sentence and returns rc, so that a check is one line. error may be NULL.
__attribute__((format(printf, 3, 4))) static inline nm_rc_t
nm_fail(nm_error_t *error, nm_rc_t rc, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return rc;
}

#endif
