#include "tests/broker/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "broker/effects.h"
#include "broker/public_address.h"
#include "tests/broker/server.h"

static const char MESSAGE[] = "From: a@example.org\r\nSubject: x\r\n\r\n.hidden dot\r\nend\r\n";

//  -- Making and running one

static nm_effect_t *
s_mail(unsigned port, uint64_t token)
{
    nm_id_t about = { { 7, (uint8_t) token } };
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_SMTP, token, &about);
    char url[64];
    snprintf(url, sizeof url, "smtp://127.0.0.1:%u", port);
    nm_effect_set(&effect->url, url);
    nm_effect_set(&effect->sender, "bounce@example.org");
    nm_effect_set(&effect->recipient, "user@example.com");
    nm_buf_add_text(&effect->body, MESSAGE);
    effect->connect_timeout_ms = 3000;
    effect->timeout_ms = 5000;
    effect->connections = 4;
    return effect;
}

static nm_effect_t *
s_request(unsigned port)
{
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_HTTP, 12, NULL);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", port);
    nm_effect_set(&effect->url, url);
    nm_effect_set(&effect->method, "POST");
    nm_effect_add_header(effect, "Content-Type", nm_text("application/json"));
    nm_buf_add_text(&effect->body, "{\"a\":1}");
    effect->timeout_ms = 5000;
    return effect;
}

static int64_t
s_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

//  Polls and runs until a result is there.
static void
s_take(nm_effects_t *effects, nm_result_t *result)
{
    struct pollfd fds[NM_EFFECTS_POLL_MAX];
    for (int i = 0; i < 100000 && !nm_effects_take(effects, result); i++) {
        int timeout_ms;
        size_t count = nm_effects_poll(effects, fds, NM_COUNT(fds), &timeout_ms);
        poll(fds, count, timeout_ms < 0 || timeout_ms > 10000 ? 10000 : timeout_ms);
        nm_effects_run(effects, fds, count);
    }
}

//  Runs one effect against a server with this script. The caller frees what is in result and seen.
static void
s_run(const server_script_t *script, nm_effect_t *(*change)(nm_effect_t *), nm_result_t *result, server_seen_t *seen)
{
    unsigned port;
    server_t *server = server_new(script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    nm_effect_t *effect = script->http ? s_request(port) : s_mail(port, 33);
    nm_effects_start(effects, change ? change(effect) : effect);
    assert_int_equal(nm_effects_running(effects), 1);
    s_take(effects, result);
    assert_int_equal(nm_effects_running(effects), 0);
    nm_effects_destroy(&effects);
    server_destroy(&server, seen);
}

//  The same when only how it ended matters.
static void
s_assert_ends(const server_script_t *script, nm_effect_t *(*change)(nm_effect_t *), nm_call_t call, unsigned code,
              const char *text)
{
    nm_result_t result;
    s_run(script, change, &result, NULL);
    assert_int_equal(result.call, call);
    assert_int_equal(result.code, code);
    assert_contains(result.text, text);
    nm_result_free(&result);
}

//  -- SMTP

static void
a_message_is_sent_and_the_answer_told(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, NULL, &result, &seen);
    assert_int_equal(result.call, NM_CALL_ANSWERED);
    assert_int_equal(result.code, 250);
    assert_string_equal(result.text, "2.0.0 Ok: queued as Q0001");
    assert_int_equal(result.token, 33);
    assert_int_equal(result.about.at[0], 7);
    assert_int_equal(result.retry_after_ms, -1);
    assert_true(result.took_us > 0);
    assert_contains(seen.commands, "|MAIL FROM:<bounce@example.org> SIZE=");
    assert_contains(seen.commands, "|RCPT TO:<user@example.com>|DATA|");
    assert_int_equal(seen.mail_count, 1);
    //  The dot at the start of a line is stuffed on the wire
    nm_buf_add(&seen.message, "", 1);
    assert_string_equal((char *) seen.message.at, "From: a@example.org\r\nSubject: x\r\n\r\n..hidden dot\r\nend\r\n");
    nm_buf_free(&seen.message);
}

static nm_effect_t *
s_with_null_path(nm_effect_t *effect)
{
    nm_effect_set(&effect->sender, "");
    return effect;
}

