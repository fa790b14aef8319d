#include "check.h"

static const int64_t NOW_MS = 1795233591123;  //  2026-11-21T03:59:51.123Z

//  What a gateway does: decode, then check; all faults as "pointer: detail" lines.
static void
s_expect(const char *json, const char *wanted)
{
    nm_buf_t raw = { 0 }, got = { 0 };
    nm_request_t request;
    nm_faults_t faults = { 0 };
    s_pack_text(json, &raw);
    nm_rc_t decoded = nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&raw), &faults, "");
    nm_rc_t checked = nm_request_check(&request, NOW_MS, &faults, "");
    for (size_t i = 0; i < faults.count; i++)
        nm_buf_format(&got, "%s%s: %s", i ? "\n" : "", faults.items[i].pointer, faults.items[i].detail);
    nm_buf_add(&got, "", 1);
    assert_string_equal((const char *) got.at, wanted);
    assert_int_equal(decoded == NM_OK && checked == NM_OK, *wanted == 0);
    nm_buf_free(&raw);
    nm_buf_free(&got);
}

#define USER "'user_id': '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'"
#define MAIL "'channel': 'email', 'recipient': 'ada@example.com'"
#define SMS "'channel': 'sms', 'recipient': '+4930123456'"
#define PHONE "'channel': 'push', 'recipient': 'token-1'"

static void
takes_ordinary_requests(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'subject': 'Hello', 'content': 'Text'}", "");
    s_expect("{" MAIL ", 'html': '<p>alone</p>'}", "");
    s_expect("{" MAIL
             ", 'template': 'welcome', 'template_version': 3, 'language': 'pt-BR', 'variables': {'name': 'Ada'}}",
             "");
    s_expect("{" SMS ", 'content': 'Text'}", "");
    s_expect("{'channel': 'whatsapp', 'recipient': '+4930123456', 'content': 'Text'}", "");
    s_expect("{" PHONE ", 'push': {'title': 'T', 'data': {'a': 'b'}}}", "");
    s_expect("{" PHONE ", 'subject': 'T'}", "");
    s_expect("{'channels': ['push', 'email'], " USER
             ", 'strategy': 'all', 'content': 'x', 'subject': 's', 'email': {}, 'push': {}}",
             "");
    s_expect("{'channels': ['sms', 'email'], 'recipients': {'email': 'ada@example.com', 'phone': '+4930123456'}, "
             "'content': 'x', 'subject': 's'}",
             "");
    s_expect("{'channel': 'email', " USER
             ", 'content': 'x', 'priority': 0, 'at_most_once': true, 'dedupe_seconds': 86400,"
             " 'send_at': '2020-01-01T00:00:00Z', 'expires_at': '2026-11-21T03:59:52Z', 'provider': 'smtp', "
             "'metadata': {'a': [1]}, 'request_id': 'k'}",
             "");
}

static void
takes_the_older_names(void **state)
{
    (void) state;
    s_expect("{'type': 'email', 'recipient': 'ada@example.com', 'template_code': 'welcome'}", "");
    s_expect("{'notification_type': 'fax', 'recipient': 'ada@example.com', 'content': 'x'}",
             "/notification_type: must be one of email, push, sms, whatsapp");
    s_expect("{'type': 'email', 'channel': 'email', 'recipient': 'ada@example.com', 'content': 'x'}",
             "/channel: is there twice, or beside an older name of it");
}

static void
wants_exactly_one_of_channel_and_channels(void **state)
{
    (void) state;
    s_expect("{" USER ", 'content': 'x'}", "/channel: is missing; give channel or channels");
    s_expect("{'channel': 'sms', 'channels': ['sms'], " USER ", 'content': 'x'}",
             "/channel: cannot stand beside channels; give one of the two");
    s_expect("{'channels': [], " USER ", 'content': 'x'}", "/channels: must name at least one channel");
    s_expect("{'channels': ['sms', 'fax', 'sms'], " USER ", 'content': 'x'}",
             "/channels/1: must be one of email, push, sms, whatsapp\n/channels/2: names a channel that the list has "
             "already");
}

static void
a_faulty_field_is_not_missing_as_well(void **state)
{
    (void) state;
    s_expect("{'channel': 'fax', 'user_id': 7, 'content': 8}",
             "/channel: must be one of email, push, sms, whatsapp\n/user_id: must be a UUID\n/content: must be a text");
    s_expect("{" MAIL ", 'template': 5}", "/template: must be a text");
}

