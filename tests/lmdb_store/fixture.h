/*  fixture - what the tests of lmdb_store/ share: a folder of their own, two tables,
 *  and one-line reads and writes.
 */
#ifndef NM_STORE_FIXTURE_H
#define NM_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lmdb_store/store.h"

extern const nm_table_t fx_plain;        //  Number 40, hashed
extern const nm_table_t fx_sealed;       //  Number 41, sealed
extern const nm_store_key_t fx_keys[3];  //  Numbers 7, 8 and 9

typedef struct {
    char folder[64];  //  Made by mkdtemp, removed by fx_teardown
    char path[80];    //  The store in it
    nm_store_config_t config;
    nm_store_t *store;
} fx_t;

//  For cmocka: *state becomes an fx_t with an open store that does not sync.
int fx_setup(void **state);
int fx_teardown(void **state);

//  fx_open fails the test if the store is refused; fx_refused if it is not, or if
//  the sentence does not contain part.
void fx_open(fx_t *self);
void fx_close(fx_t *self);
void fx_refused(fx_t *self, const char *part);

//  Each in a transaction of its own.
nm_rc_t fx_put(fx_t *self, const nm_table_t *table, const char *key, const char *value);
nm_rc_t fx_get(fx_t *self, const nm_table_t *table, const char *key, char *value, size_t size);
nm_rc_t fx_delete(fx_t *self, const nm_table_t *table, const char *key);
void fx_has(fx_t *self, const nm_table_t *table, const char *key, const char *value);

//  Runs fn in a forked child without core dumps and with stderr in error_path (NULL:
//  dropped). Returns the wait status; a child that hangs ends by SIGALRM.
int fx_child(void (*fn)(void *arg), void *arg, const char *error_path);

//  "folder/name" in a buffer that the next call but three reuses.
const char *fx_file(const fx_t *self, const char *name);
long fx_file_size(const char *path);
uint8_t *fx_read_file(const char *path, size_t *size);
void fx_write_file(const char *path, const void *at, size_t size);

#endif
