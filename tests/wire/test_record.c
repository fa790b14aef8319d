#include "check.h"

static const char *const COLOURS[] = { "red", "green", "blue" };
static const nm_words_t colour_words = { "colour", COLOURS, NM_COUNT(COLOURS) };

// clang-format off
#define NM_LEAF_FIELDS(F, R) \
    F(R, 1, word,  LINE, 8,  MUST, NULL, "A word") \
    F(R, 2, count, UINT, 99, MAY,  NULL, "How many")
NM_RECORD_DECLARE(leaf, NM_LEAF_FIELDS);

#define NM_TREE_FIELDS(F, R) \
    F(R, 1,  flag,    BOOL,    0,    MAY, NULL, "") \
    F(R, 2,  number,  UINT,    1000, MAY, NULL, "") \
    F(R, 3,  offset,  INT,     50,   MAY, NULL, "") \
    F(R, 4,  at,      TIME,    0,    MAY, NULL, "") \
    F(R, 5,  id,      ID,      0,    MUST, NULL, "") \
    F(R, 6,  colour,  ENUM,    0,    MAY, &colour_words, "") \
    F(R, 7,  shade,   ENUM,    1,    MAY, &colour_words, "") \
    F(R, 8,  text,    STR,     20,   MAY, NULL, "") \
    F(R, 9,  line,    LINE,    20,   MAY, NULL, "") \
    F(R, 10, bin,     BIN,     4,    MAY, NULL, "") \
    F(R, 11, file,    BASE64,  6,    MAY, NULL, "") \
    F(R, 12, map,     MAP,     64,   MAY, NULL, "") \
    F(R, 13, list,    LIST,    3,    MAY, NULL, "") \
    F(R, 14, lines,   LINES,   2,    MAY, NULL, "") \
    F(R, 15, leaf,    RECORD,  64,   MAY, &nm_leaf_shape, "") \
    F(R, 16, leaves,  RECORDS, 2,    MAY, &nm_leaf_shape, "") \
    F(R, 17, any,     ANY,     8,    MAY, NULL, "")
NM_RECORD_DECLARE(tree, NM_TREE_FIELDS);
// clang-format on

static const nm_alias_t TREE_ALIASES[] = { { "color", "colour" }, { "hue", "colour" } };
NM_RECORD_DEFINE(leaf, NM_LEAF_FIELDS, NULL, 0);
NM_RECORD_DEFINE(tree, NM_TREE_FIELDS, TREE_ALIASES, NM_COUNT(TREE_ALIASES));

static const nm_alias_t BUSH_ALIASES[] = { { "name", "line" } };
NM_RECORD_VARIANT(bush, tree, NM_BIT(tree, line), NM_BIT(tree, id) | NM_BIT(tree, flag), BUSH_ALIASES, 1);
extern const nm_shape_t nm_bush_shape;

#define ID_TEXT "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"

//  Decodes JSON as that shape and wants exactly these faults, as "pointer: detail" lines.
static void
s_expect_of(const nm_shape_t *shape, const char *json, const char *wanted)
{
    nm_buf_t raw = { 0 }, got = { 0 };
    nm_tree_t tree;
    nm_faults_t faults = { 0 };
    s_pack_text(json, &raw);
    nm_rc_t rc = nm_record_decode(shape, &tree, nm_buf_bytes(&raw), &faults, "");
    for (size_t i = 0; i < faults.count; i++)
        nm_buf_format(&got, "%s%s: %s", i ? "\n" : "", faults.items[i].pointer, faults.items[i].detail);
    nm_buf_add(&got, "", 1);
    assert_string_equal((const char *) got.at, wanted);
    assert_int_equal(rc, *wanted ? NM_ERR_MALFORMED : NM_OK);
    //  Without faults to collect the answer is the same
    assert_int_equal(nm_record_decode(shape, &tree, nm_buf_bytes(&raw), NULL, ""), rc);
    nm_buf_free(&raw);
    nm_buf_free(&got);
}

static void
s_expect(const char *json, const char *wanted)
{
    s_expect_of(&nm_tree_shape, json, wanted);
}

// clang-format off
#define NM_BIRD_FIELDS(F, R) \
    F(R, 1, song,  LINE, 20,  NIL,  NULL, "") \
    F(R, 2, eggs,  UINT, 9,   NIL,  NULL, "") \
    F(R, 3, nest,  UINT, 9,   MAY,  NULL, "")
