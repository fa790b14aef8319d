#include "tests/broker/check.h"

#include <sodium.h>
#include <time.h>
#include "broker/gossip.h"

#define START_MS INT64_C(1795233591123)

enum { HOLD_MS = 70000 };

//  One actor: what it knows, and what it says of itself.
typedef struct {
    nm_gossip_t *gossip;
    nm_cert_t cert;
    uint8_t secret[NM_SIGN_SECRET_SIZE];
    char mailbox[40];
    char desk[40];
    bool leaving;
} actor_t;

static uint8_t s_authority[NM_SIGN_PUBLIC_SIZE], s_authority_secret[NM_SIGN_SECRET_SIZE];

static nm_now_t
s_at(int64_t ms)
{
    return (nm_now_t){ .wall_ms = START_MS + ms, .mono_ms = 5000 + ms };
}

static actor_t
s_make(const char *name, nm_role_id_t role, nm_verify_fn *verify)
{
    actor_t actor = { .gossip = nm_gossip_new(s_authority, 0, verify) };
    nm_cert_make(&actor.cert, name, role, START_MS - 1000, START_MS + 86400000);
    nm_cert_sign(&actor.cert, s_authority_secret);
    assert_int_equal(nm_cert_sign_secret(&actor.cert, actor.secret), NM_OK);
    snprintf(actor.mailbox, sizeof actor.mailbox, "tcp://10.0.0.1:%u", 7000u + actor.cert.public_key[0]);
    snprintf(actor.desk, sizeof actor.desk, "tcp://10.0.0.1:%u", 8000u + actor.cert.public_key[1]);
    return actor;
}

static bool
s_say(actor_t *self, nm_now_t now)
{
    nm_member_t member = { 0 };
    nm_buf_t certificate = { 0 };
    bool news;
    nm_cert_to_record(&self->cert, &certificate);
    NM_PUT(&member, member, certificate, nm_buf_bytes(&certificate));
    NM_PUT(&member, member, expires_at, HOLD_MS);
    NM_PUT(&member, member, host, nm_text("rack-1"));
    NM_PUT(&member, member, mailbox, nm_text(self->mailbox));
    NM_PUT(&member, member, desk, nm_text(self->desk));
    NM_PUT(&member, member, store, ((nm_id_t){ { self->cert.public_key[2], 1 } }));
    NM_PUT(&member, member, epoch, 3);
    NM_PUT(&member, member, version, nm_text("0.1.0"));
    if (self->leaving)
        NM_PUT(&member, member, leaving, true);
    nm_gossip_say(self->gossip, &member, self->secret, now, &news);
    nm_buf_free(&certificate);
    return news;
}

//  What it says of itself, as it travels. Views into out.
static nm_signed_t
s_word(const actor_t *self, nm_buf_t *out)
{
    nm_signed_t word;
    nm_buf_clear(out);
    assert_int_equal(nm_gossip_write_own(self->gossip, out), NM_OK);
    assert_int_equal(nm_record_decode(&nm_signed_shape, &word, nm_buf_bytes(out), NULL, ""), NM_OK);
    return word;
}

static nm_statement_t
s_state(const nm_stated_t *stated, nm_buf_t *text, uint8_t signature[64])
{
    nm_statement_t statement = { 0 };
    nm_buf_clear(text);
    nm_stated_write(stated, text);
    crypto_sign_detached(signature, NULL, text->at, text->size, s_authority_secret);
    NM_PUT(&statement, statement, text, nm_buf_bytes(text));
    NM_PUT(&statement, statement, signature, nm_bytes(signature, 64));
    return statement;
}

static void
s_take_news(nm_gossip_t *self, const nm_updates_t *news, nm_now_t now)
{
    nm_list_t list;
    nm_bytes_t raw;
    nm_taken_t taken;
    if (NM_HAS(news, updates, members)) {
        assert_int_equal(nm_list_open(&list, news->members), NM_OK);
        while (nm_list_next(&list, &raw) == NM_OK) {
            nm_signed_t member;
            assert_int_equal(nm_record_decode(&nm_signed_shape, &member, raw, NULL, ""), NM_OK);
            nm_gossip_take(self, &member, now, &taken, NULL);
        }
    }
    if (NM_HAS(news, updates, statements)) {
        assert_int_equal(nm_list_open(&list, news->statements), NM_OK);
        while (nm_list_next(&list, &raw) == NM_OK) {
            nm_statement_t statement;
            assert_int_equal(nm_record_decode(&nm_statement_shape, &statement, raw, NULL, ""), NM_OK);
            nm_gossip_hear(self, &statement, now, NULL);
        }
    }
}

