#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/zpl.h"
#include "tools/nctl/plan.h"

static void
a_mail_server_is_taken_apart(void **state)
{
    (void) state;
    nm_plan_smtp_t smtp;
    nm_error_t error;
    assert_int_equal(nm_plan_smtp("mail.example.com:587,tls=starttls,user=me,password-file=/p,from=a@b.c,connections=9",
                                  &smtp, &error),
                     NM_OK);
    assert_string_equal(smtp.host, "mail.example.com");
    assert_int_equal(smtp.port, 587);
    assert_string_equal(smtp.tls, "starttls");
    assert_string_equal(smtp.user, "me");
    assert_string_equal(smtp.password_file, "/p");
    assert_string_equal(smtp.from, "a@b.c");
    assert_int_equal(smtp.connections, 9);
}

static void
a_wrong_mail_server_is_refused_with_what_was_expected(void **state)
{
    (void) state;
    static const char *const BAD[] = { "mail.example.com", ":25",          "h:0",
                                       "h:70000",          "h:25,tls=yes", "h:25,frob=1",
                                       "h:25,user=a\"b",   "h:25,user=",   "h:25x" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_plan_smtp_t smtp;
        nm_error_t error = { "" };
        assert_int_equal(nm_plan_smtp(BAD[i], &smtp, &error), NM_ERR_MALFORMED);
        assert_true(error.text[0] != 0);
    }
}

static const nm_plan_t SAMPLE = {
    .name = "demo",
    .host = "127.0.0.1",
    .domain = "demo.local",
    .base_port = 7000,
    .gateway_count = 2,
    .router_count = 3,
    .email_count = 1,
    .http_host = "127.0.0.1",
    .authority = "0000000000000000000000000000000000000000000000000000000000000001",
    .admin_key_hash = "0000000000000000000000000000000000000000000000000000000000000002",
};

static void
each_end_point_has_a_port_of_its_own(void **state)
{
    (void) state;
    nm_error_t error = { "" };
    nm_buf_t text = { 0 };
    bool taken[64] = { false };
    unsigned count = 0;
    nm_plan_write(&SAMPLE, &text);
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_buf_bytes(&text), &error);
    assert_non_null(root);
    for (const nm_zpl_t *actor = nm_zpl_find(root, "actors")->child; actor; actor = actor->next) {
        for (const nm_zpl_t *setting = actor->child; setting; setting = setting->next) {
            if (!setting->value || strncmp(setting->value, "tcp://127.0.0.1:", 16) != 0)
                continue;
            unsigned port = (unsigned) strtoul(setting->value + 16, NULL, 10) - 7000;
            assert_true(port < NM_COUNT(taken) && !taken[port]);
            taken[port] = true;
            count++;
        }
    }
    assert_int_equal(count, nm_plan_port_count(&SAMPLE));
    assert_non_null(nm_zpl_find(nm_zpl_find(root, "providers"), "maildir"));
    nm_zpl_destroy(&root);
    nm_buf_free(&text);
}

static void
where_http_is_served_is_taken_apart(void **state)
{
    (void) state;
    nm_error_t error = { "" };
    nm_plan_t plan = SAMPLE;
    char room[128];
    unsigned ports = nm_plan_port_count(&plan);
    assert_int_equal(nm_plan_http("[::1]:8443", &plan, room, &error), NM_OK);
    assert_string_equal(plan.http_host, "[::1]");
    assert_int_equal(plan.http_port, 8443);
    assert_int_equal(nm_plan_port_count(&plan), ports - 1);
    assert_int_equal(nm_plan_http("none", &plan, room, &error), NM_OK);
    assert_null(plan.http_host);
    assert_int_equal(nm_plan_port_count(&plan), ports - 3);
    static const char *const BAD[] = { "", "8080", "localhost", ":80", "a b:80", "h:0", "h:65536", "h:x" };
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_int_equal(nm_plan_http(BAD[i], &plan, room, &error), NM_ERR_MALFORMED);
}

static void
mail_servers_take_the_place_of_the_maildir(void **state)
{
    (void) state;
    nm_error_t error = { "" };
    nm_buf_t text = { 0 };
    nm_plan_t plan = SAMPLE;
    assert_int_equal(nm_plan_smtp("a.example.com:25", &plan.smtps[plan.smtp_count++], &error), NM_OK);
    assert_int_equal(nm_plan_smtp("b.example.com:465,tls=tls", &plan.smtps[plan.smtp_count++], &error), NM_OK);
    nm_plan_write(&plan, &text);
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_buf_bytes(&text), &error);
    const nm_zpl_t *providers = nm_zpl_find(root, "providers");
    assert_null(nm_zpl_find(providers, "maildir"));
    assert_string_equal(nm_zpl_find(nm_zpl_find(providers, "smtp-1"), "host")->value, "a.example.com");
    assert_string_equal(nm_zpl_find(nm_zpl_find(providers, "smtp-2"), "tls")->value, "tls");
    assert_string_equal(nm_zpl_find(nm_zpl_find(providers, "smtp-2"), "from")->value, "nmesh@demo.local");
    nm_zpl_destroy(&root);
    nm_buf_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_server_is_taken_apart),
        cmocka_unit_test(a_wrong_mail_server_is_refused_with_what_was_expected),
        cmocka_unit_test(each_end_point_has_a_port_of_its_own),
        cmocka_unit_test(where_http_is_served_is_taken_apart),
        cmocka_unit_test(mail_servers_take_the_place_of_the_maildir),
    };
    return cmocka_run_group_tests_name("nctl/plan", tests, NULL, NULL);
}