NM_RECORD_DECLARE(bird, NM_BIRD_FIELDS);
// clang-format on
NM_RECORD_DEFINE(bird, NM_BIRD_FIELDS, NULL, 0);
NM_RECORD_VARIANT(egg, bird, 0, NM_BIT(bird, song), NULL, 0);
extern const nm_shape_t nm_egg_shape;

static void
nil_fields_are_there_by_name_without_a_value(void **state)
{
    (void) state;
    nm_bird_t bird = { .has = 0 }, again;
    nm_buf_t packed = { 0 };
    NM_PUT(&bird, bird, song, nm_text("tirili"));
    nm_record_encode(&nm_bird_shape, &bird, NM_BY_NAME, &packed);
    assert_true(nm_bytes_is(nm_buf_bytes(&packed), "\x82\xa4song\xa6tirili\xa4"
                                                   "eggs\xc0"));
    assert_int_equal(nm_record_decode(&nm_bird_shape, &again, nm_buf_bytes(&packed), NULL, ""), NM_OK);
    assert_true(again.has == NM_BIT(bird, song));
    nm_buf_clear(&packed);
    nm_record_encode(&nm_egg_shape, &bird, NM_BY_NAME, &packed);  //  Without what it does not know
    assert_true(nm_bytes_is(nm_buf_bytes(&packed), "\x81\xa4"
                                                   "eggs\xc0"));
    nm_buf_clear(&packed);
    nm_record_encode(&nm_bird_shape, &bird, NM_BY_TAG, &packed);
    assert_true(nm_bytes_is(nm_buf_bytes(&packed), "\x81\x01\xa6tirili"));
    nm_buf_free(&packed);

    nm_buf_t lacking = s_unhex("81 a4 736f6e67 a1 78");  //  {"song": "x"}
    assert_int_equal(nm_record_decode(&nm_bird_shape, &again, nm_buf_bytes(&lacking), NULL, ""), NM_ERR_MALFORMED);
    nm_buf_free(&lacking);
}

NM_RECORD_NAMING(twig, tree, 0, NM_BIT(tree, id), line);
extern const nm_shape_t nm_twig_shape;

static void
what_cannot_be_a_name_is_no_fault_where_it_names_what_there_is(void **state)
{
    (void) state;
    nm_tree_t tree;
    nm_buf_t raw = { 0 };
    s_expect_of(&nm_twig_shape, "{'line': 'short'}", "");
    s_expect_of(&nm_twig_shape, "{'line': 'more than twenty bytes of it'}", "");
    s_expect_of(&nm_twig_shape, "{'line': 7}", "/line: must be a text");
    s_expect_of(&nm_twig_shape, "{'text': 'x'}", "/line: is missing");
    s_pack_text("{'line': 'more than twenty bytes of it'}", &raw);
    assert_int_equal(nm_record_decode(&nm_twig_shape, &tree, nm_buf_bytes(&raw), NULL, ""), NM_OK);
    assert_true(NM_HAS(&tree, tree, line) && tree.line.size == 0);
    nm_buf_free(&raw);
}

static void
a_variant_wants_more_and_knows_less(void **state)
{
    (void) state;
    s_expect_of(&nm_bush_shape, "{'line': 'one', 'text': 'x'}", "");
    s_expect_of(&nm_bush_shape, "{'name': 'one'}", "");
    s_expect_of(&nm_bush_shape, "{}", "/line: is missing");
    s_expect_of(&nm_bush_shape, "{'line': null}", "/line: is missing");
    s_expect_of(&nm_bush_shape, "{'line': 'one', 'flag': true}", "/flag: is not a field of bush");
    s_expect_of(&nm_bush_shape, "{'line': 'one', 'flagg': true}", "/flagg: is not a field of bush");
    s_expect_of(&nm_bush_shape, "{'line': 'one', 'hue': 'red'}", "/hue: is not a field of bush");

    nm_buf_t raw = s_unhex("82 01 c3 09 a1 78");  //  By tag it is passed over, like any that is not known
    nm_tree_t tree;
    assert_int_equal(nm_record_decode(&nm_bush_shape, &tree, nm_buf_bytes(&raw), NULL, ""), NM_OK);
    assert_true(tree.has == NM_BIT(tree, line));
    nm_buf_free(&raw);
}

