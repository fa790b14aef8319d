#include "tools/nctl/screen.h"

#include "wire/utf8.h"

//  U+061C, U+200E and U+200F mark a direction; the others embed, override or isolate one.
static bool
s_turns_direction(uint32_t rune)
{
    return rune == 0x61c || rune == 0x200e || rune == 0x200f || (rune >= 0x202a && rune <= 0x202e) ||
           (rune >= 0x2066 && rune <= 0x2069);
}

bool
nm_screen_may_show(uint32_t rune)
{
    return rune >= 0x20 && !(rune >= 0x7f && rune <= 0x9f) && !s_turns_direction(rune);
}

char *
nm_screen_text(const char *text, size_t size)
{
    char *copy = nm_alloc(size + 1), *to = copy;
    nm_bytes_t rest = nm_bytes(text, size);
    while (rest.size) {
        uint32_t rune = 0;
        const uint8_t *at = rest.at;
        if (!nm_utf8_next(&rest, &rune))
            rest = nm_bytes(at + 1, rest.size - 1);
        if (!nm_screen_may_show(rune)) {
            *to++ = '?';
            continue;
        }
        memcpy(to, at, (size_t) (rest.at - at));
        to += rest.at - at;
    }
    return copy;
}
