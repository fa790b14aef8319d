#include "check.h"

static void
s_expect(nm_buf_t *out, const char *hex)
{
    nm_buf_t wanted = s_unhex(hex);
    assert_int_equal(out->size, wanted.size);
    assert_memory_equal(out->at, wanted.at, wanted.size);
    nm_buf_free(&wanted);
    nm_buf_clear(out);
}

static void
packs_numbers_in_the_smallest_form(void **state)
{
    (void) state;
    static const struct {
        uint64_t number;
        const char *hex;
    } NUMBERS[] = {
        { 0, "00" },
        { 127, "7f" },
        { 128, "cc 80" },
        { 255, "cc ff" },
        { 256, "cd 01 00" },
        { 65535, "cd ff ff" },
        { 65536, "ce 00 01 00 00" },
        { UINT32_MAX, "ce ff ff ff ff" },
        { UINT64_MAX, "cf ff ff ff ff ff ff ff ff" },
    };
    nm_buf_t out = { 0 };
    for (size_t i = 0; i < NM_COUNT(NUMBERS); i++) {
        nm_writer_uint(&out, NUMBERS[i].number);
        s_expect(&out, NUMBERS[i].hex);
    }
    nm_writer_int(&out, -32);
    s_expect(&out, "e0");
    nm_writer_int(&out, -33);
    s_expect(&out, "d0 df");
    nm_writer_int(&out, 300);
    s_expect(&out, "cd 01 2c");
    nm_buf_free(&out);
}

static void
packs_texts_and_binaries_with_their_sizes(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_writer_text(&out, "");
    s_expect(&out, "a0");
    nm_writer_str(&out, nm_bytes("a\0b", 3));
    s_expect(&out, "a3 61 00 62");
    nm_writer_bin(&out, nm_bytes("\xff", 1));
    s_expect(&out, "c4 01 ff");
    nm_writer_bin(&out, nm_bytes(NULL, 0));
    s_expect(&out, "c4 00");

    char *large = nm_alloc(70000);
    memset(large, 'x', 70000);
    nm_writer_str(&out, nm_bytes(large, 70000));
    assert_int_equal(out.size, 70005);
    assert_memory_equal(out.at, "\xdb\x00\x01\x11\x70", 5);
    free(large);
    nm_buf_free(&out);
}

static void
fills_in_counts_that_come_later(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    size_t map = nm_writer_map_open(&out);
    nm_writer_text(&out, "a");
    size_t list = nm_writer_list_open(&out);
    nm_writer_uint(&out, 1);
    nm_writer_uint(&out, 2);
    nm_writer_list_close(&out, list, 2);
    nm_writer_map_close(&out, map, 1);
    s_expect(&out, "de 00 01 a1 61 dc 00 02 01 02");
    nm_buf_free(&out);
}

static void
packs_pairs_for_clients(void **state)
{
    (void) state;
    const nm_id_t id = { { 1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16 } };
    nm_buf_t out = { 0 }, wanted = { 0 };
    nm_writer_map(&out, 7);
    nm_writer_pair_text(&out, "text", "one");
    nm_writer_pair_str(&out, "str", nm_text("three"));
    nm_writer_pair_uint(&out, "uint", 70000);
    nm_writer_pair_bool(&out, "bool", true);
    nm_writer_pair_id(&out, "id", &id);
    nm_writer_pair_time(&out, "time", 1795233591123);
    nm_writer_pair_raw(&out, "raw", nm_bytes("\x91\xc0", 2));
    s_pack_text("{'text': 'one', 'str': 'three', 'uint': 70000, 'bool': true,"
                " 'id': '01020304-0506-7708-890a-0b0c0d0e0f10', 'time': '2026-11-21T03:59:51.123Z', 'raw': [null]}",
                &wanted);
    assert_int_equal(out.size, wanted.size);
    assert_memory_equal(out.at, wanted.at, wanted.size);
    nm_buf_free(&out);
    nm_buf_free(&wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_numbers_in_the_smallest_form),
        cmocka_unit_test(packs_texts_and_binaries_with_their_sizes),
        cmocka_unit_test(fills_in_counts_that_come_later),
        cmocka_unit_test(packs_pairs_for_clients),
    };
    return cmocka_run_group_tests_name("wire/writer", tests, NULL, NULL);
}