static void
takes_every_type_by_name(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 };
    nm_tree_t tree;
    s_pack_text("{'flag': true, 'number': 1000, 'offset': -50, 'at': '2026-11-21T03:59:51.123Z', 'id': '" ID_TEXT "',"
                " 'colour': 'green', 'shade': 2, 'text': 'two\\nlines', 'line': 'one', 'file': 'QUJDRA==',"
                " 'map': {'a': {'b': [1]}}, 'list': [1, 'x'], 'lines': ['p', 'q'], 'leaf': {'word': 'oak'},"
                " 'leaves': [{'word': 'elm', 'count': 3}, {'word': 'ash'}], 'any': [null]}",
                &raw);
    assert_int_equal(nm_record_decode(&nm_tree_shape, &tree, nm_buf_bytes(&raw), NULL, ""), NM_OK);
    assert_true(tree.flag);
    assert_true(tree.number == 1000);
    assert_true(tree.offset == -50);
    assert_true(tree.at == 1795233591123);
    assert_int_equal(tree.id.at[15], 0x8f);
    assert_int_equal(tree.colour, 1);
    assert_int_equal(tree.shade, 2);
    assert_true(nm_bytes_is(tree.text, "two\nlines"));
    assert_true(nm_bytes_is(tree.line, "one"));
    assert_true(nm_bytes_is(tree.file, "QUJDRA=="));
    assert_false(NM_HAS(&tree, tree, bin));
    assert_true(NM_HAS(&tree, tree, any));

    nm_list_t list;
    nm_bytes_t item;
    nm_leaf_t leaf;
    assert_int_equal(nm_list_open(&list, tree.leaves), NM_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(nm_list_next(&list, &item), NM_OK);
    assert_int_equal(nm_record_decode(&nm_leaf_shape, &leaf, item, NULL, ""), NM_OK);
    assert_true(nm_bytes_is(leaf.word, "elm"));
    assert_true(leaf.count == 3);
    assert_int_equal(nm_list_next(&list, &item), NM_OK);
    assert_int_equal(nm_list_next(&list, &item), NM_ERR_MISSING);
    nm_buf_free(&raw);
}

static void
decodes_a_list_of_records_in_one_walk(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 };
    nm_list_t list;
    nm_leaf_t leaf;
    s_pack_text("[{'word': 'elm', 'count': 3}, {'word': 'oak'}, 7, {'word': 'ash'}]", &raw);
    assert_int_equal(nm_list_open(&list, nm_buf_bytes(&raw)), NM_OK);
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_OK);
    assert_true(nm_bytes_is(leaf.word, "elm"));
    assert_true(leaf.count == 3);
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_OK);
    assert_true(nm_bytes_is(leaf.word, "oak"));
    assert_false(NM_HAS(&leaf, leaf, count));
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_ERR_MALFORMED);
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_OK);
    assert_true(nm_bytes_is(leaf.word, "ash"));
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_ERR_MISSING);

    //  What has no end takes all behind it along.
    assert_int_equal(nm_list_open(&list, nm_bytes(raw.at, raw.size - 1)), NM_OK);
    for (size_t i = 0; i < 3; i++)
        nm_list_decode(&list, &nm_leaf_shape, &leaf);
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_ERR_MALFORMED);
    assert_int_equal(nm_list_decode(&list, &nm_leaf_shape, &leaf), NM_ERR_MISSING);
    nm_buf_free(&raw);
}

static void
names_every_fault_at_once_with_its_pointer(void **state)
{
    (void) state;
    s_expect(
        "{'flag': 1, 'number': 1001, 'offset': 51, 'at': 5, 'id': 'x', 'colour': 'pink', 'shade': 3,"
        " 'text': 'a\\u0000b', 'line': 'a\\nb', 'bin': 'x', 'file': 'QQ', 'map': [], 'list': {}, 'lines': ['a', 7],"
        " 'leaf': {'word': 'far too long'}, 'leaves': [{'word': 'elm'}, {'count': 100}], 'any': 'much too long'}",
        "/flag: must be true or false\n"
        "/number: must be a whole number from 0 to 1,000\n"
        "/offset: must be a whole number from -50 to 50\n"
        "/at: must be a time as RFC 3339 writes it, such as 2026-11-21T03:59:51Z\n"
        "/id: must be a UUID\n"
        "/colour: must be one of red, green, blue\n"
        "/shade: must be one of red, green, blue\n"
        "/text: must not contain a NUL character\n"
        "/line: must be one line without control characters\n"
        "/bin: must be binary\n"
        "/file: must be base64 (RFC 4648 section 4) with its padding\n"
        "/map: must be an object\n"
        "/list: must be a list\n"
        "/lines/1: must be a text\n"
        "/leaf/word: is 12 bytes long; at most 8 are allowed\n"
        "/leaves/1/count: must be a whole number from 0 to 99\n"
        "/leaves/1/word: is missing\n"
        "/any: is 14 bytes long; at most 8 are allowed");
}

