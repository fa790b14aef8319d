//  About actors/providers/smtp.c and smtp_reply.c: settings, the call, what an answer means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/providers/smtp.h"

static nm_mesh_t *
s_mesh(void)
{
    static nm_mesh_t mesh = { .folder = "/nonexistent", .public_domain = "mesh.test" };
    return &mesh;
}

static nm_rc_t
s_open(const char *settings, void **config, nm_error_t *error)
{
    nm_zpl_t *root = nm_zpl_parse("mesh.zpl", nm_text(settings), error);
    assert_non_null(root);
    nm_rc_t rc = nm_smtp_driver.open(config, root->child, s_mesh(), error);
    nm_zpl_destroy(&root);
    return rc;
}

static nm_delivery_t
s_delivery(const char *recipient)
{
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    memset(delivery.notification.at, 0x5a, NM_ID_SIZE);
    NM_PUT(&delivery, delivery, recipient, nm_text(recipient));
    NM_PUT(&delivery, delivery, content, nm_text("hello"));
    return delivery;
}

static void
makes_a_call_of_its_settings(void **state)
{
    (void) state;
    char folder[] = "/tmp/nm-smtp-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64], settings[512];
    snprintf(path, sizeof path, "%s/secret", folder);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "hunter2\n", 8), 8);
    close(fd);
    snprintf(settings, sizeof settings,
             "relay\n    host = \"mail.example.com\"\n    port = 2525\n    tls = \"starttls\"\n    user = \"bob\"\n"
             "    password_file = \"%s\"\n    from = \"shop@example.com\"\n    timeout_ms = 7000\n"
             "    max_connections = 3\n    ca_file = \"/etc/ca.pem\"\n",
             path);
    void *config = NULL;
    nm_error_t error = { "" };
    assert_int_equal(s_open(settings, &config, &error), NM_OK);

    nm_delivery_t delivery = s_delivery("ada@example.org");
    nm_order_t order = { &delivery, 1000, 99 };
    nm_effect_t *effect = NULL;
    assert_int_equal(nm_smtp_driver.prepare(config, &order, &effect, &error), NM_OK);
    assert_int_equal(effect->kind, NM_EFFECT_SMTP);
    assert_int_equal(effect->token, 99);
    assert_string_equal(effect->url, "smtp://mail.example.com:2525");
    assert_string_equal(effect->user, "bob");
    assert_string_equal(effect->password, "hunter2");
    assert_string_equal(effect->sender, "shop@example.com");
    assert_string_equal(effect->recipient, "ada@example.org");
    assert_string_equal(effect->ca_file, "/etc/ca.pem");
    assert_int_equal(effect->tls, NM_TLS_STARTTLS);
    assert_int_equal(effect->timeout_ms, 7000);
    assert_int_equal(effect->connect_timeout_ms, 7000);
    assert_int_equal(effect->connections, 3);
    assert_false(effect->insecure);
    nm_effect_destroy(&effect);
    nm_smtp_driver.close(config);
    unlink(path);
    rmdir(folder);
}

static void
chooses_the_port_and_scheme_that_tls_wants(void **state)
{
    (void) state;
    static const char *const CASES[][2] = {
        { "relay\n    host = \"a.example\"\n", "smtp://a.example:25" },
        { "relay\n    host = \"a.example\"\n    tls = \"starttls\"\n", "smtp://a.example:587" },
        { "relay\n    host = \"::1\"\n    tls = \"tls\"\n", "smtps://[::1]:465" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        void *config = NULL;
        nm_error_t error = { "" };
        nm_effect_t *effect = NULL;
        nm_delivery_t delivery = s_delivery("ada@example.org");
        nm_order_t order = { &delivery, 1000, 1 };
        assert_int_equal(s_open(CASES[i][0], &config, &error), NM_OK);
        assert_int_equal(nm_smtp_driver.prepare(config, &order, &effect, &error), NM_OK);
        assert_string_equal(effect->url, CASES[i][1]);
        assert_string_equal(effect->sender, "nmesh@mesh.test");
        nm_effect_destroy(&effect);
        nm_smtp_driver.close(config);
    }
}

static void
names_the_line_of_a_fault(void **state)
{
    (void) state;
    static const char *const CASES[][2] = {
        { "relay\n    tls = \"none\"\n", "line 1" },
        { "relay\n    host = \"a b\"\n", "line 2" },
        { "relay\n    host = \"a\"\n    port = 70000\n", "line 3" },
        { "relay\n    host = \"a\"\n    tls = \"maybe\"\n", "line 3" },
        { "relay\n    host = \"a\"\n    user = \"bob\"\n    password = \"inline\"\n", "line 4" },
        { "relay\n    host = \"a\"\n    user = \"bob\"\n", "password_file" },
        { "relay\n    host = \"a\"\n    user = \"bob\"\n    password_file = \"gone\"\n", "line 4" },
        { "relay\n    host = \"a\"\n    from = \"nobody\"\n", "line 3" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        void *config = NULL;
        nm_error_t error = { "" };
        assert_int_equal(s_open(CASES[i][0], &config, &error), NM_ERR_MALFORMED);
        assert_non_null(strstr(error.text, CASES[i][1]));
    }
}

static void
refuses_a_password_that_others_may_read(void **state)
{
    (void) state;
    char path[] = "/tmp/nm-smtp-XXXXXX", settings[256];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "x", 1), 1);
    fchmod(fd, 0640);
    close(fd);
    snprintf(settings, sizeof settings, "relay\n    host = \"a\"\n    user = \"bob\"\n    password_file = \"%s\"\n",
             path);
    void *config = NULL;
    nm_error_t error = { "" };
    assert_int_equal(s_open(settings, &config, &error), NM_ERR_MALFORMED);
    assert_non_null(strstr(error.text, "0600"));
    unlink(path);
}

