#include "actors/gateway/lockout.h"

#include <arpa/inet.h>
#include <sodium.h>

enum { PLACE_SIZE = NM_LOCKOUT_ID_SIZE + 4 + 8, SET_SIZE = NM_LOCKOUT_WAYS * PLACE_SIZE };

const nm_table_t nm_lockouts_table = { NM_TABLE_ROLE + 24, false, "lockouts" };

void
nm_lockout_init(nm_lockout_t *self)
{
    *self = (nm_lockout_t){ .sets = nm_alloc(NM_LOCKOUT_SETS * sizeof *self->sets) };
}

void
nm_lockout_free(nm_lockout_t *self)
{
    free(self->sets);
    self->sets = NULL;
}

//  -- Who it is

static size_t
s_key(const nm_ask_in_t *ask, uint8_t out[NM_LOCKOUT_ADDRESS_MAX])
{
    out[0] = 'k';
    memcpy(out + 1, ask->client_key, NM_CURVE_KEY_SIZE);
    return 1 + NM_CURVE_KEY_SIZE;
}

//  The first byte tells of which kind the rest is.
static size_t
s_address(const nm_ask_in_t *ask, uint8_t out[NM_LOCKOUT_ADDRESS_MAX])
{
    static const uint8_t MAPPED[12] = { [10] = 0xff, [11] = 0xff };
    char text[INET6_ADDRSTRLEN];
    uint8_t raw[16];
    bool bridged = ask->role == NM_ROLE_BRIDGE;
    nm_bytes_to_text(bridged ? ask->headers.client_address : nm_text(ask->address), text, sizeof text);
    text[strcspn(text, "%")] = 0;  //  The interface of a link-local one
    if (inet_pton(AF_INET6, text, raw) == 1 && memcmp(raw, MAPPED, sizeof MAPPED) != 0) {
        out[0] = '6';
        memcpy(out + 1, raw, 8);
        return 1 + 8;
    }
    if (inet_pton(AF_INET6, text, raw) == 1)
        memmove(raw, raw + sizeof MAPPED, 4);
    else if (inet_pton(AF_INET, text, raw) != 1 && !bridged)
        return s_key(ask, out);
    else if (inet_pton(AF_INET, text, raw) != 1)
        memset(raw, 0, 4);  //  A bridge that does not say: all its clients are one
    out[0] = '4';
    memcpy(out + 1, raw, 4);
    return 1 + 4;
}

nm_lockout_who_t
nm_lockout_who(const nm_ask_in_t *ask, nm_bytes_t service)
{
    nm_lockout_who_t who = { .address_size = 0 };
    who.address_size = s_address(ask, who.address);
    who.service_size = service.size < sizeof who.service ? service.size : sizeof who.service;
    if (who.service_size)
        memcpy(who.service, service.at, who.service_size);
    return who;
}

//  What one is counted under, by the key of this store: an address alone, or with a service.
typedef struct {
    uint8_t at[NM_LOCKOUT_ID_SIZE];
} subject_t;

static subject_t
s_id(const nm_lockout_t *self, const nm_lockout_who_t *who, nm_bytes_t service)
{
    uint8_t text[NM_LOCKOUT_ADDRESS_MAX + NM_LOCKOUT_SERVICE_MAX], hash[crypto_generichash_BYTES_MIN];
    subject_t id;
    memcpy(text, who->address, who->address_size);
    if (service.size)
        memcpy(text + who->address_size, service.at, service.size);
    crypto_generichash(hash, sizeof hash, text, who->address_size + service.size, self->key, sizeof self->key);
    memcpy(id.at, hash, sizeof id.at);
    return id;
}

static subject_t
s_address_id(const nm_lockout_t *self, const nm_lockout_who_t *who)
{
    return s_id(self, who, nm_bytes(NULL, 0));
}

static subject_t
s_pair_id(const nm_lockout_t *self, const nm_lockout_who_t *who)
{
    return s_id(self, who, who->service_size ? nm_bytes(who->service, who->service_size) : nm_text("?"));
}

//  -- The table

static size_t
s_set(const uint8_t id[NM_LOCKOUT_ID_SIZE])
{
    return (((size_t) id[0] << 8) | id[1]) % NM_LOCKOUT_SETS;
}

static nm_lockout_place_t *
s_find(const nm_lockout_t *self, subject_t id)
{
    nm_lockout_place_t *places = self->sets[s_set(id.at)];
    for (size_t i = 0; i < NM_LOCKOUT_WAYS; i++)
        if (places[i].count && memcmp(places[i].id, id.at, NM_LOCKOUT_ID_SIZE) == 0)
            return &places[i];
    return NULL;
}