static void
s_take_packed(nm_gossip_t *self, const nm_buf_t *packed, nm_now_t now)
{
    nm_updates_t news;
    assert_int_equal(nm_record_decode(&nm_updates_shape, &news, nm_buf_bytes(packed), NULL, ""), NM_OK);
    s_take_news(self, &news, now);
}

//  One round between two, both ways. Returns the bytes that went.
static size_t
s_meet(nm_gossip_t *asker, nm_gossip_t *answerer, nm_now_t now)
{
    nm_buf_t frame = { 0 };
    nm_sync_t sync;
    nm_updates_t news;
    size_t size = 0;
    bool more;
    do {
        nm_buf_t answer = { 0 }, wanted = { 0 };
        nm_buf_clear(&frame);
        nm_gossip_write_sync(asker, &frame);
        assert_int_equal(nm_record_decode(&nm_sync_shape, &sync, nm_buf_bytes(&frame), NULL, ""), NM_OK);
        assert_int_equal(nm_gossip_answer(answerer, &sync, &answer), NM_OK);
        assert_int_equal(nm_record_decode(&nm_updates_shape, &news, nm_buf_bytes(&answer), NULL, ""), NM_OK);
        s_take_news(asker, &news, now);
        if (nm_gossip_write_wanted(asker, &news, &wanted))
            s_take_packed(answerer, &wanted, now);
        more = NM_HAS(&news, updates, more);
        size += frame.size + answer.size + wanted.size;
        nm_buf_free(&answer);
        nm_buf_free(&wanted);
    } while (more);
    nm_buf_free(&frame);
    return size;
}

//  -- Members

typedef struct {
    actor_t a;
    actor_t b;
    nm_buf_t out;
} fixture_t;

static int
s_setup(void **state)
{
    fixture_t *self = nm_alloc(sizeof *self);
    if (sodium_init() < 0)
        return -1;
    crypto_sign_keypair(s_authority, s_authority_secret);
    self->a = s_make("email-1", NM_ROLE_EMAIL, NULL);
    self->b = s_make("router-22", NM_ROLE_ROUTER, NULL);
    assert_true(s_say(&self->a, s_at(0)));
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    fixture_t *self = *state;
    nm_gossip_destroy(&self->a.gossip);
    nm_gossip_destroy(&self->b.gossip);
    nm_buf_free(&self->out);
    free(self);
    return 0;
}

static void
takes_what_an_actor_says_of_itself(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_known_t known;
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(10), &taken, NULL), NM_OK);
    assert_string_equal(taken.name, "email-1");
    assert_true(taken.news);
    assert_true(nm_gossip_find(self->b.gossip, "email-1", &known));
    assert_true(nm_bytes_is(known.member.mailbox, self->a.mailbox));
    assert_true(nm_bytes_is(known.certificate.role, "email"));
    assert_int_equal(known.life, NM_LIFE_ALIVE);
    assert_false(nm_gossip_find(self->b.gossip, "email-2", &known));
}

static void
tells_a_heartbeat_from_news(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL), NM_OK);
    assert_false(s_say(&self->a, s_at(20000)));
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(20000), &taken, NULL), NM_OK);
    assert_false(taken.news);
    snprintf(self->a.mailbox, sizeof self->a.mailbox, "tcp://10.0.0.2:9001");
    assert_true(s_say(&self->a, s_at(20001)));
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(20002), &taken, NULL), NM_OK);
    assert_true(taken.news);
}

static void
refuses_an_older_word_and_checks_nothing_for_it(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_buf_t old = { 0 };
    nm_signed_t before = s_word(&self->a, &old);
    s_say(&self->a, s_at(0));  //  In the same ms: the stamp grows all the same
    nm_signed_t after = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &after, s_at(1), &taken, NULL), NM_OK);
    uint64_t checks = nm_gossip_checks(self->b.gossip);
    assert_int_equal(nm_gossip_take(self->b.gossip, &before, s_at(2), &taken, NULL), NM_ERR_DUPLICATE);
    assert_int_equal(nm_gossip_take(self->b.gossip, &after, s_at(2), &taken, NULL), NM_ERR_DUPLICATE);
    assert_int_equal(nm_gossip_checks(self->b.gossip), checks);
    nm_buf_free(&old);
}