static void
an_empty_sender_is_the_null_path(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, s_with_null_path, &result, &seen);
    assert_int_equal(result.code, 250);
    assert_contains(seen.commands, "|MAIL FROM:<>");
    nm_buf_free(&seen.message);
}

static void
a_refusal_is_an_answer_wherever_it_comes(void **state)
{
    (void) state;
    const server_script_t greeting = { .greeting = "421 4.3.2 busy\r\n" };
    s_assert_ends(&greeting, NULL, NM_CALL_ANSWERED, 421, "4.3.2 busy");
    const server_script_t sender = { .mail = "550 5.7.1 not you\r\n" };
    s_assert_ends(&sender, NULL, NM_CALL_ANSWERED, 550, "5.7.1 not you");
    const server_script_t recipient = { .rcpt = "451 4.7.1 greylisted, try later\r\n" };
    s_assert_ends(&recipient, NULL, NM_CALL_ANSWERED, 451, "4.7.1 greylisted, try later");
    const server_script_t data = { .data = "452 4.3.1 full\r\n" };
    s_assert_ends(&data, NULL, NM_CALL_ANSWERED, 452, "4.3.1 full");
    const server_script_t end = { .end = "554-5.6.0 this is\r\n554 5.6.0 spam\r\n" };
    s_assert_ends(&end, NULL, NM_CALL_ANSWERED, 554, "5.6.0 this is 5.6.0 spam");
}

static nm_effect_t *
s_with_login(nm_effect_t *effect)
{
    nm_effect_set(&effect->user, "nmesh");
    nm_effect_set(&effect->password, "wrong");
    return effect;
}

static void
a_refused_login_is_an_answer(void **state)
{
    (void) state;
    const server_script_t script = { .auth = "535 5.7.8 no\r\n" };
    s_assert_ends(&script, s_with_login, NM_CALL_ANSWERED, 535, "5.7.8 no");
}

static void
a_drop_before_the_message_is_broken(void **state)
{
    (void) state;
    const server_script_t greeting = { .greeting = SERVER_DROP };
    s_assert_ends(&greeting, NULL, NM_CALL_BROKEN, 0, "");
    const server_script_t recipient = { .rcpt = SERVER_DROP };
    s_assert_ends(&recipient, NULL, NM_CALL_BROKEN, 0, "");
    const server_script_t data = { .data = SERVER_DROP };
    s_assert_ends(&data, NULL, NM_CALL_BROKEN, 0, "");
}

static nm_effect_t *
s_with_large_body(nm_effect_t *effect)
{
    for (int i = 0; i < 500000; i++)
        nm_buf_add_text(&effect->body, "0123456789012\r\n");
    return effect;
}

static void
a_drop_in_the_message_is_broken(void **state)
{
    (void) state;
    const server_script_t script = { .ehlo = "250 test\r\n", .drop_in_body = true };
    s_assert_ends(&script, s_with_large_body, NM_CALL_BROKEN, 0, "");
}

static void
a_drop_after_the_final_dot_is_unknown(void **state)
{
    (void) state;
    const server_script_t script = { .end = SERVER_DROP };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, NULL, &result, &seen);
    assert_int_equal(result.call, NM_CALL_UNKNOWN);
    assert_int_equal(result.code, 0);
    assert_int_equal(seen.mail_count, 1);
    nm_buf_free(&seen.message);
}

static nm_effect_t *
s_with_short_time(nm_effect_t *effect)
{
    effect->timeout_ms = 150;
    return effect;
}

static void
silence_is_broken_before_the_message_and_unknown_after_it(void **state)
{
    (void) state;
    const server_script_t greeting = { .greeting = SERVER_HANG };
    s_assert_ends(&greeting, s_with_short_time, NM_CALL_BROKEN, 0, "");
    const server_script_t data = { .data = SERVER_HANG };
    s_assert_ends(&data, s_with_short_time, NM_CALL_BROKEN, 0, "");
    const server_script_t end = { .end = SERVER_HANG };
    s_assert_ends(&end, s_with_short_time, NM_CALL_UNKNOWN, 0, "");
}

