#include "tests/broker/check.h"

#include "broker/roles.h"
#include "wire/records.h"

static void
each_role_is_found_by_its_text(void **state)
{
    (void) state;
    for (unsigned role = NM_ROLE_NONE + 1; role < NM_ROLE_COUNT; role++)
        assert_int_equal(nm_role_find(nm_text(nm_role_text((nm_role_id_t) role))), role);
    assert_int_equal(nm_role_find(nm_text("none")), NM_ROLE_NONE);
    assert_int_equal(nm_role_find(nm_text("emai")), NM_ROLE_NONE);
    assert_string_equal(nm_role_text((nm_role_id_t) 99), "none");
}

static bool
s_has(char cell, char kind)
{
    return cell == kind || (cell == '2' && (kind == 'C' || kind == 'E'));
}

//  One letter for each right, from the row to the column.
static void
mail_goes_only_where_the_design_says(void **state)
{
    (void) state;
    static const nm_role_id_t ROLES[] = { NM_ROLE_GATEWAY, NM_ROLE_ROUTER,     NM_ROLE_EMAIL,    NM_ROLE_PUSH,
                                          NM_ROLE_SMS,     NM_ROLE_DEADLETTER, NM_ROLE_OPERATOR, NM_ROLE_CLIENT,
                                          NM_ROLE_BRIDGE,  NM_ROLE_USER };
    static const char *const RIGHTS[] = {
        "2W......--",  //  gateway; 2: C and E; -: a link without mail
        "E.DDDL...-",  //  router
        "EB...L....",  //  email
        "EB...L....",  //  push
        "EB...L....",  //  sms
        "ER........",  //  deadletter
        "..........",  //  operator
        "..........",  //  client
        "-.........",  //  bridge
        "--........",  //  user
    };
    static const char KINDS[] = { 0, 'W', 'D', 'E', 'L', 'R', 'B', 'C' };
    for (size_t from = 0; from < NM_COUNT(ROLES); from++)
        for (size_t to = 0; to < NM_COUNT(ROLES); to++) {
            for (unsigned kind = 0; kind < 256; kind++) {
                bool expected = kind < NM_COUNT(KINDS) && KINDS[kind] && s_has(RIGHTS[from][to], KINDS[kind]);
                assert_int_equal(nm_roles_may_mail(ROLES[from], ROLES[to], kind), expected);
            }
            bool linked = RIGHTS[from][to] != '.' || RIGHTS[to][from] != '.';
            assert_int_equal(nm_roles_link(ROLES[from], ROLES[to]), linked);
        }
}

static void
an_operator_may_ask_any_desk_anything(void **state)
{
    (void) state;
    for (unsigned role = NM_ROLE_GATEWAY; role < NM_ROLE_OPERATOR; role++)
        assert_true(nm_roles_may_ask(NM_ROLE_OPERATOR, (nm_role_id_t) role, nm_text("backup")));
    assert_false(nm_roles_may_ask(NM_ROLE_OPERATOR, NM_ROLE_CLIENT, nm_text("status")));
    assert_false(nm_roles_may_ask(NM_ROLE_OPERATOR, NM_ROLE_NONE, nm_text("status")));
}

static void
every_actor_may_ask_for_status_and_no_client(void **state)
{
    (void) state;
    for (unsigned role = NM_ROLE_GATEWAY; role < NM_ROLE_OPERATOR; role++)
        assert_true(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_EMAIL, nm_text("status")));
    assert_false(nm_roles_may_ask(NM_ROLE_CLIENT, NM_ROLE_EMAIL, nm_text("status")));
    assert_false(nm_roles_may_ask(NM_ROLE_NONE, NM_ROLE_EMAIL, nm_text("status")));
}

static void
every_actor_may_even_out_the_directory_and_only_an_operator_publish(void **state)
{
    (void) state;
    static const char *const OPS[] = { "directory.sync", "directory.push", "directory.list" };
    for (size_t i = 0; i < NM_COUNT(OPS); i++) {
        assert_true(nm_roles_may_ask(NM_ROLE_SMS, NM_ROLE_DEADLETTER, nm_text(OPS[i])));
        assert_false(nm_roles_may_ask(NM_ROLE_CLIENT, NM_ROLE_GATEWAY, nm_text(OPS[i])));
    }
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_EMAIL, nm_text("directory.publish")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_EMAIL, nm_text("directory.renew")));
    assert_true(nm_roles_may_ask(NM_ROLE_OPERATOR, NM_ROLE_EMAIL, nm_text("directory.publish")));
}

static void
a_gateway_may_ask_for_dead_letters_and_to_cancel(void **state)
{
    (void) state;
    assert_true(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_DEADLETTER, nm_text("dead_letters.list")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_DEADLETTER, nm_text("dead_letters.")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_DEADLETTER, nm_text("dead_letters")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_DEADLETTER, nm_text("backup")));
    assert_true(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_ROUTER, nm_text("deliveries.cancel")));
    assert_true(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_SMS, nm_text("deliveries.cancel")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_SMS, nm_text("deliveries.cancelled")));
    assert_false(nm_roles_may_ask(NM_ROLE_ROUTER, NM_ROLE_SMS, nm_text("deliveries.cancel")));
    assert_false(nm_roles_may_ask(NM_ROLE_BRIDGE, NM_ROLE_DEADLETTER, nm_text("dead_letters.list")));
    assert_true(nm_roles_may_ask(NM_ROLE_ROUTER, NM_ROLE_USER, nm_text("users.reach")));
    assert_false(nm_roles_may_ask(NM_ROLE_ROUTER, NM_ROLE_USER, nm_text("users.get")));
    assert_false(nm_roles_may_ask(NM_ROLE_EMAIL, NM_ROLE_USER, nm_text("users.reach")));
}

