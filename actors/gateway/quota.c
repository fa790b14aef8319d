#include "actors/gateway/quota.h"

#include <ctype.h>

#include "actors/gateway/ops.h"
#include "actors/gateway/tables.h"
#include "lmdb_store/key.h"
#include "lmdb_store/queue.h"
#include "wire/reader.h"
#include "wire/writer.h"

NM_RECORD_DEFINE(spent, NM_SPENT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(received, NM_RECEIVED_FIELDS, NULL, 0);

static const int64_t LOOK_MS = 100;   //  How often the other gateways are looked at
static const int64_t STAY_MS = 5000;  //  How long one that is away keeps its share
static const int64_t DRY_MS = 1000;   //  How long those who had nothing to lend are not asked again
static const double THOUSANDTHS = 1000;

#define NM_LOAN_FIELDS(F, R) F(R, 1, count, UINT, UINT32_MAX, MUST, NULL, "How many are asked for, or lent")
NM_RECORD_DECLARE(loan, NM_LOAN_FIELDS);
NM_RECORD_DEFINE(loan, NM_LOAN_FIELDS, NULL, 0);

//  -- What a service used

void
nm_quota_free(nm_quota_t *self)
{
    free(self->purses);
    free(self->sharers);
    *self = (nm_quota_t){ 0 };
}

void
nm_quota_undo(nm_quota_t *self)
{
    self->purse_count = 0;
}

static size_t
s_place(const nm_quota_t *self, const nm_id_t *service)
{
    size_t low = 0, high = self->purse_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(self->purses[middle].service.at, service->at, NM_ID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

//  The clock may have been set back since it was stored: what was used then was used by now, and comes back from now on.
static nm_rc_t
s_load_purse(nm_txn_t *txn, const nm_id_t *service, int64_t now_ms, nm_purse_t *purse)
{
    nm_spent_t spent;
    nm_bytes_t value;
    *purse = (nm_purse_t){ .service = *service };
    nm_rc_t rc = nm_table_get(txn, &nm_spent_table, nm_bytes(service->at, NM_ID_SIZE), &value);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (nm_record_decode(&nm_spent_shape, &spent, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    uint64_t today = (uint64_t) (now_ms / NM_DAY_MS);
    purse->minute = (nm_bucket_t){ (double) spent.tokens / THOUSANDTHS, spent.at < now_ms ? spent.at : now_ms };
    purse->day = (nm_count_t){ spent.day < today ? spent.day : today, spent.used };
    return NM_OK;
}

static nm_rc_t
s_find_purse(nm_quota_t *self, nm_txn_t *txn, const nm_id_t *service, int64_t now_ms, nm_purse_t **purse)
{
    size_t at = s_place(self, service);
    nm_rc_t rc = NM_OK;
    if (at == self->purse_count || !nm_id_equal(&self->purses[at].service, service)) {
        nm_purse_t loaded;
        rc = s_load_purse(txn, service, now_ms, &loaded);
        if (self->purse_count == self->purse_room) {
            self->purse_room = self->purse_room ? self->purse_room * 2 : 16;
            self->purses = nm_realloc(self->purses, self->purse_room * sizeof *self->purses);
        }
        memmove(self->purses + at + 1, self->purses + at, (self->purse_count++ - at) * sizeof *self->purses);
        self->purses[at] = loaded;
    }
    *purse = &self->purses[at];
    return rc;
}

nm_rc_t
nm_quota_forget(nm_quota_t *self, nm_txn_t *txn, const nm_id_t *service)
{
    size_t at = s_place(self, service);
    if (at < self->purse_count && nm_id_equal(&self->purses[at].service, service)) {
        self->purse_count--;
        memmove(self->purses + at, self->purses + at + 1, (self->purse_count - at) * sizeof *self->purses);
    }
    nm_rc_t rc = nm_table_delete(txn, &nm_spent_table, nm_bytes(service->at, NM_ID_SIZE));
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

nm_rc_t
nm_quota_flush(nm_gateway_t *gateway, nm_txn_t *txn)
{
    nm_quota_t *self = &gateway->quota;
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < self->purse_count; i++) {
        nm_purse_t *purse = &self->purses[i];
        nm_spent_t spent = { .has = 0 };
        if (!purse->changed)
            continue;
        purse->changed = false;
        NM_PUT(&spent, spent, tokens, purse->minute.tokens > 0 ? (uint64_t) (purse->minute.tokens * THOUSANDTHS) : 0);
        NM_PUT(&spent, spent, at, purse->minute.at_ms);
        NM_PUT(&spent, spent, day, purse->day.span);
        NM_PUT(&spent, spent, used, purse->day.used);
        nm_buf_clear(&gateway->note);
        nm_record_encode(&nm_spent_shape, &spent, NM_BY_TAG, &gateway->note);
        rc = nm_table_put(txn, &nm_spent_table, nm_bytes(purse->service.at, NM_ID_SIZE), nm_buf_bytes(&gateway->note));
    }
    return rc;
}

//  -- Shares

static nm_sharer_t *
s_sharer(nm_quota_t *self, uint16_t number, int64_t now_ms)
{
    for (size_t i = 0; i < self->sharer_count; i++)
        if (self->sharers[i].number == number)
            return &self->sharers[i];
    if (self->sharer_count == self->sharer_room) {
        self->sharer_room = self->sharer_room ? self->sharer_room * 2 : 4;
        self->sharers = nm_realloc(self->sharers, self->sharer_room * sizeof *self->sharers);
    }
    //  One that we have just heard of, or all of them at our start, may be letting something through now.
    nm_sharer_t *sharer = &self->sharers[self->sharer_count++];
    *sharer = (nm_sharer_t){ number, now_ms };
    return sharer;
}

static void
s_look(nm_gateway_t *gateway, nm_turn_t *turn)
{
    nm_quota_t *self = &gateway->quota;
    const nm_peer_t *peers[NM_OWNERS_MAX];
    int64_t now_ms = nm_turn_now(turn);
    if (self->looked_ms && now_ms - self->looked_ms < LOOK_MS)
        return;
    self->looked_ms = now_ms;
    self->share = (nm_share_t){ .count = 1 };
    size_t count = nm_directory_list(gateway->directory, NM_ROLE_GATEWAY, peers, NM_OWNERS_MAX);
    for (size_t i = 0; i < count && i < NM_OWNERS_MAX; i++) {
        uint16_t number = peers[i]->actor.number;
        if (number == gateway->number || peers[i]->forgotten)
            continue;
        nm_sharer_t *sharer = s_sharer(self, number, now_ms);
        if (nm_turn_is_alive(turn, peers[i]->actor.name))
            sharer->seen_ms = now_ms;
        if (now_ms - sharer->seen_ms >= STAY_MS)
            continue;
        self->share.count++;
        self->share.rank += number < gateway->number;
    }
}

//  -- Loans

static uint64_t
s_left(nm_quota_use_t *use, int64_t now_ms)
{
    uint64_t left = UINT64_MAX;
    if (use->service->per_minute)
        left = nm_bucket_left(&use->purse->minute, &use->rate, now_ms);
    if (use->service->per_day) {
        uint64_t today = nm_count_left(&use->purse->day, use->per_day, NM_DAY_MS, now_ms);
        left = today < left ? today : left;
    }
    return left;
}

static void
s_spend(nm_quota_use_t *use, uint64_t count)
{
    if (use->service->per_minute)
        nm_bucket_take(&use->purse->minute, count);
    if (use->service->per_day)
        use->purse->day.used += (int64_t) count;
    use->purse->changed = true;
}

//  What others have lent is ours from now on.
static void
s_take_loans(nm_case_t *it)
{
    nm_quota_use_t *use = &it->quota;
    for (size_t i = 0; i < it->errand->question_count; i++) {
        nm_question_t *question = &it->errand->questions[i];
        nm_loan_t loan;
        if (question->about != NM_ABOUT_LOAN || question->is_copy)
            continue;
        use->asked = true;
        if (question->used || question->status != 200 ||
            nm_record_decode(&nm_loan_shape, &loan, nm_errand_body(it->errand, question), NULL, "") != NM_OK)
            continue;
        question->used = true;
        s_left(use, it->now_ms);  //  Brings both up to now
        if (use->service->per_minute)
            nm_bucket_put(&use->purse->minute, loan.count);
        if (use->service->per_day)
            use->purse->day.used -= (int64_t) loan.count;
        use->purse->changed = true;
    }
}

static void
s_pack_loan(nm_gateway_t *gateway, uint64_t count)
{
    nm_loan_t loan = { .has = 0 };
    NM_PUT(&loan, loan, count, count < UINT32_MAX ? count : UINT32_MAX);
    nm_buf_clear(&gateway->body);
    nm_record_encode(&nm_loan_shape, &loan, NM_BY_NAME, &gateway->body);
}

//  Asks all that are there for so many together, and for some more, so that not each one costs a question. NM_ERR_MISSING:
//  there is nobody to ask.
static nm_rc_t
s_borrow(nm_case_t *it, uint64_t missing)
{
    const char *names[NM_OWNERS_MAX];
    nm_quota_use_t *use = &it->quota;
    if (use->asked || use->purse->dry_until_ms > it->now_ms)
        return NM_ERR_MISSING;
    size_t count = nm_turn_alive(it->turn, NM_ROLE_GATEWAY, names, NM_OWNERS_MAX);
    if (!count)
        return NM_ERR_MISSING;
    nm_errand_t *errand = nm_errands_open(it);
    if (!errand)
        return NM_ERR_BUSY;  //  It is answered
    uint64_t some = use->service->per_minute ? (uint64_t) use->rate.burst / 16 : 0;
    nm_ask_headers_t headers = nm_forwards_headers(it);
    s_pack_loan(it->gateway, (missing + some + count - 1) / count);
    for (size_t i = 0; i < count; i++)
        nm_errands_put(it, errand, NM_ABOUT_LOAN, nm_directory_find(it->gateway->directory, names[i]), "limits.lend",
                       &headers, nm_buf_bytes(&it->gateway->body));
    return NM_ERR_BUSY;
}

nm_rc_t
nm_op_lend(nm_case_t *it)
{
    nm_loan_t loan;
    if (!nm_case_is_passed_on(it))
        return nm_answer_problem(&it->answer, 403, NULL, "Only a gateway may ask this.");
    if (nm_case_decode(it, &nm_loan_shape, &loan, false) != NM_OK)
        return NM_OK;
    nm_rc_t rc = nm_quota_open(it);
    if (rc != NM_OK)
        return rc;
    uint64_t lent = it->quota.service ? s_left(&it->quota, it->now_ms) : 0;
    lent = loan.count < lent ? loan.count : lent;
    if (lent)
        s_spend(&it->quota, lent);
    s_pack_loan(it->gateway, lent);
    it->quota = (nm_quota_use_t){ 0 };  //  The answer is not for a client
    return nm_answer(&it->answer, 200, nm_buf_bytes(&it->gateway->body));
}

//  -- One ask

nm_rc_t
nm_quota_open(nm_case_t *it)
{
    nm_gateway_t *gateway = it->gateway;
    nm_quota_use_t *use = &it->quota;
    const nm_tenant_t *tenant = it->who.admin ? NULL : nm_services_find(&gateway->services, &it->who.service);
    *use = (nm_quota_use_t){ 0 };
    if (!tenant)
        return NM_OK;
    const nm_allowance_t *service = tenant->has_limits ? &tenant->allowance : &gateway->quota.otherwise;
    const nm_allowance_t *recipients = tenant->has_recipient_limits ? &tenant->allowance : &gateway->quota.otherwise;
    if (recipients->recipient_per_hour || recipients->recipient_per_day)
        use->recipients = recipients;
    if (!service->per_minute && !service->per_day)
        return NM_OK;
    s_look(gateway, it->turn);
    use->service = service;
    use->rate = nm_rate_make(service->per_minute, service->burst, gateway->quota.share);
    use->per_day = nm_share_of(service->per_day, gateway->quota.share);
    nm_rc_t rc = s_find_purse(&gateway->quota, it->txn, &it->who.service, it->now_ms, &use->purse);
    if (rc == NM_OK && it->errand)
        s_take_loans(it);
    return rc;
}

static nm_quota_refusal_t
s_refuse_service(const nm_quota_use_t *use, int64_t now_ms)
{
    nm_count_t day = use->purse->day;
    if (use->service->per_day && !nm_count_left(&day, use->per_day, NM_DAY_MS, now_ms))
        return (nm_quota_refusal_t){ "day", "The service has had all that its limit for a day allows.",
                                     nm_count_wait_ms(NM_DAY_MS, now_ms) };
    return (nm_quota_refusal_t){ "minute", "The service asks more often than its limit for a minute allows.",
                                 nm_bucket_wait_ms(&use->purse->minute, &use->rate) };
}

//  NM_OK: there is room for one at least.
static nm_rc_t
s_check_service(nm_case_t *it, uint64_t count, nm_quota_refusal_t *why)
{
    nm_quota_use_t *use = &it->quota;
    uint64_t left = s_left(use, it->now_ms);
    if (left >= count)
        return NM_OK;
    if (s_borrow(it, count - left) == NM_ERR_BUSY)
        return NM_ERR_BUSY;
    *why = s_refuse_service(use, it->now_ms);
    if (use->asked)
        use->purse->dry_until_ms = it->now_ms + (why->wait_ms < DRY_MS ? why->wait_ms : DRY_MS);
    return left ? NM_OK : NM_ERR_REFUSED;
}

nm_rc_t
nm_quota_prepare(nm_case_t *it, uint64_t count, nm_quota_refusal_t *why)
{
    nm_rc_t rc = it->quota.service ? s_check_service(it, count, why) : NM_OK;
    it->quota.asked = true;
    return rc;
}

//  -- Recipients

//  The case of letters does not make two addresses of one.
static void
s_hash_recipient(nm_case_t *it, nm_channel_t channel, nm_bytes_t address, uint8_t place[NM_FINGERPRINT_SIZE])
{
    uint8_t lower[NM_ADDRESS_MAX];
    nm_fingerprint_t print;
    if (channel == NM_CHANNEL_EMAIL && address.size <= sizeof lower) {
        for (size_t i = 0; i < address.size; i++)
            lower[i] = (uint8_t) tolower(address.at[i]);
        address.at = lower;
    }
    nm_fingerprint_start(&print, it->gateway->secret);
    nm_fingerprint_bytes(&print, nm_text("recipient"));
    nm_fingerprint_bytes(&print, nm_bytes(it->who.service.at, NM_ID_SIZE));
    nm_fingerprint_number(&print, channel);
    nm_fingerprint_bytes(&print, address);
    nm_fingerprint_end(&print, place);
}

static nm_key_t
s_received_key(const nm_quota_use_t *use, int64_t now_ms)
{
    nm_key_t key = { .size = 0 };
    nm_key_bytes(&key, nm_bytes(use->place, sizeof use->place));
    nm_key_u32(&key, (uint32_t) (now_ms / NM_DAY_MS));
    return key;
}

static nm_rc_t
s_load_received(nm_case_t *it)
{
    nm_quota_use_t *use = &it->quota;
    nm_received_t received;
    nm_bytes_t value;
    nm_key_t key = s_received_key(use, it->now_ms);
    use->hour_used = use->day_used = (nm_count_t){ 0 };
    nm_rc_t rc = nm_table_get(it->txn, &nm_received_table, nm_key_view(&key), &value);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (nm_record_decode(&nm_received_shape, &received, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    use->hour_used = (nm_count_t){ received.hour, (int64_t) received.in_hour };
    use->day_used = (nm_count_t){ (uint64_t) (it->now_ms / NM_DAY_MS), (int64_t) received.in_day };
    return NM_OK;
}

static nm_rc_t
s_save_received(nm_case_t *it)
{
    nm_quota_use_t *use = &it->quota;
    nm_received_t received = { .has = 0 };
    nm_key_t key = s_received_key(use, it->now_ms);
    bool first = use->day_used.used == 0;
    nm_count_left(&use->hour_used, 0, NM_HOUR_MS, it->now_ms);
    nm_count_left(&use->day_used, 0, NM_DAY_MS, it->now_ms);
    use->hour_used.used++;
    use->day_used.used++;
    NM_PUT(&received, received, hour, use->hour_used.span);
    NM_PUT(&received, received, in_hour, (uint64_t) use->hour_used.used);
    NM_PUT(&received, received, in_day, (uint64_t) use->day_used.used);
    nm_buf_clear(&it->gateway->note);
    nm_record_encode(&nm_received_shape, &received, NM_BY_TAG, &it->gateway->note);
    nm_rc_t rc = nm_table_put(it->txn, &nm_received_table, nm_key_view(&key), nm_buf_bytes(&it->gateway->note));
    if (rc == NM_OK && first)
        rc = nm_expiry_put(it->txn, &nm_received_table, nm_key_view(&key),
                           it->now_ms + nm_count_wait_ms(NM_DAY_MS, it->now_ms));
    return rc;
}

//  The limit of the two of which less is left; of equals the one that lasts longer.
typedef struct {
    uint64_t limit, left;
    int64_t span_ms;
} tighter_t;

static tighter_t
s_tighter(const nm_quota_use_t *use, int64_t now_ms)
{
    nm_count_t hour = use->hour_used, day = use->day_used;
    const nm_allowance_t *limits = use->recipients;
    tighter_t by_hour = { limits->recipient_per_hour, 0, NM_HOUR_MS };
    tighter_t by_day = { limits->recipient_per_day, 0, NM_DAY_MS };
    by_hour.left = nm_count_left(&hour, by_hour.limit, NM_HOUR_MS, now_ms);
    by_day.left = nm_count_left(&day, by_day.limit, NM_DAY_MS, now_ms);
    if (!by_day.limit)
        return by_hour;
    return !by_hour.limit || by_day.left <= by_hour.left ? by_day : by_hour;
}

static nm_rc_t
s_check_recipient(nm_case_t *it, nm_channel_t channel, nm_bytes_t address, nm_quota_refusal_t *why)
{
    nm_quota_use_t *use = &it->quota;
    s_hash_recipient(it, channel, address, use->place);
    nm_rc_t rc = s_load_received(it);
    if (rc != NM_OK)
        return rc;
    use->has_recipient = true;
    tighter_t tighter = s_tighter(use, it->now_ms);
    if (tighter.left)
        return NM_OK;
    *why = (nm_quota_refusal_t){ "recipient", "The recipient has had all that the limit of the service allows.",
                                 nm_count_wait_ms(tighter.span_ms, it->now_ms) };
    return NM_ERR_REFUSED;
}

nm_rc_t
nm_quota_check(nm_case_t *it, nm_channel_t channel, nm_bytes_t address, nm_quota_refusal_t *why)
{
    nm_rc_t rc = it->quota.recipients ? s_check_recipient(it, channel, address, why) : NM_OK;
    return rc == NM_OK && it->quota.service ? s_check_service(it, 1, why) : rc;
}

nm_rc_t
nm_quota_take(nm_case_t *it)
{
    if (it->quota.service)
        s_spend(&it->quota, 1);
    return it->quota.recipients ? s_save_received(it) : NM_OK;
}

//  -- What answers tell

typedef struct {
    char *policies, *state;
    size_t policies_size, state_size;
} texts_t;

unsigned long long
nm_quota_seconds(int64_t ms)
{
    return ms <= 1000 ? 1 : (unsigned long long) (ms + 999) / 1000;
}

static void
s_add_policy(texts_t *out, const char *name, uint64_t limit, int64_t span_ms)
{
    out->policies_size += (size_t) snprintf(out->policies + out->policies_size, NM_QUOTA_TEXT_SIZE - out->policies_size,
                                            "%s\"%s\";q=%llu;w=%llu", out->policies_size ? ", " : "", name,
                                            (unsigned long long) limit, nm_quota_seconds(span_ms));
}

static void
s_add_state(texts_t *out, const char *name, uint64_t left, int64_t until_ms)
{
    out->state_size +=
        (size_t) snprintf(out->state + out->state_size, NM_QUOTA_TEXT_SIZE - out->state_size, "%s\"%s\";r=%llu;t=%llu",
                          out->state_size ? ", " : "", name, (unsigned long long) left, nm_quota_seconds(until_ms));
}

static void
s_add_service(texts_t *out, const nm_quota_use_t *use, int64_t now_ms)
{
    nm_purse_t purse = *use->purse;
    if (use->service->per_minute) {
        uint64_t left = nm_bucket_left(&purse.minute, &use->rate, now_ms);
        s_add_policy(out, "minute", use->service->per_minute, NM_MINUTE_MS);
        s_add_state(out, "minute", left,
                    left ? nm_bucket_full_ms(&purse.minute, &use->rate) : nm_bucket_wait_ms(&purse.minute, &use->rate));
    }
    if (use->service->per_day) {
        s_add_policy(out, "day", use->service->per_day, NM_DAY_MS);
        s_add_state(out, "day", nm_count_left(&purse.day, use->per_day, NM_DAY_MS, now_ms),
                    nm_count_wait_ms(NM_DAY_MS, now_ms));
    }
}

bool
nm_quota_headers(const nm_quota_use_t *use, int64_t now_ms, char policies[NM_QUOTA_TEXT_SIZE],
                 char state[NM_QUOTA_TEXT_SIZE])
{
    texts_t out = { .policies = policies, .state = state };
    policies[0] = state[0] = 0;
    if (use->service)
        s_add_service(&out, use, now_ms);
    if (use->recipients) {
        tighter_t tighter = s_tighter(use, now_ms);
        s_add_policy(&out, "recipient", tighter.limit, tighter.span_ms);
        if (use->has_recipient)
            s_add_state(&out, "recipient", tighter.left, nm_count_wait_ms(tighter.span_ms, now_ms));
    }
    return policies[0];
}
