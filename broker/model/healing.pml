/*  healing - take-back over real links: after the last fault every mail is handled, by itself.
 *
 *  The protocol of takeback.pml over connections that keep the order and lose frames, with the steps that repeat what got
 *  lost. Faults come out of budgets, so every run ends healed; under weak fairness each actor goes on. What is looked
 *  for is that nothing then waits for ever. README.md says what is modelled and what is left out.
 */
#define LOSSES 2           /* frames that get lost */
#define CRASHES 1          /* of the sender; and as many of the receivers together */
#define FREEZES 1          /* a peer that lives is taken for gone */
#define PEERS 2
#define NUMBERS 2
#define ROOM 2             /* frames under way, per direction */

#define HAS(set, i) (((set) >> (i)) & 1)
#define ADD(set, i) set = (set) | (1 << (i))
#define DROP(set, i) set = (set) & ~(1 << (i))
#define EVERY_NUMBER ((1 << NUMBERS) - 1)

/*  What a row of the open table holds. One mail is enough: another only takes numbers away. */
#define NOTHING 0
#define OPEN 1
#define VOID 2
#define DELETED 3

mtype = { mail, bare, void, grant, claim, receipt };
chan to_peer[PEERS] = [ROOM] of { mtype, byte };
chan to_sender[PEERS] = [ROOM] of { mtype, byte };

/*  The sender: on disk, then in memory. */
typedef stream_t {
    byte row[NUMBERS];
    byte next;
    byte claimed;
}
stream_t to[PEERS];
bool waits = true;         /* in the lane */

/*  The receivers: on disk, then in memory. */
typedef peer_t {
    byte seen;
    bool handled;
    byte pending;
    bool dead;             /* and never comes back; only the first may die */
}
peer_t peer[PEERS];

bool tick;
byte losses = LOSSES, crashes = CRASHES, restarts = CRASHES, freezes = FREEZES;

#define HANDLED (peer[0].handled || peer[1].handled)
#define BOTH (peer[0].handled && peer[1].handled)
#define MAY_HOLD(p, n) (to[p].row[n] == OPEN && HAS(to[p].claimed, n))
/*  What was granted to the dead waits for them: for their return, or for an operator's word. */
#define WITH_THE_DEAD (peer[0].dead && (MAY_HOLD(0, 0) || MAY_HOLD(0, 1)))
/*  Nothing is under way any more that anybody could still wait for. */
#define SETTLED(p) (peer[p].dead || ((to[p].row[0] == NOTHING || to[p].row[0] == DELETED) && (to[p].row[1] == NOTHING || to[p].row[1] == DELETED)))

ltl heals { <> [] (HANDLED || WITH_THE_DEAD) }
ltl ends { <> [] (SETTLED(0) && SETTLED(1)) }
ltl once { [] !BOTH }

#define IDLE(p) (empty(to_peer[p]) && empty(to_sender[p]))
#define MAY_ASSIGN(p, n) (waits && !peer[p].dead && to[p].next == n)

inline assign(p, n) {
    waits = false;
    to[p].row[n] = OPEN;
    to[p].next++
}
inline answer_claim(p, n) {
    if
    :: to[p].row[n] == OPEN ->
        ADD(to[p].claimed, n);
        to_peer[p] ! grant(n)
    :: to[p].row[n] == VOID -> to_peer[p] ! void(n)
    :: else
    fi
}
/*  A stall: nothing moves, and something has no receipt. The two greet, and it is sent again. */
inline send_again(p, n) {
    if
    :: to[p].row[n] == VOID -> to_peer[p] ! void(n)
    :: to[p].row[n] == OPEN && HAS(to[p].claimed, n) -> to_peer[p] ! bare(n)
    :: to[p].row[n] == OPEN && !HAS(to[p].claimed, n) -> to_peer[p] ! mail(n)
    fi
}
inline take_back(p, n) {
    to[p].row[n] = VOID;
    waits = true
}

