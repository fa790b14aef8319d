#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "broker/owners.h"
#include "broker/log.h"
#include "tests/broker/folder.h"

enum { GATEWAY_MAX = 8, KEY_COUNT = 8000 };
#define HOUR_MS INT64_C(3600000)
#define NOW_MS FOLDER_NOW_MS

//  A mesh of gateways 1 to `count`, and gateway `self` of it.
typedef struct {
    folder_t folder;
    nm_mesh_t *mesh;
    nm_directory_t *directory;
    nm_owners_t owners;
} fixture_t;

static fixture_t
s_make(unsigned count, uint16_t self)
{
    static const uint8_t AUTHORITY[NM_SIGN_PUBLIC_SIZE] = "the authority of all these tests";
    fixture_t made = { .mesh = NULL };
    nm_error_t error;
    char rest[4096];
    int used = snprintf(rest, sizeof rest, "actors\n");
    nm_log_open("test", NM_LOG_CRITICAL);
    folder_make(&made.folder);
    for (unsigned i = 1; i <= count; i++)
        used += snprintf(rest + used, sizeof rest - (size_t) used,
                         "    gateway-%u\n        role = gateway\n        number = %u\n        mailbox = tcp://h:%u\n"
                         "        desk = tcp://h:%u\n        door = tcp://h:%u\n",
                         i, i, 3 * i, 3 * i + 1, 3 * i + 2);
    folder_write_mesh(&made.folder, rest);
    made.mesh = nm_mesh_load(made.folder.path, &error);
    made.directory = made.mesh ? nm_directory_new(made.mesh, NOW_MS, &error) : NULL;
    if (!made.directory)
        fail_msg("%s", error.text);
    made.owners = (nm_owners_t){ made.directory, AUTHORITY, self, NOW_MS - HOUR_MS };
    return made;
}

static void
s_free(fixture_t *self)
{
    nm_directory_destroy(&self->directory);
    nm_mesh_destroy(&self->mesh);
    folder_remove(&self->folder);
}

static void
s_since(fixture_t *self, uint16_t number, int64_t not_before_ms)
{
    ((nm_peer_t *) nm_directory_gateway(self->directory, number))->cert.not_before_ms = not_before_ms;
}

static const nm_id_t SERVICE = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static uint16_t
s_owner(const fixture_t *self, unsigned n)
{
    char key[32];
    snprintf(key, sizeof key, "order-%u", n);
    return nm_owners_find(&self->owners, &SERVICE, nm_text(key));
}

static void
each_gateway_gets_its_share_of_the_keys(void **state)
{
    (void) state;
    fixture_t mesh = s_make(5, 1);
    unsigned counts[GATEWAY_MAX] = { 0 };
    for (unsigned n = 0; n < KEY_COUNT; n++)
        counts[s_owner(&mesh, n)]++;
    for (unsigned number = 1; number <= 5; number++)
        assert_in_range(counts[number], KEY_COUNT / 5 * 9 / 10, KEY_COUNT / 5 * 11 / 10);
    s_free(&mesh);
}

static void
a_gateway_that_is_added_takes_keys_and_moves_no_other(void **state)
{
    (void) state;
    fixture_t few = s_make(4, 1), more = s_make(5, 1);
    unsigned taken = 0;
    for (unsigned n = 0; n < KEY_COUNT; n++) {
        uint16_t before = s_owner(&few, n), after = s_owner(&more, n);
        taken += after == 5;
        if (after != 5)
            assert_int_equal(after, before);
    }
    assert_in_range(taken, KEY_COUNT / 5 * 9 / 10, KEY_COUNT / 5 * 11 / 10);
    s_free(&few);
    s_free(&more);
}

//  The rule is part of the protocol: two versions on one mesh must agree.
static void
the_owner_of_a_key_never_changes_between_versions(void **state)
{
    (void) state;
    fixture_t mesh = s_make(5, 1);
    char owners[17] = "";
    for (unsigned n = 0; n < 16; n++)
        owners[n] = (char) ('0' + s_owner(&mesh, n));
    assert_string_equal(owners, "4133215413411314");
    s_free(&mesh);
}

static void
who_asks_makes_no_difference_and_the_service_does(void **state)
{
    (void) state;
    fixture_t mesh = s_make(5, 1);
    nm_id_t other = SERVICE;
    other.at[0] ^= 1;
    nm_owners_t elsewhere = mesh.owners;
    elsewhere.self = 4;
    unsigned differ = 0;
    for (unsigned n = 0; n < 1000; n++) {
        char key[32];
        snprintf(key, sizeof key, "order-%u", n);
        uint16_t owner = nm_owners_find(&mesh.owners, &SERVICE, nm_text(key));
        assert_int_equal(nm_owners_find(&elsewhere, &SERVICE, nm_text(key)), owner);
        differ += nm_owners_find(&mesh.owners, &other, nm_text(key)) != owner;
    }
    assert_in_range(differ, 700, 900);
    s_free(&mesh);
}

static void
what_a_gateway_owned_that_is_gone_for_good_goes_to_all_others(void **state)
{
    (void) state;
    fixture_t few = s_make(4, 1), more = s_make(5, 1);
    ((nm_peer_t *) nm_directory_gateway(more.directory, 5))->forgotten = true;
    for (unsigned n = 0; n < 1000; n++)
        assert_int_equal(s_owner(&more, n), s_owner(&few, n));
    s_free(&few);
    s_free(&more);
}

