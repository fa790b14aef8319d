//  doctor.c and drawing.c: what nctl doctor finds in a picture of the mesh, and how nctl map draws it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/nctl/doctor.h"
#include "tools/nctl/drawing.h"
#include "tools/nctl/json.h"
#include "tools/nctl/picture.h"

enum { NOW_S = 1800000000 };
#define NOW_MS (INT64_C(1000) * NOW_S)
#define DAY_MS (INT64_C(86400) * 1000)

//  A picture as mesh.status gives it, before it is settled; extra pairs go into the status of email-1.
static json_t *
s_picture(const char *more_of_email)
{
    char text[4096];
    nm_error_t error;
    snprintf(
        text, sizeof text,
        "[{'name':'gateway-1','role':'gateway','number':1,'host':'a','membership':'in','not_after_ms':%lld,"
        "'answered_ms':1000,'took_ms':0,'status':{'version':'1','state':'running','wall_ms':1000,'uptime_ms':900000,"
        "'backlog':3,'oldest_ms':10,'file_limit':1024,'store':{'used':10,'quota':1000,'free_space':9000000000},"
        "'links':[{'peer':'email-1','state':'up','open':0,'credit':5}],'waiting':[{'lane':'role:email','count':0}]}},"
        "{'name':'email-1','role':'email','number':0,'host':'b','membership':'in','not_after_ms':%lld,"
        "'answered_ms':1000,'took_ms':20,'status':{'version':'1','state':'running','wall_ms':995,'uptime_ms':900000,"
        "'backlog':0,'oldest_ms':0,'file_limit':1024,'store':{'used':10,'quota':1000,'free_space':9000000000},"
        "'providers':[{'name':'relay','active':true,'breaker':'closed','failures':0}],"
        "'links':[{'peer':'gateway-1','state':'up','open':0,'credit':5}],'waiting':[]%s}},"
        "{'name':'router-1','role':'router','host':'a','status':{'version':'1','uptime_ms':900000,"
        "'store':{'free_space':9000000000}}},"
        "{'name':'deadletter-9','role':'deadletter','host':'a','status':{'version':'1','uptime_ms':900000,"
        "'store':{'free_space':9000000000}}},"
        "{'name':'user-1','role':'user','host':'a','status':{'version':'1','uptime_ms':900000,"
        "'store':{'free_space':9000000000}}},"
        "{'name':'bridge-1','role':'bridge','host':'a','status':{'version':'1','uptime_ms':900000,"
        "'store':{'free_space':9000000000}}}]",
        (long long) (NOW_MS + 300 * DAY_MS), (long long) (NOW_MS + 300 * DAY_MS), more_of_email);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *actors = json_loads(text, 0, NULL);
    if (!actors)
        nm_json_parse(nm_text(text), &error);
    assert_non_null(actors);
    return actors;
}

static json_t *
s_actor(json_t *actors, const char *name)
{
    return (json_t *) nm_picture_find(actors, name);
}

static json_t *
s_status(json_t *actors, const char *name)
{
    return json_object_get(s_actor(actors, name), "status");
}

//  Puts a value, written as JSON with single quotes, into an object.
static void
s_set(json_t *object, const char *key, const char *value)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", value);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    json_object_set_new(object, key, json);
}

//  The look before, if a test has one; and how many actors have a lobby.
static json_t *s_before;
static size_t s_seeds = 1;

//  Settles and examines the picture, and lets it go.
static nm_findings_t
s_examine(json_t *actors)
{
    nm_findings_t findings = { 0 };
    nm_picture_settle(actors);
    nm_checkup_t checkup = {
        .actors = actors, .before = s_before, .now_ms = NOW_MS, .old_ms = 300000, .seed_count = s_seeds
    };
    nm_doctor_examine(&checkup, &findings);
    json_decref(actors);
    return findings;
}

//  There is exactly this one finding.
static void
s_assert_only(json_t *actors, nm_severity_t severity, const char *check, const char *actor, const char *text)
{
    nm_findings_t findings = s_examine(actors);
    for (size_t i = 1; i < findings.count; i++)
        fail_msg("one too many: %s: %s", findings.at[i].check, findings.at[i].text);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.at[0].check, check);
    assert_string_equal(findings.at[0].actor, actor);
    assert_int_equal(findings.at[0].severity, severity);
    if (!strstr(findings.at[0].text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, findings.at[0].text);
    assert_true(findings.at[0].advice[0]);
    nm_findings_free(&findings);
}