//  libcurl would wait inside its calls: the actor must not.
static void
a_slow_server_does_not_hold_up_the_caller(void **state)
{
    (void) state;
    const server_script_t script = { .end = SERVER_HANG };
    unsigned port;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    nm_effect_t *effect = s_mail(port, 1);
    effect->timeout_ms = 1500;
    nm_effects_start(effects, effect);
    nm_result_t result;
    int64_t longest_ms = 0;
    while (!nm_effects_take(effects, &result)) {
        struct pollfd fds[NM_EFFECTS_POLL_MAX];
        int timeout_ms;
        size_t count = nm_effects_poll(effects, fds, NM_COUNT(fds), &timeout_ms);
        poll(fds, count, 100);
        int64_t start_ms = s_clock_ms();
        nm_effects_run(effects, fds, count);
        if (s_clock_ms() - start_ms > longest_ms)
            longest_ms = s_clock_ms() - start_ms;
    }
    assert_int_equal(result.call, NM_CALL_UNKNOWN);
    assert_true(longest_ms < 700);
    nm_effects_destroy(&effects);
    server_destroy(&server, NULL);
}

static void
garbage_is_broken(void **state)
{
    (void) state;
    const server_script_t greeting = { .greeting = "\x01\xff\xfenoise\r\n\r\n", .ehlo = SERVER_DROP };
    s_assert_ends(&greeting, s_with_short_time, NM_CALL_BROKEN, 0, "");
    const server_script_t end = { .end = "what?\r\n" };
    s_assert_ends(&end, s_with_short_time, NM_CALL_UNKNOWN, 0, "");
}

static void
words_of_others_become_one_printable_line(void **state)
{
    (void) state;
    const server_script_t script = { .rcpt = "550 5.1.1 a\x1b[31m\tb\xff\xc3\xa4\r\n" };
    s_assert_ends(&script, NULL, NM_CALL_ANSWERED, 550, "5.1.1 a [31m b?\xc3\xa4");
}

static void
nobody_there_is_unreached(void **state)
{
    (void) state;
    //  A port that was free a moment ago
    const server_script_t script = { 0 };
    unsigned port;
    server_t *server = server_new(&script, &port);
    server_destroy(&server, NULL);
    nm_effects_t *effects = nm_effects_new(NULL);
    nm_result_t result;
    nm_effects_start(effects, s_mail(port, 1));
    s_take(effects, &result);
    assert_int_equal(result.call, NM_CALL_UNREACHED);
    nm_effects_destroy(&effects);
}

static nm_effect_t *
s_with_starttls(nm_effect_t *effect)
{
    effect->tls = NM_TLS_STARTTLS;
    return effect;
}

static void
nothing_is_sent_when_tls_is_required_and_not_offered(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, s_with_starttls, &result, &seen);
    assert_int_equal(result.call, NM_CALL_UNREACHED);
    assert_null(strstr(seen.commands, "MAIL"));
}

//  -- What is refused before any connection

static void
s_assert_forbidden(void (*spoil)(nm_effect_t *))
{
    const server_script_t script = { 0 };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    nm_effect_t *effect = s_mail(port, 91);
    nm_result_t result;
    spoil(effect);
    nm_effects_start(effects, effect);
    assert_true(nm_effects_take(effects, &result));
    assert_int_equal(result.call, NM_CALL_FORBIDDEN);
    assert_int_equal(result.token, 91);
    assert_int_not_equal(result.text[0], 0);
    nm_effects_destroy(&effects);
    server_destroy(&server, &seen);
    assert_int_equal(seen.connection_count, 0);
}

static void
s_inject_recipient(nm_effect_t *effect)
{
    nm_effect_set(&effect->recipient, "a@example.com>\r\nRCPT TO:<evil@example.com");
}

static void
s_inject_sender(nm_effect_t *effect)
{
    nm_effect_set(&effect->sender, "a@example.org\nDATA");
}

static void
s_inject_parameter(nm_effect_t *effect)
{
    nm_effect_set(&effect->recipient, "a@example.com NOTIFY=NEVER");
}

static void
s_forget_recipient(nm_effect_t *effect)
{
    nm_effect_set(&effect->recipient, NULL);
}

static void
s_inject_url(nm_effect_t *effect)
{
    nm_effect_set(&effect->url, "smtp://127.0.0.1/a\r\nVRFY b");
}

static void
s_bare_line_feed(nm_effect_t *effect)
{
    nm_buf_add_text(&effect->body, "x\n.\nMAIL FROM:<evil@example.com>\r\n");
}

