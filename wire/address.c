#include "wire/address.h"
#include "wire/utf8.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, LABEL_MAX = 63 };

static bool
s_is_digit(uint32_t rune)
{
    return rune >= '0' && rune <= '9';
}

static bool
s_is_alnum(uint32_t rune)
{
    return s_is_digit(rune) || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}

//  What RFC 6531 adds, without C1 controls and what shows as a space or as nothing.
static bool
s_is_foreign(uint32_t rune)
{
    return rune > 0xa0 && rune != 0xad && rune != 0x1680 && !(rune >= 0x2000 && rune <= 0x206f) && rune != 0x3000 &&
           rune != 0xfeff;
}

//  atext of RFC 5322 section 3.2.3.
static bool
s_is_local_rune(uint32_t rune)
{
    return s_is_alnum(rune) || s_is_foreign(rune) || (rune && rune < 0x80 && strchr("!#$%&'*+-/=?^_`{|}~", (int) rune));
}

static bool
s_is_domain_rune(uint32_t rune)
{
    return s_is_alnum(rune) || s_is_foreign(rune) || rune == '-';
}

//  Takes off what stands before the next dot; false at the end.
static bool
s_next_part(nm_bytes_t *rest, nm_bytes_t *part)
{
    if (!rest->at)
        return false;
    const uint8_t *dot = rest->size ? memchr(rest->at, '.', rest->size) : NULL;
    size_t size = dot ? (size_t) (dot - rest->at) : rest->size;
    *part = nm_bytes(rest->at, size);
    *rest = dot ? nm_bytes(dot + 1, rest->size - size - 1) : nm_bytes(NULL, 0);
    return true;
}

static bool
s_is_made_of(nm_bytes_t part, bool (*is_allowed)(uint32_t rune))
{
    if (!part.size)
        return false;
    uint32_t rune;
    while (part.size)
        if (!nm_utf8_next(&part, &rune) || !is_allowed(rune))
            return false;
    return true;
}

static bool
s_is_local(nm_bytes_t local)
{
    if (!local.size || local.size > LOCAL_MAX)
        return false;
    nm_bytes_t part;
    while (s_next_part(&local, &part))
        if (!s_is_made_of(part, s_is_local_rune))
            return false;
    return true;
}

static bool
s_is_label(nm_bytes_t label)
{
    return label.size <= LABEL_MAX && s_is_made_of(label, s_is_domain_rune) && label.at[0] != '-' &&
           label.at[label.size - 1] != '-';
}

static bool
s_is_domain(nm_bytes_t domain)
{
    if (!domain.size || domain.size > DOMAIN_MAX)
        return false;
    if (nm_bytes_is(domain, "localhost"))
        return true;

    nm_bytes_t label = { 0 };
    size_t count = 0;
    for (; s_next_part(&domain, &label); count++)
        if (!s_is_label(label))
            return false;
    //  A last label of digits is an IP address, not a name
    return count >= 2 && !s_is_made_of(label, s_is_digit);
}

bool
nm_address_is_email(nm_bytes_t text)
{
    const uint8_t *at = text.size ? memchr(text.at, '@', text.size) : NULL;
    if (!at)
        return false;
    size_t local_size = (size_t) (at - text.at);
    return s_is_local(nm_bytes(text.at, local_size)) && s_is_domain(nm_bytes(at + 1, text.size - local_size - 1));
}

bool
nm_address_is_phone(nm_bytes_t text)
{
    if (text.size < 8 || text.size > 16 || text.at[0] != '+' || text.at[1] == '0')
        return false;
    return s_is_made_of(nm_bytes(text.at + 1, text.size - 1), s_is_digit);
}

void
nm_address_mask(nm_bytes_t text, char *out, size_t size)
{
    const uint8_t *at = text.size ? memchr(text.at, '@', text.size) : NULL;
    if (at) {
        nm_bytes_t rest = text;
        uint32_t rune;
        size_t first_size = at > text.at && nm_utf8_next(&rest, &rune) ? text.size - rest.size : 0;
        snprintf(out, size, "%.*s***%.*s", (int) first_size, (const char *) text.at,
                 (int) (text.size - (size_t) (at - text.at)), (const char *) at);
    } else if (text.size >= 4 && text.at[0] == '+')
        snprintf(out, size, "***%.*s", 2, (const char *) text.at + text.size - 2);
    else
        snprintf(out, size, "***");
}
