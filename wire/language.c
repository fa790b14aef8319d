#include "wire/language.h"

enum { SUBTAG_MAX = 8 };

bool
nm_language_is_tag(nm_bytes_t tag)
{
    size_t length = 0;
    bool first = true;
    for (size_t i = 0; i < tag.size; i++) {
        uint8_t byte = tag.at[i], letter = byte | 0x20;
        bool is_letter = letter >= 'a' && letter <= 'z', is_digit = byte >= '0' && byte <= '9';
        if (byte == '-') {
            if (length == 0)
                return false;
            length = 0;
            first = false;
        } else if (!(is_letter || (is_digit && !first)) || ++length > SUBTAG_MAX)
            return false;
    }
    return length > 0 && (!first || length > 1);
}
