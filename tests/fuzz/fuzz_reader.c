//  The reader: what nm_reader_check takes can be walked to its end value by value, and
//  what it refuses is walked without harm.
#include "fuzz.h"

//  Takes every value by the function of its kind; true if the end was reached.
static bool
s_walk(nm_bytes_t bytes)
{
    nm_reader_t reader;
    nm_reader_open(&reader, bytes);
    for (;;) {
        nm_bytes_t view;
        uint32_t count;
        uint64_t number;
        int64_t whole;
        double real;
        bool flag;
        nm_rc_t rc = NM_ERR_MALFORMED;
        switch (nm_reader_peek(&reader)) {
        case NM_KIND_NIL: rc = nm_reader_nil(&reader); break;
        case NM_KIND_BOOL: rc = nm_reader_bool(&reader, &flag); break;
        case NM_KIND_UINT: rc = nm_reader_uint(&reader, &number); break;
        case NM_KIND_INT: rc = nm_reader_int(&reader, &whole); break;
        case NM_KIND_FLOAT: rc = nm_reader_float(&reader, &real); break;
        case NM_KIND_STR: rc = nm_reader_str(&reader, &view); break;
        case NM_KIND_BIN: rc = nm_reader_bin(&reader, &view); break;
        case NM_KIND_LIST: rc = nm_reader_list(&reader, &count); break;
        case NM_KIND_MAP: rc = nm_reader_map(&reader, &count); break;
        case NM_KIND_NONE: return nm_reader_done(&reader);
        }
        if (rc != NM_OK)
            return false;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_bytes_t bytes = nm_bytes(at, size), raw;
    nm_reader_t reader;
    bool good = nm_reader_check(bytes) == NM_OK;
    bool walked = s_walk(bytes);
    PROMISE(!good || walked);

    nm_reader_open(&reader, bytes);
    bool whole = nm_reader_raw(&reader, &raw) == NM_OK && nm_reader_done(&reader);
    PROMISE(good == whole);
    PROMISE(!whole || nm_bytes_equal(raw, bytes));
    if (nm_reader_find(bytes, "a", &raw) == NM_OK)
        PROMISE(raw.at >= at && raw.at + raw.size <= at + size);

    nm_list_t list;
    if (nm_list_open(&list, bytes) == NM_OK)
        while (nm_list_next(&list, &raw) == NM_OK)
            PROMISE(raw.size > 0);
    return 0;
}
