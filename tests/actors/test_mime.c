//  About actors/providers/mime.c, byte by byte. mime_oracle.py compares it with another reader.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/providers/mime.h"
#include "wire/writer.h"

//  2026-11-21T03:59:51Z
static const int64_t DATE_MS = INT64_C(1795233591123);

static nm_delivery_t
s_delivery(void)
{
    nm_delivery_t delivery;
    memset(&delivery, 0, sizeof delivery);
    for (uint8_t i = 0; i < NM_ID_SIZE; i++)
        delivery.notification.at[i] = (uint8_t) (0x10 + i);
    NM_PUT(&delivery, delivery, generation, 3);
    NM_PUT(&delivery, delivery, recipient, nm_text("ada@example.com"));
    NM_PUT(&delivery, delivery, subject, nm_text("Dinner"));
    NM_PUT(&delivery, delivery, content, nm_text("at eight\nbring wine"));
    return delivery;
}

static nm_rc_t
s_build(const nm_delivery_t *delivery, nm_buf_t *out, nm_error_t *error)
{
    nm_mime_t mime = { delivery, "mesh@nmesh.test", "nmesh.test", DATE_MS };
    nm_buf_clear(out);
    return nm_mime_build(&mime, out, error);
}

#define assert_message(delivery, text)                                            \
    do {                                                                          \
        nm_buf_t message_out = { 0 };                                             \
        nm_error_t message_error = { "" };                                        \
        assert_int_equal(s_build(delivery, &message_out, &message_error), NM_OK); \
        nm_buf_add(&message_out, "", 1);                                          \
        assert_string_equal((const char *) message_out.at, text);                 \
        nm_buf_free(&message_out);                                                \
    } while (0)

static bool
s_has(const nm_buf_t *message, const char *text)
{
    return memmem(message->at, message->size, text, strlen(text)) != NULL;
}

#define HEAD                                    \
    "Date: Sat, 21 Nov 2026 03:59:51 +0000\r\n" \
    "From: mesh@nmesh.test\r\n"                 \
    "To: ada@example.com\r\n"
#define IDS                                                               \
    "Message-ID: <10111213-1415-1617-1819-1a1b1c1d1e1f.3@nmesh.test>\r\n" \
    "X-Nmesh-Id: 10111213-1415-1617-1819-1a1b1c1d1e1f\r\n"

static void
writes_a_plain_text(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    assert_message(&delivery, HEAD "Subject: Dinner\r\n" IDS "MIME-Version: 1.0\r\n"
                                   "Content-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Transfer-Encoding: quoted-printable\r\n"
                                   "\r\n"
                                   "at eight\r\nbring wine\r\n");
}

static void
writes_text_and_html_as_alternatives(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    NM_PUT(&delivery, delivery, html, nm_text("<p>\xc3\xa4 = b</p>\n"));
    assert_message(&delivery, HEAD "Subject: Dinner\r\n" IDS "MIME-Version: 1.0\r\n"
                                   "Content-Type: multipart/alternative;\r\n"
                                   " boundary=\"=_nm_101112131415161718191a1b1c1d1e1f_b\"\r\n"
                                   "\r\n--=_nm_101112131415161718191a1b1c1d1e1f_b\r\n"
                                   "Content-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Transfer-Encoding: quoted-printable\r\n"
                                   "\r\n"
                                   "at eight\r\nbring wine\r\n"
                                   "--=_nm_101112131415161718191a1b1c1d1e1f_b\r\n"
                                   "Content-Type: text/html; charset=utf-8\r\n"
                                   "Content-Transfer-Encoding: quoted-printable\r\n"
                                   "\r\n"
                                   "<p>=C3=A4 =3D b</p>\r\n\r\n"
                                   "--=_nm_101112131415161718191a1b1c1d1e1f_b--\r\n");
}

static void
encodes_a_subject_without_splitting_a_character(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 };
    nm_error_t error;
    NM_PUT(&delivery, delivery, subject,
           nm_text("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"
                   "\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "Subject: =?UTF-8?B?5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel5pys6Kqe5pel?=\r\n"
                            " =?UTF-8?B?5pys6Kqe?=\r\n"));
    nm_buf_free(&out);
}

