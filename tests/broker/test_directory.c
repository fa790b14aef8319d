#include "tests/broker/check.h"

#include <sodium.h>
#include <unistd.h>
#include "broker/directory.h"
#include "broker/log.h"
#include "tests/broker/folder.h"

typedef struct {
    folder_t folder;
    nm_mesh_t *mesh;
    nm_cert_t email;  //  Certificates that are there from the start
    nm_cert_t router;
    nm_directory_t *directory;
} fixture_t;

static int
s_setup(void **state)
{
    fixture_t *self = nm_alloc(sizeof *self);
    nm_error_t error;
    folder_make(&self->folder);
    self->mesh = nm_mesh_load(self->folder.path, &error);
    folder_certify(&self->folder, "email-1", NM_ROLE_EMAIL, &self->email);
    folder_certify(&self->folder, "router-1", NM_ROLE_ROUTER, &self->router);
    self->directory = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    *state = self;
    return self->mesh && self->directory ? 0 : -1;
}

static int
s_teardown(void **state)
{
    fixture_t *self = *state;
    nm_directory_destroy(&self->directory);
    nm_mesh_destroy(&self->mesh);
    folder_remove(&self->folder);
    free(self);
    return 0;
}

static void
s_remove(fixture_t *self, const char *name)
{
    char path[256];
    folder_path(&self->folder, name, path);
    assert_int_equal(unlink(path), 0);
}

static void
admits_who_has_a_valid_certificate(void **state)
{
    fixture_t *self = *state;
    const nm_peer_t *peer = nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS, NULL);
    assert_string_equal(peer->actor.name, "email-1");
    assert_int_equal(peer->actor.role, NM_ROLE_EMAIL);
    assert_true(peer->certified);
    assert_memory_equal(peer->cert.public_key, self->email.public_key, NM_CURVE_KEY_SIZE);
    assert_ptr_equal(nm_directory_find(self->directory, "email-1"), peer);
}

static void
refuses_a_key_that_nobody_has(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    uint8_t key[NM_CURVE_KEY_SIZE] = { 9 };
    assert_null(nm_directory_admit(self->directory, key, FOLDER_NOW_MS + 5000, &error));
    assert_contains(error.text, "no certificate of this mesh has the key ");
}

static void
refuses_a_certificate_before_and_after_its_time(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    const uint8_t *key = self->email.public_key;
    assert_null(nm_directory_admit(self->directory, key, self->email.not_after_ms, &error));
    assert_contains(error.text, "the certificate of email-1 expired at ");
    assert_null(nm_directory_admit(self->directory, key, self->email.not_before_ms - 1, &error));
    assert_contains(error.text, "the certificate of email-1 is valid only from ");
    assert_non_null(nm_directory_admit(self->directory, key, FOLDER_NOW_MS, &error));
}

static void
refuses_a_certificate_of_another_authority(void **state)
{
    fixture_t *self = *state;
    folder_t other = self->folder;
    crypto_sign_keypair(other.authority, other.authority_secret);
    nm_cert_t cert;
    folder_certify(&other, "deadletter-1", NM_ROLE_DEADLETTER, &cert);
    assert_null(nm_directory_admit(self->directory, cert.public_key, FOLDER_NOW_MS + 2000, NULL));
    assert_false(nm_directory_find(self->directory, "deadletter-1")->certified);
}

static void
refuses_an_actor_whose_role_or_name_is_not_in_the_roster(void **state)
{
    fixture_t *self = *state;
    nm_cert_t wrong_role, wrong_name, false_operator;
    folder_certify(&self->folder, "gateway-1", NM_ROLE_ROUTER, &wrong_role);
    folder_certify(&self->folder, "email-2", NM_ROLE_EMAIL, &wrong_name);
    folder_certify(&self->folder, "deadletter-1", NM_ROLE_OPERATOR, &false_operator);
    assert_null(nm_directory_admit(self->directory, wrong_role.public_key, FOLDER_NOW_MS + 2000, NULL));
    assert_null(nm_directory_admit(self->directory, wrong_name.public_key, FOLDER_NOW_MS + 4000, NULL));
    assert_null(nm_directory_admit(self->directory, false_operator.public_key, FOLDER_NOW_MS + 6000, NULL));
}

static void
admits_an_operator_without_a_roster_entry(void **state)
{
    fixture_t *self = *state;
    nm_cert_t anna;
    folder_certify(&self->folder, "anna", NM_ROLE_OPERATOR, &anna);
    const nm_peer_t *peer = nm_directory_admit(self->directory, anna.public_key, FOLDER_NOW_MS + 2000, NULL);
    assert_string_equal(peer->actor.name, "anna");
    assert_int_equal(peer->actor.role, NM_ROLE_OPERATOR);
    assert_ptr_equal(nm_directory_find(self->directory, "anna"), peer);
    const nm_peer_t *all[10];
    assert_int_equal(nm_directory_list(self->directory, NM_ROLE_NONE, all, 10), 4);
}

