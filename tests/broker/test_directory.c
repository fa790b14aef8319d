#include "tests/broker/check.h"

#include <sodium.h>
#include <sys/stat.h>
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

//  -- What is learnt

typedef struct {
    nm_directory_t *directory;
    nm_mesh_actor_t actor;
    nm_cert_t cert;
} other_t;

static nm_now_t
s_at(int64_t ms)
{
    return (nm_now_t){ .wall_ms = FOLDER_NOW_MS + ms, .mono_ms = 1000 + ms };
}

//  Another actor with a directory of its own, on another machine: it speaks, and self hears it.
static void
s_make_other(fixture_t *self, const char *name, nm_role_id_t role, uint16_t number, other_t *other)
{
    nm_error_t error;
    *other = (other_t){ .actor = { .role = role,
                                   .number = number,
                                   .mailbox = "tcp://10.0.0.7:1",
                                   .desk = "tcp://10.0.0.7:2",
                                   .host = "rack-7" } };
    nm_bytes_to_text(nm_text(name), other->actor.name, sizeof other->actor.name);
    nm_cert_make(&other->cert, name, role, FOLDER_NOW_MS - 1000, FOLDER_NOW_MS + 86400000);
    nm_cert_sign(&other->cert, self->folder.authority_secret);
    other->directory = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    nm_directory_own_t own = { .actor = &other->actor, .cert = &other->cert, .store = { { 9, number } }, .epoch = 4 };
    assert_int_equal(nm_directory_enter(other->directory, &own), NM_OK);
}

static nm_rc_t
s_hear(fixture_t *self, other_t *other, int64_t at_ms, nm_error_t *error)
{
    nm_buf_t packed = { 0 };
    nm_signed_t word;
    nm_directory_beat(other->directory, s_at(at_ms));
    assert_int_equal(nm_gossip_write_own(nm_directory_gossip(other->directory), &packed), NM_OK);
    assert_int_equal(nm_record_decode(&nm_signed_shape, &word, nm_buf_bytes(&packed), NULL, ""), NM_OK);
    nm_rc_t rc = nm_directory_learn(self->directory, &word, s_at(at_ms), error);
    nm_buf_free(&packed);
    return rc;
}

static void
s_state(fixture_t *self, nm_directory_t *directory, const nm_stated_t *stated)
{
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    nm_error_t error;
    nm_statement_t statement = { 0 };
    nm_stated_write(stated, &text);
    crypto_sign_detached(signature, NULL, text.at, text.size, self->folder.authority_secret);
    NM_PUT(&statement, statement, text, nm_buf_bytes(&text));
    NM_PUT(&statement, statement, signature, nm_bytes(signature, sizeof signature));
    assert_int_equal(nm_directory_hear(directory, &statement, s_at(0), &error), NM_OK);
    nm_buf_free(&text);
}

static void
an_actor_that_the_roster_does_not_have_is_added(void **state)
{
    fixture_t *self = *state;
    other_t other;
    s_make_other(self, "sms-9", NM_ROLE_SMS, 0, &other);
    assert_null(nm_directory_admit(self->directory, other.cert.public_key, FOLDER_NOW_MS, NULL));
    uint64_t version = nm_directory_version(self->directory);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    assert_int_not_equal(nm_directory_version(self->directory), version);
    const nm_peer_t *peer = nm_directory_admit(self->directory, other.cert.public_key, FOLDER_NOW_MS, NULL);
    assert_string_equal(peer->actor.name, "sms-9");
    assert_string_equal(peer->actor.mailbox, "tcp://10.0.0.7:1");
    assert_string_equal(peer->actor.host, "rack-7");
    assert_int_equal(peer->epoch, 4);
    assert_true(peer->heard && peer->certified);
    const nm_peer_t *all[10];
    assert_int_equal(nm_directory_list(self->directory, NM_ROLE_NONE, all, 10), 5);
    assert_ptr_equal(all[4], peer);

    //  A heartbeat is no reason to look at peers again
    version = nm_directory_version(self->directory);
    assert_int_equal(s_hear(self, &other, 30000, NULL), NM_OK);
    assert_int_equal(nm_directory_version(self->directory), version);
    nm_directory_destroy(&other.directory);
}

