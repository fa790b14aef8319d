/*  unreached - work that names a user of whom it is not known yet where he is reached.
 *
 *  What a router has on disk of it until the user actor has answered: the work as it came, sealed, and beside it a
 *  small row that tells what to ask. Rows stand by notification, and so by the time of acceptance; a number keeps
 *  apart what came twice (work that is sent again after a loss may meet the first). A third table has them by
 *  the time at which they expire.
 */
#ifndef NM_UNREACHED_H
#define NM_UNREACHED_H

#include "lmdb_store/store.h"
#include "wire/records.h"

extern const nm_table_t nm_unreached_table;       //  notification, number -> unreached
extern const nm_table_t nm_unreached_work_table;  //  the same -> work
extern const nm_table_t nm_unreached_ends_table;  //  expires_at, notification, number -> nothing

#define NM_UNREACHED_FIELDS(F, R)                                            \
    F(R, 1, service, ID, 0, MUST, NULL, "The tenant")                        \
    F(R, 2, user, ID, 0, MUST, NULL, "Whom it is for")                       \
    F(R, 3, expires_at, TIME, 0, MAY, NULL, "When nobody wants it any more") \
    F(R, 4, skip, BIN, 32, MAY, NULL, "As in the work")
NM_RECORD_DECLARE(unreached, NM_UNREACHED_FIELDS);

typedef struct {
    nm_id_t notification;
    uint64_t number;
} nm_unreached_key_t;

nm_rc_t nm_unreached_add(nm_txn_t *txn, const nm_id_t *notification, const nm_unreached_t *row, nm_bytes_t work);

//  Takes it out; work (may be NULL) is valid until the transaction ends. NM_ERR_MISSING: it is not there any more.
nm_rc_t nm_unreached_take(nm_txn_t *txn, const nm_unreached_key_t *key, nm_bytes_t *work);

//  Walks the rows behind a key (NULL: all of them), or those of one notification. Nothing may be added or taken
//  meanwhile. NM_ERR_MISSING at the end.
void nm_unreached_open(nm_cursor_t *cursor, nm_txn_t *txn, const nm_unreached_key_t *after);
void nm_unreached_open_of(nm_cursor_t *cursor, nm_txn_t *txn, const nm_id_t *notification);
nm_rc_t nm_unreached_next(nm_cursor_t *cursor, nm_unreached_key_t *key, nm_unreached_t *row);

//  The one that expires first, and when. NM_ERR_MISSING: none ever does.
nm_rc_t nm_unreached_first_end(nm_txn_t *txn, nm_unreached_key_t *key, int64_t *at_ms);

#endif