static void
refuses_a_change_of_any_byte(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_signed_t word = s_word(&self->a, &self->out);
    uint8_t *body = nm_alloc(word.body.size);
    for (size_t i = 0; i < word.body.size; i++) {
        memcpy(body, word.body.at, word.body.size);
        body[i] ^= 0x10;
        nm_signed_t changed = word;
        changed.body = nm_bytes(body, word.body.size);
        assert_int_not_equal(nm_gossip_take(self->b.gossip, &changed, s_at(0), &taken, NULL), NM_OK);
    }
    free(body);
    uint8_t signature[64];
    memcpy(signature, word.signature.at, sizeof signature);
    signature[40] ^= 1;
    word.signature = nm_bytes(signature, sizeof signature);
    nm_error_t error;
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, &error), NM_ERR_REFUSED);
    assert_contains(error.text, "what email-1 is to have said is not signed by it");
    assert_int_equal(nm_gossip_count(self->b.gossip), 0);
}

static void
refuses_who_is_not_certified(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_error_t error;
    uint8_t authority[NM_SIGN_PUBLIC_SIZE], secret[NM_SIGN_SECRET_SIZE];
    crypto_sign_keypair(authority, secret);
    nm_cert_sign(&self->a.cert, secret);
    s_say(&self->a, s_at(0));
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, &error), NM_ERR_REFUSED);
    assert_contains(error.text, "not signed by this mesh's authority");
    nm_cert_sign(&self->a.cert, s_authority_secret);
    s_say(&self->a, s_at(1));
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(86400000), &taken, &error), NM_ERR_REFUSED);
    assert_contains(error.text, "expired at");
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, &error), NM_OK);
}

static void
checks_no_more_signatures_than_it_may(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_signed_t word = s_word(&self->a, &self->out);
    uint8_t signature[64] = { 1 };
    word.signature = nm_bytes(signature, sizeof signature);
    size_t refused = 0, busy = 0;
    for (int i = 0; i < NM_CHECK_BURST; i++) {  //  Each forgery costs two: the certificate and itself
        nm_rc_t rc = nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL);
        refused += rc == NM_ERR_REFUSED;
        busy += rc == NM_ERR_BUSY;
    }
    assert_int_equal(refused, NM_CHECK_BURST / 2);
    assert_int_equal(busy, NM_CHECK_BURST / 2);
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL), NM_ERR_BUSY);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(100), &taken, NULL), NM_OK);
}

static void
is_quiet_then_gone_then_back(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL), NM_OK);
    nm_gossip_tick(self->b.gossip, s_at(39999), NULL, NULL);
    assert_int_equal(nm_gossip_life(self->b.gossip, "email-1"), NM_LIFE_ALIVE);
    nm_gossip_tick(self->b.gossip, s_at(40000), NULL, NULL);
    assert_int_equal(nm_gossip_life(self->b.gossip, "email-1"), NM_LIFE_QUIET);
    nm_gossip_tick(self->b.gossip, s_at(70000), NULL, NULL);
    assert_int_equal(nm_gossip_life(self->b.gossip, "email-1"), NM_LIFE_GONE);
    s_say(&self->a, s_at(71000));
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(71000), &taken, NULL), NM_OK);
    assert_int_equal(nm_gossip_life(self->b.gossip, "email-1"), NM_LIFE_ALIVE);
}

//  Its clock was ahead once: others hold a word that its new ones could not replace.
static void
speaks_louder_than_its_own_past(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    s_say(&self->a, s_at(3600000));
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL), NM_OK);

    nm_gossip_t *before = self->a.gossip;
    self->a.gossip = nm_gossip_new(s_authority, 0, NULL);
    s_say(&self->a, s_at(100));
    assert_false(nm_gossip_outdated(self->a.gossip));
    s_meet(self->a.gossip, self->b.gossip, s_at(200));
    assert_true(nm_gossip_outdated(self->a.gossip));
    s_say(&self->a, s_at(300));
    assert_false(nm_gossip_outdated(self->a.gossip));
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(400), &taken, NULL), NM_OK);
    nm_gossip_destroy(&before);
}