static void
what_an_actor_says_overrides_the_roster(void **state)
{
    fixture_t *self = *state;
    other_t other;
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    s_make_other(self, "email-1", NM_ROLE_EMAIL, 0, &other);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    assert_string_equal(peer->actor.mailbox, "tcp://10.0.0.7:1");
    assert_memory_equal(peer->cert.public_key, other.cert.public_key, NM_CURVE_KEY_SIZE);
    //  The key of its file is let in as well: links still go by it
    assert_ptr_equal(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS, NULL), peer);
    nm_directory_destroy(&other.directory);
}

static void
an_actor_of_another_role_than_the_roster_says_is_refused(void **state)
{
    fixture_t *self = *state;
    other_t other;
    nm_error_t error;
    s_make_other(self, "email-1", NM_ROLE_ROUTER, 0, &other);
    assert_int_equal(s_hear(self, &other, 10, &error), NM_ERR_REFUSED);
    assert_int_equal(nm_gossip_count(nm_directory_gossip(self->directory)), 0);
    assert_null(nm_directory_admit(self->directory, other.cert.public_key, FOLDER_NOW_MS, NULL));
    nm_directory_destroy(&other.directory);
}

static void
a_gateway_number_is_not_given_twice(void **state)
{
    fixture_t *self = *state;
    other_t other;
    s_make_other(self, "gateway-9", NM_ROLE_GATEWAY, 7, &other);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    assert_int_equal(nm_directory_find(self->directory, "gateway-9")->actor.number, 0);
    assert_string_equal(nm_directory_gateway(self->directory, 7)->actor.name, "gateway-1");
    nm_directory_destroy(&other.directory);
}

static void
a_revoked_certificate_is_out_whatever_names_it(void **state)
{
    fixture_t *self = *state;
    nm_error_t error;
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "email-1", .at_ms = FOLDER_NOW_MS };
    memcpy(revoke.serial, self->email.serial, sizeof revoke.serial);
    const nm_peer_t *peer = nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS, NULL);
    assert_true(peer->certified);
    s_state(self, self->directory, &revoke);
    assert_false(peer->certified);
    assert_false(peer->forgotten);
    assert_null(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS, &error));
    assert_contains(error.text, "email-1 was revoked by the authority at ");
    //  Its file is still there, and read again
    assert_null(nm_directory_admit(self->directory, self->email.public_key, FOLDER_NOW_MS + 5000, &error));
}

//  Its words are dropped, so nothing else would ever end that.
static void
an_actor_whose_certificate_is_revoked_is_not_seen_as_alive(void **state)
{
    fixture_t *self = *state;
    other_t other;
    s_make_other(self, "email-1", NM_ROLE_EMAIL, 5, &other);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    assert_int_equal(peer->life, NM_LIFE_ALIVE);
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "email-1", .at_ms = FOLDER_NOW_MS };
    memcpy(revoke.serial, other.cert.serial, sizeof revoke.serial);
    s_state(self, self->directory, &revoke);
    assert_int_equal(peer->life, NM_LIFE_GONE);
    nm_directory_destroy(&other.directory);
}

//  One of the name of a forgotten one, with a certificate of its own and another store.
static void
s_make_later(fixture_t *self, const char *name, nm_role_id_t role, other_t *later)
{
    s_make_other(self, name, role, 6, later);
    later->cert.not_before_ms = FOLDER_NOW_MS + 1;
    nm_cert_sign(&later->cert, self->folder.authority_secret);
    nm_directory_own_t own = { .actor = &later->actor, .cert = &later->cert, .store = { { 8 } }, .epoch = 1 };
    assert_int_equal(nm_directory_enter(later->directory, &own), NM_OK);
}

