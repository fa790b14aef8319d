//  What comes to a lobby or in the news from a desk, with every signature taken for good, so that the code behind the
//  checks sees hostile bytes too: what one takes in must come out again, and another take it.
#include "fuzz.h"

#include "broker/gossip.h"

#define START_MS INT64_C(1795233591123)

static const nm_now_t NOW = { START_MS, 1 };

static bool
s_believe(const uint8_t signature[64], nm_bytes_t text, const uint8_t key[NM_SIGN_PUBLIC_SIZE])
{
    (void) signature;
    (void) text;
    (void) key;
    return true;
}

static void
s_take(nm_gossip_t *gossip, nm_bytes_t bytes)
{
    nm_signed_t member;
    nm_taken_t taken;
    nm_known_t known;
    if (nm_record_decode(&nm_signed_shape, &member, bytes, NULL, "") != NM_OK ||
        nm_gossip_take(gossip, &member, NOW, &taken, NULL) != NM_OK)
        return;
    PROMISE(nm_gossip_find(gossip, taken.name, &known));
    PROMISE(nm_gossip_take(gossip, &member, NOW, &taken, NULL) == NM_ERR_DUPLICATE);
}

static void
s_hear(nm_gossip_t *gossip, nm_bytes_t bytes)
{
    nm_statement_t statement;
    nm_stated_t stated;
    if (nm_record_decode(&nm_statement_shape, &statement, bytes, NULL, "") != NM_OK ||
        nm_gossip_hear(gossip, &statement, NOW, &stated) != NM_OK)
        return;
    nm_buf_t text = { 0 };
    nm_stated_write(&stated, &text);
    PROMISE(nm_bytes_equal(nm_buf_bytes(&text), statement.text));
    PROMISE(nm_gossip_hear(gossip, &statement, NOW, NULL) == NM_ERR_DUPLICATE);
    nm_buf_free(&text);
}

static void
s_each(nm_gossip_t *gossip, bool there, nm_bytes_t raw, void (*fn)(nm_gossip_t *, nm_bytes_t))
{
    nm_list_t list;
    nm_bytes_t item;
    if (!there)
        return;
    PROMISE(nm_list_open(&list, raw) == NM_OK);
    while (nm_list_next(&list, &item) == NM_OK)
        fn(gossip, item);
}

static void
s_try_news(nm_gossip_t *gossip, nm_bytes_t bytes)
{
    nm_updates_t news;
    nm_buf_t out = { 0 };
    if (nm_record_decode(&nm_updates_shape, &news, bytes, NULL, "") != NM_OK)
        return;
    s_each(gossip, NM_HAS(&news, updates, members), news.members, s_take);
    s_each(gossip, NM_HAS(&news, updates, statements), news.statements, s_hear);
    if (nm_gossip_write_wanted(gossip, &news, &out))
        PROMISE(nm_record_decode(&nm_updates_shape, &news, nm_buf_bytes(&out), NULL, "") == NM_OK);
    nm_buf_free(&out);
}

//  What it knows now, another must be able to take.
static void
s_pass_on(nm_gossip_t *gossip)
{
    static const uint8_t AUTHORITY[NM_SIGN_PUBLIC_SIZE] = { 0 };
    nm_gossip_t *other = nm_gossip_new(AUTHORITY, 0, s_believe);
    nm_buf_t sync = { 0 }, answer = { 0 };
    nm_sync_t asked;
    nm_updates_t news;
    nm_gossip_write_sync(other, &sync);
    PROMISE(nm_record_decode(&nm_sync_shape, &asked, nm_buf_bytes(&sync), NULL, "") == NM_OK);
    PROMISE(nm_gossip_answer(gossip, &asked, &answer) == NM_OK);
    PROMISE(nm_record_decode(&nm_updates_shape, &news, nm_buf_bytes(&answer), NULL, "") == NM_OK);
    s_try_news(other, nm_buf_bytes(&answer));
    PROMISE(nm_gossip_count(other) == nm_gossip_count(gossip));
    nm_gossip_destroy(&other);
    nm_buf_free(&sync);
    nm_buf_free(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    static const uint8_t AUTHORITY[NM_SIGN_PUBLIC_SIZE] = { 0 };
    nm_bytes_t bytes = nm_bytes(at, size);
    nm_gossip_t *gossip = nm_gossip_new(AUTHORITY, 0, s_believe);
    nm_stated_t stated;
    nm_knock_t knock;
    nm_sync_t sync;
    nm_buf_t out = { 0 };
    nm_stated_read(bytes, &stated);
    s_take(gossip, bytes);
    s_hear(gossip, bytes);
    s_try_news(gossip, bytes);
    if (nm_record_decode(&nm_knock_shape, &knock, bytes, NULL, "") == NM_OK)
        s_take(gossip, knock.member);
    if (nm_record_decode(&nm_sync_shape, &sync, bytes, NULL, "") == NM_OK)
        nm_gossip_answer(gossip, &sync, &out);
    s_pass_on(gossip);
    nm_gossip_destroy(&gossip);
    nm_buf_free(&out);
    return 0;
}
