/*  copies - notifications on a second disk, for services that ask for it (`accept: 2`).
 *
 *  Before such a notification is accepted it is mailed to another gateway, its *keeper*; when
 *  the receipt is there, and not before, it is written, mailed to a router and answered 202. A
 *  gateway on another host is taken if one is up, else any other. If none is, or the receipt does
 *  not come in time, the answer is 503 and nothing is kept, here or there; or, if the service
 *  would rather have one disk than none (`accept_alone`), it is accepted with one. The answer
 *  says how many copies there are, and on how many hosts.
 *
 *  The keeper hears of every event from the owner, and deletes the content with the final
 *  status. It does not list, count or answer for what it keeps while the owner lives.
 *
 *  What was not accepted yet is on our disk as *awaited*: after a restart the keeper is told to
 *  forget it, because nobody was given an answer.
 */
#ifndef NM_COPIES_H
#define NM_COPIES_H

#include "actors/gateway/notes.h"

struct nm_case;
struct nm_errand;

#define NM_AWAITED_FIELDS(F, R)                                                       \
    F(R, 1, life, UINT, UINT64_MAX, MUST, NULL, "Which process of ours waits for it") \
    F(R, 2, keeper, LINE, NM_NAME_MAX, MUST, NULL, "Where the copy went")
NM_RECORD_DECLARE(awaited, NM_AWAITED_FIELDS);

//  How a notification may be accepted.
typedef struct {
    bool has_id;  //  It has this id: that of its copy
    nm_id_t id;
    const char *keeper;      //  Who has the copy; NULL: nobody
    unsigned copies, hosts;  //  0: the service does not ask for any
} nm_kept_t;

//  Sees to it that there is a copy, if the service wants one. about: which item of the ask. NM_OK: accept it
//  so. NM_ERR_BUSY: it is being made, and the ask runs again. NM_ERR_REFUSED: there can be none now.
nm_rc_t nm_copies_ensure(struct nm_case *it, size_t about, nm_bytes_t request, nm_kept_t *kept);

//  After the last run of an errand: copies that were made and not used are taken back.
nm_rc_t nm_copies_settle(struct nm_gateway *self, nm_turn_t *turn, struct nm_errand *errand);

//  Takes back what an earlier process waited for, a bounded number in each turn.
nm_rc_t nm_copies_due(struct nm_gateway *self, nm_turn_t *turn);

//  A copy from its owner. NM_ERR_MALFORMED: it is none.
nm_rc_t nm_copies_mail(struct nm_gateway *self, nm_turn_t *turn, const nm_mail_in_t *mail);

//  Tells the keeper of an event; peer: who said so.
nm_rc_t nm_copies_tell(struct nm_gateway *self, nm_turn_t *turn, nm_bytes_t keeper, const nm_event_t *event,
                       const char *peer);

#endif