static void
a_forgotten_actor_is_fenced_until_a_later_one_has_its_name(void **state)
{
    fixture_t *self = *state;
    other_t other;
    s_make_other(self, "email-1", NM_ROLE_EMAIL, 5, &other);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    nm_id_t store = peer->store;
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .name = "email-1", .at_ms = FOLDER_NOW_MS };
    s_state(self, self->directory, &forget);
    assert_true(peer->forgotten);
    assert_false(peer->certified);
    assert_memory_equal(&peer->fenced, &store, sizeof store);  //  Nobody said which, but we remember
    nm_error_t error;
    assert_int_equal(s_hear(self, &other, 30000, &error), NM_ERR_REFUSED);

    other_t later;
    s_make_later(self, "email-1", NM_ROLE_EMAIL, &later);
    assert_int_equal(s_hear(self, &later, 40000, &error), NM_OK);
    assert_false(peer->forgotten);
    assert_true(peer->certified);
    assert_memory_equal(&peer->fenced, &store, sizeof store);
    nm_directory_destroy(&other.directory);
    nm_directory_destroy(&later.directory);
}

//  It and its disk are there: nobody may take what is on the way to it for lost.
static void
a_later_actor_is_not_lost_when_its_certificate_ends(void **state)
{
    fixture_t *self = *state;
    other_t later;
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .name = "email-1", .at_ms = FOLDER_NOW_MS };
    s_state(self, self->directory, &forget);
    s_make_later(self, "email-1", NM_ROLE_EMAIL, &later);
    assert_int_equal(s_hear(self, &later, 10, NULL), NM_OK);
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    assert_true(peer->certified);
    nm_directory_tick(self->directory, s_at(86400001));
    assert_false(peer->certified);
    assert_false(peer->forgotten);

    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "email-1", .at_ms = FOLDER_NOW_MS + 5 };
    memcpy(revoke.serial, later.cert.serial, sizeof revoke.serial);
    s_state(self, self->directory, &revoke);
    assert_false(peer->forgotten);

    forget.at_ms = FOLDER_NOW_MS + 10;
    s_state(self, self->directory, &forget);
    assert_true(peer->forgotten);
    assert_int_equal(peer->lost_ms, FOLDER_NOW_MS + 10);
    nm_directory_destroy(&later.directory);
}

static void
a_statement_that_comes_late_fences_no_later_store(void **state)
{
    fixture_t *self = *state;
    static const nm_id_t NONE;
    other_t later;
    s_make_later(self, "email-1", NM_ROLE_EMAIL, &later);
    assert_int_equal(s_hear(self, &later, 10, NULL), NM_OK);
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .name = "email-1", .at_ms = FOLDER_NOW_MS };
    s_state(self, self->directory, &forget);
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    assert_false(peer->forgotten);
    assert_memory_equal(&peer->fenced, &NONE, sizeof NONE);
    assert_int_equal(peer->lost_ms, FOLDER_NOW_MS);  //  But somebody was lost
    nm_directory_destroy(&later.directory);
}

static void
an_actor_hears_that_it_has_to_leave(void **state)
{
    fixture_t *self = *state;
    other_t other;
    nm_error_t error;
    s_make_other(self, "sms-9", NM_ROLE_SMS, 0, &other);
    assert_false(nm_directory_is_out(other.directory, &error));
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "sms-9", .at_ms = FOLDER_NOW_MS };
    memcpy(revoke.serial, other.cert.serial, sizeof revoke.serial);
    s_state(self, other.directory, &revoke);
    assert_true(nm_directory_is_out(other.directory, &error));
    assert_contains(error.text, "sms-9 was revoked");
    nm_directory_destroy(&other.directory);
}

static void
a_peer_whose_certificate_runs_out_is_certified_no_more(void **state)
{
    fixture_t *self = *state;
    const nm_peer_t *peer = nm_directory_find(self->directory, "email-1");
    assert_true(peer->certified);
    uint64_t version = nm_directory_version(self->directory);
    nm_directory_tick(self->directory, s_at(1799999));
    assert_int_equal(nm_directory_version(self->directory), version);
    nm_directory_tick(self->directory, s_at(1800000));
    assert_false(peer->certified);
    assert_int_not_equal(nm_directory_version(self->directory), version);
}

