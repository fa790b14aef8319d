//  Link frames, and the record of each kind; beyond that the bytes as every record we have.
#include "fuzz.h"

static void
s_open_items(nm_bytes_t raw)
{
    nm_mail_t mail;
    nm_list_t list;
    nm_bytes_t item;
    if (nm_record_decode(&nm_mail_shape, &mail, raw, NULL, "") != NM_OK)
        return;
    PROMISE(nm_list_open(&list, mail.items) == NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_mail_item_t one;
        PROMISE(nm_record_decode(&nm_mail_item_shape, &one, item, NULL, "") == NM_OK);
        for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
            s_try_shape(SHAPES[i], one.body);
    }
    PROMISE(list.index == list.count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    static const nm_shape_t *const KINDS[] = { &nm_greet_shape, &nm_mail_shape,  &nm_receipt_shape, &nm_beat_shape,
                                               &nm_bye_shape,   &nm_claim_shape, &nm_grant_shape };
    nm_frame_kind_t kind;
    nm_bytes_t raw;
    if (nm_frame_open(nm_bytes(at, size), &kind, &raw) == NM_OK) {
        s_try_shape(KINDS[kind - 1], raw);
        if (kind == NM_FRAME_MAIL)
            s_open_items(raw);
        for (size_t i = 0; i < NM_COUNT(SHAPES); i++)
            s_try_shape(SHAPES[i], raw);
    }
    for (size_t i = 0; i < NM_COUNT(KINDS); i++)
        s_try_shape(KINDS[i], nm_bytes(at, size));
    return 0;
}
