/*  show - the record of a notification as clients see it.
 */
#ifndef NM_SHOW_H
#define NM_SHOW_H

#include "actors/gateway/history.h"

//  Packs the record, with attempts and timeline; every key is there, nil where there is nothing.
//  history is scratch.
nm_rc_t nm_show_note(nm_history_t *history, const nm_id_t *id, const nm_note_t *note, nm_buf_t *out);

//  The text of an event for people: its detail, else its reason or due time. Empty if there is none.
nm_bytes_t nm_show_detail(nm_bytes_t detail, const nm_reason_t *reason, const int64_t *due_at, char *room, size_t size);

#endif
