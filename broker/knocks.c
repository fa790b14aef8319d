#include "broker/knocks.h"

#include <sodium.h>

void
nm_knocks_init(nm_knocks_t *self)
{
    *self = (nm_knocks_t){ .all = 0 };
    randombytes_buf(self->salt, sizeof self->salt);
}

//  Counts up the place of these bytes, until it is full.
static bool
s_count(uint8_t *places, const uint8_t salt[crypto_shorthash_KEYBYTES], nm_bytes_t bytes)
{
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, bytes.at, bytes.size, salt);
    uint8_t *place = &places[nm_get_u64(hash) % NM_KNOCKS_PLACES];
    if (*place >= NM_KNOCKS_OF_ONE)
        return false;
    (*place)++;
    return true;
}

bool
nm_knocks_add(nm_knocks_t *self, nm_bytes_t key, nm_bytes_t address, int64_t now_ms)
{
    if (now_ms - self->second_ms >= 1000 || now_ms < self->second_ms) {
        memset(self->keys, 0, sizeof self->keys);
        memset(self->addresses, 0, sizeof self->addresses);
        self->second_ms = now_ms;
        self->all = 0;
    }
    bool allowed = s_count(self->keys, self->salt, key) && s_count(self->addresses, self->salt, address) &&
                   self->all < NM_KNOCKS_OF_ALL;
    self->all += allowed;
    return allowed;
}
