/*  takeback - mail for a role: assigned, claimed, granted, taken back, and handled by one peer only.
 *
 *  One sender and two receivers of the role, each with a store. README.md says what is modelled, what is left
 *  out and where the code is.
 *
 *  The network is the worst there is: the set of all frames ever sent. Any of them may arrive at any later time, in
 *  any order, again and again, or never. So loss, repetition, reordering, partitions and freezes need no code here. Neither
 *  does time: a take-back may come at any moment, because no safety may hang on a clock. Sender and receivers
 *  crash as often as they like. A claim or grant of any life is believed in every other: what holds here holds without
 *  the boot numbers of the frames.
 *
 *  The numbers of a stream count from 0 here, mails from 1; sets of them are bit masks.
 */
#define NUMBERS 2          /* of each stream: how often mail is assigned to each peer, all in all */
#define MAILS 2
#define PEERS 2

#define HAS(set, i) (((set) >> (i)) & 1)
#define ADD(set, i) set = (set) | (1 << (i))
#define DROP(set, i) set = (set) & ~(1 << (i))
#define EVERY_NUMBER ((1 << NUMBERS) - 1)
#define EVERY_MAIL 6

#define EACH_NUMBER(OPTION, p) OPTION(p, 0) OPTION(p, 1)
#define EACH_OPEN(OPTION) EACH_NUMBER(OPTION, 0) EACH_NUMBER(OPTION, 1)

/*  What a row of the open table holds: nothing yet, a mail (its own number), a void, or nothing any more. */
#define NOTHING 0
#define VOID (MAILS + 1)
#define DELETED (MAILS + 2)

/*  The sender's half of the stream to a peer. */
typedef stream_t {
    /*  on disk */
    byte row[NUMBERS];     /* the open table */
    byte next;
    bool forgotten;        /* an operator said that the peer and its disk are lost: it is refused for ever */
    /*  in memory */
    byte claimed;          /* numbers that the peer may have been granted */
    byte receipted;
    /*  the network: all that was ever sent to the peer */
    byte carries[NUMBERS]; /* `mail`: what the number was given to */
    byte bare;             /* `mail` without the flag claim */
    byte voids;            /* `mail` that is a void */
    byte grants;
}

/*  A receiver. */
typedef peer_t {
    /*  on disk */
    byte seen;
    byte handled;          /* set of mails; all that the handler caused is in the same commit */
    bool lost;             /* the disk is, and the peer never comes back */
    /*  in memory */
    byte pending;          /* numbers that wait for a grant */
    /*  the network: all that was ever sent to the sender */
    byte receipts;
}

stream_t to[PEERS];
peer_t peer[PEERS];
byte lane = EVERY_MAIL;    /* what waits for the role, on the sender's disk */

/*  -- What must hold */

#define IN_ROW_1(p, n) +(to[p].row[n] == 1)
#define IN_ROW_2(p, n) +(to[p].row[n] == 2)
#define HOLDINGS(m) (HAS(lane, m) EACH_OPEN(IN_ROW_##m))
#define HANDLINGS(m) (HAS(peer[0].handled, m) + HAS(peer[1].handled, m))

/*  The sender has a mail in one place, or it was handled. */
#define KEPT(m) (HOLDINGS(m) <= 1 && HOLDINGS(m) + HANDLINGS(m) >= 1)

/*  Nothing is done twice. What a lost peer had done is lost with it: once it is forgotten it does not count. */
#define DONE_AT(p, m) (HAS(peer[p].handled, m) && !to[p].forgotten)
#define ONCE(m) (!(DONE_AT(0, m) && DONE_AT(1, m)))

ltl safe { [] (KEPT(1) && ONCE(1) && KEPT(2) && ONCE(2)) }

/*  -- The sender. Each step is a turn: its inputs, one commit, its outputs. */

#define OPEN(p, n) (to[p].row[n] != NOTHING && to[p].row[n] < VOID)

/*  Oldest mail first. The peers are alike, so the first number of all goes to the first of them. */
#define NEXT(p, n, m) (HAS(lane, m) && (m == 1 || !HAS(lane, 1)) && to[p].next == n && !to[p].forgotten && (p == 0 || to[0].next))

inline assign(p, n, m) {
    DROP(lane, m);
    to[p].row[n] = m;
    to[p].next++;
    to[p].carries[n] = m
}

/*  For a role of which no second peer is known: nobody needs to ask. */
inline assign_bare(p, n, m) {
    assign(p, n, m);
    ADD(to[p].claimed, n);
    ADD(to[p].bare, n)
}

#define ASSIGNS(p, n) \
    :: d_step { NEXT(p, n, 1) -> assign(p, n, 1) } \
    :: d_step { NEXT(p, n, 2) -> assign(p, n, 2) } \
    :: d_step { NEXT(p, n, 1) -> assign_bare(p, n, 1) } \
    :: d_step { NEXT(p, n, 2) -> assign_bare(p, n, 2) }

/*  A claim may have been sent for any number, at any time; so it needs no state, and a grant no claim. */
#ifdef MUTANT_GRANT_VOID
#define GRANTABLE(p, n) (to[p].row[n] != NOTHING)
#else
#define GRANTABLE(p, n) OPEN(p, n)
#endif

