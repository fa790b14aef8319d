//  About broker/book.c: which of two copies of a book is ahead, and up to where they agree.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/book.h"

static const nm_id_t STORE_A = { "store a........" }, STORE_B = { "store b........" };

//  A copy with these terms: pairs of round and owner with base; a round of 0 ends them.
typedef struct {
    uint32_t round;
    const char *owner;
    uint64_t base;
    const nm_id_t *store;
} s_row_t;

static nm_book_head_t
s_head(uint64_t number, const s_row_t *rows)
{
    nm_book_head_t head = { .number = number };
    for (; rows->round; rows++) {
        nm_term_t *term = &head.terms[head.term_count++];
        *term = (nm_term_t){ .round = rows->round, .base = rows->base, .store = rows->store ? *rows->store : STORE_A };
        nm_bytes_to_text(nm_text(rows->owner), term->owner, sizeof term->owner);
        head.heard = *term;
    }
    return head;
}
#define HEAD(number, ...) s_head(number, (const s_row_t[]){ __VA_ARGS__, { 0, NULL, 0, NULL } })
#define BLANK() s_head(0, (const s_row_t[]){ { 0, NULL, 0, NULL } })

static void
s_expect(nm_book_head_t mine, nm_book_head_t theirs, nm_book_place_t place, uint64_t common)
{
    static const nm_book_place_t MIRROR[] = { [NM_BOOK_LEVEL] = NM_BOOK_LEVEL,
                                              [NM_BOOK_AHEAD] = NM_BOOK_BEHIND,
                                              [NM_BOOK_BEHIND] = NM_BOOK_AHEAD,
                                              [NM_BOOK_AT_ODDS] = NM_BOOK_AT_ODDS };
    nm_book_relation_t relation = nm_book_compare(&mine, &theirs);
    assert_int_equal(relation.place, place);
    assert_int_equal(relation.common, common);
    relation = nm_book_compare(&theirs, &mine);
    assert_int_equal(relation.place, MIRROR[place]);
    assert_int_equal(relation.common, common);
}

static void
in_one_term_the_higher_number_is_ahead(void **state)
{
    (void) state;
    s_expect(HEAD(7, { 1, "a", 0 }), HEAD(7, { 1, "a", 0 }), NM_BOOK_LEVEL, 7);
    s_expect(HEAD(9, { 1, "a", 0 }), HEAD(7, { 1, "a", 0 }), NM_BOOK_AHEAD, 7);
    s_expect(BLANK(), HEAD(7, { 1, "a", 0 }), NM_BOOK_BEHIND, 0);
    s_expect(BLANK(), HEAD(0, { 1, "a", 0 }), NM_BOOK_BEHIND, 0);
    s_expect(BLANK(), BLANK(), NM_BOOK_LEVEL, 0);
}

static void
the_higher_round_wins_whatever_the_numbers(void **state)
{
    (void) state;
    s_expect(HEAD(8, { 1, "a", 0 }, { 2, "b", 7 }), HEAD(7, { 1, "a", 0 }), NM_BOOK_AHEAD, 7);
    s_expect(HEAD(8, { 1, "a", 0 }, { 2, "b", 7 }), HEAD(99, { 1, "a", 0 }), NM_BOOK_AHEAD, 7);
    s_expect(HEAD(7, { 1, "a", 0 }, { 2, "b", 7 }), HEAD(7, { 1, "a", 0 }), NM_BOOK_AHEAD, 7);
    s_expect(HEAD(8, { 1, "a", 0 }, { 2, "b", 7 }), HEAD(3, { 1, "a", 0 }), NM_BOOK_AHEAD, 3);
}

static void
in_one_round_the_later_name_wins_and_they_agree_up_to_the_fork(void **state)
{
    (void) state;
    s_expect(HEAD(9, { 1, "a", 0 }, { 2, "b", 5 }), HEAD(6, { 1, "a", 0 }, { 2, "c", 4 }), NM_BOOK_BEHIND, 4);
    s_expect(HEAD(9, { 1, "a", 0 }, { 2, "b", 5 }, { 3, "a", 9 }), HEAD(6, { 1, "a", 0 }, { 2, "c", 4 }), NM_BOOK_AHEAD,
             4);
}

static void
terms_that_were_passed_over_do_not_confuse(void **state)
{
    (void) state;
    //  b was promoted with less than a had, and then c from b
    s_expect(HEAD(12, { 1, "a", 0 }, { 2, "b", 10 }, { 3, "c", 12 }), HEAD(20, { 1, "a", 0 }), NM_BOOK_AHEAD, 10);
    s_expect(HEAD(12, { 2, "b", 10 }, { 3, "c", 12 }), HEAD(11, { 1, "a", 0 }, { 2, "b", 10 }), NM_BOOK_AHEAD, 11);
}

static void
a_term_that_was_begun_twice_is_at_odds(void **state)
{
    (void) state;
    s_expect(HEAD(9, { 1, "a", 0, &STORE_A }), HEAD(3, { 1, "a", 0, &STORE_B }), NM_BOOK_AT_ODDS, 0);
    s_expect(HEAD(9, { 1, "a", 0, &STORE_A }, { 2, "b", 9 }), HEAD(3, { 1, "a", 0, &STORE_B }), NM_BOOK_AHEAD, 0);
    //  ... unless one of them has nothing to lose
    s_expect(HEAD(9, { 1, "a", 0, &STORE_A }), HEAD(0, { 1, "a", 0, &STORE_B }), NM_BOOK_AHEAD, 0);
    s_expect(HEAD(0, { 1, "a", 0, &STORE_A }), HEAD(0, { 1, "a", 0, &STORE_B }), NM_BOOK_BEHIND, 0);
    s_expect(HEAD(9, { 1, "a", 0 }), HEAD(0, { 1, "b", 0 }), NM_BOOK_AHEAD, 0);
    s_expect(HEAD(9, { 1, "a", 0 }), HEAD(0, { 1, "b", 0 }, { 2, "b", 0 }), NM_BOOK_AHEAD, 0);
    s_expect(HEAD(9, { 1, "a", 0 }), HEAD(1, { 1, "b", 0 }), NM_BOOK_AT_ODDS, 0);
    s_expect(HEAD(0, { 1, "a", 0 }), HEAD(0, { 1, "b", 0 }), NM_BOOK_BEHIND, 0);
}

