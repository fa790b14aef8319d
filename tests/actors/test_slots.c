//  About actors/channel/slots.c: who is next, and who is due.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/channel/slots.h"

static nm_slot_t
s_slot(uint8_t number, int64_t rank)
{
    nm_slot_t slot = { .state = NM_SLOT_READY, .rank = rank, .came_ms = 1000 + number, .expires_ms = INT64_MAX };
    memset(slot.key.notification.at, number, NM_ID_SIZE);
    slot.key.number = number;
    slot.key.generation = number * 3u;
    return slot;
}

static void
gives_the_smallest_rank_first_and_equal_ones_as_they_came(void **state)
{
    (void) state;
    static const int64_t RANKS[] = { 50, 20, 90, 20, 10, 70 };
    static const uint8_t WANT[] = { 4, 1, 3, 0, 5, 2 };
    nm_slots_t *slots = nm_slots_new();
    for (uint8_t i = 0; i < NM_COUNT(RANKS); i++) {
        nm_slot_t slot = s_slot(i, RANKS[i]);
        assert_non_null(nm_slots_add(slots, &slot));
    }
    for (size_t i = 0; i < NM_COUNT(WANT); i++) {
        nm_slot_t *slot = nm_slots_ready(slots);
        assert_int_equal(slot->key.number, WANT[i]);
        nm_slots_remove(slots, slot);
    }
    assert_null(nm_slots_ready(slots));
    nm_slots_destroy(&slots);
}

static void
takes_a_key_once(void **state)
{
    (void) state;
    nm_slots_t *slots = nm_slots_new();
    nm_slot_t slot = s_slot(7, 1);
    assert_non_null(nm_slots_add(slots, &slot));
    assert_null(nm_slots_add(slots, &slot));
    slot.key.generation++;
    assert_non_null(nm_slots_add(slots, &slot));
    assert_int_equal(nm_slots_count(slots), 2);
    nm_slots_destroy(&slots);
}

static void
unblocks_only_what_waits_for_a_breaker(void **state)
{
    (void) state;
    nm_slots_t *slots = nm_slots_new();
    for (uint8_t i = 0; i < 4; i++) {
        nm_slot_t slot = s_slot(i, i);
        nm_slots_move(slots, nm_slots_add(slots, &slot), NM_SLOT_WAITING, 100 + i);
    }
    nm_slot_t blocked = s_slot(2, 2);
    nm_slots_find(slots, &blocked.key)->blocked = true;
    nm_slots_unblock(slots);
    assert_int_equal(nm_slots_ready(slots)->key.number, 2);
    assert_int_equal(nm_slots_waiting(slots), 3);
    nm_slots_destroy(&slots);
}

//  A plain list is the oracle: after any moves both agree on the first of each kind.
static void
agrees_with_a_plain_list(void **state)
{
    (void) state;
    enum { COUNT = 200, STEPS = 20000 };
    static nm_slot_t list[COUNT];
    static bool there[COUNT];
    nm_slots_t *slots = nm_slots_new();
    uint64_t seed = 20261121;
    for (int step = 0; step < STEPS; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t i = (seed >> 33) % COUNT;
        nm_slot_state_t to = (seed >> 20) % 3;
        int64_t value = (int64_t) ((seed >> 40) % 1000) * 1000 + step % 1000;
        if (!there[i]) {
            list[i] = s_slot((uint8_t) i, value);
            nm_slots_add(slots, &list[i]);
        } else if ((seed >> 25) % 4 == 0) {
            nm_slots_remove(slots, nm_slots_find(slots, &list[i].key));
        } else {
            list[i].state = to;
            list[i].due_ms = value;
            nm_slots_move(slots, nm_slots_find(slots, &list[i].key), to, value);
        }
        there[i] = nm_slots_find(slots, &list[i].key) != NULL;

        int64_t rank = INT64_MAX, due = INT64_MAX;
        size_t calling = 0;
        for (size_t n = 0; n < COUNT; n++) {
            if (!there[n])
                continue;
            calling += list[n].state == NM_SLOT_CALLING;
            if (list[n].state == NM_SLOT_READY && list[n].rank < rank)
                rank = list[n].rank;
            if (list[n].state == NM_SLOT_WAITING && list[n].due_ms < due)
                due = list[n].due_ms;
        }
        assert_int_equal(nm_slots_calling(slots), calling);
        assert_int_equal(nm_slots_ready(slots) ? nm_slots_ready(slots)->rank : INT64_MAX, rank);
        assert_int_equal(nm_slots_due(slots) ? nm_slots_due(slots)->due_ms : INT64_MAX, due);
    }
    nm_slots_destroy(&slots);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_smallest_rank_first_and_equal_ones_as_they_came),
        cmocka_unit_test(takes_a_key_once),
        cmocka_unit_test(unblocks_only_what_waits_for_a_breaker),
        cmocka_unit_test(agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests_name("channel/slots", tests, NULL, NULL);
}
