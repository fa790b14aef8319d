#include "tests/broker/check.h"

#include <sys/stat.h>
#include <unistd.h>
#include "broker/mesh.h"
#include "tests/broker/folder.h"

static int
s_setup(void **state)
{
    folder_t *folder = nm_alloc(sizeof *folder);
    folder_make(folder);
    *state = folder;
    return 0;
}

static int
s_teardown(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}

#define GATEWAY                                                                       \
    "actors\n    gateway-1\n        role = \"gateway\"\n        number = 7\n"         \
    "        mailbox = \"tcp://127.0.0.1:1\"\n        desk = \"tcp://127.0.0.1:2\"\n" \
    "        door = \"tcp://127.0.0.1:3\"\n"

//  What stands below the mesh part, which has lines 1 to 5.
static void
s_assert_refused(folder_t *folder, const char *rest, const char *sentence)
{
    nm_error_t error = { "" };
    folder_write_mesh(folder, rest);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, sentence);
    assert_contains(error.text, "mesh.zpl line ");
}

static void
reads_a_mesh_file(void **state)
{
    folder_t *folder = *state;
    nm_error_t error = { "" };
    nm_mesh_t *mesh = nm_mesh_load(folder->path, &error);
    assert_string_equal(error.text, "");
    assert_string_equal(mesh->name, "demo-7");
    assert_string_equal(mesh->public_domain, "mail.example");
    assert_memory_equal(mesh->authority, folder->authority, sizeof mesh->authority);
    assert_int_equal(mesh->admin_key_hash[31], 5);
    assert_int_equal(mesh->actor_count, 4);

    const nm_mesh_actor_t *gateway = nm_mesh_find(mesh, "gateway-1");
    assert_int_equal(gateway->role, NM_ROLE_GATEWAY);
    assert_int_equal(gateway->number, 7);
    assert_int_equal(gateway->line, 7);
    assert_string_equal(gateway->mailbox, "tcp://127.0.0.1:17751");
    assert_string_equal(gateway->desk, "tcp://127.0.0.1:17752");
    assert_string_equal(gateway->door, "tcp://127.0.0.1:17753");

    const nm_mesh_actor_t *email = nm_mesh_find(mesh, "email-1");
    char mailbox[128];
    snprintf(mailbox, sizeof mailbox, "ipc://%s/run/email-1.mailbox", folder->path);
    assert_string_equal(email->mailbox, mailbox);
    assert_string_equal(email->desk, "tcp://[::1]:17772");
    assert_string_equal(email->door, "");
    assert_int_equal(email->number, 0);

    assert_null(nm_mesh_find(mesh, "email-2"));
    assert_string_equal(nm_zpl_find(nm_mesh_part(mesh, "email"), "retries")->value, "3");
    assert_null(nm_mesh_part(mesh, "providers"));
    nm_mesh_destroy(&mesh);
    assert_null(mesh);
}

static void
joins_paths_to_its_folder(void **state)
{
    folder_t *folder = *state;
    nm_mesh_t *mesh = nm_mesh_load(folder->path, NULL);
    char path[256], expected[256];
    nm_mesh_path(mesh, "keys/a.key", path, sizeof path);
    folder_path(folder, "keys/a.key", expected);
    assert_string_equal(path, expected);
    nm_mesh_path(mesh, "/var/mail", path, sizeof path);
    assert_string_equal(path, "/var/mail");
    nm_mesh_destroy(&mesh);
}

static void
refuses_what_it_does_not_know(void **state)
{
    folder_t *folder = *state;
    s_assert_refused(folder, GATEWAY "emial\n", "line 13: \"emial\" is not a setting of the file");
    s_assert_refused(folder, "    colour = red\n" GATEWAY, "line 6: \"colour\" is not a setting of mesh");
    s_assert_refused(folder, GATEWAY "        dor = 1\n", "line 13: \"dor\" is not a setting of gateway-1");
    s_assert_refused(folder, "actors\n    x\n        role = \"emperor\"\n", "line 8: there is no role \"emperor\"");
    s_assert_refused(folder, "actors\n    x\n        role = \"operator\"\n",
                     "there is no role \"operator\" for actors");
    s_assert_refused(folder, "actors\n    X\n        role = \"email\"\n", "line 7: \"X\" is not a name");
    s_assert_refused(folder, "actors\n    -x\n        role = \"email\"\n", "line 7: \"-x\" is not a name");
}