static void
wants_exactly_one_receiver(void **state)
{
    (void) state;
    s_expect("{'channel': 'sms', 'content': 'x'}", "/user_id: is missing; give user_id or recipient");
    s_expect("{'channels': ['sms'], 'content': 'x'}", "/user_id: is missing; give user_id or recipients");
    s_expect("{" SMS ", " USER ", 'content': 'x'}", "/user_id: cannot stand beside a recipient; give one of the two");
    s_expect("{'channels': ['sms'], 'recipient': '+4930123456', 'content': 'x'}",
             "/recipient: goes with channel; channels wants user_id or recipients");
    s_expect("{'channel': 'sms', 'recipients': {'phone': '+4930123456'}, 'content': 'x'}",
             "/recipients: goes with channels; channel wants user_id or recipient");
    s_expect("{'channels': ['sms', 'push', 'email'], 'recipients': {'phone': '030', 'email': 'ada'}, 'content': 'x'}",
             "/recipients/email: must be an e-mail address, such as ada@example.com\n"
             "/recipients/phone: must be a telephone number as E.164 writes it, such as +4930123456\n"
             "/recipients/token: is missing; a channel of channels needs it");
}

static void
the_recipient_fits_the_channel(void **state)
{
    (void) state;
    s_expect("{'channel': 'email', 'recipient': '+4930123456', 'content': 'x'}",
             "/recipient: must be an e-mail address, such as ada@example.com");
    s_expect("{'channel': 'sms', 'recipient': 'ada@example.com', 'content': 'x'}",
             "/recipient: must be a telephone number as E.164 writes it, such as +4930123456");
    s_expect("{'channel': 'push', 'recipient': '', 'content': 'x'}", "/recipient: must not be empty");
    s_expect("{'channel': 'email', 'recipient': 'ada@example.com\\r\\nRCPT TO:<eve@example.com>', 'content': 'x'}",
             "/recipient: must be one line without control characters");
}

static void
a_template_stands_alone(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'template': 'w', 'subject': 's', 'content': 'c', 'html': 'h'}",
             "/subject: cannot stand beside template; give one of the two\n"
             "/content: cannot stand beside template; give one of the two\n"
             "/html: cannot stand beside template; give one of the two");
    s_expect("{" MAIL ", 'content': 'c', 'template_version': 1}", "/template_version: goes with template only");
    s_expect("{" MAIL ", 'template': ''}", "/template: must not be empty");
    s_expect("{" MAIL ", 'template': 'w', 'language': 'english-'}",
             "/language: must be a language tag (BCP 47), such as en or pt-BR");
}

static void
each_channel_has_something_to_say(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'subject': 's'}", "/content: is missing; an e-mail wants content, html or a template");
    s_expect("{" MAIL ", 'content': ''}", "/content: is missing; an e-mail wants content, html or a template");
    s_expect("{" SMS "}", "/content: is missing; sms and whatsapp want it, or a template");
    s_expect("{" PHONE "}", "/content: is missing; a push wants content, subject, push or a template");
}

static void
parts_go_with_their_channel_only(void **state)
{
    (void) state;
    s_expect("{" SMS ", 'content': 'x', 'subject': 's', 'html': 'h', 'push': {}, 'email': {}}",
             "/subject: goes with e-mail and push, not with sms and whatsapp\n"
             "/html: goes with e-mail only\n"
             "/email: goes with the channel email only\n"
             "/push: goes with the channel push only");
}

//  1,600 characters of two bytes each are as good as 1,600 of one.
static void
a_text_message_has_at_most_1600_characters(void **state)
{
    (void) state;
    for (int count = 1600; count <= 1601; count++) {
        nm_buf_t json = { 0 };
        nm_buf_add_text(&json, "{" SMS ", 'content': '");
        for (int i = 0; i < count; i++)
            nm_buf_add_text(&json, "\xc3\xa4");
        nm_buf_add(&json, "'}", 3);
        s_expect((const char *) json.at,
                 count == 1600 ? "" : "/content: is too long; sms and whatsapp take at most 1,600 characters");
        nm_buf_free(&json);
    }
}