#define DUE(p, n) (to[p].row[n] == OPEN || to[p].row[n] == VOID)
#define ASSIGNS(p, n) :: atomic { MAY_ASSIGN(p, n) && nfull(to_peer[p]) -> assign(p, n); to_peer[p] ! mail(n) }
#ifdef MUTANT_SEND_ONCE
#define SENDS_AGAIN(p, n)
#else
#define SENDS_AGAIN(p, n) :: atomic { DUE(p, n) && IDLE(p) && !peer[p].dead -> send_again(p, n) }
#endif
#ifdef MUTANT_NO_FENCE
#define TAKEABLE(p, n) (to[p].row[n] == OPEN)
#else
#define TAKEABLE(p, n) (to[p].row[n] == OPEN && !HAS(to[p].claimed, n))
#endif
#ifdef MUTANT_NO_TAKE_BACK
#define TAKES_BACK(p, n)
#else
#define TAKES_BACK(p, n) :: d_step { TAKEABLE(p, n) && peer[p].dead -> take_back(p, n) }
#endif
#define FREEZES_LONG(p, n) :: d_step { TAKEABLE(p, n) && !peer[p].dead && freezes -> freezes--; take_back(p, n) }
#define EACH(OPTION) OPTION(0, 0) OPTION(0, 1) OPTION(1, 0) OPTION(1, 1)
active proctype Sender() {
    byte n;
end:
    do
    EACH(ASSIGNS)
    EACH(SENDS_AGAIN)
    EACH(TAKES_BACK)
    :: atomic { nfull(to_peer[0]) && to_sender[0] ? [claim(n)] -> to_sender[0] ? claim(n); answer_claim(0, n); n = 0 }
    :: atomic { nfull(to_peer[1]) && to_sender[1] ? [claim(n)] -> to_sender[1] ? claim(n); answer_claim(1, n); n = 0 }
    :: atomic { to_sender[0] ? receipt(n) -> to[0].row[n] = DELETED; n = 0 }
    :: atomic { to_sender[1] ? receipt(n) -> to[1].row[n] = DELETED; n = 0 }
    od
}

#define NEW(p, n) !HAS(peer[p].seen, n)

inline handle(p, n) {
    peer[p].handled = true;
    ADD(peer[p].seen, n);
    DROP(peer[p].pending, n)
}

proctype Peer(byte p) {
    byte n;
end:
    do
    :: atomic {
        !peer[p].dead && nempty(to_peer[p]) && nfull(to_sender[p]) ->
        if
        :: to_peer[p] ? mail(n) ->
            if
            :: NEW(p, n) ->
                ADD(peer[p].pending, n);
                to_sender[p] ! claim(n)
            :: else -> to_sender[p] ! receipt(n)
            fi
        :: to_peer[p] ? bare(n) ->
            if :: NEW(p, n) -> handle(p, n) :: else fi;
            to_sender[p] ! receipt(n)
        :: to_peer[p] ? grant(n) ->
            if
            :: HAS(peer[p].pending, n) ->
                handle(p, n);
                to_sender[p] ! receipt(n)
            :: else
            fi
        :: to_peer[p] ? void(n) ->
            ADD(peer[p].seen, n);
            DROP(peer[p].pending, n);
            to_sender[p] ! receipt(n)
        fi;
        n = 0
       }
    od
}

#define LOSES(link) :: atomic { losses && link ? [_, _] -> losses--; link ? _, _ }

/*  What goes wrong. It may have had enough at any time; fairness does not make it strike. */
active proctype Fate() {
    do
    LOSES(to_peer[0])
    LOSES(to_peer[1])
    LOSES(to_sender[0])
    LOSES(to_sender[1])
    EACH(FREEZES_LONG)
    :: d_step { crashes -> crashes--; to[0].claimed = EVERY_NUMBER; to[1].claimed = EVERY_NUMBER }
    :: d_step { restarts && peer[0].pending -> restarts--; peer[0].pending = 0 }
    :: d_step { restarts && peer[1].pending -> restarts--; peer[1].pending = 0 }
    :: break
    :: atomic {
        !peer[0].dead ->
        peer[0].dead = true;
        do
        :: to_peer[0] ? _, _
        :: empty(to_peer[0]) -> break
        od
       }
    od
}

/*  Time goes on also when nothing happens. */
active proctype Time() {
end:
    do
    :: tick = !tick
    od
}

init { atomic { run Peer(0); run Peer(1) } }
