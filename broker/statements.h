/*  statements - the word of the mesh's authority about its actors: revoked, forgotten. For ever.
 *
 *  The pure half: a set that only grows, looked up by certificate and by name, compared with
 *  another's heap by heap. A statement is a text that the authority signed:
 *
 *      nmesh-statement-1\nrevoke\n{name}\n{serial}\n{at}\n
 *      nmesh-statement-1\nforget\n{name}\n{at}\n{store id, or -}\n
 *
 *  with times as RFC 3339. Revoke: the certificate with that serial is dead. Forget: the actor and
 *  its disk are gone for good; every certificate of the name whose not-before is not after `at` is
 *  dead, and mail of that store is fenced.
 */
#ifndef NM_STATEMENTS_H
#define NM_STATEMENTS_H

#include "broker/cert.h"
#include "broker/now.h"
#include "wire/members.h"

enum {
    NM_CHECK_RATE = 500,    //  Signatures that are checked in a second ...
    NM_CHECK_BURST = 4000,  //  ... and how many may be saved up
};

typedef bool(nm_verify_fn)(const uint8_t signature[64], nm_bytes_t text, const uint8_t key[NM_SIGN_PUBLIC_SIZE]);

//  Signature checks at a bounded rate. {0} is ready.
typedef struct {
    nm_verify_fn *verify;  //  NULL: Ed25519. A simulation of many actors puts a cheaper one here
    int64_t filled_ms;     //  Monotonic
    double left;
    uint64_t count;  //  Made so far
} nm_checks_t;

//  NM_ERR_BUSY: no more in this moment. NM_ERR_REFUSED: it is not signed by that key.
nm_rc_t nm_checks_run(nm_checks_t *self, const uint8_t signature[64], nm_bytes_t text,
                      const uint8_t key[NM_SIGN_PUBLIC_SIZE], int64_t mono_ms);

typedef enum { NM_STATED_REVOKE, NM_STATED_FORGET } nm_stated_kind_t;

//  A statement, read.
typedef struct {
    nm_stated_kind_t kind;
    char name[NM_NAME_MAX + 1];
    char serial[33];  //  REVOKE
    int64_t at_ms;
    bool has_store;  //  FORGET
    nm_id_t store;
} nm_stated_t;

//  Reads the text. NM_ERR_MALFORMED: it is not exactly what write gives.
nm_rc_t nm_stated_read(nm_bytes_t text, nm_stated_t *stated);
void nm_stated_write(const nm_stated_t *stated, nm_buf_t *text);

typedef struct nm_statements nm_statements_t;

nm_statements_t *nm_statements_new(const uint8_t authority[NM_SIGN_PUBLIC_SIZE]);
void nm_statements_destroy(nm_statements_t **self_p);

//  NM_OK: taken, and stated (may be NULL) says what. NM_ERR_DUPLICATE: known. NM_ERR_MALFORMED, NM_ERR_REFUSED:
//  not believed. NM_ERR_BUSY: too many at once. NM_ERR_FULL: there are too many.
nm_rc_t nm_statements_take(nm_statements_t *self, const nm_statement_t *statement, nm_checks_t *checks, int64_t mono_ms,
                           nm_stated_t *stated);

size_t nm_statements_count(const nm_statements_t *self);

//  Is this certificate dead? error may be NULL and gets the sentence.
bool nm_statements_kill(const nm_statements_t *self, const nm_cert_t *cert, nm_error_t *error);

//  The latest forget of a name; false if there is none.
bool nm_statements_forgotten(const nm_statements_t *self, const char *name, nm_stated_t *stated);

//  The same for all names, one after the other: at begins with 0. False when there is none left.
bool nm_statements_next_forgotten(const nm_statements_t *self, size_t *at, nm_stated_t *stated);

//  -- Comparing. Statements lie in NM_BUCKET_COUNT heaps by their hash; a heap is known by all its hashes, xored.
void nm_statements_digest(const nm_statements_t *self, uint8_t out[NM_BUCKET_COUNT * NM_BUCKET_SIZE]);

//  Packs those of the heaps that are marked, at most NM_NEWS_COUNT, beginning at a place that moves on from call to
//  call; returns how many.
size_t nm_statements_write(nm_statements_t *self, const bool heaps[NM_BUCKET_COUNT], nm_buf_t *out);

//  Packs those about one name, at most max; returns how many.
size_t nm_statements_write_of(const nm_statements_t *self, const char *name, size_t max, nm_buf_t *out);

//  Packs those that were not told yet, at most NM_NEWS_COUNT, and counts them as told; returns how many.
size_t nm_statements_write_news(nm_statements_t *self, nm_buf_t *out);
bool nm_statements_has_news(const nm_statements_t *self);

//  -- Saving. fn gets each that was not saved yet: a key and a value for a table.
typedef nm_rc_t(nm_save_fn)(void *arg, nm_bytes_t key, nm_bytes_t value);
nm_rc_t nm_statements_save(nm_statements_t *self, nm_save_fn *fn, void *arg);
void nm_statements_saved(nm_statements_t *self);  //  What save gave is on disk
nm_rc_t nm_statements_load(nm_statements_t *self, nm_bytes_t value);

#endif
