/*  hashing - argon2id of passwords, on the worker: it takes tens of milliseconds and 19 MiB each time.
 *
 *  NM_HASHING_MAX run at once, so that whoever sends many passwords cannot take the machine's memory; the
 *  others wait their turn (waits.h).
 */
#ifndef NM_HASHING_H
#define NM_HASHING_H

#include "actors/user/people.h"
#include "broker/effect.h"

enum { NM_HASHING_MAX = 2 };

typedef enum { NM_HASHING_NONE, NM_HASHING_MAKE, NM_HASHING_VERIFY } nm_hashing_kind_t;

//  What is to be done, and what came of it.
typedef struct {
    nm_hashing_kind_t kind;
    char password[NM_PASSWORD_MAX + 1];
    size_t size;
    char hash[NM_PASSWORD_HASH_SIZE + 1];   //  VERIFY: to compare with, then the one that it is of; MAKE: the result
    char other[NM_PASSWORD_HASH_SIZE + 1];  //  VERIFY: to compare with as well; empty: none
    bool right;                             //  VERIFY: it is one of those passwords
} nm_hashing_t;

//  Sets it up. hash NULL: of nobody; it costs the same and is never right.
void nm_hashing_make(nm_hashing_t *self, nm_bytes_t password);
void nm_hashing_verify(nm_hashing_t *self, nm_bytes_t password, const nm_bytes_t *hash);
void nm_hashing_verify_also(nm_hashing_t *self, const nm_bytes_t *hash);
void nm_hashing_forget(nm_hashing_t *self);

//  The effect that does it, and taking over its result.
nm_effect_t *nm_hashing_effect(const nm_hashing_t *self, uint64_t token);
void nm_hashing_take(nm_hashing_t *self, const nm_result_t *result);

#endif