static void
never_starts_a_line_with_a_dot_nor_leaves_a_bare_line_end(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 };
    nm_error_t error;
    NM_PUT(&delivery, delivery, content, nm_text("a\n.\nMAIL FROM:<x@y.example>\r.\r\n.\r\nFrom me \n"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "\r\n\r\na\r\n=2E\r\nMAIL FROM:<x@y.example>\r\n=2E\r\n=2E\r\n=46rom me=20\r\n"));
    for (size_t i = 0; i < out.size; i++) {
        assert_true(out.at[i] != '\n' || (i && out.at[i - 1] == '\r'));
        assert_true(out.at[i] != '\r' || (i + 1 < out.size && out.at[i + 1] == '\n'));
        assert_true(out.at[i] != '.' || out.at[i - 1] != '\n');
    }
    nm_buf_free(&out);
}

static void
takes_base64_where_it_is_shorter(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 };
    nm_error_t error;
    NM_PUT(&delivery, delivery, content, nm_text("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "Content-Transfer-Encoding: base64\r\n\r\n5pel5pys6Kqe5pel5pys\r\n"));
    nm_buf_free(&out);
}

//  -- The parts of a rich e-mail

static nm_buf_t
s_email(const char *const headers[][2], size_t header_count, const char *from_name)
{
    nm_buf_t packed = { 0 };
    nm_writer_map(&packed, 3);
    nm_writer_pair_text(&packed, "from_name", from_name);
    nm_writer_text(&packed, "bcc");
    nm_writer_list(&packed, 1);
    nm_writer_text(&packed, "secret@example.org");
    nm_writer_text(&packed, "headers");
    nm_writer_map(&packed, header_count);
    for (size_t i = 0; i < header_count; i++)
        nm_writer_pair_text(&packed, headers[i][0], headers[i][1]);
    return packed;
}

static void
quotes_a_display_name_and_never_writes_bcc(void **state)
{
    (void) state;
    static const char *const HEADERS[][2] = { { "X-Shop", "blue" }, { "List-Id", "<news.example.com>" } };
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 }, email = s_email(HEADERS, 2, "Ada \"the\" Mesh, Ltd.");
    nm_error_t error;
    NM_PUT(&delivery, delivery, email, nm_buf_bytes(&email));
    NM_PUT(&delivery, delivery, to, nm_text("first@example.net"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "From: \"Ada \\\"the\\\" Mesh, Ltd.\" <mesh@nmesh.test>\r\nTo: first@example.net\r\n"));
    assert_true(s_has(&out, "X-Shop: blue\r\nList-Id: <news.example.com>\r\n"));
    assert_false(s_has(&out, "secret@"));
    assert_false(s_has(&out, "ada@example.com"));
    nm_buf_free(&email);
    nm_buf_free(&out);
}

static void
refuses_headers_that_it_does_not_allow(void **state)
{
    (void) state;
    static const char *const BAD[][2] = {
        { "Bcc", "evil@example.org" },
        { "X-A\r\nBcc", "x" },
        { "X-A", "x\r\nBcc: evil@example.org" },
        { "X:A", "x" },
        { "Subject", "again" },
        { "x-nmesh-id", "forged" },
        { "References", "\xc3\xa4" },
        { "Content-Type", "text/x" },
        { "X A", "y" },
    };
    for (size_t i = 0; i < NM_COUNT(BAD); i++) {
        nm_delivery_t delivery = s_delivery();
        nm_buf_t out = { 0 }, email = s_email(&BAD[i], 1, "Ada");
        nm_error_t error = { "" };
        NM_PUT(&delivery, delivery, email, nm_buf_bytes(&email));
        assert_int_equal(s_build(&delivery, &out, &error), NM_ERR_REFUSED);
        assert_true(error.text[0] != 0);
        nm_buf_free(&email);
        nm_buf_free(&out);
    }
}

//  What gateways accept: any name of printable characters, as long as may be.
static void
writes_headers_whatever_their_names(void **state)
{
    (void) state;
    char longest[NM_CODE_MAX + 1] = "X-", line[NM_CODE_MAX + 16];
    memset(longest + 2, 'n', sizeof longest - 3);
    const char *const HEADERS[][2] = { { "X-My_Header", "one" }, { "X-a!b", "two" }, { longest, "three" } };
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 }, email = s_email(HEADERS, NM_COUNT(HEADERS), "Ada");
    nm_error_t error = { "" };
    NM_PUT(&delivery, delivery, email, nm_buf_bytes(&email));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "\r\nX-My_Header: one\r\nX-a!b: two\r\n"));
    snprintf(line, sizeof line, "\r\n%s:\r\n three\r\n", longest);
    assert_true(s_has(&out, line));
    nm_buf_free(&email);
    nm_buf_free(&out);
}

