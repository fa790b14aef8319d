#include "check.h"

static const struct {
    nm_frame_kind_t kind;
    const nm_shape_t *shape;
} KINDS[] = {
    { NM_FRAME_GREET, &nm_greet_shape }, { NM_FRAME_MAIL, &nm_mail_shape }, { NM_FRAME_RECEIPT, &nm_receipt_shape },
    { NM_FRAME_BEAT, &nm_beat_shape },   { NM_FRAME_BYE, &nm_bye_shape },   { NM_FRAME_CLAIM, &nm_claim_shape },
    { NM_FRAME_GRANT, &nm_grant_shape },
};

//  A frame of that kind, in which all fields differ.
static void
s_sample(size_t i, nm_buf_t *frame)
{
    nm_buf_t arena = { 0 };
    any_record_t record;
    unsigned salt = (unsigned) i * 31 + 5;
    nm_buf_reserve(&arena, 1 << 20);
    s_fill(KINDS[i].shape, &record, NM_BY_TAG, &salt, &arena);
    nm_frame_start(frame, KINDS[i].kind);
    nm_record_encode(KINDS[i].shape, &record, NM_BY_TAG, frame);
    nm_buf_free(&arena);
}

static void
opens_what_it_started(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_buf_t frame = { 0 }, again = { 0 };
        nm_frame_kind_t kind;
        nm_bytes_t raw;
        any_record_t record;
        s_sample(i, &frame);
        assert_int_equal(nm_frame_open(nm_buf_bytes(&frame), &kind, &raw), NM_OK);
        assert_int_equal(kind, KINDS[i].kind);
        assert_int_equal(nm_record_decode(KINDS[i].shape, &record, raw, NULL, ""), NM_OK);
        nm_frame_start(&again, kind);
        nm_record_encode(KINDS[i].shape, &record, NM_BY_TAG, &again);
        assert_int_equal(again.size, frame.size);
        assert_memory_equal(again.at, frame.at, frame.size);
        nm_buf_free(&frame);
        nm_buf_free(&again);
    }
}

static void
refuses_every_truncation(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_buf_t frame = { 0 };
        s_sample(i, &frame);
        for (size_t size = 0; size < frame.size; size++) {
            nm_frame_kind_t kind;
            nm_bytes_t raw;
            uint8_t *copy = nm_alloc(size);
            memcpy(copy, frame.at, size);
            assert_int_equal(nm_frame_open(nm_bytes(copy, size), &kind, &raw), NM_ERR_MALFORMED);
            free(copy);
        }
        nm_buf_free(&frame);
    }
}

static void
refuses_a_trailing_byte(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_buf_t frame = { 0 };
        nm_frame_kind_t kind;
        nm_bytes_t raw;
        s_sample(i, &frame);
        nm_buf_add(&frame, "\x01", 1);
        assert_int_equal(nm_frame_open(nm_buf_bytes(&frame), &kind, &raw), NM_ERR_MALFORMED);
        nm_buf_free(&frame);
    }
}

//  Whatever one byte becomes, the answer is one of two, and memory stays whole.
static void
survives_every_flipped_bit(void **state)
{
    (void) state;
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        nm_buf_t frame = { 0 };
        s_sample(i, &frame);
        for (size_t bit = 0; bit < frame.size * 8; bit++) {
            nm_frame_kind_t kind;
            nm_bytes_t raw;
            any_record_t record;
            frame.at[bit / 8] ^= (uint8_t) (1 << bit % 8);
            if (nm_frame_open(nm_buf_bytes(&frame), &kind, &raw) == NM_OK)
                nm_record_decode(KINDS[kind - 1].shape, &record, raw, NULL, "");
            frame.at[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        nm_buf_free(&frame);
    }
}

static void
refuses_what_is_no_link_frame(void **state)
{
    (void) state;
    static const char *const FRAMES[] = {
        "",         "80",          "90",       "91 01",    "92 00 80",    "92 08 80",      "92 cd 01 01 80",
        "92 ff 80", "92 a1 31 80", "92 01 90", "92 01 c0", "93 01 80 80", "82 01 80 02 80"
    };
    for (size_t i = 0; i < NM_COUNT(FRAMES); i++) {
        nm_buf_t frame = s_unhex(FRAMES[i]);
        nm_frame_kind_t kind;
        nm_bytes_t raw;
        assert_int_equal(nm_frame_open(nm_buf_bytes(&frame), &kind, &raw), NM_ERR_MALFORMED);
        nm_buf_free(&frame);
    }
}

static void
refuses_a_frame_above_the_limit(void **state)
{
    (void) state;
    nm_buf_t frame = { 0 };
    nm_frame_kind_t kind;
    nm_bytes_t raw;
    nm_frame_start(&frame, NM_FRAME_BYE);
    nm_writer_map(&frame, 1);
    nm_writer_uint(&frame, 99);
    size_t room = NM_FRAME_MAX - frame.size - 5;
    uint8_t *large = nm_alloc(room + 1);
    size_t mark = frame.size;
    nm_writer_bin(&frame, nm_bytes(large, room));
    assert_int_equal(frame.size, NM_FRAME_MAX);
    assert_int_equal(nm_frame_open(nm_buf_bytes(&frame), &kind, &raw), NM_OK);
    frame.size = mark;
    nm_writer_bin(&frame, nm_bytes(large, room + 1));
    assert_int_equal(nm_frame_open(nm_buf_bytes(&frame), &kind, &raw), NM_ERR_MALFORMED);
    free(large);
    nm_buf_free(&frame);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_it_started),         cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_a_trailing_byte),       cmocka_unit_test(survives_every_flipped_bit),
        cmocka_unit_test(refuses_what_is_no_link_frame), cmocka_unit_test(refuses_a_frame_above_the_limit),
    };
    return cmocka_run_group_tests_name("wire/frames", tests, NULL, NULL);
}
