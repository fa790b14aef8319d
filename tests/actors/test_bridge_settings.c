#include "tests/broker/check.h"

#include "actors/bridge/settings.h"
#include "broker/log.h"
#include "tests/broker/folder.h"

//  The settings of a bridge in a mesh file with this entry and this part.
static nm_rc_t
s_read(const char *entry, const char *part, nm_bridge_settings_t *settings, nm_error_t *error)
{
    folder_t folder;
    char rest[2048];
    nm_log_open("test", NM_LOG_CRITICAL);
    folder_make(&folder);
    snprintf(rest, sizeof rest,
             "actors\n    bridge-1\n        role = bridge\n        mailbox = tcp://h:1\n        desk = tcp://h:2\n%s%s",
             entry, part);
    folder_write_mesh(&folder, rest);
    error->text[0] = 0;
    *settings = (nm_bridge_settings_t){ .connections = 0 };
    nm_mesh_t *mesh = nm_mesh_load(folder.path, error);
    nm_rc_t rc =
        mesh ? nm_bridge_settings_read(settings, mesh, nm_mesh_find(mesh, "bridge-1"), error) : NM_ERR_MALFORMED;
    nm_mesh_destroy(&mesh);
    folder_remove(&folder);
    return rc;
}

static void
it_listens_on_loopback_unless_it_is_told(void **state)
{
    (void) state;
    nm_bridge_settings_t settings;
    nm_error_t error;
    assert_int_equal(s_read("", "", &settings, &error), NM_OK);
    assert_string_equal(settings.host, "127.0.0.1");
    assert_string_equal(settings.port, "8080");
    assert_int_equal(settings.connections, 12000);
    assert_int_equal(settings.per_address, 0);
    assert_int_equal(settings.idle_ms, 60000);
    assert_string_equal(settings.tls_cert, "");
    nm_bridge_settings_free(&settings);
    assert_int_equal(s_read("        http = tcp://[2001:db8::1]:0\n", "", &settings, &error), NM_OK);
    assert_string_equal(settings.host, "2001:db8::1");
    assert_string_equal(settings.port, "0");
    assert_int_equal(settings.per_address, 256);
    nm_bridge_settings_free(&settings);
}

static void
all_of_it_can_be_set(void **state)
{
    (void) state;
    nm_bridge_settings_t settings;
    nm_error_t error;
    assert_int_equal(s_read("",
                            "http\n    connections = 7\n    per_address = 3\n    bodies = 9M\n    idle = 5s\n"
                            "    proxies = \"10.0.0.1 ::1\"\n    origins = \"https://a.test, https://b.test\"\n"
                            "    tls\n        cert = c.pem\n        key = /k.pem\n",
                            &settings, &error),
                     NM_OK);
    assert_int_equal(settings.connections, 7);
    assert_int_equal(settings.per_address, 3);
    assert_int_equal(settings.bodies_size, 9 << 20);
    assert_int_equal(settings.idle_ms, 5000);
    assert_int_equal(settings.origins.count, 2);
    assert_true(nm_bridge_words_have(&settings.origins, nm_text("https://b.test")));
    assert_true(nm_bridge_words_have(&settings.proxies, nm_text("::1")));
    assert_false(nm_bridge_words_have(&settings.proxies, nm_text("10.0.0.11")));
    assert_true(strstr(settings.tls_cert, "/c.pem") != NULL && settings.tls_cert[0] == '/');
    assert_string_equal(settings.tls_key, "/k.pem");
    nm_bridge_settings_free(&settings);
}

static void
what_is_wrong_is_named_with_its_line(void **state)
{
    (void) state;
    static const char *const ENTRIES[] = { "        http = 127.0.0.1:8080\n", "        http = tcp://h\n",
                                           "        http = tcp://h:99999\n", "        http = ipc:///x\n" };
    static const char *const PARTS[] = { "http\n    colour = red\n", "http\n    connections = 0\n",
                                         "http\n    tls\n        cert = c.pem\n", "http\n    idle = soon\n" };
    nm_bridge_settings_t settings;
    nm_error_t error;
    for (size_t i = 0; i < NM_COUNT(ENTRIES); i++) {
        assert_int_not_equal(s_read(ENTRIES[i], "", &settings, &error), NM_OK);
        assert_non_null(strstr(error.text, "line"));
        assert_int_not_equal(s_read("", PARTS[i], &settings, &error), NM_OK);
        assert_non_null(strstr(error.text, "line"));
        nm_bridge_settings_free(&settings);
    }
}

//  Whom the request is counted against.
static void
only_proxies_are_believed_whom_they_speak_for(void **state)
{
    (void) state;
    static const struct {
        const char *peer, *forwarded, *client;
    } CASES[] = {
        { "192.0.2.9", "", "192.0.2.9" },
        { "192.0.2.9", "198.51.100.1", "192.0.2.9" },
        { "10.0.0.1", "", "10.0.0.1" },
        { "10.0.0.1", "198.51.100.1", "198.51.100.1" },
        { "10.0.0.1", "203.0.113.7, 198.51.100.1", "198.51.100.1" },
        { "10.0.0.1", "203.0.113.7 ,\t198.51.100.1, 10.0.0.2 ", "198.51.100.1" },
        { "10.0.0.1", "2001:db8::5", "2001:db8::5" },
        { "10.0.0.1", "10.0.0.2, 10.0.0.1", "10.0.0.2" },
        { "10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1" },
        { "10.0.0.1", "198.51.100.1,", "10.0.0.1" },
        { "10.0.0.1", "a\r\nb", "10.0.0.1" },
        { "10.0.0.2", "127.0.0.1", "127.0.0.1" },
    };
    nm_bridge_settings_t settings;
    nm_error_t error;
    assert_int_equal(s_read("", "http\n    proxies = \"10.0.0.1 10.0.0.2\"\n", &settings, &error), NM_OK);
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        char address[NM_BRIDGE_ADDRESS_SIZE];
        snprintf(address, sizeof address, "%s", CASES[i].peer);
        nm_bridge_settings_client(&settings, nm_text(CASES[i].forwarded), address);
        assert_string_equal(address, CASES[i].client);
    }
    nm_bridge_settings_free(&settings);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_listens_on_loopback_unless_it_is_told),
        cmocka_unit_test(all_of_it_can_be_set),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(only_proxies_are_believed_whom_they_speak_for),
    };
    return cmocka_run_group_tests_name("bridge/settings", tests, NULL, NULL);
}