static void
a_mesh_that_is_well_has_no_findings(void **state)
{
    (void) state;
    nm_findings_t findings = s_examine(s_picture(""));
    assert_int_equal(findings.count, 0);
    nm_findings_free(&findings);
}

static void
a_silent_actor_is_an_error_and_what_left_is_none(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    json_object_del(s_actor(actors, "email-1"), "status");
    s_set(s_actor(actors, "email-1"), "last_heard_ms", "7000");
    s_assert_only(actors, NM_SEVERITY_ERROR, "silent", "email-1",
                  "host b: it is down, frozen, or cut off; it was last heard 7s ago");

    actors = s_picture("");
    json_object_del(s_actor(actors, "email-1"), "status");
    s_set(s_actor(actors, "email-1"), "membership", "'left'");
    nm_findings_t findings = s_examine(actors);
    assert_int_equal(findings.count, 0);
    nm_findings_free(&findings);
}

static void
a_silent_actor_is_called_what_its_peers_make_of_it(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    json_object_del(s_actor(actors, "email-1"), "status");
    s_set(s_status(actors, "gateway-1"), "links", "[{'peer':'email-1','state':'quiet'}]");
    nm_picture_settle(actors);
    assert_string_equal(nm_json_text(nm_picture_find(actors, "email-1"), "state"), "quiet");
    assert_true(nm_picture_misses(nm_picture_find(actors, "email-1")));
    json_decref(actors);
}

static void
certificates_are_told_of_before_they_end(void **state)
{
    (void) state;
    static const struct {
        int64_t left_ms;
        nm_severity_t severity;
        const char *text;
    } CASES[] = { { 20 * DAY_MS + 1, NM_SEVERITY_WARNING, "ends in 20 days" },
                  { 3 * DAY_MS + 1, NM_SEVERITY_ERROR, "ends in 3 days" },
                  { 5 * 3600 * 1000 + 1, NM_SEVERITY_ERROR, "ends in 5 hours" } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        json_t *actors = s_picture("");
        json_object_set_new(s_actor(actors, "email-1"), "not_after_ms", json_integer(NOW_MS + CASES[i].left_ms));
        s_assert_only(actors, CASES[i].severity, "certificate", "email-1", CASES[i].text);
    }
    json_t *actors = s_picture("");
    s_set(s_actor(actors, "email-1"), "membership", "'uncertified'");
    json_object_del(s_actor(actors, "email-1"), "status");
    s_assert_only(actors, NM_SEVERITY_WARNING, "certificate", "email-1", "nobody lets it in");
}

