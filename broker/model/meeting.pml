/*  meeting - which process of a peer a greeting makes us believe, when frames of processes that are over still arrive.
 *
 *  We live on; the peer starts again and again. What a process of the peer has sent may arrive at any later time, in any
 *  order, again and again, or never, also when later processes have spoken. What we send goes over one socket of a living
 *  process: it may get lost, but keeps its order and comes once. README.md says where the code is.
 *
 *  Numbers are those of the greetings, which each process counts from 1; 0: none.
 */
#define PROCESSES 3        /* of the peer */
#define GREETINGS 3        /* of ours; and of each process of the peer */

#define FRAME(number, your_number) ((number) * (GREETINGS + 1) + (your_number))

/*  We: who was met, who greeted last and with which number, how many greetings we sent, and those that prove nothing. */
byte met, heard_boot, heard_number, greetings, answered;

/*  The peer: the process that it is now, the greetings that it sent, the last of ours that it got. */
byte boot = 1, number, got;

/*  The network: the greetings of each process, and the last one of ours that somebody got. */
int sent[PROCESSES + 1];
byte delivered;

#ifdef MUTANT_ANY_ANSWER
#define PROVES(y) (y != 0)
#else
#define PROVES(y) (y > answered)
#endif

/*  It names us if it has heard us (y). Once a process was met, no earlier one may be. */
inline weigh(b, n, y) {
    if
    :: b == heard_boot && n <= heard_number            /* late */
    :: else ->
        if
        :: y != 0 && b == met                          /* known */
        :: y != 0 && b != met && PROVES(y) ->
            assert(b > met);
            met = b;
            answered = y
        :: else ->
            if :: heard_boot != b && heard_boot != 0 -> answered = greetings :: else fi   /* doubt */
        fi;
        heard_boot = b;
        heard_number = n
    fi
}

#define HEARS(b, n, y) :: d_step { (sent[b] >> FRAME(n, y)) & 1 -> weigh(b, n, y) }
#define HEARS_Y(b, n) HEARS(b, n, 0) HEARS(b, n, 1) HEARS(b, n, 2) HEARS(b, n, 3)
#define HEARS_N(b) HEARS_Y(b, 1) HEARS_Y(b, 2) HEARS_Y(b, 3)

active proctype We() {
end:
    do
    HEARS_N(1)
    HEARS_N(2)
    HEARS_N(3)
    :: d_step { greetings < GREETINGS -> greetings++ }
    od
}

#define GETS(n) :: d_step { n <= greetings && n > delivered -> delivered = n; got = n }

active proctype Peer() {
end:
    do
    GETS(1) GETS(2) GETS(3)
    :: d_step { number < GREETINGS -> number++; sent[boot] = sent[boot] | (1 << FRAME(number, got)) }
    :: d_step { boot < PROCESSES -> boot++; number = 0; got = 0 }
    od
}

/*  Nobody is met who is yet to come, and whoever is met was asked. The rest is the assertion above. */
ltl safe { [] (met <= boot && answered <= greetings) }
