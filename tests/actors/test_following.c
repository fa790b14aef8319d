//  About actors/channel/following.c: an e-mail actor whose providers are changed by a user actor.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/email/email.h"
#include "actors/user/user.h"
#include "tests/actors/relay.h"
#include "wire/id.h"
#include "wire/writer.h"

static const char PROVIDERS[] = "providers\n"
                                "    first\n        kind = \"sandbox\"\n        priority = 1\n"
                                "    second\n        kind = \"sandbox\"\n        priority = 2\n";

typedef struct {
    nm_relay_t relay;
    nm_bench_t *user, *email;
    uint64_t sent;
} s_pair_t;

static int
s_setup(void **state)
{
    s_pair_t *self = nm_alloc(sizeof *self);
    self->user = nm_bench_new(&nm_user_role, "user-1", PROVIDERS);
    self->email = nm_bench_new(&nm_email_role, "email-1", PROVIDERS);
    nm_relay_add(&self->relay, "user-1", self->user);
    nm_relay_add(&self->relay, "email-1", self->email);
    nm_relay_run(&self->relay, 2500);
    *state = self;
    return 0;
}

static int
s_teardown(void **state)
{
    s_pair_t *self = *state;
    nm_bench_destroy(&self->user);
    nm_bench_destroy(&self->email);
    free(self);
    return 0;
}

static unsigned
s_ask(s_pair_t *self, const char *op, const char *name, int active)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, active < 0 ? 1 : 2);
    nm_writer_pair_text(&body, "name", name);
    if (active >= 0)
        nm_writer_pair_bool(&body, "is_active", active);
    uint64_t id = nm_bench_ask(self->user, "operator", op, NULL, nm_buf_bytes(&body));
    nm_relay_run(&self->relay, 300);
    nm_buf_free(&body);
    const nm_bench_reply_t *reply = nm_bench_reply(self->user, id);
    return reply ? reply->status : 0;
}

static void
s_send(s_pair_t *self)
{
    nm_delivery_t delivery;
    nm_id_maker_t maker = { .gateway = 2 };
    nm_id_t id;
    memset(&delivery, 0, sizeof delivery);
    nm_id_make(&maker, nm_bench_now(self->email), ++self->sent, &id);
    NM_PUT(&delivery, delivery, notification, id);
    NM_PUT(&delivery, delivery, service, id);
    NM_PUT(&delivery, delivery, number, 1);
    NM_PUT(&delivery, delivery, generation, 0);
    NM_PUT(&delivery, delivery, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&delivery, delivery, recipient, nm_text("ada@example.com"));
    NM_PUT(&delivery, delivery, priority, NM_PRIORITY_NORMAL);
    NM_PUT(&delivery, delivery, created_at, nm_bench_now(self->email));
    NM_PUT(&delivery, delivery, content, nm_text("hi"));
    NM_PUT(&delivery, delivery, correlation_id, nm_text("c-1"));
    nm_bench_record(self->email, "router-1", NM_MAIL_DELIVERY, &nm_delivery_shape, &delivery);
    assert_int_equal(nm_bench_turn(self->email), NM_OK);
}

//  Provider of the attempt that the last event of this kind tells of.
static void
s_expect(s_pair_t *self, nm_event_kind_t kind, const char *provider)
{
    const nm_bench_mail_t *mail;
    char found[NM_NAME_MAX + 1] = "";
    for (size_t i = 0; (mail = nm_bench_sent(self->email, NM_MAIL_EVENT, i)); i++) {
        nm_event_t event;
        nm_attempt_t attempt;
        assert_int_equal(nm_record_decode(&nm_event_shape, &event, mail->body, NULL, ""), NM_OK);
        if (event.kind == kind && NM_HAS(&event, event, attempt) &&
            nm_record_decode(&nm_attempt_shape, &attempt, event.attempt, NULL, "") == NM_OK)
            nm_bytes_to_text(attempt.provider, found, sizeof found);
    }
    assert_string_equal(found, provider);
}

static void
the_next_delivery_goes_by_the_change(void **state)
{
    s_pair_t *self = *state;
    s_send(self);
    s_expect(self, NM_EVENT_SENDING, "first");
    assert_int_equal(s_ask(self, "providers.patch", "first", false), 200);
    s_send(self);
    s_expect(self, NM_EVENT_SENDING, "second");
    assert_int_equal(s_ask(self, "providers.patch", "first", true), 200);
    s_send(self);
    s_expect(self, NM_EVENT_SENDING, "first");
}

static void
a_call_ends_as_it_began_though_its_provider_is_gone(void **state)
{
    s_pair_t *self = *state;
    s_send(self);
    const nm_effect_t *effect = nm_bench_effect(self->email, 0);
    assert_int_equal(s_ask(self, "providers.delete", "first", -1), 204);
    nm_bench_result(self->email, effect, NM_CALL_ANSWERED, 250, "taken");
    assert_int_equal(nm_bench_turn(self->email), NM_OK);
    s_expect(self, NM_EVENT_SENT, "first");
    s_send(self);
    s_expect(self, NM_EVENT_SENDING, "second");
}

static void
a_restarted_actor_goes_by_its_own_copy(void **state)
{
    s_pair_t *self = *state;
    assert_int_equal(s_ask(self, "providers.delete", "first", -1), 204);
    self->relay.away[0] = true;
    nm_bench_restart(self->email);
    nm_relay_run(&self->relay, 500);
    s_send(self);
    s_expect(self, NM_EVENT_SENDING, "second");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, s_setup, s_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_next_delivery_goes_by_the_change),
        CLAIM(a_call_ends_as_it_began_though_its_provider_is_gone),
        CLAIM(a_restarted_actor_goes_by_its_own_copy),
    };
    return cmocka_run_group_tests_name("channel/following", tests, NULL, NULL);
}