static void
takes_no_more_actors_than_it_may(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_error_t error;
    nm_gossip_t *small = nm_gossip_new(s_authority, 1, NULL);
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(small, &word, s_at(0), &taken, NULL), NM_OK);
    s_say(&self->b, s_at(0));
    word = s_word(&self->b, &self->out);
    assert_int_equal(nm_gossip_take(small, &word, s_at(0), &taken, &error), NM_ERR_FULL);
    assert_contains(error.text, "router-22 is not taken in");
    nm_gossip_destroy(&small);
}

//  -- Statements

static void
a_revoked_certificate_stays_out(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    nm_error_t error;
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .at_ms = START_MS + 5 };
    memcpy(revoke.name, "email-1", 8);
    memcpy(revoke.serial, self->a.cert.serial, sizeof revoke.serial);
    nm_statement_t statement = s_state(&revoke, &text, signature);
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_OK);
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_ERR_DUPLICATE);
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, &error), NM_ERR_REFUSED);
    assert_string_equal(error.text, "email-1 was revoked by the authority at 2026-11-21T03:59:51.128Z");

    //  Another certificate of the same name is not meant
    actor_t next = s_make("email-1", NM_ROLE_EMAIL, NULL);
    s_say(&next, s_at(0));
    word = s_word(&next, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, &error), NM_OK);
    nm_gossip_destroy(&next.gossip);
    nm_buf_free(&text);
}

static void
forgetting_ends_every_certificate_until_then(void **state)
{
    fixture_t *self = *state;
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    nm_stated_t forget = { .kind = NM_STATED_FORGET, .at_ms = START_MS, .has_store = true, .store = { { 7 } } }, found;
    memcpy(forget.name, "email-1", 8);
    nm_statement_t statement = s_state(&forget, &text, signature);
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_OK);
    const nm_statements_t *statements = nm_gossip_statements(self->b.gossip);
    assert_true(nm_statements_kill(statements, &self->a.cert, NULL));
    self->a.cert.not_before_ms = START_MS;
    assert_true(nm_statements_kill(statements, &self->a.cert, NULL));
    self->a.cert.not_before_ms = START_MS + 1;
    assert_false(nm_statements_kill(statements, &self->a.cert, NULL));
    assert_true(nm_statements_forgotten(statements, "email-1", &found));
    assert_memory_equal(&found.store, &forget.store, sizeof found.store);
    assert_false(nm_statements_forgotten(statements, "email-10", &found));
    nm_buf_free(&text);
}

static void
believes_no_statement_of_another(void **state)
{
    fixture_t *self = *state;
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "email-1", .serial = "00c0ffee", .at_ms = START_MS };
    nm_statement_t statement = s_state(&revoke, &text, signature);
    signature[5] ^= 1;
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_ERR_REFUSED);
    signature[5] ^= 1;
    text.at[text.size - 3] = text.at[text.size - 3] == '1' ? '2' : '1';
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_ERR_REFUSED);
    assert_int_equal(nm_statements_count(nm_gossip_statements(self->b.gossip)), 0);
    nm_buf_free(&text);
}

static void
reads_a_statement_only_as_it_is_written(void **state)
{
    (void) state;
    static const char GOOD[] = "nmesh-statement-1\nforget\nemail-1\n2026-11-21T03:59:51.123Z\n"
                               "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n";
    static const char *const BAD[] = {
        "",
        "nmesh-statement-1\n",
        "nmesh-statement-2\nrevoke\nemail-1\n00\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nremove\nemail-1\n00\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nrevoke\nEmail 1\n00\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nrevoke\nemail-1\n\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nrevoke\nemail-1\nxy\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nrevoke\nemail-1\n00\n2026-11-21T03:59:51Z\n",
        "nmesh-statement-1\nrevoke\nemail-1\n00\n2026-11-21T03:59:51.123Z",
        "nmesh-statement-1\nrevoke\nemail-1\n00\n2026-11-21T03:59:51.123Z\n\n",
        "nmesh-statement-1\nforget\nemail-1\n2026-11-21T03:59:51.123Z\n",
        "nmesh-statement-1\nforget\nemail-1\n2026-11-21T03:59:51.123Z\n017F22E2-79B0-7CC3-98C4-DC0C0C07398F\n",
    };
    nm_stated_t stated;
    assert_int_equal(nm_stated_read(nm_text(GOOD), &stated), NM_OK);
    assert_int_equal(stated.kind, NM_STATED_FORGET);
    assert_int_equal(stated.at_ms, START_MS);
    for (size_t i = 0; i < NM_COUNT(BAD); i++)
        assert_int_equal(nm_stated_read(nm_text(BAD[i]), &stated), NM_ERR_MALFORMED);
}