static void
refuses_control_characters_wherever_a_header_is_made(void **state)
{
    (void) state;
    nm_buf_t out = { 0 };
    nm_error_t error;
    nm_delivery_t delivery = s_delivery();
    NM_PUT(&delivery, delivery, subject, nm_text("a\r\nBcc: evil@example.org"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_ERR_REFUSED);
    delivery = s_delivery();
    NM_PUT(&delivery, delivery, recipient, nm_text("a@example.com>\r\nRCPT TO:<evil@example.org"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_ERR_REFUSED);
    delivery = s_delivery();
    NM_PUT(&delivery, delivery, to, nm_text("a@example.com, b@example.com"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_ERR_REFUSED);
    nm_buf_free(&out);
}

static void
folds_a_long_subject_at_its_spaces(void **state)
{
    (void) state;
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 };
    nm_error_t error;
    NM_PUT(&delivery, delivery, subject,
           nm_text("one two three four five six seven eight nine ten eleven twelve thirteen fourteen"));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(s_has(&out, "Subject: one two three four five six seven eight nine ten eleven twelve\r\n"
                            " thirteen fourteen\r\n"));
    nm_buf_free(&out);
}

static void
writes_attachments_with_safe_names(void **state)
{
    (void) state;
    static const char *const FILES[][3] = {
        { "../../etc/passwd", "application/pdf", "AAEC" },
        { "\xc3\xbc.txt", "text/plain; charset=utf-8; a=\"b", "/v8=" },
        { "mixed", "multipart/mixed", "" },
    };
    nm_delivery_t delivery = s_delivery();
    nm_buf_t out = { 0 }, email = { 0 };
    nm_error_t error = { "" };
    nm_writer_map(&email, 1);
    nm_writer_text(&email, "attachments");
    nm_writer_list(&email, NM_COUNT(FILES));
    for (size_t i = 0; i < NM_COUNT(FILES); i++) {
        nm_writer_map(&email, 3);
        nm_writer_pair_text(&email, "filename", FILES[i][0]);
        nm_writer_pair_text(&email, "content_type", FILES[i][1]);
        nm_writer_pair_text(&email, "content_base64", FILES[i][2]);
    }
    NM_PUT(&delivery, delivery, email, nm_buf_bytes(&email));
    assert_int_equal(s_build(&delivery, &out, &error), NM_OK);
    assert_true(
        s_has(&out, "Content-Type: multipart/mixed;\r\n boundary=\"=_nm_101112131415161718191a1b1c1d1e1f_a\"\r\n"));
    assert_true(s_has(&out,
                      "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
                      "Content-Disposition: attachment;\r\n filename=\".._.._etc_passwd\"\r\n\r\nAAEC\r\n--=_nm"));
    assert_true(s_has(&out, "Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
                            "Content-Disposition: attachment;\r\n filename*=UTF-8''%C3%BC.txt\r\n\r\n/v8=\r\n--=_nm"));
    assert_true(s_has(&out, "Content-Type: application/octet-stream\r\n"));
    nm_buf_free(&email);
    nm_buf_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_plain_text),
        cmocka_unit_test(writes_text_and_html_as_alternatives),
        cmocka_unit_test(encodes_a_subject_without_splitting_a_character),
        cmocka_unit_test(never_starts_a_line_with_a_dot_nor_leaves_a_bare_line_end),
        cmocka_unit_test(takes_base64_where_it_is_shorter),
        cmocka_unit_test(quotes_a_display_name_and_never_writes_bcc),
        cmocka_unit_test(refuses_headers_that_it_does_not_allow),
        cmocka_unit_test(writes_headers_whatever_their_names),
        cmocka_unit_test(refuses_control_characters_wherever_a_header_is_made),
        cmocka_unit_test(folds_a_long_subject_at_its_spaces),
        cmocka_unit_test(writes_attachments_with_safe_names),
    };
    return cmocka_run_group_tests_name("providers/mime", tests, NULL, NULL);
}
