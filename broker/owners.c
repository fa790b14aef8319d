#include "broker/owners.h"

#include <sodium.h>
#include <stdlib.h>

#include "wire/limits.h"

//  Answers are kept a day; certificates begin an hour before they are issued.
static const int64_t YOUNG_MS = INT64_C(25) * 3600 * 1000;

typedef struct {
    const nm_peer_t *peer;
    uint64_t weight;
} ranked_t;

static void
s_point(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key, uint8_t point[crypto_shorthash_KEYBYTES])
{
    uint8_t text[NM_ID_SIZE + NM_IDEMPOTENCY_MAX];
    size_t size = key.size < NM_IDEMPOTENCY_MAX ? key.size : NM_IDEMPOTENCY_MAX;
    memcpy(text, service->at, NM_ID_SIZE);
    memcpy(text + NM_ID_SIZE, key.at, size);
    crypto_generichash(point, crypto_shorthash_KEYBYTES, text, NM_ID_SIZE + size, self->authority, NM_SIGN_PUBLIC_SIZE);
}

static uint64_t
s_weight(const uint8_t point[crypto_shorthash_KEYBYTES], uint16_t number)
{
    uint8_t text[8], weight[crypto_shorthash_BYTES];
    nm_put_u64(text, number);
    crypto_shorthash(weight, text, sizeof text, point);
    return nm_get_u64(weight);
}

//  All gateways that are not gone for good, with their weights, in the order of the roster.
static size_t
s_weigh(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key, ranked_t ranked[NM_OWNERS_MAX])
{
    uint8_t point[crypto_shorthash_KEYBYTES];
    const nm_peer_t *peers[NM_OWNERS_MAX];
    size_t count = nm_directory_list(self->directory, NM_ROLE_GATEWAY, peers, NM_OWNERS_MAX);
    if (count > NM_OWNERS_MAX)
        count = NM_OWNERS_MAX;
    s_point(self, service, key, point);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!peers[i]->forgotten)
            ranked[kept++] = (ranked_t){ peers[i], s_weight(point, peers[i]->actor.number) };
    return kept;
}

static bool
s_is_heavier(const ranked_t *a, const ranked_t *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->peer->actor.number < b->peer->actor.number;
}

static int
s_compare(const void *a, const void *b)
{
    return s_is_heavier(a, b) ? -1 : 1;
}

uint16_t
nm_owners_find(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key)
{
    const nm_peer_t *only[2];
    if (nm_directory_list(self->directory, NM_ROLE_GATEWAY, only, NM_COUNT(only)) < 2)
        return self->self;
    ranked_t ranked[NM_OWNERS_MAX];
    size_t count = s_weigh(self, service, key, ranked), best = 0;
    if (!count)
        return self->self;
    for (size_t i = 1; i < count; i++)
        if (s_is_heavier(&ranked[i], &ranked[best]))
            best = i;
    return ranked[best].peer->actor.number;
}

const nm_peer_t *
nm_owners_among(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key, const nm_peer_t *const *others,
                size_t count)
{
    uint8_t point[crypto_shorthash_KEYBYTES];
    s_point(self, service, key, point);
    uint16_t best_number = self->self;
    uint64_t best_weight = s_weight(point, self->self);
    const nm_peer_t *best = NULL;
    for (size_t i = 0; i < count; i++) {
        uint16_t number = others[i]->actor.number;
        uint64_t weight = s_weight(point, number);
        if (weight < best_weight || (weight == best_weight && number > best_number))
            continue;
        best = others[i];
        best_weight = weight;
        best_number = number;
    }
    return best;
}

static bool
s_is_young(int64_t since_ms, int64_t now_ms)
{
    return now_ms - since_ms < YOUNG_MS;
}

//  Whoever is heavier than a gateway that was there all the time was not there at some time; what
//  is lighter than that one owned nothing. A gateway whose certificate begins in the same moment as
//  ours was founded with us and never stood in for us.
size_t
nm_owners_before(const nm_owners_t *self, const nm_id_t *service, nm_bytes_t key, int64_t now_ms,
                 const nm_peer_t **peers, size_t max)
{
    const nm_peer_t *own = nm_directory_gateway(self->directory, self->self);
    int64_t own_ms = own ? own->cert.not_before_ms : 0;
    if (!s_is_young(self->born_ms, now_ms))
        return 0;
    ranked_t ranked[NM_OWNERS_MAX];
    size_t found = 0, count = s_weigh(self, service, key, ranked);
    qsort(ranked, count, sizeof *ranked, s_compare);
    for (size_t i = 0; i < count && found < max; i++) {
        const nm_peer_t *peer = ranked[i].peer;
        if (peer->actor.number == self->self)
            continue;
        if (peer->cert.not_before_ms != own_ms)
            peers[found++] = peer;
        if (!s_is_young(peer->cert.not_before_ms, now_ms))
            break;
    }
    return found;
}