static void
s_bare_return(nm_effect_t *effect)
{
    nm_buf_add_text(&effect->body, "x\r.\r\n");
}

static void
s_empty_body(nm_effect_t *effect)
{
    nm_buf_clear(&effect->body);
}

static void
s_other_scheme(nm_effect_t *effect)
{
    nm_effect_set(&effect->url, "file:///etc/passwd");
}

static void
injections_are_refused_without_any_connection(void **state)
{
    (void) state;
    s_assert_forbidden(s_inject_recipient);
    s_assert_forbidden(s_inject_sender);
    s_assert_forbidden(s_inject_parameter);
    s_assert_forbidden(s_forget_recipient);
    s_assert_forbidden(s_inject_url);
    s_assert_forbidden(s_bare_line_feed);
    s_assert_forbidden(s_bare_return);
    s_assert_forbidden(s_empty_body);
    s_assert_forbidden(s_other_scheme);
}

//  -- Connections

static void
a_connection_is_used_again(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    for (uint64_t i = 0; i < 5; i++) {
        nm_result_t result;
        nm_effects_start(effects, s_mail(port, i));
        s_take(effects, &result);
        assert_int_equal(result.code, 250);
        assert_int_equal(result.token, i);
    }
    nm_effects_destroy(&effects);
    server_destroy(&server, &seen);
    assert_int_equal(seen.connection_count, 1);
    assert_int_equal(seen.mail_count, 5);
    nm_buf_free(&seen.message);
}

//  curl alone would send the second over the connection of the first.
static void
a_connection_is_not_used_with_other_settings(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    for (int i = 0; i < 4; i++) {
        nm_result_t result;
        nm_effect_t *effect = s_mail(port, 1);
        effect->insecure = i == 1;
        nm_effect_set(&effect->ca_file, i == 2 ? "/etc/ssl/other.pem" : NULL);
        nm_effects_start(effects, i == 3 ? s_with_login(effect) : effect);
        s_take(effects, &result);
        assert_int_equal(result.code, 250);
    }
    nm_effects_destroy(&effects);
    server_destroy(&server, &seen);
    assert_int_equal(seen.connection_count, 4);
    nm_buf_free(&seen.message);
}

static void
a_kept_connection_that_was_closed_costs_no_attempt(void **state)
{
    (void) state;
    const server_script_t script = { .close_after_mail = true };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    for (uint64_t i = 0; i < 10; i++) {
        nm_result_t result;
        nm_effects_start(effects, s_mail(port, i));
        s_take(effects, &result);
        assert_int_equal(result.call, NM_CALL_ANSWERED);
        assert_int_equal(result.code, 250);
    }
    nm_effects_destroy(&effects);
    server_destroy(&server, &seen);
    assert_int_equal(seen.mail_count, 10);
    nm_buf_free(&seen.message);
}

static void
no_more_connections_are_open_than_wished(void **state)
{
    (void) state;
    const server_script_t script = { 0 };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 50; i++)
        nm_effects_start(effects, s_mail(port, i));
    assert_int_equal(nm_effects_running(effects), 50);
    for (int i = 0; i < 50; i++) {
        nm_result_t result;
        s_take(effects, &result);
        assert_int_equal(result.code, 250);
        sum += result.token;
    }
    assert_int_equal(sum, 50 * 51 / 2);
    nm_effects_destroy(&effects);
    server_destroy(&server, &seen);
    assert_int_equal(seen.mail_count, 50);
    assert_true(seen.open_max <= 4);
    assert_int_equal(seen.connection_count, 4);
    nm_buf_free(&seen.message);
}

static void
destroy_ends_what_is_under_way_and_what_waits(void **state)
{
    (void) state;
    const server_script_t script = { .end = SERVER_HANG };
    unsigned port;
    server_seen_t seen;
    server_t *server = server_new(&script, &port);
    nm_effects_t *effects = nm_effects_new(NULL);
    for (uint64_t i = 0; i < 10; i++)
        nm_effects_start(effects, s_mail(port, i));
    for (int i = 0; i < 5; i++) {
        struct pollfd fds[NM_EFFECTS_POLL_MAX];
        int timeout_ms;
        size_t count = nm_effects_poll(effects, fds, NM_COUNT(fds), &timeout_ms);
        poll(fds, count, timeout_ms < 0 || timeout_ms > 50 ? 50 : timeout_ms);
        nm_effects_run(effects, fds, count);
    }
    //  One that was refused waits to be taken
    nm_effect_t *spoilt = s_mail(port, 11);
    s_empty_body(spoilt);
    nm_effects_start(effects, spoilt);
    nm_effects_destroy(&effects);
    assert_null(effects);
    server_destroy(&server, &seen);
    nm_buf_free(&seen.message);
}