static void
a_renewed_key_is_taken_and_the_old_one_let_in(void **state)
{
    fixture_t *self = *state;
    other_t other;
    nm_error_t error;
    char path[256];
    s_make_other(self, "sms-9", NM_ROLE_SMS, 0, &other);
    assert_int_equal(s_hear(self, &other, 10, NULL), NM_OK);
    folder_path(&self->folder, "keys", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(nm_directory_renew(other.directory, s_at(20), &error), NM_ERR_MALFORMED);  //  No file
    nm_cert_t next;
    nm_cert_make(&next, "sms-9", NM_ROLE_SMS, FOLDER_NOW_MS - 1000, FOLDER_NOW_MS + 2 * 86400000);
    folder_path(&self->folder, "keys/sms-9.next.key", path);
    assert_int_equal(nm_cert_save(&next, path, true, NULL), NM_OK);
    assert_int_equal(nm_directory_renew(other.directory, s_at(20), &error), NM_ERR_REFUSED);  //  Not signed
    nm_cert_sign(&next, self->folder.authority_secret);
    assert_int_equal(nm_cert_save(&next, path, true, NULL), NM_OK);
    assert_int_equal(nm_directory_renew(other.directory, s_at(20), &error), NM_OK);
    assert_int_equal(nm_directory_renew(other.directory, s_at(20), &error), NM_ERR_DUPLICATE);
    assert_memory_equal(nm_directory_own(other.directory)->public_key, next.public_key, NM_CURVE_KEY_SIZE);

    assert_int_equal(s_hear(self, &other, 30, NULL), NM_OK);
    const nm_peer_t *peer = nm_directory_admit(self->directory, next.public_key, FOLDER_NOW_MS, NULL);
    assert_ptr_equal(nm_directory_admit(self->directory, other.cert.public_key, FOLDER_NOW_MS, NULL), peer);
    assert_memory_equal(peer->cert.public_key, next.public_key, NM_CURVE_KEY_SIZE);
    nm_cert_wipe(&next);
    nm_directory_destroy(&other.directory);
}

//  -- Keeping

static nm_rc_t
s_save(nm_txn_t *txn, void *arg)
{
    return nm_directory_save(arg, txn);
}

static nm_rc_t
s_load(nm_txn_t *txn, void *arg)
{
    return nm_directory_load(arg, txn, s_at(0));
}

static nm_store_t *
s_make_store(const fixture_t *self)
{
    nm_error_t error = { "" };
    char path[256];
    static const nm_store_key_t KEY = { .number = 1, .secret = { 1, 2, 3 } };
    static const nm_table_t *const TABLES[] = { &nm_directory_table };
    folder_path(&self->folder, "store", path);
    nm_store_config_t config = { .path = path,
                                 .owner = "router-1",
                                 .tables = TABLES,
                                 .table_count = 1,
                                 .keys = &KEY,
                                 .key_count = 1,
                                 .volatile_for_tests = true };
    nm_store_t *store = nm_store_new(&config, &error);
    assert_string_equal(error.text, "");
    return store;
}

static void
comes_back_from_the_store_with_what_was_ended(void **state)
{
    fixture_t *self = *state;
    other_t alive, lost;
    nm_error_t error = { "" };
    nm_store_t *store = s_make_store(self);
    s_make_other(self, "sms-9", NM_ROLE_SMS, 3, &alive);
    s_make_other(self, "push-9", NM_ROLE_PUSH, 4, &lost);
    assert_int_equal(s_hear(self, &alive, 10, NULL), NM_OK);
    assert_int_equal(s_hear(self, &lost, 10, NULL), NM_OK);
    assert_int_equal(nm_store_update(store, s_save, self->directory), NM_OK);
    nm_directory_saved(self->directory);
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .name = "push-9", .at_ms = FOLDER_NOW_MS };
    s_state(self, self->directory, &forget);
    assert_int_equal(nm_store_update(store, s_save, self->directory), NM_OK);

    nm_directory_t *later = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    assert_int_equal(nm_store_update(store, s_load, later), NM_OK);
    const nm_peer_t *peer = nm_directory_find(later, "sms-9");
    assert_true(peer->certified && peer->heard);
    assert_string_equal(peer->actor.desk, "tcp://10.0.0.7:2");
    assert_int_equal(peer->life, NM_LIFE_QUIET);
    peer = nm_directory_find(later, "push-9");
    assert_true(peer->forgotten);
    assert_false(peer->certified);
    assert_int_equal(peer->fenced.at[1], 4);
    assert_null(nm_directory_admit(later, lost.cert.public_key, FOLDER_NOW_MS, NULL));
    nm_directory_destroy(&later);
    nm_store_destroy(&store);
    nm_directory_destroy(&alive.directory);
    nm_directory_destroy(&lost.directory);
}