//  -- Saving

typedef struct {
    nm_buf_t pieces[8];
    size_t sizes[8];
    size_t count;
} table_t;

static nm_rc_t
s_save_piece(void *arg, nm_bytes_t key, nm_bytes_t value)
{
    table_t *table = arg;
    nm_buf_add_bytes(&table->pieces[table->count], key);
    nm_buf_add_bytes(&table->pieces[table->count], value);
    table->sizes[table->count++] = key.size;
    return NM_OK;
}

static void
comes_back_from_what_was_saved(void **state)
{
    fixture_t *self = *state;
    nm_taken_t taken;
    table_t table = { .count = 0 };
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    nm_signed_t word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(0), &taken, NULL), NM_OK);
    nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .name = "sms-3", .serial = "00c0ffee", .at_ms = START_MS };
    nm_statement_t statement = s_state(&revoke, &text, signature);
    assert_int_equal(nm_gossip_hear(self->b.gossip, &statement, s_at(0), NULL), NM_OK);
    assert_int_equal(nm_gossip_save(self->b.gossip, s_save_piece, &table), NM_OK);
    assert_int_equal(table.count, 2);
    nm_gossip_saved(self->b.gossip);
    assert_int_equal(nm_gossip_save(self->b.gossip, s_save_piece, &table), NM_OK);
    assert_int_equal(table.count, 2);
    s_say(&self->a, s_at(20000));  //  A heartbeat is not worth a place on disk
    word = s_word(&self->a, &self->out);
    assert_int_equal(nm_gossip_take(self->b.gossip, &word, s_at(20000), &taken, NULL), NM_OK);
    assert_int_equal(nm_gossip_save(self->b.gossip, s_save_piece, &table), NM_OK);
    assert_int_equal(table.count, 2);

    nm_known_t known;
    nm_gossip_t *later = nm_gossip_new(s_authority, 0, NULL);
    for (size_t i = 0; i < table.count; i++) {
        nm_bytes_t piece = nm_buf_bytes(&table.pieces[i]);
        nm_gossip_load(later, nm_bytes(piece.at, table.sizes[i]),
                       nm_bytes(piece.at + table.sizes[i], piece.size - table.sizes[i]), s_at(30000));
        nm_buf_free(&table.pieces[i]);
    }
    assert_true(nm_gossip_find(later, "email-1", &known));
    assert_int_equal(known.life, NM_LIFE_QUIET);
    assert_int_equal(nm_statements_count(nm_gossip_statements(later)), 1);
    assert_false(nm_gossip_has_news(later));
    nm_gossip_tick(later, s_at(60000), NULL, NULL);
    assert_int_equal(nm_gossip_life(later, "email-1"), NM_LIFE_GONE);
    nm_gossip_destroy(&later);
    nm_buf_free(&text);
}

//  -- Many

#ifdef NM_SANITIZED
enum { MANY = 80 };
#else
enum { MANY = 1000 };
#endif
enum { FANOUT = 4, BEAT_S = 20, STEADY_S = 22 };

static uint64_t s_seed;

static size_t
s_random(size_t below)
{
    uint64_t value = s_seed += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t) ((value ^ (value >> 31)) % below);
}

static bool
s_believe(const uint8_t signature[64], nm_bytes_t text, const uint8_t key[NM_SIGN_PUBLIC_SIZE])
{
    (void) signature;
    (void) text;
    (void) key;
    return true;
}

static int
s_index_of(const nm_known_t *known)
{
    char name[NM_NAME_MAX + 1];
    nm_bytes_to_text(known->certificate.name, name, sizeof name);
    return atoi(name + strlen("email-"));
}

//  Somebody else that this one knows; -1 if it knows nobody.
static int
s_acquaintance(const actor_t *self, int own)
{
    nm_known_t known;
    for (int tries = 0; tries < 8; tries++) {
        if (!nm_gossip_at(self->gossip, s_random(nm_gossip_count(self->gossip)), &known))
            return -1;
        int index = s_index_of(&known);
        if (index != own)
            return index;
    }
    return -1;
}

