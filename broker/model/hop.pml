/*  hop - mail from one sender to one receiver: numbered, taken in once, receipted, deleted; and a store that goes back in time.
 *
 *  Both have a store and crash as often as they like. Once, one of the two finds an older copy of its store in place of
 *  it: put there silently (somebody copied files about) or openly (nctl restore, which raises the epoch). README.md says
 *  what is modelled, what is left out and where the code is.
 *
 *  The network is the set of all frames ever sent: any of them may arrive at any later time, in any order, again and
 *  again, or never; also those of processes that are over. Mail and receipts name both processes (boot, your_boot): once
 *  a side has heard of the process that its peer is now, it believes nothing of an earlier one, and nothing of the new one
 *  until a greeting of it names the side's own process.
 *
 *  The numbers of a stream count from 0 here, mails from 1; sets of them are bit masks. Row n of the open table holds
 *  the mail that has the number n.
 */
#ifdef MUTANT_NO_BOOTS
#define NO_BOOTS
#endif
/*  An actor of an older version names no processes. Then the epoch alone guards a store that was put back, and only if
 *  that was done openly.
 */
#ifdef MUTANT_OLD_EPOCH
#define OLDER_VERSION
#endif
#ifdef OLDER_VERSION
#define NO_BOOTS
#define SILENTLY(side) false
#else
#define SILENTLY(side) (side##_copied && !a_put_back && !b_put_back)
#endif

#define NUMBERS 2          /* of a stream */
#define MAILS 3            /* in all: the third is for a number that is used again */

#define HAS(set, i) (((set) >> (i)) & 1)
#define ADD(set, i) set = (set) | (1 << (i))
#define EACH_NUMBER(OPTION) OPTION(0) OPTION(1)
#define EACH_MAIL(OPTION, n) OPTION(n, 1) OPTION(n, 2) OPTION(n, 3)

/*  What a row of the open table holds: nothing yet, a mail, or nothing any more. */
#define NOTHING 0
#define DELETED (MAILS + 1)

typedef sender_t {
    byte epoch;
    byte peer_epoch;       /* of the receiver's store, as last heard */
    byte next;
    byte row[NUMBERS];
}
typedef receiver_t {
    byte epoch;
    byte peer_epoch;       /* of the stream that it knows; 0: none */
    byte seen;             /* the watermark and the runs above it */
    byte handled;          /* set of mails; all that the handler caused is in the same commit */
    byte row_epoch;        /* our own epoch when peer_epoch and seen were written */
}

/*  The disks, and a copy of each. */
sender_t a, a_copy;
receiver_t b, b_copy;
bool a_copied, b_copied;
bool a_put_back, b_put_back;   /* the copy took the place of the store, silently or openly */
bool a_openly, b_openly;

/*  Memory. `knows`: has heard of the process that the peer is now. `up`: it has met a process of the peer, and mail passes;
 *  that is the present one if it knows it, else an earlier one.
 */
bool a_up, a_knows, a_stopped, a_peer_restored;
bool b_up, b_knows, b_stopped;

/*  The network. NOW: sent by the process that its sender is now (and greetings: which name the process that their receiver
 *  is now). OLD: all else. Indexed by the epoch of the stream, and greetings of the receiver by its own epoch.
 */
#define NOW 0
#define OLD 1
typedef wire_t {
    short mail[NUMBERS * 3];   /* set of mails that travelled under a number, by number + NUMBERS * epoch */
    byte receipts[3];          /* set of what was seen (a set of numbers each) */
    short a_greets[3];         /* set of (gone, next) */
    short b_greets[3];         /* set of (peer_epoch, seen) */
}
wire_t wire[2];
#define MAIL(e, n) mail[(n) + NUMBERS * (e)]
#define A_GREET(gone, next) ((gone) * (NUMBERS + 1) + (next))
#define B_GREET(known, seen) ((known) * (1 << NUMBERS) + (seen))

/*  What nobody can know but we. */
byte made;                 /* mails given to the sender, ever */
byte ever_handled;         /* also by a disk that was put back since */
byte gone_with_copy;       /* mails that the sender's lost disk had and its copy has not */