static void
alone_it_owns_everything(void **state)
{
    (void) state;
    fixture_t mesh = s_make(1, 1);
    for (unsigned n = 0; n < 100; n++)
        assert_int_equal(s_owner(&mesh, n), 1);
    s_free(&mesh);
}

//  -- Who owned it before

//  Of the keys that gateway 4 of four owns: how often each of the others is named.
static void
s_count_before(fixture_t *mesh, unsigned counts[GATEWAY_MAX], unsigned *keys)
{
    *keys = 0;
    memset(counts, 0, GATEWAY_MAX * sizeof *counts);
    for (unsigned n = 0; n < 4000; n++) {
        const nm_peer_t *before[GATEWAY_MAX];
        char key[32];
        if (s_owner(mesh, n) != 4)
            continue;
        snprintf(key, sizeof key, "order-%u", n);
        size_t count = nm_owners_before(&mesh->owners, &SERVICE, nm_text(key), NOW_MS, before, GATEWAY_MAX);
        for (size_t i = 0; i < count; i++)
            counts[before[i]->actor.number]++;
        ++*keys;
    }
}

static void
a_new_gateway_asks_the_one_that_owned_the_key_yesterday(void **state)
{
    (void) state;
    fixture_t mesh = s_make(4, 4), old = s_make(3, 1);
    for (uint16_t number = 1; number <= 3; number++)
        s_since(&mesh, number, NOW_MS - 48 * HOUR_MS - number);
    s_since(&mesh, 4, NOW_MS - 2 * HOUR_MS);
    for (unsigned n = 0; n < 1000; n++) {
        const nm_peer_t *before[GATEWAY_MAX];
        char key[32];
        if (s_owner(&mesh, n) != 4)
            continue;
        snprintf(key, sizeof key, "order-%u", n);
        assert_int_equal(nm_owners_before(&mesh.owners, &SERVICE, nm_text(key), NOW_MS, before, GATEWAY_MAX), 1);
        assert_int_equal(before[0]->actor.number, s_owner(&old, n));
    }
    s_free(&mesh);
    s_free(&old);
}

static void
of_two_new_ones_the_later_asks_both_the_earlier_and_who_was_before_it(void **state)
{
    (void) state;
    fixture_t mesh = s_make(4, 4);
    unsigned counts[GATEWAY_MAX], keys;
    s_since(&mesh, 1, NOW_MS - 48 * HOUR_MS);
    s_since(&mesh, 2, NOW_MS - 48 * HOUR_MS);
    s_since(&mesh, 3, NOW_MS - 5 * HOUR_MS);
    s_since(&mesh, 4, NOW_MS - 2 * HOUR_MS);
    s_count_before(&mesh, counts, &keys);
    assert_int_equal(counts[1] + counts[2], keys);   //  One of the old ones always
    assert_in_range(counts[3], keys / 4, keys / 2);  //  The other new one where it outweighs both
    s_free(&mesh);
}

static void
gateways_that_were_founded_together_ask_nobody(void **state)
{
    (void) state;
    fixture_t mesh = s_make(4, 4);
    unsigned counts[GATEWAY_MAX], keys;
    for (uint16_t number = 1; number <= 4; number++)
        s_since(&mesh, number, NOW_MS - 2 * HOUR_MS);
    s_count_before(&mesh, counts, &keys);
    assert_int_equal(counts[1] + counts[2] + counts[3], 0);
    s_free(&mesh);
}

//  Only its own store counts: that another's certificate was renewed today says nothing of the key.
static void
after_a_day_it_asks_nobody_any_more(void **state)
{
    (void) state;
    fixture_t mesh = s_make(4, 4);
    unsigned counts[GATEWAY_MAX], keys;
    for (uint16_t number = 1; number <= 4; number++)
        s_since(&mesh, number, NOW_MS - number * HOUR_MS);
    mesh.owners.born_ms = NOW_MS - 25 * HOUR_MS;
    s_count_before(&mesh, counts, &keys);
    assert_int_equal(counts[1] + counts[2] + counts[3], 0);
    mesh.owners.born_ms++;
    s_count_before(&mesh, counts, &keys);
    assert_int_not_equal(counts[1] + counts[2] + counts[3], 0);
    s_free(&mesh);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gateway_gets_its_share_of_the_keys),
        cmocka_unit_test(a_gateway_that_is_added_takes_keys_and_moves_no_other),
        cmocka_unit_test(the_owner_of_a_key_never_changes_between_versions),
        cmocka_unit_test(who_asks_makes_no_difference_and_the_service_does),
        cmocka_unit_test(what_a_gateway_owned_that_is_gone_for_good_goes_to_all_others),
        cmocka_unit_test(alone_it_owns_everything),
        cmocka_unit_test(a_new_gateway_asks_the_one_that_owned_the_key_yesterday),
        cmocka_unit_test(of_two_new_ones_the_later_asks_both_the_earlier_and_who_was_before_it),
        cmocka_unit_test(gateways_that_were_founded_together_ask_nobody),
        cmocka_unit_test(after_a_day_it_asks_nobody_any_more),
    };
    return cmocka_run_group_tests_name("broker/owners", tests, NULL, NULL);
}