static bool
s_is_over(const nm_lockout_place_t *place, int64_t now_ms)
{
    return now_ms - place->start_ms >= NM_LOCKOUT_MS || now_ms < place->start_ms;
}

//  A free place, else that of the one who failed least, and longest ago among those.
static nm_lockout_place_t *
s_make_room(const nm_lockout_t *self, subject_t id, int64_t now_ms)
{
    nm_lockout_place_t *places = self->sets[s_set(id.at)], *least = &places[0];
    for (size_t i = 0; i < NM_LOCKOUT_WAYS; i++) {
        nm_lockout_place_t *place = &places[i];
        if (!place->count || s_is_over(place, now_ms))
            return place;
        if (place->count < least->count || (place->count == least->count && place->start_ms < least->start_ms))
            least = place;
    }
    return least;
}

static bool
s_is_locked(const nm_lockout_place_t *place, int64_t now_ms)
{
    return place->count >= NM_LOCKOUT_WRONG && !s_is_over(place, now_ms);
}

static int64_t
s_left_ms(const nm_lockout_t *self, subject_t id, int64_t now_ms)
{
    const nm_lockout_place_t *place = s_find(self, id);
    return place && s_is_locked(place, now_ms) ? place->start_ms + NM_LOCKOUT_MS - now_ms : 0;
}

int64_t
nm_lockout_left_ms(const nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms)
{
    int64_t pair_ms = s_left_ms(self, s_pair_id(self, who), now_ms);
    int64_t address_ms = s_left_ms(self, s_address_id(self, who), now_ms);
    return pair_ms > address_ms ? pair_ms : address_ms;
}

//  Where this one is counted: at 0, since now, if it was not or its time is over.
static nm_lockout_place_t *
s_open(nm_lockout_t *self, subject_t id, int64_t now_ms)
{
    nm_lockout_place_t *place = s_find(self, id);
    if (place && !s_is_over(place, now_ms))
        return place;
    if (!place)
        place = s_make_room(self, id, now_ms);
    self->taken -= place->count != 0;
    *place = (nm_lockout_place_t){ .start_ms = now_ms };
    memcpy(place->id, id.at, NM_LOCKOUT_ID_SIZE);
    return place;
}

static void
s_set_count(nm_lockout_t *self, nm_lockout_place_t *place, uint32_t count)
{
    self->taken += !place->count;
    self->urgent |= place->count < NM_LOCKOUT_WRONG && count >= NM_LOCKOUT_WRONG;
    place->count = count;
    self->changed[s_set(place->id)] = true;
}

static void
s_count(nm_lockout_t *self, subject_t id, int64_t now_ms)
{
    nm_lockout_place_t *place = s_open(self, id, now_ms);
    s_set_count(self, place, place->count + 1);
}

size_t
nm_lockout_count(const nm_lockout_t *self, int64_t now_ms)
{
    size_t count = 0;
    for (size_t i = 0; self->taken && i < NM_LOCKOUT_SETS; i++)
        for (size_t k = 0; k < NM_LOCKOUT_WAYS; k++)
            count += s_is_locked(&self->sets[i][k], now_ms);
    return count;
}

void
nm_lockout_wrong(nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms)
{
    s_count(self, s_pair_id(self, who), now_ms);
    s_count(self, s_address_id(self, who), now_ms);
}

bool
nm_lockout_right(nm_lockout_t *self, const nm_lockout_who_t *who)
{
    subject_t id = s_pair_id(self, who);
    nm_lockout_place_t *place = s_find(self, id);
    if (!place)
        return false;
    *place = (nm_lockout_place_t){ .count = 0 };
    self->taken--;
    self->changed[s_set(id.at)] = true;
    return true;
}

//  -- What several gateways know

static nm_lockout_tries_t
s_tries(const nm_lockout_t *self, subject_t id, int64_t now_ms)
{
    const nm_lockout_place_t *place = s_find(self, id);
    if (!place || s_is_over(place, now_ms))
        return (nm_lockout_tries_t){ 0 };
    return (nm_lockout_tries_t){ place->count, now_ms - place->start_ms };
}

nm_lockout_score_t
nm_lockout_score(const nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms)
{
    return (nm_lockout_score_t){ .pair = s_tries(self, s_pair_id(self, who), now_ms),
                                 .address = s_tries(self, s_address_id(self, who), now_ms) };
}