//  Of email-1 alone: what its status says besides, and what is found.
static void
each_fault_of_an_actor_is_named(void **state)
{
    (void) state;
    static const struct {
        const char *key, *value;
        nm_severity_t severity;
        const char *check, *text;
    } CASES[] = {
        { "store", "{'used':850,'quota':1000,'free_space':9000000000,'tight':true}", NM_SEVERITY_ERROR, "store",
          "refuses new work" },
        { "store", "{'used':960,'quota':1000,'free_space':9000000000,'tight':true,'critical':true}", NM_SEVERITY_ERROR,
          "store", "ballast has been given up" },
        { "store", "{'used':10,'quota':1000,'free_space':1000000}", NM_SEVERITY_WARNING, "disk", "only 977 KiB free" },
        { "oldest_ms", "300001", NM_SEVERITY_WARNING, "backlog", "the oldest for 5m" },
        { "providers", "[{'name':'relay','active':true,'breaker':'open','failures':6}]", NM_SEVERITY_ERROR, "breaker",
          "relay no more, its breaker is open after 6" },
        { "providers", "[{'name':'relay','active':false,'breaker':'closed'}]", NM_SEVERITY_ERROR, "providers",
          "no active provider" },
        { "providers", "[]", NM_SEVERITY_ERROR, "providers", "no active provider" },
        { "links", "[{'peer':'gateway-1','state':'rolled'}]", NM_SEVERITY_ERROR, "links",
          "older than what it had said" },
        { "links", "[{'peer':'gateway-1','state':'up','open':9,'stalled_ms':12000,'credit':0}]", NM_SEVERITY_WARNING,
          "stalled", "gateway-1 to take in 9 mails, for 12s now; credit 0" },
        { "waiting", "[{'lane':'role:sms','count':4}]", NM_SEVERITY_ERROR, "waiting", "4 mails for sms" },
        { "waiting", "[{'lane':'peer:gateway-9','count':2}]", NM_SEVERITY_ERROR, "waiting", "2 mails for gateway-9" },
        { "metrics", "[{'name':'nmesh_http_certificate_expiry_timestamp_seconds','count':1800864000000}]",
          NM_SEVERITY_WARNING, "https", "ends in 10 days" },
        { "metrics", "[{'name':'nmesh_http_certificate_expiry_timestamp_seconds','count':1800172800000}]",
          NM_SEVERITY_ERROR, "https", "ends in 2 days" },
        { "metrics", "[{'name':'nmesh_http_certificate_expiry_timestamp_seconds','count':1799999999000}]",
          NM_SEVERITY_ERROR, "https", "that has ended" },
        { "metrics", "[{'name':'nmesh_mail_quarantined_total','count':2}]", NM_SEVERITY_WARNING, "quarantine",
          "set aside 2" },
        { "metrics", "[{'name':'nmesh_mail_gap_total','count':1}]", NM_SEVERITY_WARNING, "gaps", "1 gaps" },
        { "metrics",
          "[{'name':'nmesh_dead_letters_total','labels':{'reason':'rejected'},'count':12},"
          "{'name':'nmesh_attempts_total','labels':{'provider':'relay','outcome':'sent'},'count':88}]",
          NM_SEVERITY_WARNING, "lost", "given up 12 deliveries for good and sent 88, within 15m" },
        { "metrics", "[{'name':'nmesh_book_owner_away','labels':{'book':'providers'},'count':1}]", NM_SEVERITY_WARNING,
          "books", "owner of the book of providers" },
        { "metrics", "[{'name':'nmesh_files_limit','count':1000},{'name':'nmesh_files_open','count':800}]",
          NM_SEVERITY_ERROR, "open-files", "800 files and sockets open, of 1000" },
        { "metrics", "[{'name':'nmesh_backup_timestamp_seconds','count':1799222400000}]", NM_SEVERITY_NOTE, "backup",
          "last backup 9 days ago" },
        { "metrics",
          "[{'name':'nmesh_deliveries','labels':{'state':'calling'},'count':2},"
          "{'name':'nmesh_deliveries_oldest_seconds','labels':{'state':'calling'},'count':130000}]",
          NM_SEVERITY_WARNING, "calls", "is here for 2m" },
        { "metrics", "[{'name':'nmesh_locked_out','count':3}]", NM_SEVERITY_WARNING, "locked-out",
          "locked out 3 clients" },
        { "http_fault", "'connection refused'", NM_SEVERITY_ERROR, "http", "connection refused" },
        { "file_limit", "70", NM_SEVERITY_WARNING, "files", "may open 70 files" },
        { "recovering", "'gateway-3'", NM_SEVERITY_NOTE, "recovery", "what gateway-3 had" },
        { "state", "'draining'", NM_SEVERITY_NOTE, "draining", "still holds 0" },
        { "uptime_ms", "4000", NM_SEVERITY_NOTE, "restarted", "started 4s ago" },
        { "wall_ms", "3990", NM_SEVERITY_WARNING, "clock", "3s ahead of" },
        { "wall_ms", "61000", NM_SEVERITY_ERROR, "clock", "60s ahead of" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        json_t *actors = s_picture("");
        s_set(s_status(actors, "email-1"), CASES[i].key, CASES[i].value);
        //  The far end of a link that is not up would be told of as well
        if (strcmp(CASES[i].check, "links") == 0)
            s_set(s_status(actors, "gateway-1"), "links", "[{'peer':'email-1','state':'rolled'}]");
        if (strcmp(CASES[i].check, "links") == 0) {
            nm_findings_t findings = s_examine(actors);
            assert_int_equal(findings.count, 2);
            assert_string_equal(findings.at[0].check, "links");
            assert_non_null(strstr(findings.at[0].text, CASES[i].text));
            nm_findings_free(&findings);
            continue;
        }
        s_assert_only(actors, CASES[i].severity, CASES[i].check, "email-1", CASES[i].text);
    }
}

//  What stands still shows only between two looks at the same process.
static void
who_starts_nothing_though_it_could_is_stuck(void **state)
{
    (void) state;
    static const char HELD[] = "[{'name':'nmesh_deliveries','labels':{'state':'ready'},'count':7},"
                               "{'name':'nmesh_deliveries_oldest_seconds','labels':{'state':'ready'},'count':60000},"
                               "{'name':'nmesh_attempts_total','labels':{'outcome':'started'},'count':%d}]";
    char before[512], after[512];
    for (int more = 0; more < 2; more++) {
        snprintf(before, sizeof before, HELD, 50);
        snprintf(after, sizeof after, HELD, 50 + more);
        s_before = s_picture("");
        s_set(s_status(s_before, "email-1"), "metrics", before);
        nm_picture_settle(s_before);
        json_t *actors = s_picture("");
        s_set(s_status(actors, "email-1"), "metrics", after);
        if (!more) {
            s_assert_only(actors, NM_SEVERITY_ERROR, "stuck", "email-1",
                          "7 deliveries are ready to go, the oldest for 60s");
        } else {
            nm_findings_t findings = s_examine(actors);
            assert_int_equal(findings.count, 0);
            nm_findings_free(&findings);
        }
        json_decref(s_before);
        s_before = NULL;
    }
}

static void
what_is_refused_right_now_is_told_of(void **state)
{
    (void) state;
    static const char ANSWERS[] = "[{'name':'nmesh_answers_total','labels':{'status':'429'},'count':%d}]";
    char text[256];
    s_before = s_picture("");
    snprintf(text, sizeof text, ANSWERS, 1000);
    s_set(s_status(s_before, "gateway-1"), "metrics", text);
    nm_picture_settle(s_before);
    json_t *actors = s_picture("");
    snprintf(text, sizeof text, ANSWERS, 1040);
    s_set(s_status(actors, "gateway-1"), "metrics", text);
    s_assert_only(actors, NM_SEVERITY_WARNING, "refusals", "gateway-1", "refused 40 asks with 429");

    //  Another process has begun to count anew: that says nothing
    actors = s_picture("");
    s_set(s_status(actors, "gateway-1"), "metrics", text);
    s_set(s_status(actors, "gateway-1"), "boot", "7");
    nm_findings_t findings = s_examine(actors);
    assert_int_equal(findings.count, 0);
    nm_findings_free(&findings);
    json_decref(s_before);
    s_before = NULL;
}

static void
a_role_that_the_mesh_lacks_is_named(void **state)
{
    (void) state;
    static const struct {
        const char *actor;
        nm_severity_t severity;
        const char *text;
    } CASES[] = { { "router-1", NM_SEVERITY_ERROR, "has no router: what is accepted stays" },
                  { "user-1", NM_SEVERITY_WARNING, "has no user: services, keys and providers" },
                  { "bridge-1", NM_SEVERITY_NOTE, "has no bridge: there is no HTTP" } };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        json_t *actors = s_picture("");
        for (size_t k = 0; k < json_array_size(actors); k++)
            if (strcmp(nm_json_text(json_array_get(actors, k), "name"), CASES[i].actor) == 0)
                json_array_remove(actors, k);
        s_assert_only(actors, CASES[i].severity, "roles", "", CASES[i].text);
    }
    s_seeds = 0;
    s_assert_only(s_picture(""), NM_SEVERITY_NOTE, "seeds", "", "no actor has a lobby");
    s_seeds = 1;
}

