//  About broker/survey.c: the mesh as one, asked of one actor whose peers are played.
#include "tests/broker/check.h"

#include "broker/actor_private.h"
#include "broker/bench.h"
#include "broker/turn.h"
#include "wire/reader.h"
#include "wire/writer.h"

static unsigned s_role_replies;
static nm_reply_in_t s_told;  //  The last of them
static nm_buf_t s_told_body;

static nm_rc_t
s_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    (void) state, (void) turn;
    s_role_replies++;
    s_told = *reply;
    nm_buf_clear(&s_told_body);
    nm_buf_add_bytes(&s_told_body, reply->body);
    return NM_OK;
}

//  On `look` the role itself wants to know of all.
static nm_rc_t
s_on_ask(void *state, nm_turn_t *turn, const nm_ask_in_t *ask)
{
    (void) state;
    unsigned before = s_role_replies;
    if (nm_bytes_is(ask->op, "look"))
        nm_turn_survey(turn, 70001);
    assert_int_equal(s_role_replies, before);  //  Never before it has ended what it does
    return NM_OK;
}

static const nm_role_t ROUTER = { .name = "router", .id = NM_ROLE_ROUTER, .ask = s_on_ask, .reply = s_reply };

static int
s_setup(void **state)
{
    s_role_replies = 0;
    nm_bench_t *bench = nm_bench_new(&ROUTER, "router-1", NULL);
    const nm_actor_t *actor = nm_bench_actor(bench);
    for (size_t i = 0; i < actor->peer_count; i++)
        ((nm_peer_t *) actor->peers[i])->certified = true;  //  The directory's own, which no certificate backs here
    *state = bench;
    return 0;
}

static int
s_teardown(void **state)
{
    nm_bench_t *bench = *state;
    nm_bench_destroy(&bench);
    nm_buf_free(&s_told_body);
    return 0;
}

static uint64_t
s_ask(nm_bench_t *bench, const char *after)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_bool(&body, "brief", true);
    nm_writer_pair_text(&body, "after", after);
    nm_bench_forget(bench);
    uint64_t id = nm_bench_ask(bench, "operator", "mesh.status", NULL, nm_buf_bytes(&body));
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    nm_buf_free(&body);
    return id;
}

//  The ask that this peer was put; NULL: none.
static const nm_bench_asked_t *
s_asked(const nm_bench_t *bench, const char *peer)
{
    for (size_t i = 0; i < nm_bench_asks(bench); i++)
        if (strcmp(nm_bench_asked(bench, i)->peer, peer) == 0 && strcmp(nm_bench_asked(bench, i)->op, "status") == 0)
            return nm_bench_asked(bench, i);
    return NULL;
}

//  Everybody that was asked says so much of itself.
static void
s_answer_all(nm_bench_t *bench, const char *but, size_t size)
{
    nm_buf_t body = { 0 };
    char *text = nm_alloc(size + 1);
    memset(text, 'x', size);
    nm_writer_map(&body, 1);
    nm_writer_pair_text(&body, "said", text);
    for (size_t i = 0; i < nm_bench_asks(bench); i++) {
        const nm_bench_asked_t *asked = nm_bench_asked(bench, i);
        if (strcmp(asked->op, "status") == 0 && strcmp(asked->peer, but) != 0)
            nm_bench_answer(bench, asked->id, asked->peer, 200, nm_buf_bytes(&body));
    }
    nm_buf_free(&body);
    free(text);
}

//  The actor of that name in an answer; false: it is not in there.
static bool
s_find(nm_bytes_t body, const char *name, nm_bytes_t *found)
{
    nm_bytes_t raw;
    nm_list_t list;
    assert_int_equal(nm_reader_find(body, "actors", &raw), NM_OK);
    assert_int_equal(nm_list_open(&list, raw), NM_OK);
    while (nm_list_next(&list, found) == NM_OK)
        if (nm_bytes_is(nm_reader_find_text(*found, "name"), name))
            return true;
    return false;
}

static void
one_actor_tells_of_all_and_its_role_sees_none_of_it(void **state)
{
    nm_bench_t *bench = *state;
    nm_bytes_t actor, raw, status;
    uint64_t id = s_ask(bench, "");
    assert_null(nm_bench_reply(bench, id));
    assert_true(nm_reader_find_flag(s_asked(bench, "email-2")->body, "brief"));
    assert_null(s_asked(bench, "router-1"));
    s_answer_all(bench, "", 10);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(bench, id);
    assert_non_null(reply);
    assert_int_equal(reply->status, 200);
    assert_int_equal(nm_reader_check(reply->body), NM_OK);
    assert_true(nm_bytes_is(nm_reader_find_text(reply->body, "from"), "router-1"));
    assert_int_equal(nm_reader_find(reply->body, "next", &raw), NM_ERR_MISSING);
    assert_true(s_find(reply->body, "email-2", &actor));
    assert_int_equal(nm_reader_find(actor, "status", &status), NM_OK);
    assert_true(nm_bytes_is(nm_reader_find_text(status, "said"), "xxxxxxxxxx"));
    assert_false(nm_reader_find_flag(actor, "silent"));
    assert_true(s_find(reply->body, "router-1", &actor));
    assert_int_equal(nm_reader_find(actor, "status", &status), NM_OK);
    assert_true(nm_bytes_is(nm_reader_find_text(status, "name"), "router-1"));
    assert_int_equal(nm_reader_find(status, "metrics", &raw), NM_ERR_MISSING);
    assert_int_equal(s_role_replies, 0);
}

