#include "wire/id.h"

enum { COUNT_MAX = 0xfff };  //  rand_a has 12 bits

//  When the clock steps back, or a ms is used up, the maker stays ahead of the clock.
static void
s_advance(nm_id_maker_t *self, uint64_t now_ms)
{
    if (now_ms > self->last_ms) {
        self->last_ms = now_ms;
        self->count = 0;
    } else if (self->count == COUNT_MAX) {
        self->last_ms++;
        self->count = 0;
    } else
        self->count++;
}

void
nm_id_make(nm_id_maker_t *self, int64_t now_ms, uint64_t random46, nm_id_t *id)
{
    s_advance(self, now_ms > 0 ? (uint64_t) now_ms : 0);

    uint64_t high = self->last_ms << 16 | 0x7000 | self->count;
    uint64_t low =
        UINT64_C(0x8000000000000000) | (uint64_t) self->gateway << 46 | (random46 & ((UINT64_C(1) << 46) - 1));
    nm_put_u64(id->at, high);
    nm_put_u64(id->at + 8, low);
}

uint16_t
nm_id_gateway(const nm_id_t *id)
{
    return (uint16_t) (nm_get_u64(id->at + 8) >> 46);
}

int64_t
nm_id_time_ms(const nm_id_t *id)
{
    return (int64_t) (nm_get_u64(id->at) >> 16);
}

//  Where a text has its dashes: after 8, 12, 16 and 20 digits.
static bool
s_dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void
nm_id_to_text(const nm_id_t *id, char out[NM_ID_TEXT_SIZE + 1])
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < NM_ID_SIZE; i++) {
        if (s_dash_before(i))
            *out++ = '-';
        *out++ = DIGITS[id->at[i] >> 4];
        *out++ = DIGITS[id->at[i] & 15];
    }
    *out = 0;
}

//  The value of a hex digit, or -1.
static int
s_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

nm_rc_t
nm_id_from_text(nm_bytes_t text, nm_id_t *id)
{
    bool dashed = text.size == NM_ID_TEXT_SIZE;
    if (!dashed && text.size != 2 * NM_ID_SIZE)
        return NM_ERR_MALFORMED;

    nm_id_t made;
    const uint8_t *at = text.at;
    for (size_t i = 0; i < NM_ID_SIZE; i++) {
        if (dashed && s_dash_before(i) && *at++ != '-')
            return NM_ERR_MALFORMED;
        int high = s_digit(*at++), low = s_digit(*at++);
        if (high < 0 || low < 0)
            return NM_ERR_MALFORMED;
        made.at[i] = (uint8_t) (high << 4 | low);
    }
    *id = made;
    return NM_OK;
}