static void
who_gives_a_book_up_forgets_what_was_heard_in_it(void **state)
{
    (void) state;
    nm_book_head_t mine = HEAD(0, { 1, "b", 0 }), source = HEAD(9, { 1, "a", 0 });
    mine.number = source.number;
    nm_book_adopt(&mine, &source);
    assert_string_equal(nm_book_owner(&mine), "a");
    assert_int_equal(nm_book_title(&mine, "b", &STORE_A, 0), NM_BOOK_OTHERS);
    nm_term_t first = { .round = 1, .owner = "z" }, second = { .round = 2, .owner = "0" };
    assert_false(nm_book_hear(&mine, &first));
    assert_true(nm_book_hear(&mine, &second));
}

static void
a_copy_claims_only_terms_that_it_has_reached(void **state)
{
    (void) state;
    nm_book_head_t mine = HEAD(6, { 1, "a", 0 }), source = HEAD(20, { 1, "a", 0 }, { 2, "b", 6 }, { 3, "c", 7 });
    nm_book_adopt(&mine, &source);
    assert_int_equal(mine.term_count, 2);
    mine.number = 7;
    nm_book_adopt(&mine, &source);
    assert_int_equal(mine.term_count, 3);
}

static void
a_new_term_is_above_all_that_was_heard_of(void **state)
{
    (void) state;
    nm_book_head_t head = HEAD(6, { 1, "a", 0 });
    nm_term_t far = { .round = 8, .owner = "z" }, near = { .round = 1, .owner = "0" };
    assert_true(nm_book_hear(&head, &far));
    assert_false(nm_book_hear(&head, &far));
    assert_false(nm_book_hear(&head, &near));
    assert_string_equal(nm_book_owner(&head), "z");
    nm_book_begin(&head, "b", &STORE_B, 4);
    assert_int_equal(nm_book_term(&head)->round, 9);
    assert_int_equal(nm_book_term(&head)->base, 6);
    assert_string_equal(nm_book_owner(&head), "b");
    for (unsigned i = 0; i < 2 * NM_BOOK_TERM_MAX; i++)
        nm_book_begin(&head, "b", &STORE_B, 4);
    assert_int_equal(head.term_count, NM_BOOK_TERM_MAX);
    assert_int_equal(nm_book_term(&head)->round, 9 + 2 * NM_BOOK_TERM_MAX);
}

static void
a_title_is_good_for_one_life_of_one_store(void **state)
{
    (void) state;
    nm_book_head_t head = BLANK();
    assert_int_equal(nm_book_title(&head, "a", &STORE_A, 1), NM_BOOK_NOBODYS);
    nm_book_begin(&head, "a", &STORE_A, 1);
    assert_int_equal(nm_book_title(&head, "a", &STORE_A, 1), NM_BOOK_MINE);
    assert_int_equal(nm_book_title(&head, "b", &STORE_B, 1), NM_BOOK_OTHERS);
    assert_int_equal(nm_book_title(&head, "a", &STORE_B, 1), NM_BOOK_AGAIN);
    assert_int_equal(nm_book_title(&head, "a", &STORE_A, 2), NM_BOOK_AGAIN);
    nm_term_t other = { .round = 2, .owner = "b" };
    nm_book_hear(&head, &other);
    assert_int_equal(nm_book_title(&head, "a", &STORE_A, 1), NM_BOOK_OTHERS);
}

static void
a_change_is_known_by_its_term_and_number(void **state)
{
    (void) state;
    nm_book_head_t head = HEAD(12, { 1, "a", 0 }, { 2, "b", 10 });
    assert_true(nm_book_has(&head, &head.terms[0], 10));
    assert_false(nm_book_has(&head, &head.terms[0], 11));
    assert_true(nm_book_has(&head, &head.terms[1], 12));
    assert_false(nm_book_has(&head, &head.terms[1], 13));
    nm_term_t other = { .round = 2, .owner = "c" };
    assert_false(nm_book_has(&head, &other, 5));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_term_the_higher_number_is_ahead),
        cmocka_unit_test(the_higher_round_wins_whatever_the_numbers),
        cmocka_unit_test(in_one_round_the_later_name_wins_and_they_agree_up_to_the_fork),
        cmocka_unit_test(terms_that_were_passed_over_do_not_confuse),
        cmocka_unit_test(a_term_that_was_begun_twice_is_at_odds),
        cmocka_unit_test(who_gives_a_book_up_forgets_what_was_heard_in_it),
        cmocka_unit_test(a_copy_claims_only_terms_that_it_has_reached),
        cmocka_unit_test(a_new_term_is_above_all_that_was_heard_of),
        cmocka_unit_test(a_title_is_good_for_one_life_of_one_store),
        cmocka_unit_test(a_change_is_known_by_its_term_and_number),
    };
    return cmocka_run_group_tests_name("broker/book", tests, NULL, NULL);
}