static void
names_are_short_and_plain(void **state)
{
    (void) state;
    static const char *const GOOD[] = { "a", "0", "email-1", "x--" };
    static const char *const BAD[] = { "", "-a", "A", "a.b", "a/b", "a b", "\xc3\xa4", "a_b" };
    for (size_t i = 0; i < NM_COUNT(GOOD); i++)
        assert_true(nm_role_is_name(nm_text(GOOD[i])));
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_false(nm_role_is_name(nm_text(BAD[i])));
    char longest[65] = { 0 };
    memset(longest, 'n', 64);
    assert_false(nm_role_is_name(nm_bytes(longest, 64)));
    assert_true(nm_role_is_name(nm_bytes(longest, 63)));
}

//  Who holds a book asks the others who do; and which book that is tells the row, not the asker.
static void
books_are_asked_for_by_those_who_hold_them(void **state)
{
    (void) state;
    const nm_book_rule_t *services = nm_roles_book(nm_text("services")),
                         *providers = nm_roles_book(nm_text("providers"));
    assert_null(nm_roles_book(nm_text("service")));
    for (unsigned role = 0; role < NM_ROLE_COUNT; role++) {
        bool sends = role == NM_ROLE_EMAIL || role == NM_ROLE_PUSH || role == NM_ROLE_SMS;
        bool authenticates = role == NM_ROLE_GATEWAY || role == NM_ROLE_USER;
        assert_int_equal(nm_roles_has(services->holders, (nm_role_id_t) role), authenticates);
        assert_int_equal(nm_roles_has(services->owners, (nm_role_id_t) role), role == NM_ROLE_USER);
        assert_int_equal(nm_roles_has(providers->holders, (nm_role_id_t) role), authenticates || sends);
        assert_int_equal(nm_roles_has(providers->owners, (nm_role_id_t) role), role == NM_ROLE_USER);
        bool asks = authenticates || role == NM_ROLE_OPERATOR || sends;
        assert_int_equal(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_GATEWAY, nm_text("book.changes")), asks);
        assert_int_equal(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_GATEWAY, nm_text("book.news")), asks);
        assert_int_equal(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_GATEWAY, nm_text("book.promote")),
                         role == NM_ROLE_OPERATOR);
        bool passes = role == NM_ROLE_GATEWAY || role == NM_ROLE_OPERATOR;
        assert_int_equal(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_USER, nm_text("services.create")), passes);
        assert_int_equal(nm_roles_may_ask((nm_role_id_t) role, NM_ROLE_GATEWAY, nm_text("services.create")),
                         passes || role == NM_ROLE_BRIDGE);
    }
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_ROUTER, nm_text("book.changes")));
}

//  What clients may ask over HTTP, and nothing that only actors ask each other.
static void
a_bridge_asks_what_has_a_path(void **state)
{
    (void) state;
    static const char *const MAY[] = { "notifications.create", "events.read", "health.ready", "metrics", "status" };
    static const char *const MAY_NOT[] = { "idempotency.find.notifications.create",
                                           "custody.holds",
                                           "backup",
                                           "notifications.account",
                                           "openapi",
                                           "notifications." };
    for (size_t i = 0; i < NM_COUNT(MAY); i++)
        assert_true(nm_roles_may_ask(NM_ROLE_BRIDGE, NM_ROLE_GATEWAY, nm_text(MAY[i])));
    for (size_t i = 0; i < NM_COUNT(MAY_NOT); i++)
        assert_false(nm_roles_may_ask(NM_ROLE_BRIDGE, NM_ROLE_GATEWAY, nm_text(MAY_NOT[i])));
    assert_false(nm_roles_may_ask(NM_ROLE_BRIDGE, NM_ROLE_ROUTER, nm_text("notifications.create")));
    assert_false(nm_roles_may_ask(NM_ROLE_GATEWAY, NM_ROLE_BRIDGE, nm_text("notifications.create")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_is_found_by_its_text),
        cmocka_unit_test(mail_goes_only_where_the_design_says),
        cmocka_unit_test(an_operator_may_ask_any_desk_anything),
        cmocka_unit_test(every_actor_may_ask_for_status_and_no_client),
        cmocka_unit_test(every_actor_may_even_out_the_directory_and_only_an_operator_publish),
        cmocka_unit_test(books_are_asked_for_by_those_who_hold_them),
        cmocka_unit_test(a_bridge_asks_what_has_a_path),
        cmocka_unit_test(a_gateway_may_ask_for_dead_letters_and_to_cancel),
        cmocka_unit_test(names_are_short_and_plain),
    };
    return cmocka_run_group_tests_name("broker/roles", tests, NULL, NULL);
}
