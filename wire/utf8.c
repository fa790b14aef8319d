#include "wire/utf8.h"

//  How many leading bytes are ASCII; steps of eight, since nearly all text is.
static size_t
s_ascii_size(const uint8_t *at, size_t size)
{
    size_t done = 0;
    while (size - done >= 8) {
        uint64_t eight;
        memcpy(&eight, at + done, 8);
        if (eight & UINT64_C(0x8080808080808080))
            break;
        done += 8;
    }
    while (done < size && at[done] < 0x80)
        done++;
    return done;
}

//  The size of the character that starts here, 0 if it is malformed. The second
//  byte's range depends on the first: that is what keeps overlong forms and
//  surrogates out.
static size_t
s_rune_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;

    size_t size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (left < size)
        return 0;

    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool
nm_utf8_is_valid(nm_bytes_t text)
{
    size_t done = 0;
    while (done < text.size) {
        done += s_ascii_size(text.at + done, text.size - done);
        if (done == text.size)
            break;
        size_t size = s_rune_size(text.at + done, text.size - done);
        if (!size)
            return false;
        done += size;
    }
    return true;
}

bool
nm_utf8_next(nm_bytes_t *rest, uint32_t *rune)
{
    if (!rest->size)
        return false;
    size_t size = s_rune_size(rest->at, rest->size);
    if (!size)
        return false;

    static const uint8_t MASKS[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t value = rest->at[0] & MASKS[size];
    for (size_t i = 1; i < size; i++)
        value = value << 6 | (rest->at[i] & 0x3f);
    *rune = value;
    *rest = nm_bytes(rest->at + size, rest->size - size);
    return true;
}

//  True if all of eight bytes are printable ASCII. Each term leaves the top bit of a byte
//  set if that byte is above 0x7f, below 0x20, or 0x7f; a carry can only cost us the long way.
static bool
s_is_printable(const uint8_t *at)
{
    static const uint64_t ONES = UINT64_C(0x0101010101010101), TOPS = UINT64_C(0x8080808080808080);
    uint64_t eight;
    memcpy(&eight, at, 8);
    return !((eight | (eight - ONES * 0x20) | (eight + ONES)) & TOPS);
}

bool
nm_utf8_is_line(nm_bytes_t text)
{
    for (size_t i = 0; i < text.size; i++) {
        while (text.size - i > 8 && s_is_printable(text.at + i))
            i += 8;
        uint8_t byte = text.at[i];
        if (byte < 0x20 || byte == 0x7f)
            return false;
        //  U+0080 to U+009F, among them U+0085, the next line
        if (byte == 0xc2 && i + 1 < text.size && text.at[i + 1] < 0xa0)
            return false;
        //  U+2028 and U+2029, the line and paragraph separators
        if (byte == 0xe2 && i + 2 < text.size && text.at[i + 1] == 0x80 && (text.at[i + 2] & 0xfe) == 0xa8)
            return false;
    }
    return true;
}

size_t
nm_utf8_count(nm_bytes_t text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.at[i] & 0xc0) != 0x80;
    return count;
}

size_t
nm_utf8_cut(nm_bytes_t text, size_t max)
{
    if (text.size <= max)
        return text.size;
    while (max && (text.at[max] & 0xc0) == 0x80)
        max--;
    return max;
}