static void
a_finding_tells_where_and_since_when(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    s_set(s_status(actors, "email-1"), "oldest_ms", "400000");
    nm_findings_t findings = s_examine(actors);
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.at[0].host, "b");
    assert_int_equal(findings.at[0].since_ms, NOW_MS - 400000);
    nm_findings_free(&findings);
}

static void
a_link_that_works_one_way_is_found_where_it_is_heard(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    s_set(s_status(actors, "email-1"), "links", "[{'peer':'gateway-1','state':'quiet'}]");
    s_assert_only(actors, NM_SEVERITY_WARNING, "one-sided", "gateway-1", "hears email-1, which finds it quiet");
}

static void
two_gateways_of_one_number_are_an_error(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    json_t *other = json_deep_copy(s_actor(actors, "gateway-1"));
    s_set(other, "name", "'gateway-2'");
    s_set(json_object_get(other, "status"), "links", "[]");
    json_array_append_new(actors, other);
    s_assert_only(actors, NM_SEVERITY_ERROR, "numbers", "gateway-1", "has number 1, and so has gateway-2");
}

static void
several_versions_and_dead_letters_are_notes(void **state)
{
    (void) state;
    json_t *actors = s_picture(",'x':1");
    s_set(s_status(actors, "email-1"), "version", "'2'");
    s_assert_only(actors, NM_SEVERITY_NOTE, "version", "", "gateway-1 runs version 1 and email-1 runs 2");

    actors = s_picture("");
    json_t *letters = json_deep_copy(s_actor(actors, "email-1"));
    s_set(letters, "name", "'deadletter-1'");
    s_set(letters, "role", "'deadletter'");
    s_set(json_object_get(letters, "status"), "open", "12");
    s_set(json_object_get(letters, "status"), "links", "[]");
    json_array_append_new(actors, letters);
    s_assert_only(actors, NM_SEVERITY_NOTE, "dead-letters", "deadletter-1", "keeps 12 dead letters");
}

