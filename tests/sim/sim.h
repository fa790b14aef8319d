/*  sim - one simulated life of a whole mesh, from one seed.
 *
 *  Everything that a simulation is made of, as plain values: actors (host.c) that run the real
 *  role code on real stores, the network between them (net.c), the clients and the operator at
 *  the gateways' doors (client.c), the mail servers behind the e-mail actors (provider.c), the
 *  faults (nemesis.c), and what must hold (ledger.c). Each file has a part of this header.
 *
 *  Time moves only here: sim_run takes the next event or the next turn that is due. One
 *  thread, no clock, no socket. The first broken invariant ends the run; `fault` says which.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "broker/clock.h"
#include "tests/sim/ask.h"
#include "tests/sim/dice.h"
#include "tests/sim/ground.h"

enum {
    SIM_NOTE_MAX = SIM_PEOPLE_COUNT,
    SIM_GOT_MAX = 32,
    SIM_SPELL_MAX = 12,
    SIM_STATEMENT_MAX = 6,
    SIM_HEAL_MS = 90000,    //  After the faults: everything must be final and empty within this
    SIM_SETTLE_MS = 40000,  //  ... and everybody known to everybody within this once all are up
};

typedef struct sim sim_t;
typedef struct sim_host sim_host_t;

//  -- sim.c: time

typedef struct sim_event sim_event_t;
typedef void(sim_event_fn)(sim_t *sim, sim_event_t *event);

//  Something that happens at a time. The fields after run are its own to use.
struct sim_event {
    int64_t at_ms;
    uint64_t order;  //  Of equal times the one that was put first
    sim_event_fn *run;
    size_t from, to;  //  Hosts, notes or spells
    uint64_t number;
    uint64_t kind;
    nm_caller_t caller;
    nm_buf_t bytes;  //  Freed after run unless run has taken it (and cleared it)
};

//  Puts a copy of the event; its bytes are taken over.
void sim_at(sim_t *self, int64_t at_ms, sim_event_t event);

//  A line of the story, if it is wanted.
__attribute__((format(printf, 2, 3))) void sim_say(const sim_t *self, const char *format, ...);

//  An invariant is broken: the first one counts. name as in RELIABILITY: I1 to I9, custody.
__attribute__((format(printf, 3, 4))) void sim_fault(sim_t *self, const char *name, const char *format, ...);

//  -- host.c: actors

typedef struct {
    nm_input_t input;
    nm_buf_t bytes;
    nm_result_t *result;  //  RESULT: owned
    size_t call;          //  RESULT: of which call
} sim_input_t;

//  What happened to the store of a host.
typedef enum { SIM_STORE_WHOLE, SIM_STORE_ROLLED, SIM_STORE_RESTORED } sim_store_state_t;

struct sim_host {
    sim_t *sim;
    size_t index;
    const sim_seat_t *seat;
    nm_role_t role;  //  The seat's, with the ledger between actor and role
    nm_store_t *store;
    nm_actor_t *actor;  //  NULL: it is down
    nm_metrics_t *metrics;
    nm_clock_t clock;
    int64_t step_ms;  //  How far its wall clock is off
    uint32_t life;    //  Grows at each start
    bool present;     //  Takes part in this simulation, and has not left for good
    bool leaving;
    bool draining;              //  Somebody wants it to, until it has left
    bool for_good;              //  ... and not to come back
    bool gone;                  //  It has not
    bool forgotten;             //  It was lost, and may not come back
    nm_directory_t *directory;  //  Its own; NULL: it is down, or all share the ground's
    nm_mesh_actor_t place;      //  Where it is found now
    unsigned moves;
    size_t cert;        //  Which of the seat's certificates it starts by ...
    size_t own;         //  ... and goes by now; since it was renewed,
    size_t bound;       //  its sockets are bound by this one
    size_t calls;       //  and it calls by this
    size_t revoked;     //  How many of them are revoked
    bool renewed;       //  Somebody wants it to go by the second
    int64_t turn_ms;    //  When it has its next turn; INT64_MAX: not running
    int64_t frozen_ms;  //  It has none before this
    sim_input_t *inputs;
    size_t input_count, input_room;

    bool crash_at_commit;  //  This turn ends before its commit
    unsigned crash_odds;   //  Of a crash somewhere in a turn, per mille
    unsigned full_odds;    //  Of a commit that finds no room, per mille
    bool tight;            //  Its store looks nearly full

    uint64_t voids;                   //  Numbers without mail that it has seen, over all lives ...
    uint64_t voids_of[SIM_SEAT_MAX];  //  ... and of those that are lost, what each had sent
    uint64_t void_mark;               //  ... and those of this life before the turn under way

    sim_disk_t copy;  //  An old copy of its disk
    bool has_copy;
    int64_t copied_ms;
    sim_store_state_t state;
    bool must_stop;  //  Rolled back, and behind what a peer knows
};

void sim_hosts_open(sim_t *self);
void sim_hosts_close(sim_t *self);

//  Starts it on its disk as it is. If that fails (a crash in its first turn) it tries again later.
void sim_host_start(sim_host_t *self);
void sim_host_start_later(sim_host_t *self, int64_t down_ms);

//  It stops between two instructions; the disk stays. It starts again after down_ms.
void sim_host_crash(sim_host_t *self, int64_t down_ms);

//  It is told to stop, ends what is under way, says goodbye, and starts again.
void sim_host_leave(sim_host_t *self);

//  It is gone, with its disk.
void sim_host_lose(sim_host_t *self);

//  It is told to drain, and again in each life until it has left with nothing; then it starts again, or does not.
void sim_host_drain(sim_host_t *self);

//  It is down; its disk becomes the old copy; it starts again.
void sim_host_roll_back(sim_host_t *self);

//  Something came for it: it will have a turn. False if it is down; the bytes are still the caller's.
bool sim_host_give(sim_host_t *self, const sim_input_t *input);

void sim_host_turn(sim_host_t *self);

//  -- net.c: the network

typedef struct {
    int64_t last_ms;  //  When the last frame of this connection arrives: the next is not sooner
    bool cut;         //  Nothing passes in this direction
} sim_wire_t;

//  How bad it is, for all wires.
typedef struct {
    unsigned loss, twice, reconnect;  //  Per mille of the frames
    int64_t delay_ms;                 //  At most, beside the usual few
} sim_weather_t;

//  Which socket of an actor something came to; the route of an asker is its index and life.
enum { SIM_FROM_DESK = 1, SIM_FROM_DOOR, SIM_FROM_LOBBY, SIM_ROUTE_SIZE = 5 };

//  Takes the bytes over.
void sim_net_send(sim_t *self, size_t from, size_t to, nm_input_kind_t kind, const nm_caller_t *caller, nm_buf_t bytes);

//  What this host has sent and what has not arrived is gone.
void sim_net_forget(sim_t *self, size_t from);

//  What is on the way to this host is gone: its sockets are bound anew.
void sim_net_rebind(sim_t *self, size_t to);

//  -- provider.c: the mail servers

//  How often, per mille, a call ends so.
typedef struct {
    unsigned unreached;  //  No connection
    unsigned broken;     //  It ends before the message is complete
    unsigned hidden;     //  Taken, and the answer lost
    unsigned vanished;   //  Not taken, and no answer
    unsigned late;       //  Taken long after the caller has given up
    unsigned busy;       //  451
    int64_t slow_ms;     //  At most, beside the usual few
} sim_providers_t;

typedef struct {
    bool used;
    size_t host;
    uint32_t life;
    size_t note;
    uint64_t token;
    nm_id_t about;
    bool takes;      //  The server takes the message, at take_ms
    bool taken;      //  It has
    size_t got;      //  Which of the note's
    bool told;       //  The caller has an answer
    nm_call_t call;  //  What the caller is told ...
    unsigned code;
} sim_call_t;

void sim_provider_start(sim_host_t *host, nm_effect_t *effect);  //  Takes the effect over
void sim_provider_crashed(sim_host_t *host);                     //  Its calls end with it

//  The turn that took the answer of this call is on disk.
void sim_provider_known(sim_t *self, size_t call);

//  -- client.c: who sends, and who looks

typedef enum { SIM_NOTE_NEW, SIM_NOTE_ASKED, SIM_NOTE_TAKEN } sim_note_state_t;

//  What is known of a message that a provider took.
typedef enum {
    SIM_GOT_OPEN,       //  The caller does not know yet
    SIM_GOT_KNOWN,      //  It is on the caller's disk that it was sent
    SIM_GOT_UNCERTAIN,  //  The answer was lost, or the caller died first
    SIM_GOT_FORGOTTEN,  //  It was known, and who knew it is lost with its disk
} sim_got_state_t;

//  A notification, from the wish of a client to its end.
typedef struct {
    size_t tenant;
    size_t gateway;  //  Host
    char key[32];    //  Idempotency key
    uint64_t token;  //  Proves the payload
    size_t size;     //  Of the content
    bool at_most_once;
    bool expires;
    bool by_user;       //  It names a user, not an address
    bool refused;       //  Its address is dead: 550
    int64_t cancel_ms;  //  When its client thinks better of it; 0: never
    sim_note_state_t state;
    nm_id_t id;
    bool excused;      //  A store that was rolled back took part of it along
    unsigned tries;    //  Asks before it was taken
    bool doubled;      //  Two copies of it may have been left by a gateway that is lost
    unsigned copies;   //  On how many disks it was accepted; 0: its service does not ask
    bool settled_key;  //  Whom its key was known to is lost: it is not asked for again
    bool cancelled;
    unsigned replays;   //  Asked for
    unsigned failures;  //  Calls that did not end well
    unsigned buried;    //  Dead letters of it that were taken in
    nm_status_t status;
    bool seen;             //  status is set
    size_t steps;          //  Of its timeline
    uint64_t asked_since;  //  Asks from this one on were put when that was known
    sim_got_state_t gots[SIM_GOT_MAX];
    size_t got_count;
} sim_note_t;

void sim_clients_open(sim_t *self);

//  The number of an operator's ask to publish a statement at a host, and to go by another key.
uint64_t sim_client_publish_id(sim_t *self, size_t statement, size_t host);
uint64_t sim_client_renew_id(sim_t *self, size_t host);

//  A reply at the door.
void sim_client_reply(sim_t *self, nm_bytes_t frame);

//  The content of a note, as its client sent it.
void sim_note_text(const sim_t *self, const sim_note_t *note, nm_buf_t *out);
size_t sim_note_find(const sim_t *self, const nm_id_t *id);  //  SIZE_MAX: no such

//  -- directory.c: who is on the mesh. In some simulations each actor has a directory of its own, evened out by what the
//  actors say to each other; newcomers come, actors move, certificates are revoked. In the others all share one.

//  What the authority states, and whether some actor has said that it has heard so.
typedef struct {
    nm_buf_t news;  //  As it is published
    bool heard;
    size_t heard_by;
} sim_statement_t;

//  That of a host that starts, entered with where it is now. NULL: there is a fault.
nm_directory_t *sim_directory_open(sim_host_t *host, nm_now_t now);
const nm_cert_t *sim_directory_cert(const sim_host_t *host);

//  Is the other found where this one looks for it, under the key that it knows?
bool sim_directory_reaches(const sim_host_t *host, const nm_output_t *output, const sim_host_t *to);

//  Does the key of the sender get past the handshake?
bool sim_directory_admits(const sim_host_t *to, const sim_host_t *from);
const uint8_t *sim_directory_calls_by(const sim_host_t *host);

//  The host is told to go by a new key pair, as `nctl cert renew` does; later the old certificate may be revoked.
void sim_directory_renew(sim_host_t *host);
void sim_directory_renewed(sim_host_t *host, unsigned status);

//  The certificate of the host is ended; later it gets another one.
void sim_directory_revoke(sim_host_t *host);
bool sim_directory_is_revoked(const sim_host_t *host);
void sim_directory_published(sim_t *self, size_t statement, size_t host);

//  The host may have lost what it has heard, or nobody hears it any more.
void sim_directory_unheard(sim_host_t *host);

//  An actor pushes what nobody has said.
void sim_directory_lie(sim_host_t *liar, sim_host_t *to);

//  After each turn: nothing is believed that was not said. Of a new key of its own it takes note.
void sim_directory_check(sim_host_t *host);

//  Does everybody know everybody as he is now? Else why says who does not.
bool sim_directory_is_settled(sim_t *self, char why[160]);

//  The authority says that it is gone for good, disk and all.
void sim_directory_forget(sim_host_t *host);

//  All who take part are up, and know that the host is gone.
bool sim_directory_all_see_gone(const sim_host_t *host);

//  -- loss.c: machines are lost with their disks, and forgotten; now and then one is back with it all the same.
void sim_loss_open(sim_t *self);

//  -- nemesis.c: faults

//  Draws the faults of this seed and puts them into its time.
void sim_nemesis_open(sim_t *self);

//  -- ledger.c: what must hold

typedef struct {
    uint64_t *marks;  //  Of mail that was handled, and by whom: open addressing; 0: free
    size_t room, count;
    uint64_t handled[SIM_SEAT_MAX][SIM_SEAT_MAX];  //  How many: to, from

    //  Of the turn under way, until it is on disk.
    uint64_t *pending;
    size_t pending_count, pending_room;
    uint64_t from[SIM_SEAT_MAX];
    unsigned buried[SIM_NOTE_MAX];
    char twice[200];  //  A mail that was handled before; empty: none
} sim_ledger_t;

//  Puts itself between the actor and its role.
void sim_ledger_watch(sim_host_t *host);

//  A turn of this host begins; it ends in one of two ways.
void sim_ledger_enter(sim_host_t *host);
void sim_ledger_commit(sim_host_t *host);
void sim_ledger_undo(sim_t *self);

//  After each turn: what one host knows agrees with what the others do.
void sim_ledger_check(sim_host_t *host);

//  It says that it is drained: its store holds nothing that somebody waits for.
void sim_ledger_check_drained(const sim_host_t *host);

//  Does anybody have mail that is on the way to this host?
bool sim_ledger_is_waited_for(const sim_host_t *host);

//  Rolled back and behind a peer that is there? It must stop then.
bool sim_ledger_is_behind(const sim_host_t *host);

//  A store went back in time: whatever was on its way or done may have gone with it, or comes again out of
//  an outbox of then. What is begun after that is held to everything.
void sim_ledger_excuse(sim_t *self);
void sim_ledger_excuse_note(sim_t *self, size_t note);

//  Everything is final and empty.
bool sim_ledger_is_quiet(sim_t *self);

//  At the end.
void sim_ledger_close(sim_t *self);

//  -- The whole

//  What many runs add up to.
typedef struct {
    uint64_t seeds, turns, commits, crashes, rollbacks, stops, restores, full, notes, excused, sent, failed, gots,
        duplicates, mails, simulated_ms, directories, newcomers, statements, lies, drained, gone, recalled, renewals,
        losses, inherited, returns;
} sim_tally_t;

struct sim {
    const sim_ground_t *ground;
    uint64_t seed;
    bool verbose;
    sim_dice_t dice;
    int64_t now_ms;
    int64_t heal_ms;  //  When the faults end
    bool healed;
    bool done;
    sim_event_t *events;  //  A heap
    size_t event_count, event_room;
    uint64_t event_order;

    sim_host_t hosts[SIM_SEAT_MAX];
    size_t host_count;

    sim_wire_t wires[SIM_SEAT_MAX][SIM_SEAT_MAX];
    sim_weather_t weather;
    uint64_t forgotten[SIM_SEAT_MAX];  //  Frames of this sender with a lower order are gone
    uint64_t rebound[SIM_SEAT_MAX];    //  ... and those to this receiver

    sim_providers_t providers;
    sim_call_t *calls;
    size_t call_count;

    sim_note_t notes[SIM_NOTE_MAX];
    size_t note_count;
    uint64_t next_ask;
    unsigned client_loss;  //  Per mille of asks and replies at the doors

    bool gossips;   //  Each host has a directory of its own
    int64_t up_ms;  //  Since when no host is down
    bool settled;   //  Since then everybody has known everybody
    sim_statement_t statements[SIM_STATEMENT_MAX];
    size_t statement_count;

    unsigned losses;   //  So many machines will be lost
    unsigned lost;     //  ... and so many are by now
    bool rolled_back;  //  Some store was, in this run
    bool asked_twice;  //  An ask between gateways was repeated by the network: perhaps one that a client put once
    sim_ledger_t ledger;
    sim_tally_t *tally;
    char fault[512];
};

//  Runs one seed and adds to the tally. False: fault says which invariant was broken.
bool sim_run(const sim_ground_t *ground, uint64_t seed, bool verbose, sim_tally_t *tally, char fault[512]);

#endif
