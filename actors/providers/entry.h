/*  entry - a provider as the book of providers has it, and the ZPL tree that a driver reads.
 *
 *  The mesh file's providers count until the first change is made through the mesh. With that change its owner puts
 *  all of them into the book; from then on the book counts, everywhere, and the part `providers` of the mesh file is
 *  no longer looked at.
 *
 *  Secrets stand in config, and nowhere but in the book: a table that is sealed on every disk. Of a provider that
 *  came from the mesh file, config may still name the file that holds one; each actor then reads its own.
 */
#ifndef NM_PROVIDER_ENTRY_H
#define NM_PROVIDER_ENTRY_H

#include "actors/providers/provider.h"
#include "lmdb_store/store.h"

#define NM_PROVIDERS_BOOK "providers"

#define NM_PROVIDER_ENTRY_FIELDS(F, R)                                                              \
    F(R, 1, name, LINE, NM_NAME_MAX, MUST, NULL, "Its name")                                        \
    F(R, 2, kind, LINE, NM_NAME_MAX, MUST, NULL, "Its driver")                                      \
    F(R, 3, channels, LINES, NM_CHANNEL_COUNT, MAY, NULL, "What it sends over; absent: all it can") \
    F(R, 4, is_active, BOOL, 0, MUST, NULL, "It is used")                                           \
    F(R, 5, priority, UINT, 1000000, MUST, NULL, "The lowest goes first")                           \
    F(R, 6, config, MAP, NM_PROVIDER_CONFIG_MAX, MUST, NULL, "The driver's settings, secrets too")  \
    F(R, 7, services, LINES, NM_PROVIDER_SERVICE_MAX, MAY, NULL, "Only for these; absent: for all") \
    F(R, 8, created_at, TIME, 0, MUST, NULL, "When it was made")                                    \
    F(R, 9, updated_at, TIME, 0, MUST, NULL, "When it was changed last")
NM_RECORD_DECLARE(provider_entry, NM_PROVIDER_ENTRY_FIELDS);

//  Does the book count, or still the mesh file?
nm_rc_t nm_provider_book_counts(nm_txn_t *txn, bool *counts);

//  The tree of an entry; faults in it have JSON pointers for places. NULL: config has what is no setting; error has
//  pointer and reason. to_check: files are not named, so that a tree can be checked where they are not.
nm_zpl_t *nm_provider_entry_tree(const nm_provider_entry_t *entry, bool to_check, nm_error_t *error);

//  An entry of a provider of the mesh file. What it points to is the node's, or in out.
void nm_provider_entry_from(const nm_zpl_t *node, int64_t now_ms, nm_provider_entry_t *entry, nm_buf_t *out);

//  Is this setting a secret of the driver, or the file that holds one? driver may be NULL.
bool nm_provider_is_secret(const nm_driver_t *driver, nm_bytes_t setting);
bool nm_provider_is_secret_file(const nm_driver_t *driver, nm_bytes_t setting);

#endif
