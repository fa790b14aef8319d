/*  history - what happened to a notification, put in order whatever order it came in.
 *
 *  Three lists: the progress of each delivery, its attempts, and the timeline. Events of
 *  one delivery are ordered by (generation, order); what was seen is passed over; an older
 *  one adds to the timeline and does not move the status. All lists are bounded: the oldest
 *  attempts and steps go first.
 *
 *  It is scratch memory for one note at a time: read, apply, write.
 */
#ifndef NM_HISTORY_H
#define NM_HISTORY_H

#include "actors/gateway/notes.h"

enum { NM_PART_COUNT = 256 };

//  How far a delivery came, and who has it.
#define NM_PART_FIELDS(F, R)                                                 \
    F(R, 1, number, UINT, 255, MUST, NULL, "Which delivery")                 \
    F(R, 2, generation, UINT, 1000000, MUST, NULL, "In which replay")        \
    F(R, 3, order, UINT, UINT32_MAX, MUST, NULL, "Of the latest event")      \
    F(R, 4, status, ENUM, 0, MUST, &nm_status_words, "What that made of it") \
    F(R, 5, holder, LINE, NM_NAME_MAX, MAY, NULL, "The actor that said so")
NM_RECORD_DECLARE(part, NM_PART_FIELDS);

#define NM_TRY_FIELDS(F, R)                                           \
    F(R, 1, number, UINT, 255, MUST, NULL, "Of which delivery")       \
    F(R, 2, generation, UINT, 1000000, MUST, NULL, "In which replay") \
    F(R, 3, attempt, RECORD, 8192, MUST, &nm_attempt_shape, "The attempt")
NM_RECORD_DECLARE(try, NM_TRY_FIELDS);

#define NM_STEP_FIELDS(F, R)                                                       \
    F(R, 1, at, TIME, 0, MUST, NULL, "When")                                       \
    F(R, 2, kind, ENUM, 0, MUST, &nm_event_words, "What")                          \
    F(R, 3, number, UINT, 255, MUST, NULL, "To which delivery")                    \
    F(R, 4, generation, UINT, 1000000, MUST, NULL, "In which replay")              \
    F(R, 5, order, UINT, UINT32_MAX, MUST, NULL, "Of equal times, which is first") \
    F(R, 6, due_at, TIME, 0, MAY, NULL, "When the next attempt is due")            \
    F(R, 7, reason, ENUM, 0, MAY, &nm_reason_words, "Why it failed")               \
    F(R, 8, detail, STR, NM_DETAIL_MAX, MAY, NULL, "For people")
NM_RECORD_DECLARE(step, NM_STEP_FIELDS);

//  An order that comes after all that other actors give: of what the gateway did itself.
static const uint64_t NM_ORDER_OWN = UINT32_MAX;

typedef struct {
    nm_part_t parts[NM_PART_COUNT];
    size_t part_count;
    nm_try_t tries[NM_ATTEMPT_COUNT];
    nm_attempt_t attempts[NM_ATTEMPT_COUNT];  //  The same, decoded
    size_t try_count;
    nm_step_t steps[NM_TIMELINE_COUNT];
    size_t step_count;
    bool reopened;                    //  The event applied last began a new generation of its delivery
    nm_buf_t lost[NM_ATTEMPT_COUNT];  //  Attempts that were packed again
    nm_buf_t packed_parts, packed_tries, packed_steps;  //  What write made
} nm_history_t;

//  Takes the lists out of a note. Views into the note's value.
nm_rc_t nm_history_read(nm_history_t *self, const nm_note_t *note);

//  Puts them back. The note then has views into self.
void nm_history_write(nm_history_t *self, nm_note_t *note);
void nm_history_free(nm_history_t *self);

//  NM_ERR_DUPLICATE: seen before, nothing changed.
nm_rc_t nm_history_apply(nm_history_t *self, const nm_event_t *event, const char *peer);

//  Adds a step to the timeline alone: what the gateway did itself.
void nm_history_note(nm_history_t *self, const nm_event_t *event);

//  Deliveries without a bit in accounted are lost: they have no holder any more, and an attempt that was
//  under way is uncertain. order and earlier rise above all that was heard.
void nm_history_lose(nm_history_t *self, const uint8_t accounted[32], int64_t now_ms, uint64_t *order,
                     uint64_t *earlier);

//  Gives every delivery that has not ended this status.
void nm_history_end(nm_history_t *self, nm_status_t status);

//  The status that deliveries together make, of at least count of them.
nm_status_t nm_history_status(const nm_history_t *self, uint64_t count);

//  What status an event makes.
nm_status_t nm_history_status_of(nm_event_kind_t kind);

#endif
