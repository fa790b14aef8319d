/*  link - what an actor knows of one peer: is it there, what is on the way each way.
 *
 *  Values in memory and decisions on them; no I/O, no store, no clock. The durable half
 *  (numbers and mail) is in outbox and inbox, which fill a link at start.
 */
#ifndef NM_LINK_H
#define NM_LINK_H

#include "broker/claims.h"
#include "broker/directory.h"
#include "broker/pending.h"
#include "broker/spans.h"
#include "wire/frames.h"

enum {
    NM_LINK_BEAT_MS = 600,     //  A beat to each peer so often; with many peers more seldom: nm_link_beat_ms
    NM_LINK_BEAT_PEER_MS = 4,  //  ... so much for each of them, so that beats cost the same however many there are
    NM_LINK_QUIET_BEATS = 3,   //  So many beats missed: no new mail for it
    NM_LINK_GONE_MS = 30000,   //  People are told; what it has claimed still waits for it
    NM_LINK_GREET_MS = 20,     //  Between greetings that nobody answers, doubling up to about a beat
    NM_LINK_STALL_MS = 3000,   //  Mail without a receipt for so long: greet again and compare
    NM_LINK_FAULT_MAX = 8,     //  Bad frames before a peer is cut off
    NM_LINK_BLOCK_MS = 60000,  //  ... for so long
};

typedef enum {
    NM_LINK_STRANGE,  //  Not greeted in this life of ours
    NM_LINK_UP,
    NM_LINK_QUIET,
    NM_LINK_GONE,
    NM_LINK_LEFT,       //  It said goodbye
    NM_LINK_BLOCKED,    //  It sent too much that it may not send
    NM_LINK_ROLLED,     //  Its store went back in time: nothing may pass until a greeting of it fits
    NM_LINK_FORGOTTEN,  //  It and its disk are gone for good: nothing passes any more
} nm_link_state_t;

typedef struct {
    const nm_peer_t *peer;
    size_t index;  //  Its place among the links of the actor
    nm_link_state_t state;
    uint64_t boot;     //  Which process of it we have met, and believe; 0: none
    int64_t heard_ms;  //  When it last spoke (monotonic)
    int64_t beat_ms;   //  How often it beats, as it says; 0: it has not said
    int64_t blocked_until_ms;
    unsigned faults;
    bool greet_due;        //  We owe it a greeting
    bool answer_due;       //  We owe it an answer to its greeting
    int64_t greeted_ms;    //  When we last greeted
    unsigned greet_tries;  //  How often without an answer

    //  Which of its processes a greeting comes from (see nm_link_weigh).
    bool claims;               //  It knows claim and grant: what it has not claimed can be taken back
    uint64_t greetings;        //  How many greetings of ours it was sent
    uint64_t answered;         //  Only an answer to a later one proves that a process is not over
    uint64_t heard_boot;       //  Who greeted last ...
    uint64_t heard_number;     //  ... and the number of that greeting
    uint64_t asked_receipted;  //  How many of our numbers had a receipt ...
    uint64_t asked_seen;       //  ... and how many of its we had seen when the first of those later ones went

    //  Our stream to it.
    uint32_t lane;          //  Short number of the peer in the keys of the open table
    uint64_t next;          //  Number that the next mail gets
    bool next_changed;      //  ... and the store does not know it yet
    uint64_t low;           //  Lowest number that still is in the open table; next if none
    uint64_t forgotten;     //  Up to here the open table has been cleared
    uint32_t open_count;    //  Assigned and not receipted
    uint64_t open_size;     //  Bytes of it
    uint32_t credit;        //  How many may be open
    int64_t stopped_ms;     //  If none: since when
    uint64_t backlog;       //  Mail and deliveries that it held by its last beat
    int64_t progress_ms;    //  When a receipt last said something new, or the stream became busy
    bool resend;            //  Send again what is open ...
    uint64_t resend_below;  //  ... and has a number below this
    uint64_t greeted_next;  //  Our next number when we last greeted: what came later is on its way
    bool loaded;            //  The open numbers were counted once in this life
    size_t waits_in;        //  Which lane of the actor holds what waits for it alone, counted from 1; 0: none yet
    bool ended;             //  The peer is forgotten, and nothing is left of both streams

    //  Its stream to us.
    bool known;          //  store and epoch are set
    bool restored;       //  Our own store was restored since: mail may have been lost with the old copy
    bool peer_restored;  //  It was restored, says so, and has not caught up with our low yet
    nm_id_t store;
    uint32_t epoch;
    bool seen_changed;  //  This turn took something in
    bool met;           //  This turn took a greeting that is well: undone with the turn
    bool receipt_due;
    uint32_t granted;      //  Credit we told it last
    nm_pending_t pending;  //  What it has not granted yet

    //  Six KiB of numbers in the two streams. They stand last, so that the end of each turn, which looks at all links,
    //  finds all else side by side.
    nm_spans_t receipted;  //  Of ours: what it has told us is on its disk
    nm_claims_t claim;     //  ... and which open numbers it may have been granted
    nm_spans_t seen;       //  Of its: what is on our disk
#ifdef NM_MUTANT_TIME_DEDUPE
    int64_t taken_ms;  //  When new mail of it was last taken in
#endif
} nm_link_t;