#define OPEN(n) (a.row[n] != NOTHING && a.row[n] != DELETED)
#define GONE ((a.row[0] == DELETED) + 2 * (a.row[1] == DELETED))   /* `low` and `receipted` of a greeting */
#define LOW (a.row[0] != DELETED -> 0 : (a.row[1] != DELETED -> 1 : 2))
#define WATERMARK(set) (!HAS(set, 0) -> 0 : (!HAS(set, 1) -> 1 : 2))
#define TOP(set) (HAS(set, 1) -> 2 : (HAS(set, 0) -> 1 : 0))        /* above the last number in the set */
#define RESTORED (b.peer_epoch && b.row_epoch != b.epoch)

#define HELD(m) (a.row[0] == m || a.row[1] == m)
#define KEPT(m) (made < m || HELD(m) || HAS(ever_handled, m) || HAS(gone_with_copy, m))

/*  A receiver that lacks what it gave receipts for is found out when the two meet: one of them stops or refuses. */
#define LACKS(m) (HAS(ever_handled, m) && !HELD(m) && !HAS(b.handled, m))
#define NOTICED(m) (!(LACKS(m) && a_up && a_knows && b_up && b_knows) || b_openly)

ltl safe { [] (KEPT(1) && KEPT(2) && KEPT(3) && NOTICED(1) && NOTICED(2) && NOTICED(3)) }

/*  Mail and receipts that name a process of the receiver that is over need no place here: they are passed over. */
#ifdef NO_BOOTS
#define A_NAMES_B true
#define B_NAMES_A true
#else
#define A_NAMES_B a_knows
#define B_NAMES_A b_knows
#endif

/*  Whatever may be sent is sent at once: it may as well arrive much later, or never. */
inline a_says() {
    if :: a_up && A_NAMES_B && OPEN(0) -> ADD(wire[NOW].MAIL(a.epoch, 0), a.row[0]) :: else fi;
    if :: a_up && A_NAMES_B && OPEN(1) -> ADD(wire[NOW].MAIL(a.epoch, 1), a.row[1]) :: else fi;
    if :: a_knows -> ADD(wire[NOW].a_greets[a.epoch], A_GREET(GONE, a.next)) :: else fi
}
inline b_says() {
    if :: b_up && B_NAMES_A -> ADD(wire[NOW].receipts[b.peer_epoch], b.seen) :: else fi;
    if :: b_knows -> ADD(wire[NOW].b_greets[b.epoch], B_GREET(b.peer_epoch, b.seen)) :: else fi
}

/*  A greeting of the process that the peer is now, the first that comes. */
inline a_hears() {
    a_knows = true;
    a_up = false;
    receipts_are_void(OLD)
}
inline b_hears() {
    b_knows = true;
    b_up = false;
    mail_is_void(OLD)
}

inline receipts_are_void(age) {
#ifndef NO_BOOTS
    wire[age].receipts[1] = 0;
    wire[age].receipts[2] = 0
#else
    skip
#endif
}
inline mail_is_void(age) {
#ifndef NO_BOOTS
    for (i : 0 .. NUMBERS * 3 - 1) { wire[age].mail[i] = 0 }
    i = 0
#else
    skip
#endif
}

/*  -- The sender */

inline assign() {
    made++;
    a.row[a.next] = made;
    ADD(wire[NOW].MAIL(a.epoch, a.next), made);
    a.next++
}

inline delete(n) {
    if
    :: OPEN(n) ->
        assert(HAS(ever_handled, a.row[n]));
        a.row[n] = DELETED
    :: else
    fi
}

/*  What is open; and that it was never given away what the peer claims to have. */
#define PLAUSIBLE(set) ((set) < (1 << a.next))

inline delete_all(set) {
    if :: HAS(set, 0) -> delete(0) :: else fi;
    if :: HAS(set, 1) -> delete(1) :: else fi
}