static void
every_address_of_an_email_is_one(void **state)
{
    (void) state;
    s_expect("{" MAIL
             ", 'content': 'x', 'email': {'cc': ['bob@example.com', 'bob'], 'bcc': ['eve\\n'], 'reply_to': 'nobody'}}",
             "/email/bcc/0: must be one line without control characters\n"
             "/email/cc/1: must be an e-mail address, such as ada@example.com\n"
             "/email/reply_to: must be an e-mail address, such as ada@example.com");
}

static void
cc_and_bcc_are_counted_together(void **state)
{
    (void) state;
    for (int count = 50; count <= 51; count++) {
        nm_buf_t json = { 0 };
        nm_buf_add_text(&json, "{" MAIL ", 'content': 'x', 'email': {'bcc': ['b@example.com'], 'cc': [");
        for (int i = 1; i < count; i++)
            nm_buf_format(&json, "%s'c%d@example.com'", i > 1 ? "," : "", i);
        nm_buf_add(&json, "]}}", 4);
        s_expect((const char *) json.at,
                 count == 50 ? "" : "/email/cc: has too many addresses; at most 50 are allowed in cc and bcc together");
        nm_buf_free(&json);
    }
}

//  Each copy carries the whole message: 51 times 6 MiB would be a third of a GiB in one turn.
static void
a_large_message_goes_to_few(void **state)
{
    (void) state;
    for (int count = 8; count <= 9; count++) {
        nm_buf_t json = { 0 };
        nm_buf_add_text(&json, "{" MAIL ", 'content': 'x', 'email': {'attachments': [{'filename': 'f', 'content_type': "
                               "'a/b', 'content_base64': '");
        size_t size = 7 * 1024 * 1024 + 512 * 1024;
        memset(nm_buf_reserve(&json, size), 'A', size);
        json.size += size;
        nm_buf_add_text(&json, "'}], 'cc': [");
        for (int i = 1; i < count; i++)
            nm_buf_format(&json, "%s'c%d@example.com'", i > 1 ? "," : "", i);
        nm_buf_add(&json, "]}}", 4);
        s_expect((const char *) json.at, count == 8 ? ""
                                                    : "/email/cc: has too many addresses for a message of this size; "
                                                      "copies times size may be 64 MiB");
        nm_buf_free(&json);
    }
}