static void
refuses_a_recipient_that_would_be_a_command(void **state)
{
    (void) state;
    void *config = NULL;
    nm_error_t error = { "" };
    nm_effect_t *effect = NULL;
    nm_delivery_t delivery = s_delivery("a@example.com>\r\nRCPT TO:<evil@example.org");
    nm_order_t order = { &delivery, 1000, 1 };
    assert_int_equal(s_open("relay\n    host = \"a.example\"\n", &config, &error), NM_OK);
    assert_int_equal(nm_smtp_driver.prepare(config, &order, &effect, &error), NM_ERR_REFUSED);
    assert_null(effect);
    nm_smtp_driver.close(config);
}

static void
knows_what_each_answer_means(void **state)
{
    (void) state;
    enum { SENT = NM_OUTCOME_SENT, LATER = NM_OUTCOME_LATER, NO = NM_OUTCOME_REFUSED, WHO = NM_OUTCOME_UNCERTAIN };
    static const struct {
        nm_call_t call;
        unsigned code;
        const char *text;
        int outcome;
        bool counts;
    } CASES[] = {
        { NM_CALL_ANSWERED, 250, "250 2.0.0 Ok: queued as Q1", SENT, false },
        { NM_CALL_ANSWERED, 421, "421 4.3.2 shutting down", LATER, true },
        { NM_CALL_ANSWERED, 450, "450 4.2.0 greylisted", LATER, false },
        { NM_CALL_ANSWERED, 451, "451 local error", LATER, false },
        { NM_CALL_ANSWERED, 451, "451 4.3.0 mail server temporarily rejected message", LATER, true },
        { NM_CALL_ANSWERED, 451, "451 4.7.1 try again later", LATER, false },
        { NM_CALL_ANSWERED, 452, "452 out of storage", LATER, false },
        { NM_CALL_ANSWERED, 452, "452 4.3.1 insufficient system storage", LATER, true },
        { NM_CALL_ANSWERED, 452, "452 4.2.2 mailbox full", LATER, false },
        { NM_CALL_ANSWERED, 454, "454 4.7.0 TLS not available", LATER, true },
        { NM_CALL_ANSWERED, 432, "432 4.7.12 change your password", LATER, true },
        { NM_CALL_ANSWERED, 550, "550 5.1.1 no such user", NO, false },
        { NM_CALL_ANSWERED, 550, "no such user", NO, false },
        { NM_CALL_ANSWERED, 552, "552 5.3.4 too big", NO, false },
        { NM_CALL_ANSWERED, 550, "550 5.1.8 bad sender", LATER, true },
        { NM_CALL_ANSWERED, 554, "554 5.7.1 spam", NO, false },
        { NM_CALL_ANSWERED, 554, "554 transaction failed", NO, false },
        { NM_CALL_ANSWERED, 550, "550 5.4.4 no route to the domain", NO, false },
        { NM_CALL_ANSWERED, 530, "530 5.7.0 must issue STARTTLS", LATER, true },
        { NM_CALL_ANSWERED, 535, "535 5.7.8 bad credentials", LATER, true },
        { NM_CALL_ANSWERED, 534, "", LATER, true },
        { NM_CALL_ANSWERED, 502, "502 what?", LATER, true },
        { NM_CALL_ANSWERED, 501, "501 5.1.3 bad address", NO, false },
        { NM_CALL_ANSWERED, 0, "", LATER, true },
        { NM_CALL_UNREACHED, 0, "connection refused", LATER, true },
        { NM_CALL_UNREACHED, 554, "554 no service here", LATER, true },
        { NM_CALL_BROKEN, 354, "354 go on", LATER, true },
        { NM_CALL_UNKNOWN, 354, "timed out", WHO, true },
        { NM_CALL_FORBIDDEN, 0, "bytes that are not allowed", NO, false },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        nm_result_t result = { .call = CASES[i].call, .code = CASES[i].code, .retry_after_ms = -1 };
        snprintf(result.text, sizeof result.text, "%s", CASES[i].text);
        nm_verdict_t verdict;
        nm_smtp_driver.classify(&result, &verdict);
        if (verdict.outcome != (nm_outcome_t) CASES[i].outcome || verdict.counts != CASES[i].counts)
            fail_msg("case %zu, %u \"%s\": outcome %d, counts %d", i, CASES[i].code, CASES[i].text, verdict.outcome,
                     verdict.counts);
        assert_int_equal(verdict.code, CASES[i].code);
        assert_true(nm_bytes_is(verdict.detail, CASES[i].text));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_call_of_its_settings),
        cmocka_unit_test(chooses_the_port_and_scheme_that_tls_wants),
        cmocka_unit_test(names_the_line_of_a_fault),
        cmocka_unit_test(refuses_a_password_that_others_may_read),
        cmocka_unit_test(refuses_a_recipient_that_would_be_a_command),
        cmocka_unit_test(knows_what_each_answer_means),
    };
    return cmocka_run_group_tests_name("providers/smtp", tests, NULL, NULL);
}
