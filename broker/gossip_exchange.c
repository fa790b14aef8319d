//  gossip_exchange - how two that know different things even out: digests, answers to them, and news.

#include "broker/gossip_private.h"
#include "wire/writer.h"

enum { STAMP_SIZE = NM_DIGEST_ENTRY_SIZE - NM_DIGEST_HASH_SIZE };

static void
s_write_digest(const nm_gossip_t *self, nm_buf_t *out)
{
    for (size_t i = 0; i < self->count; i++) {
        uint8_t stamp[8];
        nm_put_u64(stamp, (uint64_t) self->entries[i]->stamp_ms);
        nm_buf_add(out, self->entries[i]->hash, NM_DIGEST_HASH_SIZE);
        nm_buf_add(out, stamp + sizeof stamp - STAMP_SIZE, STAMP_SIZE);
    }
}

void
nm_gossip_write_sync(const nm_gossip_t *self, nm_buf_t *out)
{
    nm_sync_t sync = { 0 };
    nm_buf_t digest = { 0 };
    uint8_t buckets[NM_BUCKET_COUNT * NM_BUCKET_SIZE];
    s_write_digest(self, &digest);
    nm_statements_digest(self->statements, buckets);
    NM_PUT(&sync, sync, digest, nm_buf_bytes(&digest));
    NM_PUT(&sync, sync, buckets, nm_bytes(buckets, sizeof buckets));
    nm_record_encode(&nm_sync_shape, &sync, NM_BY_TAG, out);
    nm_buf_free(&digest);
}

//  The parts of a news record while it is made.
typedef struct {
    nm_buf_t members;
    size_t members_mark;
    size_t member_count;
    nm_buf_t statements;
    size_t statements_mark;
    size_t statement_count;
    nm_buf_t wanted;
    uint8_t buckets[NM_BUCKET_COUNT];
    size_t bucket_count;
    bool more;
} draft_t;

static void
s_open_draft(draft_t *draft)
{
    *draft = (draft_t){ 0 };
    draft->members_mark = nm_writer_list_open(&draft->members);
    draft->statements_mark = nm_writer_list_open(&draft->statements);
}

static void
s_add_member(draft_t *draft, const nm_gossip_entry_t *entry)
{
    nm_signed_t member = nm_gossip_signed(entry);
    if (draft->member_count == NM_NEWS_COUNT) {
        draft->more = true;
        return;
    }
    nm_record_encode(&nm_signed_shape, &member, NM_BY_TAG, &draft->members);
    draft->member_count++;
}

//  Packs what there is. False if that is nothing.
static bool
s_close_draft(draft_t *draft, nm_buf_t *out)
{
    nm_updates_t news = { 0 };
    nm_writer_list_close(&draft->members, draft->members_mark, draft->member_count);
    nm_writer_list_close(&draft->statements, draft->statements_mark, draft->statement_count);
    if (draft->member_count)
        NM_PUT(&news, updates, members, nm_buf_bytes(&draft->members));
    if (draft->statement_count)
        NM_PUT(&news, updates, statements, nm_buf_bytes(&draft->statements));
    if (draft->wanted.size)
        NM_PUT(&news, updates, wanted, nm_buf_bytes(&draft->wanted));
    if (draft->bucket_count)
        NM_PUT(&news, updates, buckets, nm_bytes(draft->buckets, draft->bucket_count));
    if (draft->more)
        NM_PUT(&news, updates, more, true);
    bool any = news.has != 0;
    if (any)
        nm_record_encode(&nm_updates_shape, &news, NM_BY_TAG, out);
    nm_buf_free(&draft->members);
    nm_buf_free(&draft->statements);
    nm_buf_free(&draft->wanted);
    return any;
}

static int64_t
s_digest_stamp(const uint8_t *entry)
{
    uint8_t stamp[8] = { 0 };
    memcpy(stamp + sizeof stamp - STAMP_SIZE, entry + NM_DIGEST_HASH_SIZE, STAMP_SIZE);
    return (int64_t) nm_get_u64(stamp);
}

//  Each hash once, rising.
static bool
s_is_digest(nm_bytes_t digest)
{
    if (digest.size % NM_DIGEST_ENTRY_SIZE)
        return false;
    for (size_t i = NM_DIGEST_ENTRY_SIZE; i < digest.size; i += NM_DIGEST_ENTRY_SIZE)
        if (memcmp(digest.at + i - NM_DIGEST_ENTRY_SIZE, digest.at + i, NM_DIGEST_HASH_SIZE) >= 0)
            return false;
    return true;
}

