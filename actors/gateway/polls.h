/*  polls - who waits for events: kept in memory, a bounded number, and answered when there is something to say.
 *
 *  Three kinds wait. ONE follows one notification of ours; ALL follows everything of a service, over all gateways
 *  (follow.h); FEED is another gateway that follows our journal for whoever waits there (feeds.h). A restart forgets them,
 *  and they ask again with their cursor.
 *
 *  While one waits nothing came for it, so it stands at the end of everything, and what comes is read from where the
 *  turn began. Those that stand at the same points share one reading: a thousand who follow one service cost one read
 *  and a thousand replies.
 */
#ifndef NM_POLLS_H
#define NM_POLLS_H

#include "actors/gateway/answer.h"
#include "actors/gateway/follow.h"

enum { NM_POLL_COUNT = 16384 };

struct nm_case;

typedef enum { NM_POLL_ONE, NM_POLL_ALL, NM_POLL_FEED } nm_poll_kind_t;

//  Where one that follows all stands at a gateway.
typedef struct {
    uint16_t number;
    uint32_t life;  //  Of the feed that brings what comes after position; 0: none does
    uint64_t position;
} nm_bond_t;

typedef struct {
    nm_poll_kind_t kind;
    nm_asker_t asker;
    nm_follow_t what;
    nm_id_t notification;   //  ONE
    const nm_peer_t *peer;  //  FEED: who
    uint64_t position;      //  ONE, FEED: all before it was read
    uint64_t settled;       //  The same, as of the last turn that is on disk
    int64_t since_ms;       //  ALL
    nm_bond_t *bonds;
    size_t bond_count;
    int64_t until_ms;
    bool fresh;  //  Came in this turn: an undone turn forgets it
    bool done;   //  Answered in this turn: an undone turn has it wait again
} nm_poll_t;

//  How many wait for the events of a service.
typedef struct {
    nm_id_t service;
    size_t count;
} nm_poll_share_t;

typedef struct {
    nm_poll_t *polls;
    size_t count, room;
    nm_poll_share_t *shares;
    size_t share_count, share_room;
    bool touched;      //  One came or was answered since the last commit
    int64_t until_ms;  //  Of the first that has to be answered
} nm_polls_t;

void nm_polls_free(nm_polls_t *self);

//  Turns that were undone, and turns that are on disk.
void nm_polls_undo(nm_polls_t *self);
void nm_polls_commit(nm_polls_t *self);

//  Keeps one that is to wait; it owns the bonds then. Answered if there is no room.
nm_rc_t nm_polls_wait(struct nm_case *it, nm_poll_t *poll);

//  Answers who has waited long enough, or has news in this turn. After the journal's flush.
nm_rc_t nm_polls_due(struct nm_gateway *gateway, nm_turn_t *turn);

//  Answers one of kind ONE or FEED if there is something to say by now.
nm_rc_t nm_polls_try(struct nm_gateway *gateway, nm_turn_t *turn, nm_poll_t *poll, bool *answered);

//  Answers one that follows all.
nm_rc_t nm_polls_answer(const nm_answer_t *to, const nm_reading_t *reading);

#endif
