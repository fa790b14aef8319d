#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sdk/c/pending.h"
#include "wire/frames.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  A gateway's side of a frame: what was asked, by number and operation.
typedef struct {
    uint64_t ids[64];
    char ops[64][32];
    char api_key[80];
    char authorization[64];
    size_t count;
} s_seen_t;

static void
s_fn(nmesh_t *self, const nmesh_reply_t *reply, void *arg)
{
    (void) self;
    (void) reply;
    (void) arg;
}

static void
s_add(nm_pending_t *pending, const char *op, int64_t now_ms, bool once, void *arg)
{
    nmesh_ask_t ask = { .op = op, .timeout_ms = 30000, .silence_ms = 5000, .once = once, .idempotency_key = "k-1" };
    assert_int_equal(nm_pending_add(pending, &ask, now_ms, s_fn, arg), NM_OK);
}

//  Takes a frame as the door does: strictly, by the tables of wire/frames.h.
static void
s_read(const nm_buf_t *frame, s_seen_t *seen)
{
    nm_ask_frame_t asks;
    nm_ask_headers_t headers;
    nm_list_t list;
    nm_bytes_t raw;
    *seen = (s_seen_t){ .count = 0 };
    assert_int_equal(nm_record_decode(&nm_ask_frame_shape, &asks, nm_buf_bytes(frame), NULL, ""), NM_OK);
    if (NM_HAS(&asks, ask_frame, headers)) {
        assert_int_equal(nm_record_decode(&nm_ask_headers_shape, &headers, asks.headers, NULL, ""), NM_OK);
        nm_bytes_to_text(headers.api_key, seen->api_key, sizeof seen->api_key);
        nm_bytes_to_text(headers.authorization, seen->authorization, sizeof seen->authorization);
    }
    assert_int_equal(nm_list_open(&list, asks.asks), NM_OK);
    while (nm_list_next(&list, &raw) == NM_OK && seen->count < NM_COUNT(seen->ids)) {
        nm_ask_t ask;
        assert_int_equal(nm_record_decode(&nm_ask_shape, &ask, raw, NULL, ""), NM_OK);
        seen->ids[seen->count] = ask.id;
        nm_bytes_to_text(ask.op, seen->ops[seen->count++], sizeof seen->ops[0]);
    }
}

static void
s_send(nm_pending_t *pending, int64_t now_ms, s_seen_t *seen)
{
    nm_buf_t frame = { 0 };
    assert_int_equal(nm_pending_frame(pending, &frame), NM_OK);
    nm_pending_sent(pending, now_ms);
    s_read(&frame, seen);
    nm_buf_free(&frame);
}

static void
s_reply(nm_buf_t *out, const uint64_t *ids, const unsigned *statuses, size_t count)
{
    nm_buf_clear(out);
    nm_writer_map(out, 1);
    nm_writer_text(out, "replies");
    nm_writer_list(out, count);
    for (size_t i = 0; i < count; i++) {
        nm_writer_map(out, 3);
        nm_writer_pair_uint(out, "id", ids[i]);
        nm_writer_pair_uint(out, "status", statuses[i]);
        nm_writer_text(out, "body");
        nm_writer_map(out, 1);
        nm_writer_pair_text(out, "id", "x");
    }
}

static void
asks_travel_in_one_frame_in_the_order_they_came(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_t *pending = nm_pending_new("0123-secret", 16);
    s_add(pending, "a.one", 1000, false, NULL);
    s_add(pending, "b.two", 1001, false, NULL);
    s_add(pending, "c.three", 1002, false, NULL);
    s_send(pending, 1003, &seen);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.ops[0], "a.one");
    assert_string_equal(seen.ops[1], "b.two");
    assert_string_equal(seen.ops[2], "c.three");
    assert_string_equal(seen.api_key, "0123-secret");
    assert_int_equal(nm_pending_waiting_count(pending), 0);
    assert_int_equal(nm_pending_open_count(pending), 3);
    nm_pending_destroy(&pending);
}