//  Where the hash stands in a digest, or NULL.
static const uint8_t *
s_digest_find(nm_bytes_t digest, const uint8_t hash[NM_DIGEST_HASH_SIZE])
{
    size_t low = 0, high = digest.size / NM_DIGEST_ENTRY_SIZE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *at = digest.at + middle * NM_DIGEST_ENTRY_SIZE;
        int order = memcmp(at, hash, NM_DIGEST_HASH_SIZE);
        if (order == 0)
            return at;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

//  What the asker does not have, or has older. Begins where the last answer ended, so that everybody's turn comes.
static void
s_answer_members(nm_gossip_t *self, nm_bytes_t digest, draft_t *draft)
{
    size_t start = self->next < self->count ? self->next : 0;
    for (size_t i = 0; i < self->count && !draft->more; i++) {
        size_t at = (start + i) % self->count;
        const nm_gossip_entry_t *entry = self->entries[at];
        const uint8_t *theirs = s_digest_find(digest, entry->hash);
        if (theirs && s_digest_stamp(theirs) >= entry->stamp_ms)
            continue;
        s_add_member(draft, entry);
        self->next = at + !draft->more;
    }
}

static void
s_answer_wanted(const nm_gossip_t *self, nm_bytes_t digest, draft_t *draft)
{
    for (const uint8_t *at = digest.at; at < digest.at + digest.size; at += NM_DIGEST_ENTRY_SIZE) {
        const nm_gossip_entry_t *entry = nm_gossip_entry_at(self, nm_gossip_place(self, at), at);
        if (!entry || entry->stamp_ms < s_digest_stamp(at))
            nm_buf_add(&draft->wanted, at, NM_DIGEST_HASH_SIZE);
    }
}

static void
s_answer_statements(nm_gossip_t *self, nm_bytes_t theirs, draft_t *draft)
{
    uint8_t ours[NM_BUCKET_COUNT * NM_BUCKET_SIZE];
    bool heaps[NM_BUCKET_COUNT] = { false };
    nm_statements_digest(self->statements, ours);
    for (size_t i = 0; i < NM_BUCKET_COUNT; i++)
        if (memcmp(ours + i * NM_BUCKET_SIZE, theirs.at + i * NM_BUCKET_SIZE, NM_BUCKET_SIZE) != 0) {
            heaps[i] = true;
            draft->buckets[draft->bucket_count++] = (uint8_t) i;
        }
    if (draft->bucket_count)
        draft->statement_count = nm_statements_write(self->statements, heaps, &draft->statements);
}

nm_rc_t
nm_gossip_answer(nm_gossip_t *self, const nm_sync_t *sync, nm_buf_t *out)
{
    draft_t draft;
    if (!s_is_digest(sync->digest) || sync->buckets.size != NM_BUCKET_COUNT * NM_BUCKET_SIZE)
        return NM_ERR_MALFORMED;
    s_open_draft(&draft);
    s_answer_members(self, sync->digest, &draft);
    s_answer_wanted(self, sync->digest, &draft);
    s_answer_statements(self, sync->buckets, &draft);
    if (!s_close_draft(&draft, out))
        nm_writer_map(out, 0);
    return NM_OK;
}

bool
nm_gossip_write_wanted(nm_gossip_t *self, const nm_updates_t *answer, nm_buf_t *out)
{
    draft_t draft;
    s_open_draft(&draft);
    nm_bytes_t wanted = NM_HAS(answer, updates, wanted) ? answer->wanted : nm_bytes(NULL, 0);
    for (size_t i = 0; i + NM_DIGEST_HASH_SIZE <= wanted.size; i += NM_DIGEST_HASH_SIZE) {
        const nm_gossip_entry_t *entry = nm_gossip_entry_at(self, nm_gossip_place(self, wanted.at + i), wanted.at + i);
        if (entry)
            s_add_member(&draft, entry);
    }
    bool heaps[NM_BUCKET_COUNT] = { false };
    for (size_t i = 0; NM_HAS(answer, updates, buckets) && i < answer->buckets.size; i++)
        heaps[answer->buckets.at[i] % NM_BUCKET_COUNT] = true;
    if (NM_HAS(answer, updates, buckets))
        draft.statement_count = nm_statements_write(self->statements, heaps, &draft.statements);
    draft.more = false;  //  The next sync sees to the rest
    return s_close_draft(&draft, out);
}

bool
nm_gossip_write_news(nm_gossip_t *self, nm_buf_t *out)
{
    draft_t draft;
    s_open_draft(&draft);
    for (size_t i = 0; i < self->count && self->untold && draft.member_count < NM_NEWS_COUNT; i++) {
        nm_gossip_entry_t *entry = self->entries[i];
        if (!entry->untold)
            continue;
        s_add_member(&draft, entry);
        entry->untold = false;
        self->untold--;
    }
    draft.statement_count = nm_statements_write_news(self->statements, &draft.statements);
    return s_close_draft(&draft, out);
}

bool
nm_gossip_has_news(const nm_gossip_t *self)
{
    return self->untold || nm_statements_has_news(self->statements);
}

nm_rc_t
nm_gossip_write_own(const nm_gossip_t *self, nm_buf_t *out)
{
    const nm_gossip_entry_t *entry = self->own[0] ? nm_gossip_entry(self, self->own) : NULL;
    if (!entry)
        return NM_ERR_MISSING;
    nm_signed_t member = nm_gossip_signed(entry);
    nm_record_encode(&nm_signed_shape, &member, NM_BY_TAG, out);
    return NM_OK;
}
