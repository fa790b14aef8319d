/*  deliveries - what a channel actor has on disk of each delivery.
 *
 *  The content is written once, as it came. Beside it stands its progress, small, written
 *  at each step: attempts so far, tries used, when it is due. Both are sealed: they hold
 *  addresses and a provider's words. They go together when the delivery has ended.
 *
 *  No trace of an ended delivery is kept: custody sees to it that mail is taken in once.
 */
#ifndef NM_DELIVERIES_H
#define NM_DELIVERIES_H

#include "actors/channel/slots.h"
#include "lmdb_store/store.h"
#include "wire/records.h"

extern const nm_table_t nm_deliveries_content_table;
extern const nm_table_t nm_deliveries_progress_table;
extern const nm_table_t nm_deliveries_cancelled_table;

#define NM_PROGRESS_FIELDS(F, R)                                                                                     \
    F(R, 1, created_at, TIME, 0, MUST, NULL, "When the notification was accepted")                                   \
    F(R, 2, priority, ENUM, 0, MUST, &nm_priority_words, "How urgent")                                               \
    F(R, 3, channel, ENUM, 0, MUST, &nm_channel_words, "Over which channel")                                         \
    F(R, 4, order, UINT, UINT32_MAX, MUST, NULL, "Order of the last event")                                          \
    F(R, 5, tries, UINT, UINT32_MAX, MUST, NULL, "Failed tries that count")                                          \
    F(R, 6, crashes, UINT, UINT32_MAX, MUST, NULL, "Attempts in a row that ended with the process")                  \
    F(R, 7, calling, BOOL, 0, MUST, NULL, "The last attempt is under way")                                           \
    F(R, 8, boot, UINT, UINT64_MAX, MUST, NULL, "In which process")                                                  \
    F(R, 9, attempt_count, UINT, 1000000, MUST, NULL, "Number of the last attempt")                                  \
    F(R, 10, attempts, RECORDS, NM_ATTEMPT_COUNT, MUST, &nm_attempt_shape, "The first and the latest of them")       \
    F(R, 11, due_at, TIME, 0, MUST, NULL, "Not before")                                                              \
    F(R, 12, expires_at, TIME, 0, MAY, NULL, "Not after")                                                            \
    F(R, 13, provider, LINE, NM_NAME_MAX, MAY, NULL, "The one that was asked for")                                   \
    F(R, 14, at_most_once, BOOL, 0, MAY, NULL, "Rather park than risk sending twice")                                \
    F(R, 15, service, ID, 0, MAY, NULL, "The tenant; some providers serve only some")                                \
    F(R, 16, wait_ms, UINT, INT64_MAX, MAY, NULL, "How far off due_at was when it was set, whatever the clock does") \
    F(R, 17, came_at, TIME, 0, MAY, NULL, "When this actor took it in")
NM_RECORD_DECLARE(progress, NM_PROGRESS_FIELDS);

//  Adds content and progress of a new delivery.
nm_rc_t nm_deliveries_add(nm_txn_t *txn, const nm_delivery_key_t *key, nm_bytes_t content,
                          const nm_progress_t *progress);

//  Read one, as views into the transaction. NM_ERR_CORRUPT if what is there cannot be decoded.
nm_rc_t nm_deliveries_get_progress(nm_txn_t *txn, const nm_delivery_key_t *key, nm_progress_t *progress);
nm_rc_t nm_deliveries_get_content(nm_txn_t *txn, const nm_delivery_key_t *key, nm_bytes_t *content);

nm_rc_t nm_deliveries_put_progress(nm_txn_t *txn, const nm_delivery_key_t *key, const nm_progress_t *progress);

//  Removes content and progress.
nm_rc_t nm_deliveries_remove(nm_txn_t *txn, const nm_delivery_key_t *key);

//  Walks all of them, or those of one notification if it is not NULL: calls visit for each,
//  which may not write, and stops at its first result that is not NM_OK.
typedef nm_rc_t(nm_deliveries_fn)(void *arg, const nm_delivery_key_t *key, const nm_progress_t *progress);
nm_rc_t nm_deliveries_each(nm_txn_t *txn, const nm_id_t *notification, nm_deliveries_fn *visit, void *arg);

//  -- The list of attempts in a progress record

//  Adds an attempt, or replaces the last one. The new list is made in the transaction's
//  scratch memory. When the list is full the second oldest goes.
void nm_progress_add_attempt(nm_txn_t *txn, nm_progress_t *progress, const nm_attempt_t *attempt);
void nm_progress_end_attempt(nm_txn_t *txn, nm_progress_t *progress, const nm_attempt_t *attempt);

//  The first and the last attempt, raw; false if there is none.
bool nm_progress_first_attempt(const nm_progress_t *progress, nm_bytes_t *raw);
bool nm_progress_last_attempt(const nm_progress_t *progress, nm_bytes_t *raw);

//  -- Notifications that were cancelled while a delivery may still be on its way here

//  Remembers it for a day, for deliveries up to that generation.
nm_rc_t nm_cancelled_put(nm_txn_t *txn, const nm_id_t *notification, uint32_t generation, int64_t now_ms);
bool nm_cancelled_has(nm_txn_t *txn, const nm_delivery_key_t *key);

#endif