static void
reads_again_for_an_unknown_key_at_most_once_a_second(void **state)
{
    fixture_t *self = *state;
    nm_cert_t cert;
    folder_certify(&self->folder, "deadletter-1", NM_ROLE_DEADLETTER, &cert);
    assert_null(nm_directory_admit(self->directory, cert.public_key, FOLDER_NOW_MS + 999, NULL));
    assert_non_null(nm_directory_admit(self->directory, cert.public_key, FOLDER_NOW_MS + 1000, NULL));
}

static void
puts_out_whose_file_is_removed(void **state)
{
    fixture_t *self = *state;
    const nm_peer_t *peer = nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS + 1000, NULL);
    assert_non_null(peer);
    s_remove(self, "certs/email-1.cert");
    assert_null(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS + 2000, NULL));
    //  What was known of it stays readable
    assert_false(peer->certified);
    assert_string_equal(peer->actor.name, "email-1");
    assert_non_null(nm_directory_admit(self->directory, self->router.public_key, FOLDER_NOW_MS + 2000, NULL));
}

static void
admits_the_old_and_the_new_key_while_they_change(void **state)
{
    fixture_t *self = *state;
    nm_cert_t next;
    nm_cert_make(&next, "email-1", NM_ROLE_EMAIL, FOLDER_NOW_MS - 5, FOLDER_NOW_MS + 7200000);
    folder_save(&self->folder, &next, "email-1-next.cert");
    const nm_peer_t *peer = nm_directory_admit(self->directory, next.public_key, FOLDER_NOW_MS + 2000, NULL);
    assert_ptr_equal(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS + 2000, NULL), peer);
    assert_memory_equal(peer->cert.public_key, next.public_key, NM_CURVE_KEY_SIZE);
}

static void
passes_over_files_that_are_no_certificates(void **state)
{
    fixture_t *self = *state;
    char *large = malloc(20000);
    memset(large, '#', 19999);
    large[19999] = 0;
    folder_write(&self->folder, "certs/large.cert", large, 0644);
    folder_write(&self->folder, "certs/broken.cert", "metadata\n\tname\n", 0644);
    folder_write(&self->folder, "certs/README", "not a certificate", 0644);
    free(large);
    uint8_t key[NM_CURVE_KEY_SIZE] = { 9 };
    assert_null(nm_directory_admit(self->directory, key, FOLDER_NOW_MS + 2000, NULL));
    assert_non_null(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS + 2000, NULL));
}

static void
lists_the_roster_by_role_and_number(void **state)
{
    fixture_t *self = *state;
    const nm_peer_t *peers[10];
    assert_int_equal(nm_directory_list(self->directory, NM_ROLE_NONE, peers, 10), 4);
    assert_string_equal(peers[0]->actor.name, "gateway-1");
    assert_string_equal(peers[3]->actor.name, "deadletter-1");
    assert_int_equal(nm_directory_list(self->directory, NM_ROLE_ROUTER, peers, 10), 1);
    assert_string_equal(peers[0]->actor.name, "router-1");
    assert_int_equal(nm_directory_list(self->directory, NM_ROLE_NONE, peers, 0), 4);
    assert_string_equal(nm_directory_gateway(self->directory, 7)->actor.name, "gateway-1");
    assert_null(nm_directory_gateway(self->directory, 8));
    assert_null(nm_directory_gateway(self->directory, 0));
    assert_null(nm_directory_find(self->directory, "nobody"));
}

static void
needs_its_folder(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    s_remove(self, "certs/email-1.cert");
    s_remove(self, "certs/router-1.cert");
    char path[256];
    folder_path(&self->folder, "certs", path);
    assert_int_equal(rmdir(path), 0);
    assert_null(nm_directory_new(self->mesh, FOLDER_NOW_MS, &error));
    assert_contains(error.text, "/certs cannot be read: ");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, s_setup, s_teardown)

int
main(void)
{
    nm_log_open("test", NM_LOG_CRITICAL);
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(admits_who_has_a_valid_certificate),
        WITH_FIXTURE(refuses_a_key_that_nobody_has),
        WITH_FIXTURE(refuses_a_certificate_before_and_after_its_time),
        WITH_FIXTURE(refuses_a_certificate_of_another_authority),
        WITH_FIXTURE(refuses_an_actor_whose_role_or_name_is_not_in_the_roster),
        WITH_FIXTURE(admits_an_operator_without_a_roster_entry),
        WITH_FIXTURE(reads_again_for_an_unknown_key_at_most_once_a_second),
        WITH_FIXTURE(puts_out_whose_file_is_removed),
        WITH_FIXTURE(admits_the_old_and_the_new_key_while_they_change),
        WITH_FIXTURE(passes_over_files_that_are_no_certificates),
        WITH_FIXTURE(lists_the_roster_by_role_and_number),
        WITH_FIXTURE(needs_its_folder),
    };
    return cmocka_run_group_tests_name("broker/directory", tests, NULL, NULL);
}