//  -- HTTP

static void
an_http_answer_comes_with_status_and_body(void **state)
{
    (void) state;
    const server_script_t script = { .http = "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\naccepted" };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, NULL, &result, &seen);
    assert_int_equal(result.call, NM_CALL_ANSWERED);
    assert_int_equal(result.code, 202);
    assert_true(nm_bytes_is(nm_buf_bytes(&result.body), "accepted"));
    assert_string_equal(result.text, "accepted");
    assert_contains(seen.commands, "POST /hook HTTP/1.1|");
    assert_contains(seen.commands, "|Content-Type: application/json|");
    assert_null(strstr(seen.commands, "Expect"));
    nm_result_free(&result);
}

static void
a_wish_to_wait_is_told(void **state)
{
    (void) state;
    const server_script_t script = { .http = "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" };
    nm_result_t result;
    s_run(&script, NULL, &result, NULL);
    assert_int_equal(result.code, 429);
    assert_int_equal(result.retry_after_ms, 7000);
    nm_result_free(&result);
}

static void
an_endless_answer_is_cut(void **state)
{
    (void) state;
    const server_script_t script = { .http = "HTTP/1.1 500 Oh\r\nContent-Length: 50000000\r\n\r\n",
                                     .http_filler_size = 50000000 };
    nm_result_t result;
    s_run(&script, NULL, &result, NULL);
    assert_int_equal(result.call, NM_CALL_ANSWERED);
    assert_int_equal(result.code, 500);
    assert_int_equal(result.body.size, 64 * 1024);
    nm_result_free(&result);
}

static void
a_redirect_is_not_followed(void **state)
{
    (void) state;
    const server_script_t script = {
        .http = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    };
    s_assert_ends(&script, NULL, NM_CALL_ANSWERED, 302, "");
}

static void
a_request_without_an_answer_is_unknown(void **state)
{
    (void) state;
    const server_script_t drop = { .http = SERVER_DROP };
    s_assert_ends(&drop, NULL, NM_CALL_UNKNOWN, 0, "");
    const server_script_t hang = { .http = SERVER_HANG };
    s_assert_ends(&hang, s_with_short_time, NM_CALL_UNKNOWN, 0, "");
}

static nm_effect_t *
s_bound_to_public(nm_effect_t *effect)
{
    effect->public_only = true;
    return effect;
}