static void
a_frame_that_did_not_go_comes_again_whole(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.one", 1000, false, NULL);
    assert_int_equal(nm_pending_frame(pending, &frame), NM_OK);
    s_add(pending, "b.two", 1001, false, NULL);
    s_send(pending, 1002, &seen);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.api_key, "");
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_token_stands_where_a_key_would(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    nm_pending_use_token(pending, "head.body.signature");
    s_add(pending, "a.one", 1000, false, NULL);
    s_send(pending, 1001, &seen);
    assert_string_equal(seen.api_key, "");
    assert_string_equal(seen.authorization, "Bearer head.body.signature");
    nm_pending_destroy(&pending);
}

//  Longer than an ask may say: the frame, and what else is in it, is read all the same.
static void
an_ask_may_wait_longer_than_it_can_say(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_t *pending = nm_pending_new("key", 16);
    nmesh_ask_t ask = { .op = "a.one", .timeout_ms = 3600000, .silence_ms = 5000 };
    assert_int_equal(nm_pending_add(pending, &ask, 1000, s_fn, NULL), NM_OK);
    s_add(pending, "a.two", 1000, false, NULL);
    s_send(pending, 1001, &seen);
    assert_int_equal(seen.count, 2);
    nm_pending_destroy(&pending);
}

static void
replies_find_their_asks_in_any_order(void **state)
{
    (void) state;
    int marks[2];
    s_seen_t seen;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.one", 1000, false, &marks[0]);
    s_add(pending, "b.two", 1000, false, &marks[1]);
    s_send(pending, 1001, &seen);
    s_reply(&frame, (uint64_t[]){ seen.ids[1], 987654321, seen.ids[0] }, (unsigned[]){ 202, 200, 404 }, 3);
    assert_int_equal(nm_pending_open_replies(pending, nm_buf_bytes(&frame)), NM_OK);
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_OK);
    assert_ptr_equal(end.arg, &marks[1]);
    assert_int_equal(end.reply.status, 202);
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_OK);
    assert_ptr_equal(end.arg, &marks[0]);
    assert_int_equal(end.reply.status, 404);
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_ERR_MISSING);
    assert_int_equal(nm_pending_open_count(pending), 0);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_second_reply_to_the_same_ask_is_passed_over(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.one", 1000, false, NULL);
    s_send(pending, 1001, &seen);
    s_reply(&frame, (uint64_t[]){ seen.ids[0], seen.ids[0] }, (unsigned[]){ 202, 200 }, 2);
    assert_int_equal(nm_pending_open_replies(pending, nm_buf_bytes(&frame)), NM_OK);
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_OK);
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_ERR_MISSING);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
what_is_no_reply_frame_is_refused(void **state)
{
    (void) state;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    assert_int_equal(nm_pending_open_replies(pending, nm_text("\xdd\xff\xff\xff\xff")), NM_ERR_MALFORMED);
    assert_int_equal(nm_pending_open_replies(pending, nm_text("")), NM_ERR_MALFORMED);
    nm_pending_destroy(&pending);
}

static void
a_silent_door_is_left_and_everything_asked_again_with_the_same_number(void **state)
{
    (void) state;
    s_seen_t before, after;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.one", 1000, false, NULL);
    s_add(pending, "b.two", 1000, false, NULL);
    s_send(pending, 1000, &before);
    assert_false(nm_pending_silent(pending, 5999, 500));
    assert_true(nm_pending_silent(pending, 6000, 500));
    nm_pending_again(pending);
    s_send(pending, 6001, &after);
    assert_int_equal(after.count, 2);
    assert_int_equal(after.ids[0], before.ids[0]);
    assert_int_equal(after.ids[1], before.ids[1]);
    nm_pending_destroy(&pending);
}