/*  A greeting of the receiver: its epoch; which stream of ours it knows, and what it has seen of that. */
#define SET_OF_MINE(known, set) (known == a.epoch -> set : 0)
#ifdef MUTANT_NO_ROLLBACK_CHECK
#define A_WAS_ROLLED_BACK(known, set) false
#define B_LACKS(e, known, set) false
#else
#define A_WAS_ROLLED_BACK(known, set) (known > a.epoch || TOP(SET_OF_MINE(known, set)) > a.next)
#ifdef MUTANT_LOW_ONLY
#define B_LACKS(e, known, set) (WATERMARK(SET_OF_MINE(known, set)) < LOW && e <= a.peer_epoch && !a_peer_restored)
#else
#define B_LACKS(e, known, set) (GONE & ~SET_OF_MINE(known, set) && e <= a.peer_epoch && !a_peer_restored)
#endif
#endif

inline a_takes_greet(e, known, set) {
    if
    :: e < a.peer_epoch -> a_up = false
    :: else ->
        if
        :: A_WAS_ROLLED_BACK(known, set) ->
            assert(a_put_back);
            a_stopped = true
        :: else ->
            if
            :: B_LACKS(e, known, set) -> a_up = false
            :: else -> a_meets(e, known, set)
            fi
        fi
    fi
}
inline a_meets(e, known, set) {
    if
    :: known == a.epoch && !PLAUSIBLE(set)
    :: else ->
        a_peer_restored = (e > a.peer_epoch || a_peer_restored) && (GONE & ~SET_OF_MINE(known, set));
        a.peer_epoch = e;
        if :: known == a.epoch -> delete_all(set) :: else fi;
        a_up = true
    fi
}

inline a_takes_receipt(e, set) {
    if
#ifndef MUTANT_OLD_EPOCH
    :: e != a.epoch
#endif
    :: !PLAUSIBLE(set)
    :: else -> delete_all(set)
    fi
}

/*  Memory is gone, and what was sent is old. What names the process that was here names nobody. */
inline a_restarts() {
    a_up = false;
    a_knows = false;
    a_peer_restored = false;
    b_knows = false;
    for (i : 0 .. NUMBERS * 3 - 1) {
        wire[OLD].mail[i] = wire[OLD].mail[i] | wire[NOW].mail[i];
        wire[NOW].mail[i] = 0
    }
    receipts_are_void(NOW);
    receipts_are_void(OLD);
    greets_are_old();
    i = 0
}
inline greets_are_old() {
    for (i : 1 .. 2) {
#ifdef MUTANT_ANY_GREET
        wire[OLD].a_greets[i] = wire[OLD].a_greets[i] | wire[NOW].a_greets[i];
        wire[OLD].b_greets[i] = wire[OLD].b_greets[i] | wire[NOW].b_greets[i];
#endif
        wire[NOW].a_greets[i] = 0;
        wire[NOW].b_greets[i] = 0
    }
}

/*  Mail that the lost disk had and the copy lacks. */
inline a_loses(n) {
    if :: OPEN(n) && !(a_copy.row[0] == a.row[n] || a_copy.row[1] == a.row[n]) -> ADD(gone_with_copy, a.row[n]) :: else fi
}
inline a_is_put_back() {
    a_loses(0);
    a_loses(1);
    a.epoch = a_copy.epoch;
    a.peer_epoch = a_copy.peer_epoch;
    a.next = a_copy.next;
    for (i : 0 .. NUMBERS - 1) { a.row[i] = a_copy.row[i] }
    a_put_back = true;
    a_restarts()
}

/*  The open mail gets the numbers of a new stream. */
inline renumber() {
    a.epoch++;
    a.next = 0;
    for (i : 0 .. NUMBERS - 1) {
        if
        :: OPEN(i) ->
            a.row[a.next] = a.row[i];
            a.next++
        :: else
        fi
    }
    for (i : a.next .. NUMBERS - 1) { a.row[i] = NOTHING }
    i = 0
}