static void
holds_each_type_to_its_limit(void **state)
{
    (void) state;
#define WITH_ID(rest) "{'id': '" ID_TEXT "', " rest "}"
    s_expect(WITH_ID("'text': '12345678901234567890', 'offset': -50, 'file': 'QUJDREVG', 'list': [1, 2, 3]"), "");
    s_expect(WITH_ID("'text': '123456789012345678901'"), "/text: is 21 bytes long; at most 20 are allowed");
    s_expect(WITH_ID("'offset': -51"), "/offset: must be a whole number from -50 to 50");
    s_expect(WITH_ID("'number': -1"), "/number: must be a whole number from 0 to 1,000");
    s_expect(WITH_ID("'number': 1.0"), "/number: must be a whole number from 0 to 1,000");
    s_expect(WITH_ID("'file': 'QUJDREVGRw=='"), "/file: is 7 bytes long; at most 6 are allowed");
    s_expect(WITH_ID("'list': [1, 2, 3, 4]"), "/list: has 4 items; at most 3 are allowed");
    s_expect(WITH_ID("'lines': ['a', 'b', 'c']"), "/lines: has 3 items; at most 2 are allowed");
    s_expect(WITH_ID("'leaves': [{}, {}, {}]"), "/leaves: has 3 items; at most 2 are allowed");
    s_expect(WITH_ID("'map': {'a': '1234567890123456789012345678901234567890123456789012345678901'}"),
             "/map: is 66 bytes long; at most 64 are allowed");
    s_expect(WITH_ID("'colour': 1"), "/colour: must be one of red, green, blue");
    s_expect(WITH_ID("'leaf': []"), "/leaf: must be an object");
    s_expect(WITH_ID("'leaves': [[]]"), "/leaves/0: must be an object");
    s_expect("[]", ": must be an object");
}

static void
null_means_absent(void **state)
{
    (void) state;
    s_expect(WITH_ID("'flag': null, 'colour': null, 'leaf': null, 'leaves': null, 'any': null"), "");
    s_expect("{'id': null}", "/id: is missing");
}

static void
unknown_names_are_faults_and_guess_what_was_meant(void **state)
{
    (void) state;
    s_expect(WITH_ID("'numbre': 1"), "/numbre: is not a field of tree; did you mean number?");
    s_expect(WITH_ID("'entirely': {'different': [1]}"), "/entirely: is not a field of tree");
    s_expect(WITH_ID("'leaf': {'word': 'a', 'wrod': 'b'}"), "/leaf/wrod: is not a field of leaf; did you mean word?");
    s_expect(WITH_ID("'': 1"), "/: is not a field of tree");
}

static void
pointers_are_escaped(void **state)
{
    (void) state;
    s_expect(WITH_ID("'a/b~c': 1"), "/a~1b~0c: is not a field of tree");
}

static void
an_alias_is_its_field_under_the_name_as_written(void **state)
{
    (void) state;
    s_expect(WITH_ID("'hue': 'blue'"), "");
    s_expect(WITH_ID("'hue': 'pink'"), "/hue: must be one of red, green, blue");
    s_expect(WITH_ID("'colour': 'red', 'hue': 'red'"), "/hue: is an older name of colour, which is there too");
    s_expect(WITH_ID("'hue': 'red', 'colour': 'red'"), "/colour: is there twice, or beside an older name of it");
    s_expect(WITH_ID("'hue': 'red', 'color': 'red'"), "/color: is an older name of colour, which is there too");
}

static void
s_refuses_hex(const char *hex)
{
    nm_buf_t raw = s_unhex(hex);
    nm_leaf_t leaf;
    nm_faults_t faults = { 0 };
    assert_int_equal(nm_record_decode(&nm_leaf_shape, &leaf, nm_buf_bytes(&raw), NULL, ""), NM_ERR_MALFORMED);
    assert_int_equal(nm_record_decode(&nm_leaf_shape, &leaf, nm_buf_bytes(&raw), &faults, ""), NM_ERR_MALFORMED);
    assert_true(faults.count > 0);
    nm_buf_free(&raw);
}

