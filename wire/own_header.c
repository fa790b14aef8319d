#include "wire/own_header.h"

#include <strings.h>

#include "wire/limits.h"
#include "wire/utf8.h"

enum { WORD_MAX = 900 };  //  Of what cannot be folded: with its name it fits the 998 bytes of a line

static bool
s_starts(nm_bytes_t text, const char *start)
{
    size_t size = strlen(start);
    return text.size > size && strncasecmp((const char *) text.at, start, size) == 0;
}

static bool
s_is(nm_bytes_t text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *) text.at, word, text.size) == 0;
}

bool
nm_own_header_is_structured(nm_bytes_t name)
{
    return s_starts(name, "List-") || s_is(name, "References") || s_is(name, "In-Reply-To");
}

const char *
nm_own_header_name_fault(nm_bytes_t name)
{
    if (name.size > NM_CODE_MAX)
        return "is a longer name than 128 bytes";
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] <= 0x20 || name.at[i] >= 0x7f || name.at[i] == ':')
            return "must have a name of printable ASCII characters without a colon";
    if (s_is(name, "X-Nmesh-Id"))
        return "is not allowed; every message has one already";
    if (s_starts(name, "X-") || nm_own_header_is_structured(name))
        return NULL;
    return "is not allowed; own headers are X-..., List-..., References and In-Reply-To";
}

static bool
s_is_ascii(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] >= 0x80)
            return false;
    return true;
}

static bool
s_has_long_word(nm_bytes_t text)
{
    size_t word = 0;
    for (size_t i = 0; i < text.size; i++)
        if ((word = text.at[i] == ' ' ? 0 : word + 1) > WORD_MAX)
            return true;
    return false;
}

const char *
nm_own_header_value_fault(nm_bytes_t name, nm_bytes_t value)
{
    if (value.size > NM_HEADER_VALUE_MAX)
        return "is too long; at most 998 bytes are allowed";
    if (!nm_utf8_is_valid(value) || !nm_utf8_is_line(value))
        return "must be one line without control characters";
    if (!nm_own_header_is_structured(name))
        return NULL;
    if (!s_is_ascii(value))
        return "must be ASCII: this field has no place for other characters";
    return s_has_long_word(value) ? "has a word of more than 900 bytes, which does not fit a line" : NULL;
}
