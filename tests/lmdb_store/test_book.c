//  About lmdb_store/book.c: entries, the list of changes, and what is kept aside.
#include "tests/lmdb_store/fixture.h"

#include "lmdb_store/book.h"

static int
s_setup(void **state)
{
    fx_setup(state);
    fx_t *self = *state;
    static const nm_table_t *tables[NM_BOOK_TABLE_COUNT + 2];
    memcpy(tables, nm_book_tables, sizeof nm_book_tables);
    tables[NM_BOOK_TABLE_COUNT] = &fx_plain;
    tables[NM_BOOK_TABLE_COUNT + 1] = &fx_sealed;
    fx_close(self);
    self->config.tables = tables;
    self->config.table_count = NM_COUNT(tables);
    fx_open(self);
    return 0;
}

typedef struct {
    nm_txn_t *txn;
    nm_book_head_t head;
} s_book_t;

static nm_rc_t
s_set(s_book_t *self, const char *key, const char *value)
{
    nm_book_change_t change = { .key = nm_text(key), .value = nm_text(value), .gone = !value };
    return nm_book_apply(self->txn, "colours", &self->head, &change);
}

static void
s_expect(const s_book_t *self, const char *key, const char *value)
{
    nm_bytes_t found;
    nm_rc_t rc = nm_book_get(self->txn, "colours", nm_text(key), &found);
    assert_int_equal(rc, value ? NM_OK : NM_ERR_MISSING);
    if (value)
        assert_true(nm_bytes_is(found, value));
}

//  Runs a step in a transaction, with the head as the store has it.
typedef void(s_step_fn)(s_book_t *book);

static nm_rc_t
s_run(nm_txn_t *txn, void *arg)
{
    s_book_t book = { .txn = txn };
    s_step_fn *const *step = arg;
    assert_int_equal(nm_book_load(txn, "colours", &book.head), NM_OK);
    (*step)(&book);
    return NM_OK;
}

static void
s_step(fx_t *self, s_step_fn *step)
{
    assert_int_equal(nm_store_update(self->store, s_run, &step), NM_OK);
}

static void
s_make_three(s_book_t *book)
{
    assert_int_equal(book->head.number, 0);
    assert_int_equal(s_set(book, "sky", "blue"), NM_OK);
    assert_int_equal(s_set(book, "grass", "green"), NM_OK);
    assert_int_equal(s_set(book, "sky", NULL), NM_OK);
    assert_int_equal(s_set(book, "sun", "yellow"), NM_OK);
    assert_int_equal(s_set(book, "nothing", NULL), NM_OK);
}

static void
s_find_three(s_book_t *book)
{
    assert_int_equal(book->head.number, 5);
    assert_int_equal(book->head.floor, 0);
    assert_int_equal(book->head.entry_count, 2);
    s_expect(book, "sky", NULL);
    s_expect(book, "grass", "green");
    s_expect(book, "sun", "yellow");
    static const struct {
        const char *key, *value;
    } LIST[] = { { "sky", "blue" }, { "grass", "green" }, { "sky", NULL }, { "sun", "yellow" }, { "nothing", NULL } };
    for (size_t i = 0; i < NM_COUNT(LIST); i++) {
        nm_book_change_t change;
        assert_int_equal(nm_book_change(book->txn, "colours", i + 1, &change), NM_OK);
        assert_true(nm_bytes_is(change.key, LIST[i].key));
        assert_int_equal(change.gone, !LIST[i].value);
        if (LIST[i].value)
            assert_true(nm_bytes_is(change.value, LIST[i].value));
    }
    nm_book_change_t change;
    assert_int_equal(nm_book_change(book->txn, "colours", 6, &change), NM_ERR_MISSING);
}

static void
a_change_is_an_entry_and_a_line_in_the_list(void **state)
{
    fx_t *self = *state;
    s_step(self, s_make_three);
    fx_close(self);
    fx_open(self);
    s_step(self, s_find_three);
}

static void
s_put_terms(s_book_t *book)
{
    assert_int_equal(s_set(book, "sky", "blue"), NM_OK);
    book->head.epoch = 7;
    book->head.heard = (nm_term_t){ 9, "gateway-3", { "a third store..." }, 1 };
    book->head.term_count = 2;
    book->head.terms[0] = (nm_term_t){ 1, "gateway-1", { "one store......." }, 0 };
    book->head.terms[1] = (nm_term_t){ 2, "gateway-22", { "other store....." }, 1 };
    assert_int_equal(nm_book_save(book->txn, "colours", &book->head), NM_OK);
}

static void
s_find_terms(s_book_t *book)
{
    assert_int_equal(book->head.epoch, 7);
    assert_int_equal(book->head.heard.round, 9);
    assert_string_equal(book->head.heard.owner, "gateway-3");
    assert_int_equal(book->head.term_count, 2);
    assert_string_equal(nm_book_term(&book->head)->owner, "gateway-22");
    assert_int_equal(nm_book_term(&book->head)->base, 1);
    assert_memory_equal(book->head.terms[0].store.at, "one store.......", NM_ID_SIZE);
}

