#include "check.h"

static nm_rc_t
s_check_hex(const char *hex)
{
    nm_buf_t bytes = s_unhex(hex);
    nm_rc_t rc = nm_reader_check(nm_buf_bytes(&bytes));
    nm_buf_free(&bytes);
    return rc;
}

//  One value of each kind and of each size of head.
static void
s_sample(nm_buf_t *out)
{
    nm_writer_list(out, 15);
    nm_writer_nil(out);
    nm_writer_bool(out, true);
    nm_writer_uint(out, 7);
    nm_writer_uint(out, 200);
    nm_writer_uint(out, 70000);
    nm_writer_uint(out, UINT64_MAX);
    nm_writer_int(out, -3);
    nm_writer_int(out, -300);
    nm_writer_int(out, INT64_MIN);
    nm_writer_float(out, 1.5);
    nm_writer_text(out, "gr\xc3\xbc\xc3\x9f");
    nm_writer_text(out, "a text of more than thirty-one bytes, with its own head");
    nm_writer_bin(out, nm_bytes("\0\1\2\xff", 4));
    nm_writer_list(out, 2);
    nm_writer_uint(out, 1);
    nm_writer_uint(out, 2);
    nm_writer_map(out, 1);
    nm_writer_pair_uint(out, "key", 99);
}

static void
reads_back_every_kind(void **state)
{
    (void) state;
    nm_buf_t frame = { 0 };
    s_sample(&frame);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&frame)), NM_OK);

    nm_reader_t reader;
    uint32_t count;
    uint64_t number;
    int64_t whole;
    double real;
    bool flag = false;
    nm_bytes_t bytes;
    nm_reader_open(&reader, nm_buf_bytes(&frame));
    assert_int_equal(nm_reader_peek(&reader), NM_KIND_LIST);
    assert_int_equal(nm_reader_list(&reader, &count), NM_OK);
    assert_int_equal(count, 15);
    assert_int_equal(nm_reader_nil(&reader), NM_OK);
    assert_int_equal(nm_reader_bool(&reader, &flag), NM_OK);
    assert_true(flag);
    const uint64_t numbers[] = { 7, 200, 70000, UINT64_MAX };
    for (size_t i = 0; i < NM_COUNT(numbers); i++) {
        assert_int_equal(nm_reader_uint(&reader, &number), NM_OK);
        assert_true(number == numbers[i]);
    }
    const int64_t wholes[] = { -3, -300, INT64_MIN };
    for (size_t i = 0; i < NM_COUNT(wholes); i++) {
        assert_int_equal(nm_reader_peek(&reader), NM_KIND_INT);
        assert_int_equal(nm_reader_int(&reader, &whole), NM_OK);
        assert_true(whole == wholes[i]);
    }
    assert_int_equal(nm_reader_float(&reader, &real), NM_OK);
    assert_true(real == 1.5);
    assert_int_equal(nm_reader_str(&reader, &bytes), NM_OK);
    assert_true(nm_bytes_is(bytes, "gr\xc3\xbc\xc3\x9f"));
    assert_int_equal(nm_reader_str(&reader, &bytes), NM_OK);
    assert_int_equal(bytes.size, 55);
    assert_int_equal(nm_reader_bin(&reader, &bytes), NM_OK);
    assert_true(nm_bytes_equal(bytes, nm_bytes("\0\1\2\xff", 4)));
    assert_int_equal(nm_reader_raw(&reader, &bytes), NM_OK);
    assert_true(nm_bytes_equal(bytes, nm_bytes("\x92\x01\x02", 3)));
    assert_int_equal(nm_reader_map(&reader, &count), NM_OK);
    assert_int_equal(count, 1);
    assert_int_equal(nm_reader_str(&reader, &bytes), NM_OK);
    assert_int_equal(nm_reader_uint(&reader, &number), NM_OK);
    assert_true(nm_reader_done(&reader));
    assert_int_equal(nm_reader_peek(&reader), NM_KIND_NONE);
    nm_buf_free(&frame);
}

static void
takes_whatever_comes_with_its_kind(void **state)
{
    (void) state;
    static const nm_kind_t KINDS[] = { NM_KIND_LIST,  NM_KIND_NIL,  NM_KIND_BOOL, NM_KIND_UINT, NM_KIND_UINT,
                                       NM_KIND_UINT,  NM_KIND_UINT, NM_KIND_INT,  NM_KIND_INT,  NM_KIND_INT,
                                       NM_KIND_FLOAT, NM_KIND_STR,  NM_KIND_STR,  NM_KIND_BIN,  NM_KIND_LIST,
                                       NM_KIND_UINT,  NM_KIND_UINT, NM_KIND_MAP,  NM_KIND_STR,  NM_KIND_UINT,
                                       NM_KIND_NONE };
    nm_buf_t frame = { 0 };
    nm_reader_t reader;
    nm_value_t values[NM_COUNT(KINDS)];
    s_sample(&frame);
    nm_reader_open(&reader, nm_buf_bytes(&frame));
    for (size_t i = 0; i < NM_COUNT(KINDS); i++) {
        assert_int_equal(nm_reader_peek(&reader), KINDS[i]);
        assert_int_equal(nm_reader_value(&reader, &values[i]), KINDS[i]);
        assert_int_equal(values[i].kind, KINDS[i]);
    }
    assert_int_equal(values[0].count, 15);
    assert_true(values[2].flag);
    assert_true(values[6].number == UINT64_MAX);
    assert_true(values[9].negative == INT64_MIN);
    assert_true(values[10].real == 1.5);
    assert_true(nm_bytes_is(values[11].bytes, "gr\xc3\xbc\xc3\x9f"));
    assert_int_equal(values[13].bytes.size, 4);
    assert_int_equal(values[17].count, 1);
    assert_false(nm_reader_done(&reader));  //  The end was asked for a value
    nm_buf_free(&frame);
}

