//  About actors/email/email.c: the role as a whole, with the maildir and the sandbox doing their work.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "actors/channel/channel.h"
#include "actors/email/email.h"
#include "tests/actors/sent.h"
#include "wire/id.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const char SETTINGS[] = "providers\n"
                               "    box\n        kind = \"maildir\"\n        path = \"mail\"\n        priority = 1\n"
                               "    void\n        kind = \"sandbox\"\n        priority = 2\n"
                               "email\n    concurrency = 100\n";

static void
s_send(nm_bench_t *bench, uint64_t random, uint64_t number, const char *provider)
{
    nm_delivery_t delivery;
    nm_id_maker_t maker = { .gateway = 2 };
    nm_id_t id;
    memset(&delivery, 0, sizeof delivery);
    nm_id_make(&maker, nm_bench_now(bench), random, &id);
    NM_PUT(&delivery, delivery, notification, id);
    NM_PUT(&delivery, delivery, service, id);
    NM_PUT(&delivery, delivery, number, number);
    NM_PUT(&delivery, delivery, generation, 1);
    NM_PUT(&delivery, delivery, channel, NM_CHANNEL_EMAIL);
    NM_PUT(&delivery, delivery, recipient, nm_text("ada@example.com"));
    NM_PUT(&delivery, delivery, priority, NM_PRIORITY_INSTANT);
    NM_PUT(&delivery, delivery, created_at, nm_bench_now(bench));
    NM_PUT(&delivery, delivery, subject, nm_text("Gr\xc3\xbc\xc3\x9f"));
    NM_PUT(&delivery, delivery, html, nm_text("<b>hi</b>"));
    NM_PUT(&delivery, delivery, correlation_id, nm_text("c-1"));
    if (provider)
        NM_PUT(&delivery, delivery, provider, nm_text(provider));
    nm_bench_record(bench, "router-2", NM_MAIL_DELIVERY, &nm_delivery_shape, &delivery);
}

//  Does the work of all effects so far, as the worker thread does.
static void
s_work(nm_bench_t *bench)
{
    for (size_t i = 0; i < nm_bench_effects(bench); i++) {
        const nm_effect_t *effect = nm_bench_effect(bench, i);
        nm_result_t result = { .retry_after_ms = -1 };
        assert_int_equal(effect->kind, NM_EFFECT_WORK);
        effect->work(effect->work_arg, &result);
        nm_bench_result(bench, effect, result.call, result.code, result.text);
    }
    assert_int_equal(nm_bench_turn(bench), NM_OK);
}

static size_t
s_count_new(nm_bench_t *bench)
{
    char path[NM_MESH_PATH_MAX];
    nm_mesh_path(nm_bench_mesh(bench), "mail/new", path, sizeof path);
    DIR *folder = opendir(path);
    size_t count = 0;
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count;
}

static size_t
s_count_events(const nm_bench_t *bench, nm_event_kind_t kind)
{
    size_t count = 0;
    for (size_t i = 0; i < nm_bench_mails(bench, NM_MAIL_EVENT); i++) {
        assert_string_equal(nm_bench_sent(bench, NM_MAIL_EVENT, i)->peer, "gateway-2");
        count += nm_sent_event(bench, i).kind == kind;
    }
    return count;
}

static void
delivers_into_a_maildir(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_bench_new(&nm_email_role, "email-1", SETTINGS);
    for (uint64_t i = 1; i <= 30; i++)
        s_send(bench, i, 1, i % 3 ? NULL : "void");
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    assert_int_equal(nm_bench_effects(bench), 30);
    s_work(bench);
    assert_int_equal(s_count_new(bench), 20);
    assert_int_equal(s_count_events(bench, NM_EVENT_SENT), 30);
    nm_bench_destroy(&bench);
}

//  The file was written, the result was not: the repeat replaces the file.
static void
a_crash_after_the_delivery_does_not_double_it(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_bench_new(&nm_email_role, "email-1", SETTINGS);
    s_send(bench, 7, 1, NULL);
    s_send(bench, 7, 2, NULL);  //  A copy: another delivery of the same notification
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    for (size_t i = 0; i < nm_bench_effects(bench); i++) {
        nm_result_t result = { 0 };
        nm_bench_effect(bench, i)->work(nm_bench_effect(bench, i)->work_arg, &result);
    }
    assert_int_equal(s_count_new(bench), 2);
    nm_bench_restart(bench);
    assert_int_equal(nm_bench_effects(bench), 2);
    s_work(bench);
    assert_int_equal(s_count_new(bench), 2);
    assert_int_equal(s_count_events(bench, NM_EVENT_SENT), 2);
    nm_bench_destroy(&bench);
}

static void
says_what_it_holds_and_how_its_providers_are(void **state)
{
    (void) state;
    nm_bench_t *bench = nm_bench_new(&nm_email_role, "email-1", SETTINGS);
    s_send(bench, 3, 1, NULL);
    assert_int_equal(nm_bench_turn(bench), NM_OK);
    nm_buf_t out = { 0 };
    size_t mark = nm_writer_map_open(&out);
    nm_writer_map_close(&out, mark, nm_channel_status(nm_bench_state(bench), &out));
    nm_bytes_t raw;
    nm_reader_t reader;
    uint64_t number;
    assert_int_equal(nm_reader_check(nm_buf_bytes(&out)), NM_OK);
    assert_int_equal(nm_reader_find(nm_buf_bytes(&out), "calling", &raw), NM_OK);
    nm_reader_open(&reader, raw);
    assert_int_equal(nm_reader_uint(&reader, &number), NM_OK);
    assert_int_equal(number, 1);
    nm_list_t providers;
    assert_int_equal(nm_reader_find(nm_buf_bytes(&out), "providers", &raw), NM_OK);
    assert_int_equal(nm_list_open(&providers, raw), NM_OK);
    assert_int_equal(providers.count, 2);
    nm_buf_free(&out);
    nm_bench_destroy(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_into_a_maildir),
        cmocka_unit_test(a_crash_after_the_delivery_does_not_double_it),
        cmocka_unit_test(says_what_it_holds_and_how_its_providers_are),
    };
    return cmocka_run_group_tests_name("email", tests, NULL, NULL);
}