inline grant(p, n) {
#ifndef MUTANT_GRANT_UNNOTED
    ADD(to[p].claimed, n);
#endif
    ADD(to[p].grants, n)
}

#define GRANTS(p, n) :: d_step { GRANTABLE(p, n) && !(HAS(to[p].claimed, n) && HAS(to[p].grants, n)) -> grant(p, n) }

/*  What may have been granted is sent again without asking. */
#define SENDS_AGAIN(p, n) :: d_step { OPEN(p, n) && HAS(to[p].claimed, n) && !HAS(to[p].bare, n) -> ADD(to[p].bare, n) }

#ifdef MUTANT_NO_FENCE
#define TAKEABLE(p, n) (OPEN(p, n) && !HAS(to[p].receipted, n))
#else
#define TAKEABLE(p, n) (OPEN(p, n) && !HAS(to[p].receipted, n) && !HAS(to[p].claimed, n))
#endif

inline take_back(p, n) {
    ADD(lane, to[p].row[n]);
    to[p].row[n] = VOID;
    ADD(to[p].voids, n)
}

#define TAKES_BACK(p, n) :: d_step { TAKEABLE(p, n) -> take_back(p, n) }

/*  A receipt is believed at once, and written down later. */
#define RECEIPTED(p, n) \
    :: d_step { HAS(peer[p].receipts, n) && !HAS(to[p].receipted, n) && !to[p].forgotten -> ADD(to[p].receipted, n) } \
    :: d_step { HAS(to[p].receipted, n) && to[p].row[n] != DELETED && !to[p].forgotten -> to[p].row[n] = DELETED }
#ifdef MUTANT_FORGET_ON_SEND
#define SENDS(p, n) :: d_step { OPEN(p, n) -> to[p].row[n] = DELETED }
#else
#define SENDS(p, n)
#endif

#define RELEASE(p, n) if :: OPEN(p, n) -> ADD(lane, to[p].row[n]); to[p].row[n] = DELETED :: else fi;

/*  The fence and the release are one commit. */
inline forget(p) {
    to[p].forgotten = true;
    EACH_NUMBER(RELEASE, p)
    to[p].receipted = 0
}

/*  An earlier life may have granted all that is open. */
inline wake(p) {
    to[p].receipted = 0;
#ifdef MUTANT_START_UNCLAIMED
    to[p].claimed = 0
#else
    to[p].claimed = EVERY_NUMBER
#endif
}

active proctype Sender() {
end:
    do
    EACH_OPEN(ASSIGNS)
    EACH_OPEN(SENDS)
    EACH_OPEN(GRANTS)
    EACH_OPEN(SENDS_AGAIN)
    EACH_OPEN(TAKES_BACK)
    EACH_OPEN(RECEIPTED)
    :: d_step { peer[0].lost && !to[0].forgotten -> forget(0) }
    :: d_step { peer[1].lost && !to[1].forgotten -> forget(1) }
    :: d_step { wake(0); wake(1) }
#ifdef MUTANT_GREET_UNCLAIMS
    /*  A greeting is taken for proof that nothing above what it has seen is in use. */
    :: d_step { to[0].claimed = to[0].claimed & peer[0].seen }
    :: d_step { to[1].claimed = to[1].claimed & peer[1].seen }
#endif
    od
}

/*  -- A receiver */

#define NEW(p, n) (!peer[p].lost && !HAS(peer[p].seen, n))

inline see(p, n) {
    ADD(peer[p].seen, n);
    DROP(peer[p].pending, n);
    ADD(peer[p].receipts, n)
}

inline handle(p, n) {
    assert(!HAS(peer[p].handled, to[p].carries[n]));
    ADD(peer[p].handled, to[p].carries[n]);
    see(p, n)
}

#define KEEPS(p, n) :: d_step { to[p].carries[n] != NOTHING && NEW(p, n) && !HAS(peer[p].pending, n) -> ADD(peer[p].pending, n) }
#ifdef MUTANT_NO_WAIT
#define GRANTED(p, n) HAS(peer[p].pending, n)
#else
#define GRANTED(p, n) (HAS(peer[p].pending, n) && HAS(to[p].grants, n))
#endif
#define HANDLES(p, n) :: d_step { NEW(p, n) && (GRANTED(p, n) || HAS(to[p].bare, n)) -> handle(p, n) }
#define PASSES(p, n) :: d_step { NEW(p, n) && HAS(to[p].voids, n) -> see(p, n) }
#ifdef MUTANT_TIME_DEDUPE
#define FORGETS(p, n) :: d_step { HAS(peer[p].seen, n) -> DROP(peer[p].seen, n) }
#else
#define FORGETS(p, n)
#endif

proctype Peer(byte p) {
end:
    do
    EACH_NUMBER(KEEPS, p)
    EACH_NUMBER(HANDLES, p)
    EACH_NUMBER(PASSES, p)
    EACH_NUMBER(FORGETS, p)
    :: d_step { peer[p].pending -> peer[p].pending = 0 }              /* it crashed, or its turn was undone */
    :: d_step { !peer[p].lost -> peer[p].lost = true; peer[p].pending = 0 }
    od
}

init { atomic { run Peer(0); run Peer(1) } }