static void
refuses_a_repeated_key(void **state)
{
    (void) state;
    s_refuses_hex("82 a4 776f7264 a1 61 a4 776f7264 a1 62");  //  word, word
    s_refuses_hex("82 01 a1 61 01 a1 62");                    //  1, 1
    s_refuses_hex("82 01 a1 61 a4 776f7264 a1 62");           //  1, word
    s_refuses_hex("83 01 a1 61 a5 636f756e74 c0 02 01");      //  count: nil, then 2
}

static void
a_name_is_its_field_only_to_its_last_byte(void **state)
{
    (void) state;
    s_refuses_hex("82 01 a1 61 a7 636f756e740078 01");  //  count, NUL, x
    s_refuses_hex("82 01 a1 61 a4 636f756e 01");        //  coun
    s_refuses_hex("82 01 a1 61 a0 01");
}

static void
refuses_keys_that_are_neither_text_nor_tag(void **state)
{
    (void) state;
    s_refuses_hex("82 01 a1 61 c4 01 61 01");
    s_refuses_hex("82 01 a1 61 c0 01");
    s_refuses_hex("82 01 a1 61 ff 01");
    s_refuses_hex("82 01 a1 61 90 01");
}

static void
refuses_what_is_not_exactly_one_value(void **state)
{
    (void) state;
    s_refuses_hex("");
    s_refuses_hex("81 01 a1 61 00");
    s_refuses_hex("81 01 a1");
    s_refuses_hex("82 01 a1 61");
    s_refuses_hex("df ff ff ff ff");
    s_refuses_hex("81 01 a1 ff");
}

static void
passes_over_unknown_tags(void **state)
{
    (void) state;
    nm_buf_t raw = s_unhex("84 7d 92 01 02 01 a1 61 cd 01 01 c0 02 05");  //  125, 1, 257, 2
    nm_leaf_t leaf;
    assert_int_equal(nm_record_decode(&nm_leaf_shape, &leaf, nm_buf_bytes(&raw), NULL, ""), NM_OK);
    assert_true(nm_bytes_is(leaf.word, "a"));
    assert_true(leaf.count == 5);
    nm_buf_free(&raw);
}

static void
s_expect_map(nm_buf_t *map, const char *detail)
{
    nm_buf_t raw = { 0 };
    nm_tree_t tree;
    nm_faults_t faults = { 0 };
    nm_writer_map(&raw, 2);
    nm_writer_pair_text(&raw, "id", ID_TEXT);
    nm_writer_pair_raw(&raw, "map", nm_buf_bytes(map));
    nm_rc_t rc = nm_record_decode(&nm_tree_shape, &tree, nm_buf_bytes(&raw), &faults, "");
    assert_int_equal(rc, detail ? NM_ERR_MALFORMED : NM_OK);
    assert_int_equal(faults.count, detail ? 1 : 0);
    if (detail)
        assert_true(s_has_fault(&faults, "/map", detail));
    nm_buf_free(&raw);
    nm_buf_free(map);
}

static void
maps_have_texts_as_keys_each_once_at_every_depth(void **state)
{
    (void) state;
    nm_buf_t map = s_unhex("82 a1 61 01 a1 62 91 82 a1 63 01 a1 64 02");
    s_expect_map(&map, NULL);
    map = s_unhex("82 a1 61 01 a1 61 02");
    s_expect_map(&map, "has the name a twice");
    map = s_unhex("81 a1 62 91 82 a1 63 01 a1 63 02");
    s_expect_map(&map, "has the name c twice");
    map = s_unhex("81 01 02");
    s_expect_map(&map, "must have texts as names");
    map = s_unhex("81 a1 61 81 c0 01");
    s_expect_map(&map, "must have texts as names");
    map = s_unhex("de 00 14");  //  More than are compared each with each
    for (uint8_t i = 0; i < 20; i++) {
        const uint8_t pair[] = { 0xa1, i == 19 ? '0' + 7 : '0' + i, 0xc0 };
        nm_buf_add(&map, pair, sizeof pair);
    }
    s_expect_map(&map, "has the name 7 twice");
}

