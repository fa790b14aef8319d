#include "tests/broker/check.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>
#include "broker/log.h"

//  What nm_log writes to stderr between the two.
typedef struct {
    int pipe[2];
    int before;
    char text[16384];
} capture_t;

static void
s_begin(capture_t *self)
{
    assert_int_equal(pipe2(self->pipe, O_NONBLOCK), 0);
    self->before = dup(STDERR_FILENO);
    dup2(self->pipe[1], STDERR_FILENO);
}

static void
s_end(capture_t *self)
{
    dup2(self->before, STDERR_FILENO);
    close(self->before);
    close(self->pipe[1]);
    ssize_t got = read(self->pipe[0], self->text, sizeof self->text - 1);
    self->text[got > 0 ? got : 0] = 0;
    close(self->pipe[0]);
}

//  The JSON object of the one line that was captured.
static json_t *
s_object(const capture_t *self)
{
    const char *end = strchr(self->text, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], 0);
    assert_int_equal(self->text[0], '<');
    json_error_t error;
    json_t *object = json_loads(self->text + 3, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s: %s", error.text, self->text);
    return object;
}

static const char *
s_get(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void
writes_one_object_a_line_behind_its_priority(void **state)
{
    (void) state;
    capture_t capture;
    s_begin(&capture);
    nm_log(NM_LOG_WARNING, "peer_quiet", "%s has been quiet for %d ms", "email-1", 3100);
    s_end(&capture);
    assert_memory_equal(capture.text, "<4>{", 4);
    json_t *object = s_object(&capture);
    assert_int_equal(json_object_size(object), 5);
    assert_string_equal(s_get(object, "level"), "warning");
    assert_string_equal(s_get(object, "actor"), "router-9");
    assert_string_equal(s_get(object, "event"), "peer_quiet");
    assert_string_equal(s_get(object, "message"), "email-1 has been quiet for 3100 ms");
    assert_int_equal(strlen(s_get(object, "time")), 24);
    json_decref(object);
}

static void
escapes_every_byte_that_could_forge_a_line(void **state)
{
    (void) state;
    capture_t capture;
    s_begin(&capture);
    nm_log_about(NM_LOG_ERROR, "e", (nm_log_subject_t){ .correlation_id = nm_bytes("id\"\n\0x", 6) }, "%s",
                 "a\"b\\c\n<2>{}\r\t\x1b[31m\x7f\xff\xc3\xa4\xe2\x80\xa8\xc2\x85 end");
    s_end(&capture);
    for (const char *at = capture.text; *at && *at != '\n'; at++)
        assert_true((uint8_t) *at >= 0x20 && *at != 0x7f);
    assert_null(strstr(capture.text, "\xe2\x80\xa8"));
    json_t *object = s_object(&capture);
    assert_string_equal(s_get(object, "message"),
                        "a\"b\\c\n<2>{}\r\t\x1b[31m\x7f\xef\xbf\xbd\xc3\xa4\xe2\x80\xa8\xc2\x85 end");
    json_decref(object);
    assert_contains(capture.text, "\"correlation_id\":\"id\\\"\\u000a\\ufffdx\"");
}

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void
bounds_a_line_and_keeps_its_end(void **state)
{
    (void) state;
    char *message = malloc(20000);
    memset(message, '\n', 19999);
    message[19999] = 0;
    char id[4096];
    memset(id, '"', sizeof id);
    capture_t capture;
    s_begin(&capture);
    nm_log_about(NM_LOG_ERROR, "long", (nm_log_subject_t){ nm_bytes(id, sizeof id), nm_text(TRACEPARENT) }, "%s",
                 message);
    s_end(&capture);
    free(message);
    assert_true(strlen(capture.text) <= 8192);
    json_t *object = s_object(&capture);
    assert_int_equal(strlen(s_get(object, "correlation_id")), 128);
    assert_string_equal(s_get(object, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    json_decref(object);
}

static void
leaves_out_what_is_less_urgent_than_wished(void **state)
{
    (void) state;
    capture_t capture;
    s_begin(&capture);
    nm_log(NM_LOG_DEBUG, "e", "not seen");
    s_end(&capture);
    assert_string_equal(capture.text, "");
}

int
main(void)
{
    nm_log_open("router-9", NM_LOG_INFO);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_object_a_line_behind_its_priority),
        cmocka_unit_test(escapes_every_byte_that_could_forge_a_line),
        cmocka_unit_test(bounds_a_line_and_keeps_its_end),
        cmocka_unit_test(leaves_out_what_is_less_urgent_than_wished),
    };
    return cmocka_run_group_tests_name("broker/log", tests, NULL, NULL);
}