static void
a_finding_moves_no_cursor(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    s_set(s_status(actors, "email-1"), "recovering", "'x\\u001b[2Jy'");
    s_assert_only(actors, NM_SEVERITY_NOTE, "recovery", "email-1", "what x?[2Jy had");
}

static void
errors_come_first(void **state)
{
    (void) state;
    json_t *actors = s_picture(",'recovering':'x'");
    json_object_del(s_actor(actors, "gateway-1"), "status");
    nm_findings_t findings = s_examine(actors);
    assert_int_equal(findings.count, 2);
    assert_string_equal(findings.at[0].check, "silent");
    assert_string_equal(findings.at[1].check, "recovery");
    nm_findings_free(&findings);
}

//  -- drawing.c

static char *
s_draw(json_t *actors)
{
    nm_buf_t out = { 0 };
    nm_picture_settle(actors);
    nm_drawing_write(actors, "de\"mo", &out);
    nm_buf_add(&out, "", 1);
    json_decref(actors);
    return (char *) out.at;
}

static void
a_drawing_has_hosts_actors_and_one_edge_for_each_link(void **state)
{
    (void) state;
    char *text = s_draw(s_picture(""));
    assert_non_null(strstr(text, "label=\"de\\\"mo\""));
    assert_non_null(strstr(text, "label=\"a\" style=\"rounded\""));
    assert_non_null(strstr(text, "label=\"b\" style=\"rounded\""));
    assert_non_null(strstr(text, "label=\"gateway-1\\nholds 3, oldest 10ms\""));
    const char *edge = strstr(text, " -- ");
    assert_non_null(edge);
    assert_null(strstr(edge + 1, " -- "));
    assert_null(strstr(text, "#cc0000"));
    assert_non_null(strstr(edge, "constraint=\"false\""));  //  They are on two hosts
    free(text);
}

static void
what_is_silent_is_red_and_its_links_are_dashed(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    json_object_del(s_actor(actors, "email-1"), "status");
    s_set(s_status(actors, "gateway-1"), "links", "[{'peer':'email-1','state':'quiet','open':7,'credit':3}]");
    char *text = s_draw(actors);
    assert_non_null(strstr(text, "label=\"email-1\\nquiet\""));
    assert_non_null(strstr(text, "color=\"#cc0000\" style=\"dashed\""));
    assert_non_null(strstr(text, "label=\"7 open, credit 3\""));
    free(text);
}

static void
nothing_from_outside_ends_a_text_of_the_drawing(void **state)
{
    (void) state;
    json_t *actors = s_picture("");
    json_object_set_new(s_status(actors, "email-1"), "host", json_string("x\\\"; evil\n"));
    char *text = s_draw(actors);
    assert_non_null(strstr(text, "label=\"x\\\\\\\"; evil?\""));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mesh_that_is_well_has_no_findings),
        cmocka_unit_test(a_silent_actor_is_an_error_and_what_left_is_none),
        cmocka_unit_test(a_silent_actor_is_called_what_its_peers_make_of_it),
        cmocka_unit_test(certificates_are_told_of_before_they_end),
        cmocka_unit_test(each_fault_of_an_actor_is_named),
        cmocka_unit_test(who_starts_nothing_though_it_could_is_stuck),
        cmocka_unit_test(what_is_refused_right_now_is_told_of),
        cmocka_unit_test(a_role_that_the_mesh_lacks_is_named),
        cmocka_unit_test(a_finding_tells_where_and_since_when),
        cmocka_unit_test(a_link_that_works_one_way_is_found_where_it_is_heard),
        cmocka_unit_test(two_gateways_of_one_number_are_an_error),
        cmocka_unit_test(several_versions_and_dead_letters_are_notes),
        cmocka_unit_test(errors_come_first),
        cmocka_unit_test(a_finding_moves_no_cursor),
        cmocka_unit_test(a_drawing_has_hosts_actors_and_one_edge_for_each_link),
        cmocka_unit_test(what_is_silent_is_red_and_its_links_are_dashed),
        cmocka_unit_test(nothing_from_outside_ends_a_text_of_the_drawing),
    };
    return cmocka_run_group_tests_name("tools/nctl/doctor", tests, NULL, NULL);
}