static void
own_headers_are_few_and_harmless(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'email': {'headers': {'X-A': '1', 'x-b': '', 'List-Id': 'n', 'references': "
             "'<a@b>', 'In-Reply-To': '<c@d>'}}}",
             "");
    s_expect("{" MAIL ", 'content': 'x', 'email': {'headers': {'Subject': 'a', 'Bcc': 'b', 'X-': 'c', 'X-A B': 'd', "
             "'X-A:': 'e', 'X-\\u00e4': 'f',"
             " 'X-N': 1, 'X-L': 'a\\r\\nBcc: eve@example.com', 'X-O': 'one', 'x-o': 'two', 'X-a/b~': [], '': 'g'}}}",
             "/email/headers/Subject: is not allowed; own headers are X-..., List-..., References and In-Reply-To\n"
             "/email/headers/Bcc: is not allowed; own headers are X-..., List-..., References and In-Reply-To\n"
             "/email/headers/X-: is not allowed; own headers are X-..., List-..., References and In-Reply-To\n"
             "/email/headers/X-A B: must have a name of printable ASCII characters without a colon\n"
             "/email/headers/X-A:: must have a name of printable ASCII characters without a colon\n"
             "/email/headers/X-\xc3\xa4: must have a name of printable ASCII characters without a colon\n"
             "/email/headers/X-N: must be a text\n"
             "/email/headers/X-L: must be one line without control characters\n"
             "/email/headers/x-o: is there twice; capital and small letters are the same in a name\n"
             "/email/headers/X-a~1b~0: must be a text\n"
             "/email/headers/: is not allowed; own headers are X-..., List-..., References and In-Reply-To");
}

//  What the message cannot be built with is refused at once, and not when it is to be sent.
static void
own_headers_can_be_built(void **state)
{
    (void) state;
    char json[2000], word[902];
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = 0;
    s_expect("{" MAIL ", 'content': 'x', 'email': {'headers': {'X-My_Header': '1', 'X-a!b': '\u00e4'}}}", "");
    s_expect("{" MAIL ", 'content': 'x', 'email': {'headers': {'x-nmesh-ID': '1', 'References': '<\u00e4@b>', "
             "'List-Id': '\u00e4'}}}",
             "/email/headers/x-nmesh-ID: is not allowed; every message has one already\n"
             "/email/headers/References: must be ASCII: this field has no place for other characters\n"
             "/email/headers/List-Id: must be ASCII: this field has no place for other characters");
    snprintf(json, sizeof json, "{" MAIL ", 'content': 'x', 'email': {'headers': {'List-Id': '%s'}}}", word);
    s_expect(json, "/email/headers/List-Id: has a word of more than 900 bytes, which does not fit a line");
    snprintf(json, sizeof json, "{" MAIL ", 'content': 'x', 'email': {'headers': {'List-Id': '%s'}}}", word + 1);
    s_expect(json, "");
}

static void
own_headers_are_at_most_20(void **state)
{
    (void) state;
    for (int count = 20; count <= 21; count++) {
        nm_buf_t json = { 0 };
        nm_buf_add_text(&json, "{" MAIL ", 'content': 'x', 'email': {'headers': {");
        for (int i = 0; i < count; i++)
            nm_buf_format(&json, "%s'X-%d': '%d'", i ? "," : "", i, i);
        nm_buf_add(&json, "}}}", 4);
        s_expect((const char *) json.at,
                 count == 20 ? "" : "/email/headers: has too many headers; at most 20 are allowed");
        nm_buf_free(&json);
    }
}

static void
attachments_are_named_typed_and_base64(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'email': {'attachments': [{'filename': 'a.pdf', 'content_type': "
             "'application/pdf', 'content_base64': 'QUJD'},"
             " {'filename': '', 'content_type': 'pdf', 'content_base64': 'A'}, {'filename': 'a\\r\\nb'}]}}",
             "/email/attachments/1/content_base64: must be base64 (RFC 4648 section 4) with its padding\n"
             "/email/attachments/2/filename: must be one line without control characters\n"
             "/email/attachments/2/content_type: is missing\n"
             "/email/attachments/2/content_base64: is missing\n"
             "/email/attachments/1/filename: must not be empty\n"
             "/email/attachments/1/content_type: must be a media type, such as application/pdf");
}

static void
attachments_have_7_mib_together(void **state)
{
    (void) state;
    enum { HALF = NM_ATTACHMENTS_MAX / 2 / 3 * 4 + 4 };
    char *base64 = nm_alloc(HALF + 1);
    nm_buf_t json = { 0 };
    memset(base64, 'A', HALF);
    nm_buf_format(
        &json,
        "{" MAIL
        ", 'content': 'x', 'email': {'attachments': [{'filename': 'a', 'content_type': 'a/b', 'content_base64': '%s'},"
        " {'filename': 'b', 'content_type': 'a/b', 'content_base64': '%s'}]}}",
        base64, base64);
    nm_buf_add(&json, "", 1);
    s_expect((const char *) json.at, "/email/attachments: are too large; at most 7 MiB together are allowed");
    free(base64);
    nm_buf_free(&json);
}

static void
push_data_are_texts(void **state)
{
    (void) state;
    s_expect("{" PHONE ", 'push': {'data': {'a': 1, 'b': 'two', 'c': {}}}}",
             "/push/data/a: must be a text\n/push/data/c: must be a text");
}

static void
an_end_lies_in_the_future_and_after_the_start(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'expires_at': '2026-11-21T03:59:51.123Z'}", "/expires_at: is in the past");
    s_expect("{" MAIL ", 'content': 'x', 'send_at': '2026-11-22T00:00:00Z', 'expires_at': '2026-11-21T23:59:59Z'}",
             "/expires_at: is before send_at");
    s_expect("{" MAIL ", 'content': 'x', 'send_at': 'tomorrow'}",
             "/send_at: must be a time as RFC 3339 writes it, such as 2026-11-21T03:59:51Z");
}

static void
a_typing_error_is_not_a_lost_option(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'prioritiy': 'high', 'email': {'reply-to': 'ada@example.com'}}",
             "/prioritiy: is not a field of request; did you mean priority?\n"
             "/email/reply-to: is not a field of email; did you mean reply_to?");
}