//  One second of the whole mesh. Returns the bytes that went.
static size_t
s_second(actor_t *actors, nm_now_t now)
{
    size_t size = 0;
    for (int i = 0; i < MANY; i++) {
        if (now.wall_ms / 1000 % BEAT_S == i % BEAT_S)
            s_say(&actors[i], now);
        int other = s_acquaintance(&actors[i], i);
        if (other >= 0)
            size += s_meet(actors[i].gossip, actors[other].gossip, now);
    }
    for (int i = 0; i < MANY; i++) {
        nm_buf_t news = { 0 };
        if (!nm_gossip_write_news(actors[i].gossip, &news))
            continue;
        for (int j = 0; j < FANOUT; j++) {
            int other = s_acquaintance(&actors[i], i);
            if (other >= 0)
                s_take_packed(actors[other].gossip, &news, now);
        }
        size += FANOUT * news.size;
        nm_buf_free(&news);
    }
    return size;
}

static size_t
s_least_known(const actor_t *actors)
{
    size_t least = SIZE_MAX;
    for (int i = 0; i < MANY; i++)
        if (nm_gossip_count(actors[i].gossip) < least)
            least = nm_gossip_count(actors[i].gossip);
    return least;
}

static double
s_check_us(const actor_t *actor)
{
    uint8_t signature[64];
    clock_t start = clock();
    crypto_sign_detached(signature, NULL, (const uint8_t *) actor->mailbox, 20, actor->secret);
    for (int i = 0; i < 200; i++)
        assert_int_equal(
            crypto_sign_verify_detached(signature, (const uint8_t *) actor->mailbox, 20, actor->cert.sign_key), 0);
    return (double) (clock() - start) * 1e6 / CLOCKS_PER_SEC / 201;
}

//  Each knows the seed and nobody else. What it takes until all know all, and then to keep it so.
static void
a_thousand_find_each_other_from_one_seed(void **state)
{
    (void) state;
    actor_t *actors = nm_alloc(MANY * sizeof *actors);
    nm_taken_t taken;
    nm_buf_t seed = { 0 };
    s_seed = 20261121;
    for (int i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "email-%d", i);
        actors[i] = s_make(name, NM_ROLE_EMAIL, s_believe);
        s_say(&actors[i], s_at(i));
        if (i) {
            nm_signed_t word = s_word(&actors[0], &seed);
            assert_int_equal(nm_gossip_take(actors[i].gossip, &word, s_at(i), &taken, NULL), NM_OK);
        }
    }
    int seconds = 0;
    while (s_least_known(actors) < MANY) {
        s_second(actors, s_at(2000 + 1000 * seconds++));
        assert_true(seconds < 30);
    }

    uint64_t checks = 0;
    size_t bytes = 0, most = 0;
    for (int i = 0; i < MANY; i++)
        checks -= nm_gossip_checks(actors[i].gossip);
    clock_t start = clock();
    for (int i = 0; i < STEADY_S; i++)
        bytes += s_second(actors, s_at(2000 + 1000 * seconds++));
    double cpu_us = (double) (clock() - start) * 1e6 / CLOCKS_PER_SEC / MANY / STEADY_S;
    for (int i = 0; i < MANY; i++) {
        checks += nm_gossip_checks(actors[i].gossip);
        if (nm_gossip_size(actors[i].gossip) > most)
            most = nm_gossip_size(actors[i].gossip);
        nm_gossip_tick(actors[i].gossip, s_at(2000 + 1000 * seconds), NULL, NULL);
        for (int j = 0; j < MANY; j += 7)
            assert_int_equal(nm_gossip_life(actors[i].gossip, actors[j].cert.name), NM_LIFE_ALIVE);
    }
    double checks_a_second = (double) checks / MANY / STEADY_S;
    print_message(
        "%d actors: all known after %d s; then per actor and second %.1f checks of %.0f us and %.0f us beside, "
        "%.1f KiB sent; %.0f KiB of memory\n",
        MANY, seconds - STEADY_S, checks_a_second, s_check_us(&actors[0]), cpu_us,
        (double) bytes / MANY / STEADY_S / 1024, (double) most / 1024);
    //  Every word is checked once by everybody, and no more: certificates stay the same.
    assert_true(checks_a_second <= 1.2 * MANY / BEAT_S);
    assert_true(most < MANY * 1200);

    for (int i = 0; i < MANY; i++)
        nm_gossip_destroy(&actors[i].gossip);
    free(actors);
    nm_buf_free(&seed);
}

//  -- Many statements

