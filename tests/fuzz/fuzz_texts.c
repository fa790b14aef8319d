//  Texts from outside: times, ids, addresses, base64, UTF-8. What is read is written
//  back and read again as the same.
#include "fuzz.h"
#include "wire/address.h"
#include "wire/base64.h"
#include "wire/id.h"
#include "wire/time.h"
#include "wire/utf8.h"

static void
s_try_time(nm_bytes_t text)
{
    int64_t at_ms, again;
    char out[NM_TIME_TEXT_SIZE + 1];
    if (nm_time_from_text(text, &at_ms) != NM_OK)
        return;
    PROMISE(at_ms >= 0);
    nm_time_to_text(at_ms, out);
    PROMISE(nm_time_from_text(nm_text(out), &again) == NM_OK && again == at_ms);
}

static void
s_try_id(nm_bytes_t text)
{
    nm_id_t id, again;
    char out[NM_ID_TEXT_SIZE + 1];
    if (nm_id_from_text(text, &id) != NM_OK)
        return;
    nm_id_to_text(&id, out);
    PROMISE(nm_id_from_text(nm_text(out), &again) == NM_OK && nm_id_equal(&id, &again));
}

static void
s_try_address(nm_bytes_t text)
{
    char mask[NM_ADDRESS_MAX];
    bool email = nm_address_is_email(text), phone = nm_address_is_phone(text);
    PROMISE(!(email && phone));
    if (email || phone)
        PROMISE(text.size <= NM_ADDRESS_MAX && nm_utf8_is_valid(text) && nm_utf8_is_line(text));
    for (size_t i = 0; i < text.size && (email || phone); i++)
        PROMISE(text.at[i] > ' ' && !strchr("<>()[]\\,;:\"", text.at[i]));
    nm_address_mask(text, mask, sizeof mask);
    PROMISE(strlen(mask) < sizeof mask);
}

static void
s_try_base64(nm_bytes_t text)
{
    size_t size = 0;
    nm_buf_t out = { 0 };
    nm_rc_t told = nm_base64_size(text, &size);
    PROMISE(nm_base64_decode(text, &out) == told);
    PROMISE(told != NM_OK || out.size == size);
    nm_buf_free(&out);
}

static void
s_try_utf8(nm_bytes_t text)
{
    nm_bytes_t rest = text;
    uint32_t rune;
    size_t count = 0;
    while (nm_utf8_next(&rest, &rune)) {
        PROMISE(rune <= 0x10ffff && !(rune >= 0xd800 && rune <= 0xdfff));
        count++;
    }
    bool valid = nm_utf8_is_valid(text);
    PROMISE(valid == (rest.size == 0));
    PROMISE(!valid || nm_utf8_count(text) == count);
    for (size_t max = 0; valid && max < 8; max++)
        PROMISE(nm_utf8_is_valid(nm_bytes(text.at, nm_utf8_cut(text, max))));
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_bytes_t text = nm_bytes(at, size);
    s_try_time(text);
    s_try_id(text);
    s_try_address(text);
    s_try_base64(text);
    s_try_utf8(text);
    return 0;
}