//  Each size is copied into memory of its own, so that a read past the end is seen.
static void
refuses_every_truncation(void **state)
{
    (void) state;
    nm_buf_t frame = { 0 };
    s_sample(&frame);
    for (size_t size = 0; size < frame.size; size++) {
        uint8_t *copy = nm_alloc(size);
        memcpy(copy, frame.at, size);
        assert_int_equal(nm_reader_check(nm_bytes(copy, size)), NM_ERR_MALFORMED);
        free(copy);
    }
    nm_buf_free(&frame);
}

static void
refuses_a_trailing_byte(void **state)
{
    (void) state;
    nm_buf_t frame = { 0 };
    s_sample(&frame);
    nm_buf_add(&frame, "\xc0", 1);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&frame)), NM_ERR_MALFORMED);
    nm_buf_free(&frame);
}

static void
refuses_nothing_at_all(void **state)
{
    (void) state;
    assert_int_equal(nm_reader_check(nm_bytes(NULL, 0)), NM_ERR_MALFORMED);
}

static void
refuses_counts_that_claim_the_world(void **state)
{
    (void) state;
    static const char *const CLAIMS[] = { "dd ff ff ff ff", "df ff ff ff ff", "df 80 00 00 00",
                                          "dc ff ff",       "de ff ff",       "9f 01",
                                          "82 01 01 02",    "db ff ff ff ff", "c6 ff ff ff ff 00" };
    for (size_t i = 0; i < NM_COUNT(CLAIMS); i++)
        assert_int_equal(s_check_hex(CLAIMS[i]), NM_ERR_MALFORMED);
}

static nm_rc_t
s_check_nested(size_t depth)
{
    nm_buf_t frame = { 0 };
    for (size_t i = 0; i < depth; i++)
        nm_writer_list(&frame, 1);
    nm_writer_nil(&frame);
    nm_rc_t rc = nm_reader_check(nm_buf_bytes(&frame));
    nm_buf_free(&frame);
    return rc;
}

static void
takes_nesting_up_to_the_limit_and_no_deeper(void **state)
{
    (void) state;
    assert_int_equal(s_check_nested(NM_DEPTH_MAX), NM_OK);
    assert_int_equal(s_check_nested(NM_DEPTH_MAX + 1), NM_ERR_MALFORMED);
    assert_int_equal(s_check_nested(1000000), NM_ERR_MALFORMED);
}

static nm_rc_t
s_check_values(uint32_t count)
{
    nm_buf_t frame = { 0 };
    nm_writer_list(&frame, count);
    memset(nm_buf_reserve(&frame, count), 1, count);
    frame.size += count;
    nm_rc_t rc = nm_reader_check(nm_buf_bytes(&frame));
    nm_buf_free(&frame);
    return rc;
}

static void
takes_values_up_to_the_limit_and_no_more(void **state)
{
    (void) state;
    assert_int_equal(s_check_values(NM_NODE_MAX - 1), NM_OK);
    assert_int_equal(s_check_values(NM_NODE_MAX), NM_ERR_MALFORMED);
}

static void
refuses_ext_types_and_the_byte_never_used(void **state)
{
    (void) state;
    static const char *const HEADS[] = { "c1",
                                         "c7 01 05 00",
                                         "c8 00 01 05 00",
                                         "c9 00 00 00 01 05 00",
                                         "d4 01 00",
                                         "d5 01 00 00",
                                         "d6 ff 00 00 00 00",
                                         "d7 ff 00 00 00 00 00 00 00 00",
                                         "d8 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00" };
    for (size_t i = 0; i < NM_COUNT(HEADS); i++)
        assert_int_equal(s_check_hex(HEADS[i]), NM_ERR_MALFORMED);
}

static void
refuses_texts_that_are_not_utf8(void **state)
{
    (void) state;
    assert_int_equal(s_check_hex("a1 ff"), NM_ERR_MALFORMED);
    assert_int_equal(s_check_hex("91 a2 c0 80"), NM_ERR_MALFORMED);        //  Overlong NUL
    assert_int_equal(s_check_hex("81 a3 ed a0 80 01"), NM_ERR_MALFORMED);  //  Surrogate, in a key
    assert_int_equal(s_check_hex("c4 01 ff"), NM_OK);                      //  A binary may hold anything
}