static void
pointers_begin_where_the_caller_says(void **state)
{
    (void) state;
    nm_buf_t raw = { 0 };
    nm_request_t request;
    nm_faults_t faults = { 0 };
    s_pack_text("{'channel': 'email', 'recipient': 'ada', 'content': 'x', 'email': {'cc': ['bob']}}", &raw);
    assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&raw), &faults, "/notifications/3"),
                     NM_OK);
    assert_int_equal(nm_request_check(&request, NOW_MS, &faults, "/notifications/3"), NM_ERR_MALFORMED);
    assert_int_equal(nm_request_check(&request, NOW_MS, NULL, ""), NM_ERR_MALFORMED);
    assert_true(s_has_fault(&faults, "/notifications/3/recipient", NULL));
    assert_true(s_has_fault(&faults, "/notifications/3/email/cc/0", NULL));
    assert_int_equal(faults.count, 2);
    nm_buf_free(&raw);
}

//  -- Every limit where API.md has it

//  The faults of a request in whose sample the # is replaced by so many letters; "" if there are none.
static void
s_expect_sized(const char *sample, size_t size, const char *pointer)
{
    const char *hole = strchr(sample, '#');
    nm_buf_t json = { 0 }, raw = { 0 };
    nm_request_t request;
    nm_faults_t faults = { 0 };
    nm_buf_add(&json, sample, (size_t) (hole - sample));
    memset(nm_buf_reserve(&json, size), 'x', size);
    json.size += size;
    nm_buf_add(&json, hole + 1, strlen(hole + 1) + 1);
    s_pack_text((const char *) json.at, &raw);
    nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&raw), &faults, "");
    nm_request_check(&request, NOW_MS, &faults, "");
    if (*pointer ? faults.count != 1 || strcmp(faults.items[0].pointer, pointer) != 0 : faults.count != 0) {
        s_print_faults(&faults);
        fail_msg("%.60s with %zu letters: wanted %s", sample, size, *pointer ? pointer : "no fault");
    }
    nm_buf_free(&json);
    nm_buf_free(&raw);
}

static void
every_text_may_be_as_long_as_promised_and_no_longer(void **state)
{
    (void) state;
    static const struct {
        const char *sample;
        size_t most;
        const char *pointer;
    } CASES[] = {
        { "{" MAIL ", 'content': 'x', 'subject': '#'}", 998, "/subject" },
        { "{" MAIL ", 'content': '#'}", 256 * 1024, "/content" },
        { "{" MAIL ", 'html': '#'}", 512 * 1024, "/html" },
        { "{" SMS ", 'content': '#'}", 1600, "/content" },
        { "{'channel': 'whatsapp', 'recipient': '+4930123456', 'content': '#'}", 1600, "/content" },
        { "{'channel': 'push', 'recipient': '#', 'content': 'x'}", 4096, "/recipient" },
        { "{" MAIL ", 'template': '#'}", 128, "/template" },
        { "{" MAIL ", 'template_code': '#'}", 128, "/template_code" },
        { "{" MAIL ", 'template': 't', 'variables': {'k': '#'}}", 64 * 1024 - 6, "/variables" },
        { "{" MAIL ", 'content': 'x', 'metadata': {'k': '#'}}", 4 * 1024 - 6, "/metadata" },
        { "{" MAIL ", 'content': 'x', 'request_id': '#'}", 255, "/request_id" },
        { "{" MAIL ", 'content': 'x', 'email': {'from_name': '#'}}", 200, "/email/from_name" },
        { "{" MAIL ", 'content': 'x', 'email': {'headers': {'X-A': '#'}}}", 998, "/email/headers/X-A" },
        { "{" PHONE ", 'push': {'title': '#'}}", 1024, "/push/title" },
        { "{" PHONE ", 'push': {'body': '#'}}", 4096, "/push/body" },
        { "{" PHONE ", 'push': {'image': '#'}}", 2048, "/push/image" },
        { "{" PHONE ", 'push': {'url': '#'}}", 2048, "/push/url" },
        { "{" PHONE ", 'push': {'sound': '#'}}", 128, "/push/sound" },
        { "{" PHONE ", 'push': {'collapse_key': '#'}}", 64, "/push/collapse_key" },
        { "{" PHONE ", 'push': {'data': {'k': '#'}}}", 4096 - 6, "/push/data" },
    };
    for (size_t i = 0; i < NM_COUNT(CASES); i++) {
        s_expect_sized(CASES[i].sample, CASES[i].most, "");
        s_expect_sized(CASES[i].sample, CASES[i].most + 1, CASES[i].pointer);
    }
}