static void
s_learn(nm_lockout_t *self, subject_t id, const nm_lockout_tries_t *tries, int64_t now_ms)
{
    if (tries->count <= s_tries(self, id, now_ms).count || tries->age_ms < 0 || tries->age_ms >= NM_LOCKOUT_MS)
        return;
    nm_lockout_place_t *place = s_open(self, id, now_ms);
    place->start_ms = now_ms - tries->age_ms;
    s_set_count(self, place, tries->count);
}

void
nm_lockout_learn(nm_lockout_t *self, const nm_lockout_who_t *who, const nm_lockout_score_t *score, int64_t now_ms)
{
    s_learn(self, s_pair_id(self, who), &score->pair, now_ms);
    s_learn(self, s_address_id(self, who), &score->address, now_ms);
}

//  -- On disk

static nm_rc_t
s_read(nm_lockout_place_t places[NM_LOCKOUT_WAYS], nm_bytes_t value)
{
    if (value.size != SET_SIZE)
        return NM_ERR_CORRUPT;
    for (size_t i = 0; i < NM_LOCKOUT_WAYS; i++) {
        const uint8_t *at = value.at + i * PLACE_SIZE;
        memcpy(places[i].id, at, NM_LOCKOUT_ID_SIZE);
        places[i].count = nm_get_u32(at + NM_LOCKOUT_ID_SIZE);
        places[i].start_ms = (int64_t) nm_get_u64(at + NM_LOCKOUT_ID_SIZE + 4);
    }
    return NM_OK;
}

static void
s_write(const nm_lockout_place_t places[NM_LOCKOUT_WAYS], uint8_t out[SET_SIZE])
{
    for (size_t i = 0; i < NM_LOCKOUT_WAYS; i++) {
        uint8_t *at = out + i * PLACE_SIZE;
        memcpy(at, places[i].id, NM_LOCKOUT_ID_SIZE);
        nm_put_u32(at + NM_LOCKOUT_ID_SIZE, places[i].count);
        nm_put_u64(at + NM_LOCKOUT_ID_SIZE + 4, (uint64_t) places[i].start_ms);
    }
}

nm_rc_t
nm_lockout_load(nm_lockout_t *self, nm_txn_t *txn, const uint8_t key[NM_LOCKOUT_KEY_SIZE])
{
    nm_cursor_t cursor;
    nm_bytes_t number, value;
    nm_rc_t rc;
    memcpy(self->key, key, sizeof self->key);
    memset(self->sets, 0, NM_LOCKOUT_SETS * sizeof *self->sets);
    memset(self->changed, 0, sizeof self->changed);
    self->urgent = false;
    self->taken = 0;
    nm_cursor_open(&cursor, txn, &nm_lockouts_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &number, &value)) == NM_OK) {
        size_t set = number.size == 4 ? nm_get_u32(number.at) : NM_LOCKOUT_SETS;
        rc = set < NM_LOCKOUT_SETS ? s_read(self->sets[set], value) : NM_ERR_CORRUPT;
        for (size_t i = 0; rc == NM_OK && i < NM_LOCKOUT_WAYS; i++)
            self->taken += self->sets[set][i].count != 0;
        if (rc != NM_OK)
            break;
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_save(nm_lockout_t *self, nm_txn_t *txn)
{
    nm_rc_t rc = NM_OK;
    self->urgent = false;
    for (uint32_t set = 0; rc == NM_OK && set < NM_LOCKOUT_SETS; set++) {
        uint8_t number[4], value[SET_SIZE];
        if (!self->changed[set])
            continue;
        self->changed[set] = false;
        nm_put_u32(number, set);
        s_write(self->sets[set], value);
        rc = nm_table_put(txn, &nm_lockouts_table, nm_bytes(number, sizeof number), nm_bytes(value, sizeof value));
    }
    return rc;
}

nm_rc_t
nm_lockout_save(nm_lockout_t *self, nm_txn_t *txn)
{
    return self->urgent ? s_save(self, txn) : NM_OK;
}

nm_rc_t
nm_lockout_tidy(nm_lockout_t *self, nm_txn_t *txn, int64_t now_ms)
{
    for (size_t set = 0; self->taken && set < NM_LOCKOUT_SETS; set++)
        for (size_t i = 0; i < NM_LOCKOUT_WAYS; i++) {
            nm_lockout_place_t *place = &self->sets[set][i];
            if (!place->count || !s_is_over(place, now_ms))
                continue;
            *place = (nm_lockout_place_t){ .count = 0 };
            self->taken--;
            self->changed[set] = true;
        }
    return s_save(self, txn);
}