static void
one_lost_ask_at_a_talking_door_is_asked_again_alone(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.lost", 1000, false, NULL);
    s_send(pending, 1000, &seen);
    s_add(pending, "b.late", 4000, false, NULL);
    s_send(pending, 4000, &seen);
    assert_false(nm_pending_silent(pending, 6000, 5500));
    assert_int_equal(nm_pending_waiting_count(pending), 1);
    s_send(pending, 6001, &seen);
    assert_string_equal(seen.ops[0], "a.lost");
    nm_pending_destroy(&pending);
}

static void
what_may_be_asked_only_once_ends_instead(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "keys.create", 1000, true, NULL);
    s_send(pending, 1000, &seen);
    nm_pending_again(pending);
    assert_int_equal(nm_pending_waiting_count(pending), 0);
    assert_int_equal(nm_pending_late(pending, 2000, &end), NM_OK);
    assert_int_equal(end.reply.status, 504);
    nm_pending_destroy(&pending);
}

static void
an_ask_out_of_time_ends_with_504_also_while_it_waits(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_pending_t *pending = nm_pending_new(NULL, 16);
    s_add(pending, "a.one", 1000, false, NULL);
    s_add(pending, "b.two", 2000, false, NULL);
    assert_int_equal(nm_pending_late(pending, 30999, &end), NM_ERR_MISSING);
    assert_int_equal(nm_pending_late(pending, 31000, &end), NM_OK);
    assert_int_equal(end.reply.status, 504);
    assert_int_equal(nm_pending_late(pending, 31000, &end), NM_ERR_MISSING);
    s_send(pending, 31001, &seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.ops[0], "b.two");
    nm_pending_destroy(&pending);
}

static void
too_many_open_asks_are_refused_and_room_comes_back(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nmesh_ask_t ask = { .op = "a.more", .timeout_ms = 1, .silence_ms = 1 };
    nm_pending_t *pending = nm_pending_new(NULL, 3);
    for (int i = 0; i < 3; i++)
        s_add(pending, "a.one", 1000, false, NULL);
    assert_int_equal(nm_pending_add(pending, &ask, 1000, s_fn, NULL), NM_ERR_FULL);
    s_send(pending, 1001, &seen);
    s_reply(&frame, &seen.ids[2], (unsigned[]){ 202 }, 1);
    nm_pending_open_replies(pending, nm_buf_bytes(&frame));
    assert_int_equal(nm_pending_next(pending, 0, &end), NM_OK);
    assert_int_equal(nm_pending_add(pending, &ask, 1002, s_fn, NULL), NM_OK);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

//  Numbers are chosen so that slots of asks that stay open for long are never taken twice.
static void
numbers_stay_unique_beside_an_ask_that_never_ends(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 2);
    s_add(pending, "events.read", 1000, false, NULL);
    s_send(pending, 1000, &seen);
    uint64_t lasting = seen.ids[0];
    for (int i = 0; i < 100; i++) {
        s_add(pending, "a.one", 1000, false, &i);
        s_send(pending, 1000, &seen);
        assert_true(seen.ids[0] != lasting);
        s_reply(&frame, seen.ids, (unsigned[]){ 200 }, 1);
        nm_pending_open_replies(pending, nm_buf_bytes(&frame));
        assert_int_equal(nm_pending_next(pending, 0, &end), NM_OK);
        assert_ptr_equal(end.arg, &i);
    }
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_frame_holds_no_more_asks_than_a_door_takes(void **state)
{
    (void) state;
    nm_ask_frame_t asks;
    nm_list_t list;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 2000);
    for (int i = 0; i < 1500; i++)
        s_add(pending, "a.one", 1000, false, NULL);
    assert_int_equal(nm_pending_frame(pending, &frame), NM_OK);
    nm_pending_sent(pending, 1000);
    assert_int_equal(nm_record_decode(&nm_ask_frame_shape, &asks, nm_buf_bytes(&frame), NULL, ""), NM_OK);
    assert_int_equal(nm_list_open(&list, asks.asks), NM_OK);
    assert_int_equal(list.count, NM_ASK_BATCH_COUNT);
    assert_int_equal(nm_pending_waiting_count(pending), 500);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_frame_holds_no_more_values_than_a_door_takes(void **state)
{
    (void) state;
    enum { COUNT = 80, NUMBERS = 4000 };
    nm_buf_t frame = { 0 }, body = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 2 * COUNT);
    size_t frames = 0;
    nm_writer_map(&body, 1);
    nm_writer_text(&body, "numbers");
    nm_writer_list(&body, NUMBERS);
    for (size_t i = 0; i < NUMBERS; i++)
        nm_writer_uint(&body, 1);
    nmesh_ask_t ask = { .op = "a.one", .body = { body.at, body.size }, .timeout_ms = 30000, .silence_ms = 5000 };
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(nm_pending_add(pending, &ask, 1000, s_fn, NULL), NM_OK);
    for (; nm_pending_waiting_count(pending); frames++) {
        nm_buf_clear(&frame);
        assert_int_equal(nm_pending_frame(pending, &frame), NM_OK);
        assert_int_equal(nm_reader_check(nm_buf_bytes(&frame)), NM_OK);
        nm_pending_sent(pending, 1000);
    }
    assert_int_equal(frames, 2);
    nm_buf_free(&frame);
    nm_buf_free(&body);
    nm_pending_destroy(&pending);
}