static void
an_address_that_is_not_public_is_forbidden(void **state)
{
    (void) state;
    const server_script_t script = { .http = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
    nm_result_t result;
    server_seen_t seen;
    s_run(&script, s_bound_to_public, &result, &seen);
    assert_int_equal(result.call, NM_CALL_FORBIDDEN);
    assert_string_equal(result.text, "the address is not public");
    assert_int_equal(seen.connection_count, 0);
    nm_result_free(&result);
}

static nm_effect_t *
s_with_forged_header(nm_effect_t *effect)
{
    nm_effect_add_header(effect, "X-Name", nm_text("a\r\nX-Admin: yes"));
    return effect;
}

static void
a_header_with_a_line_end_is_forbidden(void **state)
{
    (void) state;
    const server_script_t script = { .http = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
    s_assert_ends(&script, s_with_forged_header, NM_CALL_FORBIDDEN, 0, "a header has a control character");
}

static bool
s_is_public(const char *text)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return nm_public_address_is((struct sockaddr *) &v4, sizeof v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return nm_public_address_is((struct sockaddr *) &v6, sizeof v6);
}

static void
only_addresses_for_everybody_are_public(void **state)
{
    (void) state;
    static const char *const PUBLIC[] = { "1.1.1.1",         "9.255.255.255", "11.0.0.0",   "100.63.255.255",
                                          "100.128.0.0",     "172.15.0.1",    "172.32.0.0", "223.255.255.255",
                                          "2606:4700::1111", "2001:4860::1",  "2a00::1",    "3fff:1000::1" };
    static const char *const PRIVATE[] = {
        "0.0.0.0",     "10.1.2.3",        "100.64.0.1",       "100.127.255.255",
        "127.0.0.1",   "169.254.169.254", "172.16.0.1",       "172.31.255.255",
        "192.0.0.1",   "192.0.2.1",       "192.88.99.1",      "192.168.0.1",
        "198.18.0.1",  "198.19.255.255",  "198.51.100.1",     "203.0.113.9",
        "224.0.0.1",   "239.255.255.255", "255.255.255.255",  "::",
        "::1",         "::ffff:1.1.1.1",  "64:ff9b::1.1.1.1", "fe80::1",
        "fc00::1",     "fd12::1",         "ff02::1",          "2001::1",
        "2001:1ff::1", "2001:db8::1",     "2002:101:101::1",  "3fff:fff::1",
        "4000::1",     "1fff::1",
    };
    for (size_t i = 0; i < NM_COUNT(PUBLIC); i++)
        if (!s_is_public(PUBLIC[i]))
            fail_msg("%s is public", PUBLIC[i]);
    for (size_t i = 0; i < NM_COUNT(PRIVATE); i++)
        if (s_is_public(PRIVATE[i]))
            fail_msg("%s is not public", PRIVATE[i]);
    struct sockaddr other = { .sa_family = AF_UNIX };
    assert_false(nm_public_address_is(&other, sizeof other));
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x01010101) };
    assert_false(nm_public_address_is((struct sockaddr *) &v4, sizeof v4 - 1));
}

//  -- Work

static void
s_work(void *arg, nm_result_t *result)
{
    (void) arg;
    result->code = 17;
}

static void
work_is_run_by_the_worker(void **state)
{
    (void) state;
    nm_worker_t *worker = nm_worker_new(1);
    nm_effects_t *effects = nm_effects_new(worker);
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_WORK, 5, NULL);
    effect->work = s_work;
    nm_effects_start(effects, effect);
    nm_result_t result;
    s_take(effects, &result);
    assert_int_equal(result.token, 5);
    assert_int_equal(result.code, 17);
    assert_int_equal(nm_effects_running(effects), 0);
    nm_effects_destroy(&effects);
    nm_worker_destroy(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_sent_and_the_answer_told),
        cmocka_unit_test(an_empty_sender_is_the_null_path),
        cmocka_unit_test(a_refusal_is_an_answer_wherever_it_comes),
        cmocka_unit_test(a_refused_login_is_an_answer),
        cmocka_unit_test(a_drop_before_the_message_is_broken),
        cmocka_unit_test(a_drop_in_the_message_is_broken),
        cmocka_unit_test(a_drop_after_the_final_dot_is_unknown),
        cmocka_unit_test(silence_is_broken_before_the_message_and_unknown_after_it),
        cmocka_unit_test(a_slow_server_does_not_hold_up_the_caller),
        cmocka_unit_test(garbage_is_broken),
        cmocka_unit_test(words_of_others_become_one_printable_line),
        cmocka_unit_test(nobody_there_is_unreached),
        cmocka_unit_test(nothing_is_sent_when_tls_is_required_and_not_offered),
        cmocka_unit_test(injections_are_refused_without_any_connection),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_connection_is_not_used_with_other_settings),
        cmocka_unit_test(a_kept_connection_that_was_closed_costs_no_attempt),
        cmocka_unit_test(no_more_connections_are_open_than_wished),
        cmocka_unit_test(destroy_ends_what_is_under_way_and_what_waits),
        cmocka_unit_test(an_http_answer_comes_with_status_and_body),
        cmocka_unit_test(a_wish_to_wait_is_told),
        cmocka_unit_test(an_endless_answer_is_cut),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_request_without_an_answer_is_unknown),
        cmocka_unit_test(an_address_that_is_not_public_is_forbidden),
        cmocka_unit_test(a_header_with_a_line_end_is_forbidden),
        cmocka_unit_test(only_addresses_for_everybody_are_public),
        cmocka_unit_test(work_is_run_by_the_worker),
    };
    return cmocka_run_group_tests_name("broker/effects", tests, NULL, NULL);
}