//  Its certificate was revoked later, which ends that and nothing else.
static void
a_later_actor_is_not_lost_after_a_restart(void **state)
{
    fixture_t *self = *state;
    static const nm_id_t NONE;
    nm_error_t error = { "" };
    other_t later;
    nm_store_t *store = s_make_store(self);
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .name = "push-9", .at_ms = FOLDER_NOW_MS };
    s_state(self, self->directory, &forget);
    s_make_later(self, "push-9", NM_ROLE_PUSH, &later);
    assert_int_equal(s_hear(self, &later, 10, NULL), NM_OK);
    assert_int_equal(nm_store_update(store, s_save, self->directory), NM_OK);
    nm_directory_saved(self->directory);
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "push-9", .at_ms = FOLDER_NOW_MS + 5 };
    memcpy(revoke.serial, later.cert.serial, sizeof revoke.serial);
    s_state(self, self->directory, &revoke);
    assert_int_equal(nm_store_update(store, s_save, self->directory), NM_OK);

    nm_directory_t *again = nm_directory_new(self->mesh, FOLDER_NOW_MS, &error);
    assert_int_equal(nm_store_update(store, s_load, again), NM_OK);
    const nm_peer_t *peer = nm_directory_find(again, "push-9");
    assert_false(peer->certified);
    assert_false(peer->forgotten);
    assert_memory_equal(&peer->fenced, &NONE, sizeof NONE);
    nm_directory_destroy(&again);
    nm_store_destroy(&store);
    nm_directory_destroy(&later.directory);
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
        WITH_FIXTURE(an_actor_that_the_roster_does_not_have_is_added),
        WITH_FIXTURE(what_an_actor_says_overrides_the_roster),
        WITH_FIXTURE(an_actor_of_another_role_than_the_roster_says_is_refused),
        WITH_FIXTURE(a_gateway_number_is_not_given_twice),
        WITH_FIXTURE(a_revoked_certificate_is_out_whatever_names_it),
        WITH_FIXTURE(an_actor_whose_certificate_is_revoked_is_not_seen_as_alive),
        WITH_FIXTURE(a_forgotten_actor_is_fenced_until_a_later_one_has_its_name),
        WITH_FIXTURE(a_later_actor_is_not_lost_when_its_certificate_ends),
        WITH_FIXTURE(a_statement_that_comes_late_fences_no_later_store),
        WITH_FIXTURE(an_actor_hears_that_it_has_to_leave),
        WITH_FIXTURE(a_peer_whose_certificate_runs_out_is_certified_no_more),
        WITH_FIXTURE(a_renewed_key_is_taken_and_the_old_one_let_in),
        WITH_FIXTURE(comes_back_from_the_store_with_what_was_ended),
        WITH_FIXTURE(a_later_actor_is_not_lost_after_a_restart),
        WITH_FIXTURE(needs_its_folder),
    };
    return cmocka_run_group_tests_name("broker/directory", tests, NULL, NULL);
}