//  -- 503: not now

//  One ask, answered 503 at 1000; headers as the gateway gives them for a key of another.
static void
s_refuse(nm_pending_t *pending, bool elsewhere, nm_buf_t *frame)
{
    s_seen_t seen;
    s_send(pending, 1000, &seen);
    nm_buf_clear(frame);
    nm_writer_map(frame, 1);
    nm_writer_text(frame, "replies");
    nm_writer_list(frame, 1);
    nm_writer_map(frame, 3);
    nm_writer_pair_uint(frame, "id", seen.ids[0]);
    nm_writer_pair_uint(frame, "status", 503);
    nm_writer_text(frame, "headers");
    nm_writer_map(frame, 1);
    nm_writer_pair_text(frame, elsewhere ? "nmesh-owner" : "retry-after", elsewhere ? "away" : "1");
    assert_int_equal(nm_pending_open_replies(pending, nm_buf_bytes(frame)), NM_OK);
}

static void
a_503_rests_and_is_asked_again_with_longer_pauses(void **state)
{
    (void) state;
    s_seen_t seen;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 4);
    s_add(pending, "a.one", 1000, false, NULL);
    int64_t now_ms = 1000;
    static const int64_t PAUSES[] = { 100, 200, 400, 800, 1000, 1000 };
    for (size_t i = 0; i < NM_COUNT(PAUSES); i++) {
        s_refuse(pending, true, &frame);
        assert_int_equal(nm_pending_next(pending, now_ms, &end), NM_ERR_MISSING);
        assert_int_equal(nm_pending_open_count(pending), 1);
        nm_pending_wake(pending, now_ms + PAUSES[i] - 1);
        assert_int_equal(nm_pending_waiting_count(pending), 0);
        nm_pending_wake(pending, now_ms += PAUSES[i]);
        assert_int_equal(nm_pending_waiting_count(pending), 1);
    }
    s_send(pending, now_ms, &seen);
    s_reply(&frame, seen.ids, (unsigned[]){ 202 }, 1);
    nm_pending_open_replies(pending, nm_buf_bytes(&frame));
    assert_int_equal(nm_pending_next(pending, now_ms, &end), NM_OK);
    assert_int_equal(end.reply.status, 202);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_503_is_the_answer_when_there_is_no_time_to_ask_again(void **state)
{
    (void) state;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 4);
    s_add(pending, "a.one", 1000, false, NULL);
    s_refuse(pending, true, &frame);
    assert_int_equal(nm_pending_next(pending, 30900, &end), NM_OK);
    assert_int_equal(end.reply.status, 503);
    assert_int_equal(nm_pending_open_count(pending), 0);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_503_is_the_answer_to_what_may_not_be_asked_twice_or_will_not_wait(void **state)
{
    (void) state;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 4);
    nmesh_ask_t impatient = { .op = "health.ready", .timeout_ms = 30000, .silence_ms = 5000, .impatient = true };
    s_add(pending, "a.one", 1000, true, NULL);
    s_refuse(pending, true, &frame);
    assert_true(nm_pending_has_once(pending));
    assert_int_equal(nm_pending_next(pending, 1000, &end), NM_OK);
    assert_false(nm_pending_has_once(pending));
    assert_int_equal(nm_pending_add(pending, &impatient, 1000, s_fn, NULL), NM_OK);
    s_refuse(pending, true, &frame);
    assert_int_equal(nm_pending_next(pending, 1000, &end), NM_OK);
    assert_int_equal(end.reply.status, 503);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