static void
gives_a_number_one_kind_however_it_was_packed(void **state)
{
    (void) state;
    static const char *const FIVES[] = { "05",
                                         "cc 05",
                                         "cd 00 05",
                                         "ce 00 00 00 05",
                                         "cf 00 00 00 00 00 00 00 05",
                                         "d0 05",
                                         "d1 00 05",
                                         "d2 00 00 00 05",
                                         "d3 00 00 00 00 00 00 00 05" };
    for (size_t i = 0; i < NM_COUNT(FIVES); i++) {
        nm_buf_t bytes = s_unhex(FIVES[i]);
        nm_reader_t reader;
        uint64_t number = 0;
        nm_reader_open(&reader, nm_buf_bytes(&bytes));
        assert_int_equal(nm_reader_peek(&reader), NM_KIND_UINT);
        assert_int_equal(nm_reader_uint(&reader, &number), NM_OK);
        assert_true(number == 5);
        nm_buf_free(&bytes);
    }
}

static void
reads_both_sizes_of_floats(void **state)
{
    (void) state;
    static const char *const HALVES[] = { "ca 3f 00 00 00", "cb 3f e0 00 00 00 00 00 00" };
    for (size_t i = 0; i < NM_COUNT(HALVES); i++) {
        nm_buf_t bytes = s_unhex(HALVES[i]);
        nm_reader_t reader;
        double real = 0;
        nm_reader_open(&reader, nm_buf_bytes(&bytes));
        assert_int_equal(nm_reader_float(&reader, &real), NM_OK);
        assert_true(real == 0.5);
        nm_buf_free(&bytes);
    }
}

static void
refuses_an_int_that_is_too_large_for_int64(void **state)
{
    (void) state;
    nm_buf_t bytes = s_unhex("cf 80 00 00 00 00 00 00 00");
    nm_reader_t reader;
    int64_t whole = 77;
    nm_reader_open(&reader, nm_buf_bytes(&bytes));
    assert_int_equal(nm_reader_int(&reader, &whole), NM_ERR_MALFORMED);
    assert_int_equal(whole, 77);
    nm_buf_free(&bytes);
}

static void
keeps_the_first_fault(void **state)
{
    (void) state;
    nm_buf_t bytes = s_unhex("93 01 02 03");
    nm_reader_t reader;
    uint32_t count;
    uint64_t number;
    nm_bytes_t text;
    nm_reader_open(&reader, nm_buf_bytes(&bytes));
    assert_int_equal(nm_reader_list(&reader, &count), NM_OK);
    assert_int_equal(nm_reader_str(&reader, &text), NM_ERR_MALFORMED);
    assert_int_equal(nm_reader_uint(&reader, &number), NM_ERR_MALFORMED);
    assert_int_equal(nm_reader_peek(&reader), NM_KIND_NONE);
    assert_false(nm_reader_done(&reader));
    nm_buf_free(&bytes);
}

static void
finds_a_key_and_only_that(void **state)
{
    (void) state;
    nm_buf_t map = { 0 };
    nm_bytes_t raw = { 0 };
    s_pack_text("{'a': {'b': 1}, 'b': [2, 3], 'bb': 4}", &map);
    assert_int_equal(nm_reader_find(nm_buf_bytes(&map), "b", &raw), NM_OK);
    assert_true(nm_bytes_equal(raw, nm_bytes("\x92\x02\x03", 3)));
    assert_int_equal(nm_reader_find(nm_buf_bytes(&map), "c", &raw), NM_ERR_MISSING);
    assert_int_equal(nm_reader_find(nm_bytes("\x91\x01", 2), "c", &raw), NM_ERR_MALFORMED);
    nm_buf_free(&map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_every_kind),
        cmocka_unit_test(takes_whatever_comes_with_its_kind),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_a_trailing_byte),
        cmocka_unit_test(refuses_nothing_at_all),
        cmocka_unit_test(refuses_counts_that_claim_the_world),
        cmocka_unit_test(takes_nesting_up_to_the_limit_and_no_deeper),
        cmocka_unit_test(takes_values_up_to_the_limit_and_no_more),
        cmocka_unit_test(refuses_ext_types_and_the_byte_never_used),
        cmocka_unit_test(refuses_texts_that_are_not_utf8),
        cmocka_unit_test(gives_a_number_one_kind_however_it_was_packed),
        cmocka_unit_test(reads_both_sizes_of_floats),
        cmocka_unit_test(refuses_an_int_that_is_too_large_for_int64),
        cmocka_unit_test(keeps_the_first_fault),
        cmocka_unit_test(finds_a_key_and_only_that),
    };
    return cmocka_run_group_tests_name("wire/reader", tests, NULL, NULL);
}