static void
ten_thousand_statements_even_out(void **state)
{
    (void) state;
    enum { HALF = NM_STATEMENT_COUNT / 2 };
    nm_gossip_t *a = nm_gossip_new(s_authority, 0, s_believe), *b = nm_gossip_new(s_authority, 0, s_believe);
    nm_buf_t text = { 0 };
    uint8_t signature[64];
    for (int i = 0; i < 2 * HALF; i++) {
        nm_stated_t revoke = { .kind = NM_STATED_REVOKE, .serial = "00c0ffee", .at_ms = START_MS };
        snprintf(revoke.name, sizeof revoke.name, "sms-%d", i);
        nm_statement_t statement = s_state(&revoke, &text, signature);
        assert_int_equal(nm_gossip_hear(i % 2 ? a : b, &statement, s_at(10 * i), NULL), NM_OK);
    }
    int rounds = 0;
    uint8_t ours[NM_BUCKET_COUNT * NM_BUCKET_SIZE], theirs[sizeof ours];
    do {
        s_meet(a, b, s_at(1000 * ++rounds));
        nm_statements_digest(nm_gossip_statements(a), ours);
        nm_statements_digest(nm_gossip_statements(b), theirs);
        assert_true(rounds < 200);
    } while (memcmp(ours, theirs, sizeof ours) != 0);
    assert_int_equal(nm_statements_count(nm_gossip_statements(a)), 2 * HALF);
    assert_int_equal(nm_statements_count(nm_gossip_statements(b)), 2 * HALF);
    nm_stated_t last = { .kind = NM_STATED_REVOKE, .name = "sms-last", .serial = "00c0ffee", .at_ms = START_MS };
    nm_statement_t statement = s_state(&last, &text, signature);
    assert_int_equal(nm_gossip_hear(a, &statement, s_at(0), NULL), NM_ERR_FULL);
    print_message("two halves of %d statements are one after %d rounds\n", 2 * HALF, rounds);
    nm_gossip_destroy(&a);
    nm_gossip_destroy(&b);
    nm_buf_free(&text);
}

static void
refuses_a_digest_that_is_none(void **state)
{
    fixture_t *self = *state;
    nm_buf_t out = { 0 };
    uint8_t buckets[NM_BUCKET_COUNT * NM_BUCKET_SIZE] = { 0 }, digest[3 * NM_DIGEST_ENTRY_SIZE] = { 2 };
    nm_sync_t sync = { .digest = nm_bytes(digest, NM_DIGEST_ENTRY_SIZE), .buckets = nm_bytes(buckets, sizeof buckets) };
    assert_int_equal(nm_gossip_answer(self->a.gossip, &sync, &out), NM_OK);
    sync.digest.size--;
    assert_int_equal(nm_gossip_answer(self->a.gossip, &sync, &out), NM_ERR_MALFORMED);
    sync.digest.size = 2 * NM_DIGEST_ENTRY_SIZE;  //  Falling hashes
    assert_int_equal(nm_gossip_answer(self->a.gossip, &sync, &out), NM_ERR_MALFORMED);
    sync.digest.size = NM_DIGEST_ENTRY_SIZE;
    sync.buckets.size--;
    assert_int_equal(nm_gossip_answer(self->a.gossip, &sync, &out), NM_ERR_MALFORMED);
    nm_buf_free(&out);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(takes_what_an_actor_says_of_itself),
        WITH_FIXTURE(tells_a_heartbeat_from_news),
        WITH_FIXTURE(refuses_an_older_word_and_checks_nothing_for_it),
        WITH_FIXTURE(refuses_a_change_of_any_byte),
        WITH_FIXTURE(refuses_who_is_not_certified),
        WITH_FIXTURE(checks_no_more_signatures_than_it_may),
        WITH_FIXTURE(is_quiet_then_gone_then_back),
        WITH_FIXTURE(speaks_louder_than_its_own_past),
        WITH_FIXTURE(takes_no_more_actors_than_it_may),
        WITH_FIXTURE(a_revoked_certificate_stays_out),
        WITH_FIXTURE(forgetting_ends_every_certificate_until_then),
        WITH_FIXTURE(believes_no_statement_of_another),
        WITH_FIXTURE(reads_a_statement_only_as_it_is_written),
        WITH_FIXTURE(comes_back_from_what_was_saved),
        WITH_FIXTURE(refuses_a_digest_that_is_none),
        WITH_FIXTURE(a_thousand_find_each_other_from_one_seed),
        WITH_FIXTURE(ten_thousand_statements_even_out),
    };
    return cmocka_run_group_tests_name("broker/gossip", tests, NULL, NULL);
}
