/*  actor - the machine inside every actor, without sockets: inputs in, one turn, outputs out.
 *
 *  nm_actor_turn handles a batch of inputs inside ONE store transaction and commits. Only
 *  then do outputs appear, and the caller lets them go: the loop to sockets, a test to an
 *  array, a simulator to a network of its own.
 *
 *  The actor owns its outputs until they are taken; inputs belong to the caller and must
 *  live until the turn returns.
 */
#ifndef NM_ACTOR_H
#define NM_ACTOR_H

#include "broker/now.h"
#include "broker/role.h"

typedef struct nm_actor nm_actor_t;

enum {
    NM_ACTOR_EXIT_ROLLED = 75,  //  What the process ends with when its store went back in time
    NM_ACTOR_EXIT_OUT = 78,     //  ... and when the authority has ended its certificate
};

typedef struct {
    const nm_role_t *role;
    nm_setup_t setup;
    nm_store_t *store;
    uint64_t boot;  //  Random, another one at each start
    uint64_t seed;  //  For randomness; 0: the system's

    //  The directory that this actor evens out with others; it is that of the setup, and has been entered. NULL in
    //  tests of roles: then it tells nobody anything and asks nobody.
    nm_directory_t *directory;
} nm_actor_config_t;

typedef enum {
    NM_IN_FRAME,    //  A link frame in the mailbox
    NM_IN_ASK,      //  An ask frame at the desk or door
    NM_IN_REPLY,    //  A reply frame from a peer's desk
    NM_IN_RESULT,   //  An effect has ended
    NM_IN_KNOCK,    //  A newcomer at the lobby
    NM_IN_WELCOME,  //  A lobby's answer to our own knock
    NM_IN_REQUEST,  //  A request at the front
} nm_input_kind_t;

typedef struct {
    nm_input_kind_t kind;
    const char *peer;           //  Certified name; "" for a client at the door
    nm_role_id_t role;          //  NM_ROLE_CLIENT at the door
    const uint8_t *client_key;  //  Of a client or a newcomer: the key of its session. Else NULL
    const char *address;        //  Of a client: as in nm_ask_in_t. Else NULL
    nm_caller_t caller;         //  ASK and KNOCK: socket and route to answer on
    nm_bytes_t bytes;           //  The frame
    const nm_result_t *result;
    const nm_front_request_t *request;
} nm_input_t;

typedef enum {
    NM_OUT_FRAME,   //  To the mailbox of peer
    NM_OUT_ASK,     //  To the desk of peer
    NM_OUT_REPLY,   //  To caller.socket, caller.route
    NM_OUT_EFFECT,  //  Run it
    NM_OUT_KNOCK,   //  To the lobby of peer
    NM_OUT_ANSWER,  //  To the front
} nm_output_kind_t;

typedef struct {
    nm_output_kind_t kind;
    const nm_peer_t *peer;
    nm_caller_t caller;
    nm_buf_t bytes;
    nm_effect_t *effect;
    nm_front_answer_t answer;
} nm_output_t;

//  The tables of a store for this role: the broker's and the role's. Returns how many.
size_t nm_actor_tables(const nm_role_t *role, const nm_table_t **tables, size_t max);

//  Opens the role and runs its first turn (links and role load from the store).
nm_actor_t *nm_actor_new(const nm_actor_config_t *config, nm_now_t now, nm_error_t *error);
void nm_actor_destroy(nm_actor_t **self_p);

//  One turn. NM_OK: committed (or there was nothing to commit). NM_ERR_FULL: undone; asks have
//  been answered 507 and everything else but results of effects and requests at the front may be dropped: those must
//  be given again later. Other results: the process must end.
nm_rc_t nm_actor_turn(nm_actor_t *self, const nm_input_t *inputs, size_t count, nm_now_t now);

//  Did the last turn change the store? Only then did it cost a sync.
bool nm_actor_changed(const nm_actor_t *self);

//  Takes the next output; false if there is none. The taker frees bytes and answer, and runs or destroys effect.
bool nm_actor_take(nm_actor_t *self, nm_output_t *output);

//  What can wait until the outputs have gone: brings the store's log home and reads on in the
//  store to see that it is whole (a scrub), when that is due.
//  Call it after each release. Not NM_OK: the process must end.
nm_rc_t nm_actor_rest(nm_actor_t *self, int64_t mono_ms);

//  The state of its role: what a front is made with.
void *nm_actor_state(const nm_actor_t *self);

//  Monotonic time at which the next turn is due, inputs or not.
int64_t nm_actor_wake(const nm_actor_t *self);

//  Does it wait for an answer of this peer?
bool nm_actor_awaits(const nm_actor_t *self, const nm_peer_t *peer);

//  Not 0: the actor must stop, with this exit code; its log says why.
int nm_actor_exit(const nm_actor_t *self);

//  From now on grants no credit, and tells the role to start nothing new.
void nm_actor_leave(nm_actor_t *self);

//  As leave, and for good: the role gives away what is not under way (nm_turn_draining). May be called again.
void nm_actor_drain(nm_actor_t *self);

//  It drains, and is done: its role holds nothing, no mail waits or is on the way, here or to here. Effects under way
//  are the caller's to count.
bool nm_actor_drained(const nm_actor_t *self);

//  Puts a goodbye to every peer among the outputs: the last thing that an actor says.
void nm_actor_goodbye(nm_actor_t *self, const char *reason);

#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
//  A deliberate fault, built only to prove that a test notices: early is called before the commit.
void nm_actor_set_early(nm_actor_t *self, void (*early)(void *arg), void *arg);
#endif

#endif
