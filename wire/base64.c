#include "wire/base64.h"

#include <sodium.h>

//  The value of a digit, or 64.
static unsigned
s_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    return byte == '+' ? 62 : byte == '/' ? 63 : 64;
}

nm_rc_t
nm_base64_size(nm_bytes_t text, size_t *size)
{
    if (text.size % 4)
        return NM_ERR_MALFORMED;

    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.at[text.size - 1 - padding] == '=')
        padding++;

    size_t digits = text.size - padding;
    for (size_t i = 0; i < digits; i++)
        if (s_digit(text.at[i]) > 63)
            return NM_ERR_MALFORMED;

    //  The last digit before padding carries bits that belong to no byte
    unsigned stray = padding == 0 ? 0 : padding == 1 ? 0x03 : 0x0f;
    if (padding && (s_digit(text.at[digits - 1]) & stray))
        return NM_ERR_MALFORMED;

    *size = text.size / 4 * 3 - padding;
    return NM_OK;
}

nm_rc_t
nm_base64_decode(nm_bytes_t text, nm_buf_t *out)
{
    size_t size, got;
    nm_rc_t rc = nm_base64_size(text, &size);
    if (rc != NM_OK || size == 0)
        return rc;

    uint8_t *at = nm_buf_reserve(out, size);
    if (sodium_base642bin(at, size, (const char *) text.at, text.size, NULL, &got, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        got != size)
        return NM_ERR_MALFORMED;
    out->size += size;
    return NM_OK;
}