#ifdef MUTANT_FORGET_ON_SEND
#define A_FORGETS(n) :: d_step { a_up && OPEN(n) && HAS(wire[NOW].MAIL(a.epoch, n), a.row[n]) -> delete(n) }
#else
#define A_FORGETS(n)
#endif
#define A_HEARS_RECEIPT(set) \
    :: d_step { a_up && HAS(wire[NOW].receipts[1], set) -> a_takes_receipt(1, set); a_says() } \
    :: d_step { a_up && HAS(wire[NOW].receipts[2], set) -> a_takes_receipt(2, set); a_says() } \
    :: d_step { a_up && HAS(wire[OLD].receipts[1], set) -> a_takes_receipt(1, set); a_says() } \
    :: d_step { a_up && HAS(wire[OLD].receipts[2], set) -> a_takes_receipt(2, set); a_says() }
/*  What names this process is of the peer's present one, and it was heard before. A late one is believed by the mutant. */
#define A_HEARS_GREET_OF(e, known, set) \
    :: d_step { a_knows && HAS(wire[NOW].b_greets[e], B_GREET(known, set)) -> a_takes_greet(e, known, set); a_says() } \
    :: d_step { HAS(wire[OLD].b_greets[e], B_GREET(known, set)) -> a_takes_greet(e, known, set); a_says() }
#define A_HEARS_GREET(set) \
    A_HEARS_GREET_OF(1, 0, set) A_HEARS_GREET_OF(1, 1, set) A_HEARS_GREET_OF(1, 2, set) \
    A_HEARS_GREET_OF(2, 0, set) A_HEARS_GREET_OF(2, 1, set) A_HEARS_GREET_OF(2, 2, set)
#define EACH_SET(OPTION) OPTION(0) OPTION(1) OPTION(2) OPTION(3)

proctype Sender() {
    byte i;
end:
    do
    :: a_stopped -> break
    :: d_step { a_up && made < MAILS && a.next < NUMBERS -> assign(); a_says() }
    EACH_NUMBER(A_FORGETS)
    EACH_SET(A_HEARS_RECEIPT)
    EACH_SET(A_HEARS_GREET)
    :: d_step { !a_knows && !b_stopped -> a_hears(); a_says() }
    :: d_step { a_up -> a_up = false }                       /* a late greeting: perhaps new, perhaps over; nothing is believed */
    :: d_step { a_up -> a_restarts(); a_says() }
    :: d_step {
        !a_copied ->
        a_copied = true;
        a_copy.epoch = a.epoch;
        a_copy.peer_epoch = a.peer_epoch;
        a_copy.next = a.next;
        for (i : 0 .. NUMBERS - 1) { a_copy.row[i] = a.row[i] }
        i = 0
    }
    :: d_step { SILENTLY(a) -> a_is_put_back(); a_says() }
    :: d_step { a_copied && !a_put_back && !b_put_back -> a_is_put_back(); a_openly = true; renumber(); a_says() }
    od
}

/*  -- The receiver */

/*  The handler may cause anything; it is in the same commit. */
inline take_in(n, m) {
#ifndef MUTANT_NO_DEDUPE
    if
    :: HAS(b.seen, n)
    :: else ->
#endif
        assert(a_openly || !HAS(b.handled, m));
        ADD(b.seen, n);
        ADD(b.handled, m);
        ADD(ever_handled, m);
        b.row_epoch = b.epoch
#ifndef MUTANT_NO_DEDUPE
    fi
#endif
}

/*  A greeting of the sender: its epoch, what it has deleted, its next. */
#define SET_OF_YOURS(e) (e == b.peer_epoch -> b.seen : 0)
#ifdef MUTANT_NO_ROLLBACK_CHECK
#define A_GOES_BACK(e, next) false
#define B_WAS_ROLLED_BACK(e, gone) false
#else
#define A_GOES_BACK(e, next) (TOP(SET_OF_YOURS(e)) > next)
#ifdef MUTANT_LOW_ONLY
#define B_WAS_ROLLED_BACK(e, gone) (WATERMARK(SET_OF_YOURS(e)) < WATERMARK(gone) && !RESTORED)
#else
#define B_WAS_ROLLED_BACK(e, gone) (gone & ~SET_OF_YOURS(e) && !RESTORED)
#endif
#endif

