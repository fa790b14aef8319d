#include "wire/trace.h"

enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53 };

static bool
s_is_dash(size_t at)
{
    return at == TRACE_AT - 1 || at == PARENT_AT - 1 || at == FLAGS_AT - 1;
}

static bool
s_is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool
s_is_zero(nm_bytes_t text, size_t from, size_t to)
{
    while (from < to && text.at[from] == '0')
        from++;
    return from == to;
}

nm_rc_t
nm_trace_take(nm_bytes_t text, nm_bytes_t *parent)
{
    if (text.size < NM_TRACE_PARENT_SIZE)
        return NM_ERR_MALFORMED;
    for (size_t i = 0; i < NM_TRACE_PARENT_SIZE; i++)
        if (s_is_dash(i) ? text.at[i] != '-' : !s_is_hex(text.at[i]))
            return NM_ERR_MALFORMED;
    bool first_version = s_is_zero(text, 0, 2);
    if (text.at[0] == 'f' && text.at[1] == 'f')
        return NM_ERR_MALFORMED;
    if (text.size > NM_TRACE_PARENT_SIZE && (first_version || text.at[NM_TRACE_PARENT_SIZE] != '-'))
        return NM_ERR_MALFORMED;
    if (s_is_zero(text, TRACE_AT, PARENT_AT - 1) || s_is_zero(text, PARENT_AT, FLAGS_AT - 1))
        return NM_ERR_MALFORMED;
    *parent = nm_bytes(text.at, NM_TRACE_PARENT_SIZE);
    return NM_OK;
}

nm_bytes_t
nm_trace_id(nm_bytes_t parent)
{
    return parent.size == NM_TRACE_PARENT_SIZE ? nm_bytes(parent.at + TRACE_AT, NM_TRACE_ID_SIZE) : nm_bytes(NULL, 0);
}
