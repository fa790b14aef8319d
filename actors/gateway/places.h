/*  places - the lists that notifications stand in: that of their service, and that of their user.
 *
 *  A place is a key that ends with the id, so a walk of one list sees the notifications of that service or user alone,
 *  in the order of time. Places are put and deleted in the transaction that puts or deletes the note.
 *
 *  Stores of before have no lists by user. They are filled little by little; until then lists_by_user is
 *  false, and what is asked of one user is picked from the list of the service.
 */
#ifndef NM_PLACES_H
#define NM_PLACES_H

#include "actors/gateway/notes.h"

nm_rc_t nm_places_put(nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note);
nm_rc_t nm_places_delete(nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note);

//  Opens a walk from below `before` down: of the service, if it is not NULL of the user alone.
void nm_places_walk(nm_cursor_t *cursor, nm_txn_t *txn, const nm_id_t *service, const nm_id_t *user,
                    const nm_id_t *before);

//  Finds out whether the lists by user are whole.
nm_rc_t nm_places_load(struct nm_gateway *self, nm_txn_t *txn);

//  Fills them a bounded step further; again: there is more.
nm_rc_t nm_places_fill(struct nm_gateway *self, nm_txn_t *txn, bool *again);

#endif
