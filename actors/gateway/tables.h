/*  tables - what a gateway keeps on disk.
 *
 *      notes        notification id                    -> nm_note_t, status and history
 *      contents     notification id                    -> the request as it came; unfinished ones only
 *      by_service   service, notification id           -> nothing; lists walk it
 *      by_user      service, user, notification id     -> nothing; lists of one user walk it
 *      due          time, notification id              -> when a scheduled one starts, when one expires
 *      journal      number of a chunk                  -> events of one turn, for those who follow
 *      journal_marks  time                             -> the chunk that was the first to be written after it
 *      answers      hash of service and key, time      -> first answers, for idempotency; 24 h
 *      moved        hash of service and key, time      -> the gateway that answers for the key now; 26 h
 *      duplicates   hash of service and content, time  -> notification id; one day
 *      facts        name                               -> counts by status, the secret of the hashes, when the store was made
 *      key_uses     service id, key id                 -> when the key was used last, here
 *      copies       notification id                    -> nm_note_t of another gateway's, kept for it
 *      copy_contents  notification id                  -> its request; unfinished ones only
 *      copy_ends    notification id                    -> nothing: no copy of it is taken any more; one day
 *      awaited      notification id                    -> nm_awaited_t: not accepted yet, its copy is being made
 *      recoveries   name of a lost actor               -> nm_recovering_t: how far it is accounted for
 *      suspects     notification id                    -> how it is to be looked into, while that goes on
 *      spent        service id                         -> nm_spent_t: what it used of its limits
 *      received     hash of a recipient, day           -> nm_received_t: what it got; until the day is over
 *      lockouts     number of a set                    -> who sent wrong credentials (lockout.h)
 *
 *  Services and their keys are entries of the book `services`, tokens of `sessions` (actors/accounts/), providers of
 *  the book `providers` (actors/providers/entry.h).
 */
#ifndef NM_GATEWAY_TABLES_H
#define NM_GATEWAY_TABLES_H

#include "lmdb_store/store.h"

extern const nm_table_t nm_notes_table;
extern const nm_table_t nm_contents_table;
extern const nm_table_t nm_by_service_table;
extern const nm_table_t nm_by_user_table;
extern const nm_table_t nm_due_table;
extern const nm_table_t nm_journal_table;
extern const nm_table_t nm_journal_marks_table;
extern const nm_table_t nm_answers_table;
extern const nm_table_t nm_duplicates_table;
extern const nm_table_t nm_facts_table;
extern const nm_table_t nm_moved_table;
extern const nm_table_t nm_copies_table;
extern const nm_table_t nm_copy_contents_table;
extern const nm_table_t nm_copy_ends_table;
extern const nm_table_t nm_awaited_table;
extern const nm_table_t nm_recoveries_table;
extern const nm_table_t nm_suspects_table;
extern const nm_table_t nm_spent_table;
extern const nm_table_t nm_received_table;

enum { NM_GATEWAY_TABLE_COUNT = 21 };
extern const nm_table_t *const nm_gateway_tables[NM_GATEWAY_TABLE_COUNT];

#endif