static void
every_number_ends_where_promised(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'dedupe_seconds': 86400, 'priority': 3}", "");
    s_expect("{" MAIL ", 'content': 'x', 'dedupe_seconds': 86401}",
             "/dedupe_seconds: must be a whole number from 0 to 86,400");
    s_expect("{" MAIL ", 'content': 'x', 'priority': 4}", "/priority: must be one of instant, high, normal, low");
    s_expect("{" PHONE ", 'push': {'title': 'x', 'ttl': 2419200, 'badge': 1000000}}", "");
    s_expect("{" PHONE ", 'push': {'title': 'x', 'ttl': 2419201}}",
             "/push/ttl: must be a whole number from 0 to 2,419,200");
}

static void
null_is_as_if_it_were_not_there(void **state)
{
    (void) state;
    s_expect("{" MAIL ", 'content': 'x', 'channels': null, 'user_id': null, 'recipients': null, 'template': null, "
             "'html': null, 'push': null, 'email': {'cc': null, 'reply_to': null, 'attachments': null}, 'priority': "
             "null, 'send_at': null, 'metadata': null, 'at_most_once': null, 'request_id': null}",
             "");
    s_expect("{'type': null, " MAIL ", 'notification_type': null, 'content': null, 'html': 'x'}", "");
    s_expect("{'channel': null, 'recipient': 'ada@example.com', 'content': 'x'}",
             "/channel: is missing; give channel or channels");
}

static void
words_of_a_priority_are_its_numbers(void **state)
{
    (void) state;
    static const char *const WORDS[] = { "'instant'", "'high'", "'normal'", "'low'" };
    for (unsigned i = 0; i < NM_COUNT(WORDS); i++)
        for (unsigned number = 0; number < 2; number++) {
            char json[160];
            nm_buf_t raw = { 0 };
            nm_request_t request;
            if (number)
                snprintf(json, sizeof json, "{" MAIL ", 'content': 'x', 'priority': %u}", i);
            else
                snprintf(json, sizeof json, "{" MAIL ", 'content': 'x', 'priority': %s}", WORDS[i]);
            s_pack_text(json, &raw);
            assert_int_equal(nm_record_decode(&nm_request_shape, &request, nm_buf_bytes(&raw), NULL, ""), NM_OK);
            assert_int_equal(request.priority, i);
            nm_buf_free(&raw);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_ordinary_requests),
        cmocka_unit_test(takes_the_older_names),
        cmocka_unit_test(wants_exactly_one_of_channel_and_channels),
        cmocka_unit_test(a_faulty_field_is_not_missing_as_well),
        cmocka_unit_test(wants_exactly_one_receiver),
        cmocka_unit_test(the_recipient_fits_the_channel),
        cmocka_unit_test(a_template_stands_alone),
        cmocka_unit_test(each_channel_has_something_to_say),
        cmocka_unit_test(parts_go_with_their_channel_only),
        cmocka_unit_test(a_text_message_has_at_most_1600_characters),
        cmocka_unit_test(every_address_of_an_email_is_one),
        cmocka_unit_test(cc_and_bcc_are_counted_together),
        cmocka_unit_test(a_large_message_goes_to_few),
        cmocka_unit_test(own_headers_are_few_and_harmless),
        cmocka_unit_test(own_headers_can_be_built),
        cmocka_unit_test(own_headers_are_at_most_20),
        cmocka_unit_test(attachments_are_named_typed_and_base64),
        cmocka_unit_test(attachments_have_7_mib_together),
        cmocka_unit_test(push_data_are_texts),
        cmocka_unit_test(an_end_lies_in_the_future_and_after_the_start),
        cmocka_unit_test(a_typing_error_is_not_a_lost_option),
        cmocka_unit_test(pointers_begin_where_the_caller_says),
        cmocka_unit_test(every_text_may_be_as_long_as_promised_and_no_longer),
        cmocka_unit_test(every_number_ends_where_promised),
        cmocka_unit_test(null_is_as_if_it_were_not_there),
        cmocka_unit_test(words_of_a_priority_are_its_numbers),
    };
    return cmocka_run_group_tests_name("wire/request", tests, NULL, NULL);
}
