/*  lockout - who sent too many wrong credentials waits: NM_LOCKOUT_WRONG within two hours, and the rest of them is 429.
 *
 *  Counted by service and client address together, and by client address alone, so that no outsider can lock a tenant
 *  out. A right credential resets the pair; while locked, a right one is refused too. The address is what a bridge says
 *  of its client (an IPv6 one by its /64), or where the connection to the door comes from; where that cannot be known,
 *  as over ipc, the CURVE key, of which anybody can make another.
 *
 *  This is the table of one gateway, which knows nothing of others; guesses.h has all gateways count as one.
 *
 *  A table of a fixed size: an attacker with many addresses makes it forget whoever failed least and longest ago, never
 *  grow. What is counted stands under keyed hashes. Who has just been locked out is written down at once, the rest
 *  once a minute: a restart forgets at most the last minute of those who were not locked yet.
 */
#ifndef NM_LOCKOUT_H
#define NM_LOCKOUT_H

#include "broker/role.h"

enum {
    NM_LOCKOUT_WRONG = 20,
    NM_LOCKOUT_SETS = 512,  //  ... of
    NM_LOCKOUT_WAYS = 16,   //  places each
    NM_LOCKOUT_KEY_SIZE = 32,
    NM_LOCKOUT_ID_SIZE = 12,
    NM_LOCKOUT_ADDRESS_MAX = 1 + NM_CURVE_KEY_SIZE,
    NM_LOCKOUT_SERVICE_MAX = 64,
};
static const int64_t NM_LOCKOUT_MS = INT64_C(7200000);

typedef struct {
    uint8_t id[NM_LOCKOUT_ID_SIZE];
    uint32_t count;    //  0: the place is free
    int64_t start_ms;  //  Of the first wrong one
} nm_lockout_place_t;

typedef struct {
    uint8_t key[NM_LOCKOUT_KEY_SIZE];
    nm_lockout_place_t (*sets)[NM_LOCKOUT_WAYS];
    bool changed[NM_LOCKOUT_SETS];  //  Since it was written down
    bool urgent;                    //  Somebody has just been locked out
    size_t taken;                   //  Places that are not free: with none, nobody need be looked for
} nm_lockout_t;

//  A client that tries one service. A value: what it is made of lies in it.
typedef struct {
    uint8_t address[NM_LOCKOUT_ADDRESS_MAX];  //  Of which kind it is, then as much as that kind has
    size_t address_size;
    uint8_t service[NM_LOCKOUT_SERVICE_MAX];  //  An id, or what a sign-in names: any bytes, or none
    size_t service_size;
} nm_lockout_who_t;

//  How often one was wrong, and for how long since the first time.
typedef struct {
    uint32_t count;
    int64_t age_ms;
} nm_lockout_tries_t;

typedef struct {
    nm_lockout_tries_t pair;
    nm_lockout_tries_t address;
} nm_lockout_score_t;

extern const nm_table_t nm_lockouts_table;  //  number of a set -> its places

void nm_lockout_init(nm_lockout_t *self);
void nm_lockout_free(nm_lockout_t *self);

//  key: the secret of the store's hashes.
nm_rc_t nm_lockout_load(nm_lockout_t *self, nm_txn_t *txn, const uint8_t key[NM_LOCKOUT_KEY_SIZE]);

//  Writes down what was changed if somebody has just been locked out.
nm_rc_t nm_lockout_save(nm_lockout_t *self, nm_txn_t *txn);

//  Frees places whose time is over, and writes down all that was changed.
nm_rc_t nm_lockout_tidy(nm_lockout_t *self, nm_txn_t *txn, int64_t now_ms);

//  Who sent this ask. What is too long of the service does not count.
nm_lockout_who_t nm_lockout_who(const nm_ask_in_t *ask, nm_bytes_t service);

//  How long this one still waits; 0: it is not locked out.
int64_t nm_lockout_left_ms(const nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms);

//  How many wait now. Looks at every place.
size_t nm_lockout_count(const nm_lockout_t *self, int64_t now_ms);

void nm_lockout_wrong(nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms);
bool nm_lockout_right(nm_lockout_t *self, const nm_lockout_who_t *who);  //  True: something was reset

//  What stands against this one; and what does elsewhere, which counts here where it is more.
nm_lockout_score_t nm_lockout_score(const nm_lockout_t *self, const nm_lockout_who_t *who, int64_t now_ms);
void nm_lockout_learn(nm_lockout_t *self, const nm_lockout_who_t *who, const nm_lockout_score_t *score, int64_t now_ms);

#endif