static void
a_head_comes_back_as_it_went(void **state)
{
    fx_t *self = *state;
    s_step(self, s_put_terms);
    fx_close(self);
    fx_open(self);
    s_step(self, s_find_terms);
}

static void
s_make_many(s_book_t *book)
{
    char value[16];
    for (unsigned i = 1; i <= NM_BOOK_CHANGES_KEPT + 10; i++) {
        snprintf(value, sizeof value, "%u", i);
        assert_int_equal(s_set(book, "counter", value), NM_OK);
    }
}

static void
s_find_the_last(s_book_t *book)
{
    nm_book_change_t change;
    assert_int_equal(book->head.floor, 10);
    assert_int_equal(nm_book_change(book->txn, "colours", 10, &change), NM_ERR_MISSING);
    assert_int_equal(nm_book_change(book->txn, "colours", 11, &change), NM_OK);
    assert_true(nm_bytes_is(change.value, "11"));
    s_expect(book, "counter", "1034");
}

static void
the_list_keeps_its_length_and_the_entries_stay(void **state)
{
    fx_t *self = *state;
    s_step(self, s_make_many);
    s_step(self, s_find_the_last);
}

static void
s_restart(s_book_t *book)
{
    nm_book_change_t change;
    assert_int_equal(nm_book_restart(book->txn, "colours", &book->head, 40), NM_OK);
    assert_int_equal(nm_book_change(book->txn, "colours", 3, &change), NM_ERR_MISSING);
    s_expect(book, "grass", "green");
    assert_int_equal(s_set(book, "sea", "grey"), NM_OK);
    assert_int_equal(book->head.number, 41);
    assert_int_equal(book->head.floor, 40);
}

static void
a_list_can_begin_again_at_another_number(void **state)
{
    fx_t *self = *state;
    s_step(self, s_make_three);
    s_step(self, s_restart);
}

static void
s_walk(s_book_t *book)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_book_head_t other = { .number = 0 };
    nm_book_change_t change = { .key = nm_text("saxophone"), .value = nm_text("brass") };
    assert_int_equal(nm_book_apply(book->txn, "colour", &other, &change), NM_OK);
    assert_int_equal(nm_book_apply(book->txn, "colours2", &other, &change), NM_OK);
    nm_book_open(&cursor, book->txn, "colours", nm_text("s"), nm_bytes(NULL, 0), false);
    assert_int_equal(nm_book_next(&cursor, &key, &value), NM_OK);
    assert_true(nm_bytes_is(key, "sun"));
    assert_true(nm_bytes_is(value, "yellow"));
    assert_int_equal(nm_book_next(&cursor, &key, &value), NM_ERR_MISSING);
    nm_cursor_close(&cursor);
    nm_book_open(&cursor, book->txn, "colours", nm_bytes(NULL, 0), nm_text("h"), true);
    assert_int_equal(nm_book_next(&cursor, &key, &value), NM_OK);
    assert_true(nm_bytes_is(key, "grass"));
    nm_cursor_close(&cursor);
}

static void
books_do_not_see_each_other(void **state)
{
    fx_t *self = *state;
    s_step(self, s_make_three);
    s_step(self, s_walk);
}

static nm_rc_t
s_count(void *arg, const nm_term_t *term, uint64_t number, const nm_book_change_t *change)
{
    unsigned *count = arg;
    assert_string_equal(term->owner, "gateway-1");
    assert_int_equal(number, 12);
    assert_true(nm_bytes_is(change->key, "moon"));
    assert_true(nm_bytes_is(change->value, "white"));
    ++*count;
    return NM_OK;
}

static void
s_put_aside(s_book_t *book)
{
    unsigned count = 0;
    nm_term_t term = { 3, "gateway-1", { "one store......." }, 8 };
    nm_book_change_t change = { .key = nm_text("moon"), .value = nm_text("white") };
    assert_int_equal(nm_book_put_aside(book->txn, "colours", &term, 12, &change), NM_OK);
    assert_int_equal(nm_book_put_aside(book->txn, "colours2", &term, 13, &change), NM_OK);
    assert_int_equal(nm_book_each_aside(book->txn, "colours", s_count, &count), NM_OK);
    assert_int_equal(count, 1);
    assert_int_equal(nm_book_drop_aside(book->txn, "colours"), NM_OK);
    assert_int_equal(nm_book_each_aside(book->txn, "colours", s_count, &count), NM_OK);
    assert_int_equal(count, 1);
}

static void
what_is_aside_is_kept_until_it_is_dropped(void **state)
{
    s_step(*state, s_put_aside);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, fx_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_change_is_an_entry_and_a_line_in_the_list),
        CLAIM(a_head_comes_back_as_it_went),
        CLAIM(the_list_keeps_its_length_and_the_entries_stay),
        CLAIM(a_list_can_begin_again_at_another_number),
        CLAIM(books_do_not_see_each_other),
        CLAIM(what_is_aside_is_kept_until_it_is_dropped),
    };
    return cmocka_run_group_tests_name("lmdb_store/book", tests, NULL, NULL);
}
