#include "check.h"

//  PROTOCOL.md lists the fields of every record and the words of every enum. The lists
//  are made here from the tables of the code; where the page differs, the page is wrong.
//  `test_protocol --print` prints them, to be put into the page.

static const nm_words_t *const WORDS[] = {
    &nm_channel_words, &nm_priority_words, &nm_strategy_words, &nm_status_words,
    &nm_event_words,   &nm_outcome_words,  &nm_reason_words,
};

static const char *const TYPES[] = { "bool", "uint",   "int", "time", "id",    "enum",   "str",     "line", "ref",
                                     "bin",  "base64", "map", "list", "lines", "record", "records", "any" };

static const char *
s_type(const nm_field_t *field)
{
    //  In the order of nm_field_type_t
    _Static_assert(NM_FIELD_ANY == NM_COUNT(TYPES) - 1, "a word for each type");
    return TYPES[field->type];
}

//  "record `attempt`", or "enum `channel`"
static void
s_print_type(const nm_field_t *field, nm_buf_t *out)
{
    nm_buf_add_text(out, s_type(field));
    if (field->more && (field->type == NM_FIELD_ENUM || field->type == NM_FIELD_LINES))
        nm_buf_format(out, " `%s`", ((const nm_words_t *) field->more)->name);
    else if (field->more)
        nm_buf_format(out, " `%s`", ((const nm_shape_t *) field->more)->name);
}

static void
s_print_limit(const nm_field_t *field, nm_buf_t *out)
{
    if (field->type == NM_FIELD_ENUM)
        nm_buf_add_text(out, field->limit ? "number by name too" : "");
    else if (field->limit == UINT64_MAX)
        nm_buf_add_text(out, "2^64-1");
    else if (field->limit == UINT32_MAX)
        nm_buf_add_text(out, "2^32-1");
    else if (field->limit)
        nm_buf_format(out, "%llu", (unsigned long long) field->limit);
}

static void
s_print_shape(const nm_shape_t *shape, nm_buf_t *out)
{
    nm_buf_format(out, "#### `%s`\n\n| tag | name | type | limit | | meaning |\n|---|---|---|---|---|---|\n",
                  shape->name);
    for (size_t i = 0; i < shape->field_count; i++) {
        const nm_field_t *field = &shape->fields[i];
        nm_buf_format(out, "| %u | `%s` | ", field->tag, field->name);
        s_print_type(field, out);
        nm_buf_add_text(out, " | ");
        s_print_limit(field, out);
        nm_buf_format(out, " | %s | %s |\n", field->need == NM_NEED_MUST ? "must" : "", field->doc);
    }
}

static void
s_print_words(const nm_words_t *words, nm_buf_t *out)
{
    nm_buf_format(out, "| `%s` | ", words->name);
    for (size_t i = 0; i < words->count; i++)
        nm_buf_format(out, "%s%zu `%s`", i ? ", " : "", i, words->words[i]);
    nm_buf_add_text(out, " |\n");
}

static nm_buf_t
s_load_page(void)
{
    nm_buf_t page = { 0 };
    FILE *file = fopen("wire/PROTOCOL.md", "rb");
    assert_non_null(file);
    size_t got;
    do {
        got = fread(nm_buf_reserve(&page, 4096), 1, 4096, file);
        page.size += got;
    } while (got);
    fclose(file);
    nm_buf_add(&page, "", 1);
    return page;
}

static void
s_expect(const nm_buf_t *page, nm_buf_t *part)
{
    nm_buf_add(part, "", 1);
    if (!strstr((const char *) page->at, (const char *) part->at))
        fail_msg("wire/PROTOCOL.md does not hold this:\n%s", (const char *) part->at);
    nm_buf_free(part);
}

static void
the_page_lists_every_field_as_the_code_has_it(void **state)
{
    (void) state;
    nm_buf_t page = s_load_page();
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++) {
        nm_buf_t part = { 0 };
        s_print_shape(SHAPES[i], &part);
        s_expect(&page, &part);
    }
    nm_buf_free(&page);
}

static void
the_page_lists_every_word_as_the_code_has_it(void **state)
{
    (void) state;
    nm_buf_t page = s_load_page();
    for (size_t i = 0; i < NM_COUNT(WORDS); i++) {
        nm_buf_t part = { 0 };
        s_print_words(WORDS[i], &part);
        s_expect(&page, &part);
    }
    nm_buf_free(&page);
}

static void
s_print_all(void)
{
    nm_buf_t out = { 0 };
    for (size_t i = 0; i < NM_COUNT(WORDS); i++)
        s_print_words(WORDS[i], &out);
    for (size_t i = 0; i < NM_COUNT(SHAPES); i++) {
        nm_buf_add_text(&out, "\n");
        s_print_shape(SHAPES[i], &out);
    }
    fwrite(out.at, 1, out.size, stdout);
    nm_buf_free(&out);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_lists_every_field_as_the_code_has_it),
        cmocka_unit_test(the_page_lists_every_word_as_the_code_has_it),
    };
    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        s_print_all();
        return 0;
    }
    return cmocka_run_group_tests_name("wire/PROTOCOL.md", tests, NULL, NULL);
}
