/*  notes - the stored record of a notification: its status, and how it moves.
 *
 *  Everything the gateway knows of a notification but its content is one value. It is
 *  read and written whole: accepting writes it once, each event once.
 *
 *  The status never goes backwards. Deliveries tell it (history.h); of several, while any
 *  is running, the most advanced of those that run; when all have ended, what the first
 *  one, number 0, the To, came to. After a final status only `delivered` and `bounced`
 *  may follow `sent`, and a replay, which opens the next generation, starts over.
 *  Content is deleted with the final status; a dead letter has its own.
 */
#ifndef NM_NOTES_H
#define NM_NOTES_H

#include "broker/turn.h"

struct nm_gateway;

#define NM_NOTE_FIELDS(F, R)                                                                                 \
    F(R, 1, service, ID, 0, MUST, NULL, "The tenant")                                                        \
    F(R, 2, status, ENUM, 0, MUST, &nm_status_words, "Where it stands")                                      \
    F(R, 3, created_at, TIME, 0, MUST, NULL, "When it was accepted: the time in its id")                     \
    F(R, 4, updated_at, TIME, 0, MUST, NULL, "When its status or history changed last")                      \
    F(R, 5, channel, ENUM, 0, MUST, &nm_channel_words, "The first channel")                                  \
    F(R, 6, priority, ENUM, 0, MUST, &nm_priority_words, "How urgent")                                       \
    F(R, 7, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs and webhooks")                   \
    F(R, 8, traceparent, LINE, 64, MAY, NULL, "W3C trace context")                                           \
    F(R, 9, channels, LINES, 8, MAY, NULL, "As asked")                                                       \
    F(R, 10, user_id, ID, 0, MAY, NULL, "As asked")                                                          \
    F(R, 11, recipient, LINE, NM_TOKEN_MAX, MAY, NULL, "As asked; of recipients, that of the first channel") \
    F(R, 12, template, LINE, NM_CODE_MAX, MAY, NULL, "As asked")                                             \
    F(R, 13, template_version, UINT, UINT32_MAX, MAY, NULL, "As asked")                                      \
    F(R, 14, language, LINE, 35, MAY, NULL, "As asked")                                                      \
    F(R, 15, provider, LINE, NM_NAME_MAX, MAY, NULL, "As asked, then whoever tried last")                    \
    F(R, 16, metadata, MAP, NM_METADATA_MAX, MAY, NULL, "As asked")                                          \
    F(R, 17, send_at, TIME, 0, MAY, NULL, "As asked")                                                        \
    F(R, 18, expires_at, TIME, 0, MAY, NULL, "As asked")                                                     \
    F(R, 19, first_chunk, UINT, UINT64_MAX, MUST, NULL, "Where its events begin in the journal")             \
    F(R, 20, generation, UINT, 1000000, MAY, NULL, "The highest that was heard of")                          \
    F(R, 21, deliveries, UINT, 255, MAY, NULL, "How many there are, if more than one")                       \
    F(R, 22, parts, LIST, 256, MAY, NULL, "nm_part_t of each delivery that was heard of")                    \
    F(R, 23, tries, LIST, NM_ATTEMPT_COUNT, MAY, NULL, "nm_try_t, oldest first")                             \
    F(R, 24, steps, LIST, NM_TIMELINE_COUNT, MAY, NULL, "nm_step_t, oldest first")                           \
    F(R, 25, keeper, LINE, NM_NAME_MAX, MAY, NULL, "The gateway that keeps a copy")                          \
    F(R, 26, skip, BIN, 32, MAY, NULL, "When it was sent again: deliveries that were accounted for")         \
    F(R, 27, order, UINT, UINT32_MAX, MAY, NULL, "... orders of events begin above this")                    \
    F(R, 28, earlier, UINT, 1000000, MAY, NULL, "... numbers of attempts begin above this")
NM_RECORD_DECLARE(note, NM_NOTE_FIELDS);

//  Sent, and whatever else comes after `retrying`.
bool nm_status_is_final(nm_status_t status);

//  Where notes stand: those that are ours, and those that we keep for other gateways.
typedef struct {
    const nm_table_t *notes, *contents;
    bool own;  //  Listed, counted, told to those who follow
} nm_shelf_t;
extern const nm_shelf_t nm_own_shelf, nm_copy_shelf;

nm_rc_t nm_shelf_get(const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id, nm_note_t *note);
nm_rc_t nm_shelf_put(struct nm_gateway *self, const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id,
                     const nm_note_t *note);

//  How many of our own have not ended.
uint64_t nm_notes_unfinished(const struct nm_gateway *self);

//  Of our own: NM_ERR_MISSING if there is none. Views live until the transaction ends.
nm_rc_t nm_notes_get(nm_txn_t *txn, const nm_id_t *id, nm_note_t *note);
nm_rc_t nm_notes_put(struct nm_gateway *self, nm_txn_t *txn, const nm_id_t *id, const nm_note_t *note);

//  Deletes the note and all that hangs on it.
nm_rc_t nm_shelf_delete(struct nm_gateway *self, const nm_shelf_t *shelf, nm_txn_t *txn, const nm_id_t *id,
                        const nm_note_t *note);

//  Mails the work to a router. body is the request as it came.
nm_rc_t nm_notes_mail(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id, const nm_note_t *note,
                      nm_bytes_t request);

//  The body of that mail again, from the disk; a view into scratch memory of the transaction.
nm_rc_t nm_notes_work(struct nm_gateway *self, nm_txn_t *txn, const nm_id_t *id, nm_bytes_t *body);

//  An event from another actor, also about a copy whose owner is lost. Unknown notifications are counted and passed over.
nm_rc_t nm_notes_event(struct nm_gateway *self, nm_turn_t *turn, const nm_event_t *event, const char *peer);

//  The same from the owner of what we keep a copy of.
nm_rc_t nm_notes_copy_event(struct nm_gateway *self, nm_turn_t *turn, const nm_event_t *event);

//  Sends the work again, because deliveries are lost: all but those that have a bit in accounted. What follows is
//  numbered above all that was heard, and an attempt that was under way is uncertain.
nm_rc_t nm_notes_redrive(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note,
                         const uint8_t accounted[32]);

//  Makes what we keep for another gateway our own. NM_ERR_MISSING: there is no such copy.
nm_rc_t nm_notes_adopt(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id);

//  Since when it might go: when it was accepted, or was due if that is later.
int64_t nm_notes_began_ms(const nm_note_t *note);

//  Starts a scheduled one whose time has come.
nm_rc_t nm_notes_release(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note);

//  Ends it by our own doing: kind is CANCELLED or EXPIRED.
nm_rc_t nm_notes_end(struct nm_gateway *self, nm_turn_t *turn, const nm_id_t *id, nm_note_t *note, nm_event_kind_t kind,
                     const char *detail);

#endif