inline b_takes_greet(e, gone, next) {
    if
    :: e < b.peer_epoch || A_GOES_BACK(e, next) -> b_up = false
    :: else ->
        if
        :: B_WAS_ROLLED_BACK(e, gone) ->
            assert(b_put_back);
            b_stopped = true
        :: else -> b_meets(e, gone)
        fi
    fi
}
inline b_meets(e, gone) {
    if
    :: e > b.peer_epoch ->
        b.peer_epoch = e;
        b.seen = 0
    :: else ->
        if
        :: RESTORED -> b.seen = b.seen | gone          /* skipped, and people are told; above `low` by voids */
        :: else
        fi
    fi;
    b.row_epoch = b.epoch;
    b_up = true
}

inline b_restarts() {
    b_up = false;
    b_knows = false;
    a_knows = false;
    for (i : 1 .. 2) {
        wire[OLD].receipts[i] = wire[OLD].receipts[i] | wire[NOW].receipts[i];
        wire[NOW].receipts[i] = 0
    }
    mail_is_void(NOW);
    mail_is_void(OLD);
    greets_are_old();
    i = 0
}
inline b_is_put_back() {
    b.epoch = b_copy.epoch;
    b.peer_epoch = b_copy.peer_epoch;
    b.seen = b_copy.seen;
    b.handled = b_copy.handled;
    b.row_epoch = b_copy.row_epoch;
    b_put_back = true;
    b_restarts()
}

#define B_HEARS_MAIL(n, m) \
    :: d_step { b_up && HAS(wire[NOW].MAIL(b.peer_epoch, n), m) -> take_in(n, m); b_says() } \
    :: d_step { b_up && HAS(wire[OLD].MAIL(b.peer_epoch, n), m) -> take_in(n, m); b_says() }
#define B_HEARS_MAILS(n) EACH_MAIL(B_HEARS_MAIL, n)
#define B_HEARS_GREET_OF(e, gone, next) \
    :: d_step { b_knows && HAS(wire[NOW].a_greets[e], A_GREET(gone, next)) -> b_takes_greet(e, gone, next); b_says() } \
    :: d_step { HAS(wire[OLD].a_greets[e], A_GREET(gone, next)) -> b_takes_greet(e, gone, next); b_says() }
#define B_HEARS_GREET(gone, next) B_HEARS_GREET_OF(1, gone, next) B_HEARS_GREET_OF(2, gone, next)

proctype Receiver() {
    byte i;
end:
    do
    :: b_stopped -> break
    EACH_NUMBER(B_HEARS_MAILS)
    B_HEARS_GREET(0, 0) B_HEARS_GREET(0, 1) B_HEARS_GREET(0, 2)
    B_HEARS_GREET(1, 1) B_HEARS_GREET(1, 2) B_HEARS_GREET(2, 2) B_HEARS_GREET(3, 2)
    :: d_step { !b_knows && !a_stopped -> b_hears(); b_says() }
    :: d_step { b_up -> b_up = false }
#ifdef MUTANT_RECEIPT_FIRST
    :: d_step { b_up && b_knows && wire[NOW].MAIL(b.peer_epoch, 0) -> ADD(wire[NOW].receipts[b.peer_epoch], b.seen | 1) }
#endif
#ifdef MUTANT_TIME_DEDUPE
    :: d_step { b.seen -> b.seen = 0; b_says() }
#endif
    :: d_step { b_up -> b_restarts(); b_says() }
    :: d_step {
        !b_copied ->
        b_copied = true;
        b_copy.epoch = b.epoch;
        b_copy.peer_epoch = b.peer_epoch;
        b_copy.seen = b.seen;
        b_copy.handled = b.handled;
        b_copy.row_epoch = b.row_epoch
    }
    :: d_step { SILENTLY(b) -> b_is_put_back(); b_says() }
    :: d_step { b_copied && !b_put_back && !a_put_back -> b_is_put_back(); b_openly = true; b.epoch++; b_says() }
    od
}

init {
    atomic {
        a.epoch = 1;
        b.epoch = 1;
        a_says();
        b_says();
        run Sender();
        run Receiver()
    }
}
