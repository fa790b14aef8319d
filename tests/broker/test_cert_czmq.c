//  About broker/cert.c: its files are czmq's. Here czmq itself writes and reads them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <czmq.h>

#include "folder.h"

static int
s_setup(void **state)
{
    *state = nm_alloc(sizeof(folder_t));
    folder_make(*state);
    return 0;
}

static int
s_teardown(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}

static void
czmq_reads_what_we_write(void **state)
{
    char path[256];
    nm_cert_t cert;
    nm_error_t error = { .text = "" };
    nm_cert_make(&cert, "router-9", NM_ROLE_ROUTER, INT64_C(1795219200000), INT64_C(1826755200000));
    nm_cert_sign(&cert, ((folder_t *) *state)->authority_secret);
    folder_path(*state, "router-9.key", path);
    assert_int_equal(nm_cert_save(&cert, path, true, &error), NM_OK);

    zcert_t *read = zcert_load(path);
    assert_non_null(read);
    assert_string_equal(zcert_public_txt(read), cert.public_text);
    assert_string_equal(zcert_secret_txt(read), cert.secret_text);
    assert_string_equal(zcert_meta(read, "name"), "router-9");
    assert_string_equal(zcert_meta(read, "role"), "router");
    zcert_destroy(&read);
}

static void
we_read_what_czmq_writes(void **state)
{
    char path[256];
    nm_cert_t cert;
    nm_error_t error = { .text = "" };
    zcert_t *written = zcert_new();
    zcert_set_meta(written, "name", "%s", "email-3");
    zcert_set_meta(written, "role", "%s", "email");
    zcert_set_meta(written, "serial", "%s", "00112233445566778899aabbccddeeff");
    zcert_set_meta(written, "not-before", "%s", "2026-11-21T00:00:00.000Z");
    zcert_set_meta(written, "not-after", "%s", "2027-11-21T00:00:00.000Z");
    folder_path(*state, "email-3.key", path);
    assert_int_equal(zcert_save_secret(written, path), 0);

    assert_int_equal(nm_cert_load(path, &cert, &error), NM_OK);
    assert_string_equal(cert.name, "email-3");
    assert_int_equal(cert.role, NM_ROLE_EMAIL);
    assert_string_equal(cert.public_text, zcert_public_txt(written));
    assert_string_equal(cert.secret_text, zcert_secret_txt(written));
    zcert_destroy(&written);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(czmq_reads_what_we_write, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown(we_read_what_czmq_writes, s_setup, s_teardown),
    };
    zsys_handler_set(NULL);  //  czmq takes the process's signals otherwise
    return cmocka_run_group_tests_name("broker/cert and czmq", tests, NULL, NULL);
}