static void
refuses_what_is_missing(void **state)
{
    folder_t *folder = *state;
    s_assert_refused(folder, "", "there are no actors");
    s_assert_refused(folder, "actors\n", "line 6: there are no actors");
    s_assert_refused(folder, "actors\n    x\n", "line 7: \"x\" has no role");
    s_assert_refused(folder, "actors\n    x\n        role\n", "line 8: role has no value");
    s_assert_refused(folder, "actors\n    x\n        role = sms\n", "line 7: \"x\" has no mailbox");
    s_assert_refused(folder, "actors\n    x\n        role = sms\n        mailbox = tcp://h:1\n", "\"x\" has no desk");
    s_assert_refused(folder,
                     "actors\n    x\n        role = gateway\n        mailbox = tcp://h:1\n        desk = tcp://h:2\n",
                     "\"x\" has no number");
}

static void
refuses_a_faulty_mesh_part(void **state)
{
    folder_t *folder = *state;
    nm_error_t error;
    folder_write(folder, "mesh.zpl", "mesh\n    name = demo\n    authority = 12\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "mesh.zpl line 3: authority is not 64 hex digits");
    folder_write(folder, "mesh.zpl", "mesh\n    name = \"my mesh\"\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "mesh.zpl line 2: \"my mesh\" is not a name");
    folder_write(folder, "mesh.zpl", "actors\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "there is no mesh part");
    assert_null(nm_mesh_load("/nonexistent", &error));
    assert_contains(error.text, "/nonexistent/mesh.zpl cannot be read");
}

static void
refuses_end_points_that_nobody_can_reach(void **state)
{
    folder_t *folder = *state;
    static const struct {
        const char *endpoint;
        const char *sentence;
    } CASES[] = {
        { "inproc://x", "begins with tcp:// or ipc://" },
        { "udp://h:1", "begins with tcp:// or ipc://" },
        { "tcp://h", "expected tcp://HOST:PORT" },
        { "tcp://h:0", "expected tcp://HOST:PORT" },
        { "tcp://h:65536", "expected tcp://HOST:PORT" },
        { "tcp://*:1", "expected tcp://HOST:PORT" },
        { "tcp://:1", "expected tcp://HOST:PORT" },
        { "tcp://h:1x", "expected tcp://HOST:PORT" },
        { "tcp://a;b:1", "expected tcp://HOST:PORT" },
        { "ipc://", "has no path" },
        { "ipc://@abstract", "has no path" },
        { "ipc:///"
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789abcdefg"
          "h",
          "longer than 107 bytes" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        char rest[512];
        snprintf(rest, sizeof rest, "actors\n    x\n        role = sms\n        mailbox = \"%s\"\n", CASES[i].endpoint);
        s_assert_refused(folder, rest, CASES[i].sentence);
        s_assert_refused(folder, rest, "line 9: ");
    }
}

static void
refuses_doors_and_numbers_of_others_than_gateways(void **state)
{
    folder_t *folder = *state;
#define SMS "actors\n    x\n        role = sms\n        mailbox = tcp://h:1\n        desk = tcp://h:2\n"
    s_assert_refused(folder, SMS "        door = tcp://h:3\n", "line 11: only a gateway has a door, and x is a sms");
    s_assert_refused(folder, SMS "        number = 3\n", "line 11: only a gateway has a number");
    s_assert_refused(folder, SMS "        http = tcp://h:80\n", "line 11: only a bridge has http, and x is a sms");
}

static void
refuses_numbers_out_of_range(void **state)
{
    folder_t *folder = *state;
#define G \
    "actors\n    x\n        role = gateway\n        mailbox = tcp://h:1\n        desk = tcp://h:2\n        number = "
    s_assert_refused(folder, G "0\n", "line 11: number = \"0\": allowed are 1 to 65535");
    s_assert_refused(folder, G "65536\n", "line 11: number = \"65536\": allowed are 1 to 65535");
    s_assert_refused(folder, G "one\n", "line 11: number = \"one\": expected a number");
}

static void
refuses_what_two_actors_share(void **state)
{
    folder_t *folder = *state;
    s_assert_refused(folder, GATEWAY "    gateway-1\n", "line 13: \"gateway-1\" stands in line 7 already");
    s_assert_refused(folder,
                     GATEWAY "    sms-1\n        role = sms\n        mailbox = tcp://127.0.0.1:9\n"
                             "        desk = tcp://127.0.0.1:3\n",
                     "line 13: sms-1 has the end point tcp://127.0.0.1:3, as has gateway-1 in line 7");
    s_assert_refused(folder,
                     "actors\n    sms-1\n        role = sms\n        mailbox = tcp://h:9\n        desk = tcp://h:9\n",
                     "line 7: sms-1 has the end point tcp://h:9, as has sms-1");
    s_assert_refused(folder,
                     GATEWAY "    gateway-2\n        role = gateway\n        number = 7\n        mailbox = tcp://h:1\n"
                             "        desk = tcp://h:2\n        door = tcp://h:3\n",
                     "line 13: gateway-2 has the number 7, as has gateway-1 in line 7");
}

static void
reads_lobbies_and_hosts(void **state)
{
    folder_t *folder = *state;
    nm_error_t error = { "" };
    folder_write_mesh(folder, GATEWAY "        lobby = \"tcp://10.0.0.1:4\"\n        host = \"rack-1\"\n"
                                      "    sms-1\n        role = sms\n        mailbox = tcp://10.0.0.9:9\n"
                                      "        desk = tcp://h:3\n    sms-2\n        role = sms\n"
                                      "        mailbox = ipc://run/sms-2\n        desk = tcp://h:4\n");
    nm_mesh_t *mesh = nm_mesh_load(folder->path, &error);
    assert_string_equal(error.text, "");
    assert_string_equal(mesh->actors[0].lobby, "tcp://10.0.0.1:4");
    assert_string_equal(mesh->actors[0].host, "rack-1");
    assert_string_equal(mesh->actors[1].lobby, "");
    assert_string_equal(mesh->actors[1].host, "10.0.0.9");
    assert_string_equal(mesh->actors[2].host, "local");
    nm_mesh_destroy(&mesh);
    s_assert_refused(folder, GATEWAY "        lobby = \"tcp://127.0.0.1:3\"\n",
                     "gateway-1 has the end point tcp://127.0.0.1:3, as has gateway-1");
    s_assert_refused(folder, GATEWAY "        host = \"two words\"\n", "line 13: host is a word");
}

static void
reads_the_actors_that_only_this_machine_has(void **state)
{
    folder_t *folder = *state;
    nm_error_t error = { "" };
    char path[256];
    folder_write_mesh(folder, GATEWAY);
    folder_path(folder, "actors", path);
    assert_int_equal(mkdir(path, 0700), 0);
    folder_write(folder, "actors/sms-9.zpl", "role = sms\nmailbox = tcp://h:8\ndesk = tcp://h:9\nhost = rack-2\n",
                 0644);
    folder_write(folder, "actors/README", "not an actor", 0644);
    nm_mesh_t *mesh = nm_mesh_load(folder->path, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(mesh->actor_count, 2);
    const nm_mesh_actor_t *actor = nm_mesh_find(mesh, "sms-9");
    assert_int_equal(actor->role, NM_ROLE_SMS);
    assert_string_equal(actor->desk, "tcp://h:9");
    assert_string_equal(actor->host, "rack-2");
    assert_true(actor->local);
    assert_false(nm_mesh_find(mesh, "gateway-1")->local);
    nm_mesh_destroy(&mesh);

    folder_write(folder, "actors/sms-9.zpl", "role = sms\nmailbox = tcp://127.0.0.1:2\ndesk = tcp://h:9\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "sms-9 has the end point tcp://127.0.0.1:2, as has gateway-1");
    folder_write(folder, "actors/sms-9.zpl", "role = sms\nmailbox = tcp://h:8\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "sms-9.zpl");
    folder_path(folder, "actors/sms-9.zpl", path);
    assert_int_equal(unlink(path), 0);
    folder_write(folder, "actors/gateway-1.zpl", "role = sms\nmailbox = tcp://h:8\ndesk = tcp://h:9\n", 0644);
    assert_null(nm_mesh_load(folder->path, &error));
    assert_contains(error.text, "the mesh file has gateway-1 already");
    folder_path(folder, "actors/gateway-1.zpl", path);
    assert_int_equal(unlink(path), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_mesh_file),
        cmocka_unit_test(joins_paths_to_its_folder),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(refuses_what_is_missing),
        cmocka_unit_test(refuses_a_faulty_mesh_part),
        cmocka_unit_test(refuses_end_points_that_nobody_can_reach),
        cmocka_unit_test(refuses_doors_and_numbers_of_others_than_gateways),
        cmocka_unit_test(refuses_numbers_out_of_range),
        cmocka_unit_test(refuses_what_two_actors_share),
        cmocka_unit_test(reads_lobbies_and_hosts),
        cmocka_unit_test(reads_the_actors_that_only_this_machine_has),
    };
    return cmocka_run_group_tests_name("broker/mesh", tests, s_setup, s_teardown);
}