static void
who_does_not_answer_in_time_is_told_of_as_silent(void **state)
{
    nm_bench_t *bench = *state;
    nm_bytes_t actor, raw;
    uint64_t id = s_ask(bench, "");
    s_answer_all(bench, "gateway-2", 10);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_null(nm_bench_reply(bench, id));
    nm_bench_wait(bench, NM_SURVEY_PATIENCE_MS - 1);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_null(nm_bench_reply(bench, id));
    nm_bench_wait(bench, 1);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    const nm_bench_reply_t *reply = nm_bench_reply(bench, id);
    assert_non_null(reply);
    assert_true(s_find(reply->body, "gateway-2", &actor));
    assert_true(nm_reader_find_flag(actor, "silent"));
    assert_int_equal(nm_reader_find(actor, "status", &raw), NM_ERR_MISSING);
    assert_true(s_find(reply->body, "gateway-1", &actor));
    assert_false(nm_reader_find_flag(actor, "silent"));
}

static void
what_does_not_go_into_a_page_comes_with_the_next(void **state)
{
    nm_bench_t *bench = *state;
    nm_bytes_t actor;
    char after[NM_NAME_MAX + 1] = "", last[NM_NAME_MAX + 1];
    static const char *const ALL[] = { "deadletter-1", "email-1",  "email-2",  "gateway-1",
                                       "gateway-2",    "router-1", "router-2", "user-1" };
    size_t pages = 0, told = 0;
    do {
        uint64_t id = s_ask(bench, after);
        s_answer_all(bench, "", 80000);
        assert_int_equal(nm_bench_turn_once(bench), NM_OK);
        const nm_bench_reply_t *reply = nm_bench_reply(bench, id);
        assert_non_null(reply);
        assert_true(reply->body.size < 200000);
        for (size_t i = 0; i < NM_COUNT(ALL); i++)
            told += s_find(reply->body, ALL[i], &actor);
        snprintf(last, sizeof last, "%s", after);
        nm_bytes_to_text(nm_reader_find_text(reply->body, "next"), after, sizeof after);
        assert_true(!after[0] || strcmp(after, last) > 0);
        pages++;
    } while (after[0]);
    assert_int_equal(told, NM_COUNT(ALL));
    assert_int_equal(pages, 4);
}

static void
only_so_many_may_ask_at_once(void **state)
{
    nm_bench_t *bench = *state;
    for (unsigned i = 0; i < NM_SURVEY_COUNT; i++)
        assert_null(nm_bench_reply(bench, s_ask(bench, "")));
    assert_int_equal(nm_bench_reply(bench, s_ask(bench, ""))->status, 503);
    nm_bench_wait(bench, NM_SURVEY_PATIENCE_MS);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_null(nm_bench_reply(bench, s_ask(bench, "")));
}

static void
only_an_operator_may_ask(void **state)
{
    nm_bench_t *bench = *state;
    uint64_t id = nm_bench_ask(bench, "email-1", "mesh.status", NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_int_equal(nm_bench_reply(bench, id)->status, 403);
}

static void
s_look(nm_bench_t *bench)
{
    nm_bench_forget(bench);
    nm_bench_ask(bench, "operator", "look", NULL, nm_bytes(NULL, 0));
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
}

//  No frame has to hold it, so it comes in one piece.
static void
a_role_gets_the_figures_of_all_at_once(void **state)
{
    nm_bench_t *bench = *state;
    nm_bytes_t actor, status, raw;
    s_look(bench);
    assert_int_equal(s_role_replies, 0);
    assert_true(nm_reader_find_flag(s_asked(bench, "email-2")->body, "figures"));
    s_answer_all(bench, "gateway-2", 80000);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_int_equal(s_role_replies, 0);
    nm_bench_wait(bench, NM_SURVEY_HASTE_MS);
    assert_int_equal(nm_bench_turn_once(bench), NM_OK);
    assert_int_equal(s_role_replies, 1);
    assert_int_equal(s_told.token, 70001);
    assert_int_equal(s_told.status, 200);
    nm_bytes_t body = nm_buf_bytes(&s_told_body);
    assert_true(body.size > 5 * 80000);
    assert_true(s_find(body, "deadletter-1", &actor));
    assert_int_equal(nm_reader_find(actor, "status", &status), NM_OK);
    assert_true(s_find(body, "gateway-2", &actor));
    assert_true(nm_reader_find_flag(actor, "silent"));
    assert_true(s_find(body, "router-1", &actor));
    assert_int_equal(nm_reader_find(actor, "status", &status), NM_OK);
    assert_int_equal(nm_reader_find(status, "metrics", &raw), NM_OK);
    assert_int_equal(nm_reader_find(status, "links", &raw), NM_ERR_MISSING);
}

static void
a_role_that_asks_while_too_many_do_is_told_so(void **state)
{
    nm_bench_t *bench = *state;
    for (unsigned i = 0; i < NM_SURVEY_COUNT; i++)
        s_ask(bench, "");
    s_look(bench);
    assert_int_equal(s_role_replies, 1);
    assert_int_equal(s_told.status, 503);
    assert_int_equal(s_told.token, 70001);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_actor_tells_of_all_and_its_role_sees_none_of_it, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(who_does_not_answer_in_time_is_told_of_as_silent, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_go_into_a_page_comes_with_the_next, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(only_so_many_may_ask_at_once, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(a_role_gets_the_figures_of_all_at_once, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(a_role_that_asks_while_too_many_do_is_told_so, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(only_an_operator_may_ask, s_setup, s_teardown),
    };
    return cmocka_run_group_tests_name("broker/survey", tests, NULL, NULL);
}