const char *nm_link_state_text(nm_link_state_t state);

//  How often an actor with so many links beats.
int64_t nm_link_beat_ms(size_t link_count);

//  It spoke. Returns true if it was quiet or gone before.
bool nm_link_heard(nm_link_t *self, int64_t mono_ms);

//  The turn was undone. What a greeting in it told is forgotten, so it counts for nothing: they meet again.
void nm_link_unmeet(nm_link_t *self);

//  Time passed: quiet, gone, stalled, unblocked. Returns true if the state changed.
bool nm_link_tick(nm_link_t *self, int64_t mono_ms);

//  When it wants to greet next (monotonic); INT64_MAX: it has no such wish.
int64_t nm_link_wake(const nm_link_t *self);

//  It says how many mails may be open.
void nm_link_set_credit(nm_link_t *self, uint32_t credit, int64_t mono_ms);

//  May new mail be assigned to it now, of that size?
bool nm_link_may_take(const nm_link_t *self, size_t size);

//  Can what is open and not claimed be given to another? It is silent for the lease, has left, or may not speak; or it
//  drains or is full, and has had no credit for the lease.
bool nm_link_is_lost(const nm_link_t *self, int64_t mono_ms, int64_t lease_ms);

//  How many open numbers are the peer's, that is, not merely offered and not void.
uint32_t nm_link_claimed(const nm_link_t *self);

//  Is any mail open to it? A void is none.
bool nm_link_holds(const nm_link_t *self);

//  It sent what it may not send. Returns true when that cuts it off.
bool nm_link_fault(nm_link_t *self, int64_t mono_ms);

//  Frames may be late: written by a process that has ended since, and delivered by the kernel of its machine
//  after those of the next one. So a process is believed only when it has answered a greeting that
//  we sent after we heard of it: whatever comes from before that is from a process that is over.
typedef enum {
    NM_GREETER_PLAIN,    //  An older version without claims: believed as it is
    NM_GREETER_KNOWN,    //  The process that we have met
    NM_GREETER_PROVEN,   //  A process that we had not met, and that is not over: meet it
    NM_GREETER_STRANGE,  //  Perhaps new, perhaps over: believe nothing, greet it, and its answer will tell
    NM_GREETER_LATE,     //  An earlier word than one that we had: pass over it
} nm_greeter_t;

//  Weighs a greeting, and remembers that it was heard. own_boot: our process.
nm_greeter_t nm_link_weigh(nm_link_t *self, const nm_greet_t *greet, uint64_t own_boot);

//  The next greeting to it: counts it, and remembers what it will be compared with.
uint64_t nm_link_number_greeting(nm_link_t *self);

//  The process is believed from now on.
void nm_link_meet(nm_link_t *self, const nm_greet_t *greet);

//  No process is believed until one has answered a greeting that is yet to be sent.
void nm_link_doubt(nm_link_t *self);

typedef enum {
    NM_GREET_WELL,
    NM_GREET_PEER_ROLLED,  //  The peer's store is older than what we know of it: it must stop
    NM_GREET_SELF_ROLLED,  //  Ours is: we must stop
    NM_GREET_STALE,        //  An older epoch of its store speaks: refused for ever
} nm_greet_verdict_t;

//  Compares a greeting with what we know, both streams. own: our store and epoch.
nm_greet_verdict_t nm_link_judge(const nm_link_t *self, const nm_greet_t *greet, const nm_id_t *own_store,
                                 uint32_t own_epoch);

#endif
