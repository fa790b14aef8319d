/*  polls - events.read: what happened, from a cursor on, waiting for it if nothing has.
 *
 *  Askers that wait are kept in memory, a bounded number of them; a restart forgets them
 *  and they ask again with their cursor, which is a place in the journal and lasts.
 */
#ifndef NM_POLLS_H
#define NM_POLLS_H

#include "actors/gateway/answer.h"

enum { NM_POLL_COUNT = 512 };

struct nm_case;

typedef struct {
    nm_asker_t asker;
    nm_id_t service;       //  Whose events
    nm_id_t notification;  //  Of this one only
    bool everybodys;       //  An admin's: of all services
    bool one;              //  notification is set
    uint64_t position;     //  All before it was read
    uint64_t settled;      //  The same, as of the last turn that is on disk
    uint64_t limit;
    int64_t until_ms;
    bool fresh;  //  Came in this turn: an undone turn forgets it
    bool done;   //  Answered in this turn: an undone turn has it wait again
} nm_poll_t;

typedef struct {
    nm_poll_t *polls;  //  NM_POLL_COUNT of them, made when first used
    size_t count;
} nm_polls_t;

void nm_polls_free(nm_polls_t *self);

//  Turns that were undone, and turns that are on disk.
void nm_polls_undo(nm_polls_t *self);
void nm_polls_commit(nm_polls_t *self);

//  Answers who has waited long enough, or has news in this turn. After the journal's flush.
nm_rc_t nm_polls_due(struct nm_gateway *gateway, nm_turn_t *turn);

#endif