//  n keys cost n log n: a map as large as the limits allow is no attack.
static void
a_map_of_very_many_keys_is_quick(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 }, variables = { 0 };
    nm_request_t request;
    size_t mark = nm_writer_map_open(&variables), count = 0;
    for (; variables.size < NM_VARIABLES_MAX - 8; count++) {
        char key[8];
        snprintf(key, sizeof key, "%zx", count);
        nm_writer_text(&variables, key);
        nm_writer_nil(&variables);
    }
    nm_writer_map_close(&variables, mark, count);
    nm_writer_map(&raw, 1);
    nm_writer_pair_raw(&raw, "variables", nm_buf_bytes(&variables));
    for (int i = 0; i < 20; i++)
        assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&raw), NULL, ""), NM_OK);
    nm_buf_free(&raw);
    nm_buf_free(&variables);
}

static void
faults_that_find_no_room_are_counted(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 }, out = { 0 };
    nm_tree_t tree;
    nm_faults_t faults = { 0 };
    nm_writer_map(&raw, NM_FAULT_COUNT + 10);
    for (int i = 0; i < NM_FAULT_COUNT + 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "unknown-%d", i);
        nm_writer_pair_uint(&raw, name, 1);
    }
    assert_int_equal(nm_record_decode(&nm_tree_shape, &tree, nm_buf_bytes(&raw), &faults, "/items/3"),
                     NM_ERR_MALFORMED);
    assert_int_equal(faults.count, NM_FAULT_COUNT);
    assert_int_equal(faults.missed, 11);  //  One more: the id is missing
    assert_string_equal(faults.items[0].pointer, "/items/3/unknown-0");
    nm_faults_write(&faults, &out);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&out)), NM_OK);
    nm_buf_free(&raw);
    nm_buf_free(&out);
}

static void
long_names_are_cut_between_characters(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 }, out = { 0 };
    char name[301];
    for (size_t i = 0; i + 3 <= 300; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 3);
    name[300] = 0;
    nm_tree_t tree;
    nm_faults_t faults = { 0 };
    nm_writer_map(&raw, 1);
    nm_writer_pair_uint(&raw, name, 1);
    nm_record_decode(&nm_tree_shape, &tree, nm_buf_bytes(&raw), &faults, "");
    nm_faults_write(&faults, &out);
    assert_int_equal(nm_reader_check(nm_buf_bytes(&out)), NM_OK);  //  Still UTF-8
    nm_buf_free(&raw);
    nm_buf_free(&out);
}

static void
packs_only_what_is_set(void **state)
{
    (void) state;
    nm_leaf_t leaf = { 0 };
    nm_buf_t out = { 0 };
    NM_PUT(&leaf, leaf, count, 7);
    nm_record_encode(&nm_leaf_shape, &leaf, NM_BY_TAG, &out);
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.at, "\x81\x02\x07", 3);
    nm_buf_clear(&out);
    nm_record_encode(&nm_leaf_shape, &leaf, NM_BY_NAME, &out);
    assert_memory_equal(out.at,
                        "\x81\xa5"
                        "count\x07",
                        8);
    nm_buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_type_by_name),
        cmocka_unit_test(decodes_a_list_of_records_in_one_walk),
        cmocka_unit_test(names_every_fault_at_once_with_its_pointer),
        cmocka_unit_test(holds_each_type_to_its_limit),
        cmocka_unit_test(null_means_absent),
        cmocka_unit_test(unknown_names_are_faults_and_guess_what_was_meant),
        cmocka_unit_test(pointers_are_escaped),
        cmocka_unit_test(an_alias_is_its_field_under_the_name_as_written),
        cmocka_unit_test(refuses_a_repeated_key),
        cmocka_unit_test(a_name_is_its_field_only_to_its_last_byte),
        cmocka_unit_test(refuses_keys_that_are_neither_text_nor_tag),
        cmocka_unit_test(refuses_what_is_not_exactly_one_value),
        cmocka_unit_test(passes_over_unknown_tags),
        cmocka_unit_test(maps_have_texts_as_keys_each_once_at_every_depth),
        cmocka_unit_test(a_map_of_very_many_keys_is_quick),
        cmocka_unit_test(faults_that_find_no_room_are_counted),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(packs_only_what_is_set),
        cmocka_unit_test(a_variant_wants_more_and_knows_less),
        cmocka_unit_test(what_cannot_be_a_name_is_no_fault_where_it_names_what_there_is),
        cmocka_unit_test(nil_fields_are_there_by_name_without_a_value),
    };
    return cmocka_run_group_tests_name("wire/record", tests, NULL, NULL);
}