static void
a_door_that_refuses_is_told_from_an_owner_that_is_away(void **state)
{
    (void) state;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        nm_pending_t *pending = nm_pending_new(NULL, 4);
        s_add(pending, "a.one", 1000, false, NULL);
        s_refuse(pending, elsewhere, &frame);
        assert_int_equal(nm_pending_next(pending, 1000, &end), NM_ERR_MISSING);
        assert_int_equal(nm_pending_refused(pending), !elsewhere);
        assert_false(nm_pending_refused(pending));
        nm_pending_destroy(&pending);
    }
    nm_buf_free(&frame);
}

static void
one_that_rests_out_its_time_ends_with_504(void **state)
{
    (void) state;
    nm_pending_end_t end;
    nm_buf_t frame = { 0 };
    nm_pending_t *pending = nm_pending_new(NULL, 4);
    s_add(pending, "a.one", 1000, false, NULL);
    s_refuse(pending, true, &frame);
    assert_int_equal(nm_pending_next(pending, 1000, &end), NM_ERR_MISSING);
    assert_int_equal(nm_pending_late(pending, 31000, &end), NM_OK);
    assert_int_equal(nm_pending_open_count(pending), 0);
    nm_pending_wake(pending, 31000);
    assert_int_equal(nm_pending_waiting_count(pending), 0);
    nm_buf_free(&frame);
    nm_pending_destroy(&pending);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_travel_in_one_frame_in_the_order_they_came),
        cmocka_unit_test(a_frame_that_did_not_go_comes_again_whole),
        cmocka_unit_test(a_token_stands_where_a_key_would),
        cmocka_unit_test(an_ask_may_wait_longer_than_it_can_say),
        cmocka_unit_test(replies_find_their_asks_in_any_order),
        cmocka_unit_test(a_second_reply_to_the_same_ask_is_passed_over),
        cmocka_unit_test(what_is_no_reply_frame_is_refused),
        cmocka_unit_test(a_silent_door_is_left_and_everything_asked_again_with_the_same_number),
        cmocka_unit_test(one_lost_ask_at_a_talking_door_is_asked_again_alone),
        cmocka_unit_test(what_may_be_asked_only_once_ends_instead),
        cmocka_unit_test(an_ask_out_of_time_ends_with_504_also_while_it_waits),
        cmocka_unit_test(too_many_open_asks_are_refused_and_room_comes_back),
        cmocka_unit_test(numbers_stay_unique_beside_an_ask_that_never_ends),
        cmocka_unit_test(a_frame_holds_no_more_asks_than_a_door_takes),
        cmocka_unit_test(a_frame_holds_no_more_values_than_a_door_takes),
        cmocka_unit_test(a_503_rests_and_is_asked_again_with_longer_pauses),
        cmocka_unit_test(a_503_is_the_answer_when_there_is_no_time_to_ask_again),
        cmocka_unit_test(a_503_is_the_answer_to_what_may_not_be_asked_twice_or_will_not_wait),
        cmocka_unit_test(a_door_that_refuses_is_told_from_an_owner_that_is_away),
        cmocka_unit_test(one_that_rests_out_its_time_ends_with_504),
    };
    return cmocka_run_group_tests_name("sdk/pending", tests, NULL, NULL);
}
