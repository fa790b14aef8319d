/*  role - what an actor does, as a state machine that a turn drives.
 *
 *  A role never sends, sleeps, does I/O or asks the clock: it reads and writes the store
 *  through the turn's transaction and adds outputs to the turn. So a test drives it
 *  without sockets, and a simulator can stop it between any two steps.
 *
 *  Every handler may be run again for the same input, when its turn was undone (the
 *  store was full): what a role keeps in memory must follow from the store, or be changed
 *  only in `committed`.
 *
 *  Results: NM_OK, also when an input is refused in good order (a reply with 4xx is OK).
 *  NM_ERR_MALFORMED, before anything was written: the mail cannot be read; the runtime
 *  keeps it in the quarantine and receipts it. NM_ERR_FULL: the turn is undone, asks are
 *  answered 507, mail stays with its sender. Anything else ends the process.
 */
#ifndef NM_ROLE_H
#define NM_ROLE_H

#include "broker/directory.h"
#include "broker/effect.h"
#include "broker/front.h"
#include "broker/metrics.h"
#include "lmdb_store/store.h"
#include "wire/frames.h"
#include "wire/records.h"

typedef struct nm_turn nm_turn_t;

//  What a role may know of its surroundings; lives as long as the actor.
typedef struct {
    const nm_mesh_t *mesh;  //  The mesh file: read your own part in open
    const nm_directory_t *directory;
    const nm_mesh_actor_t *self;  //  The roster entry of this actor
    nm_metrics_t *metrics;
} nm_setup_t;

//  Mail from a peer; views live until the turn ends.
typedef struct {
    const char *peer;  //  The certified name of the sender
    nm_role_id_t role;
    uint8_t kind;  //  nm_mail_kind_t
    uint8_t priority;
    nm_bytes_t body;
} nm_mail_in_t;

//  Where a reply goes. A value: keep it to answer in a later turn.
typedef struct {
    uint8_t socket;  //  Desk or door; private to the loop
    uint8_t route_size;
    uint8_t route[16];
    uint64_t id;  //  The asker's number
} nm_caller_t;

//  An ask from a peer, an operator, or a client at the door.
typedef struct {
    nm_caller_t caller;
    const char *peer;                       //  Certified name; "" for a client
    nm_role_id_t role;                      //  NM_ROLE_CLIENT at the door
    uint8_t client_key[NM_CURVE_KEY_SIZE];  //  Of a client
    char address[NM_CLIENT_ADDRESS_SIZE];   //  ... where it comes from, an IP address; empty if that is not to be known
    nm_bytes_t op;
    nm_ask_headers_t headers;  //  Frame's and ask's, merged
    nm_bytes_t body;           //  Raw value; empty if there was none
    int64_t deadline_ms;       //  Nobody waits for an answer after this (wall clock)
} nm_ask_in_t;

//  The answer to an ask of ours, or that there is none.
typedef struct {
    uint64_t token;    //  What nm_turn_ask was given
    const char *peer;  //  Who answered, or was asked
    unsigned status;   //  As in HTTP; 504 when nobody answered in time, 503 when nobody was there
    nm_bytes_t headers;
    nm_bytes_t body;
} nm_reply_in_t;

//  A book that every actor of the role has a copy of; roles.h says which there are. Entries are read with
//  lmdb_store/book.h, at any time; the owner changes them with nm_turn_book_put.
typedef struct {
    const char *name;

    //  An entry was changed or has gone, here or by the owner elsewhere: what is kept of it in memory follows.
    //  NULL: nothing is.
    nm_rc_t (*changed)(void *state, nm_turn_t *turn, nm_bytes_t key);
} nm_book_use_t;

typedef struct {
    const char *name;
    nm_role_id_t id;
    const nm_table_t *const *tables;
    size_t table_count;
    const nm_book_use_t *books;
    size_t book_count;

    //  Mail to this role frees room rather than taking it (events end notifications), so its
    //  credit stays when the store is tight.
    bool mail_drains;

    //  Turns that are not caused by an ask are at least so far apart: what comes in between shares
    //  one commit. An actor at rest answers at once all the same. See docs/decisions/0002.
    int64_t pace_ms;

    //  Reads its settings from the mesh file, makes its state. error: FILE line N: reason.
    nm_rc_t (*open)(void **state, const nm_setup_t *setup, nm_error_t *error);
    void (*close)(void *state);

    //  The first turn after open: loads what it keeps in memory, takes up what a crash left
    //  (attempts without a result), sets its first wake. Also after a turn was undone.
    nm_rc_t (*load)(void *state, nm_turn_t *turn);

    //  Inputs; any may be NULL if the role takes none of that sort.
    nm_rc_t (*mail)(void *state, nm_turn_t *turn, const nm_mail_in_t *mail);
    nm_rc_t (*ask)(void *state, nm_turn_t *turn, const nm_ask_in_t *ask);
    nm_rc_t (*reply)(void *state, nm_turn_t *turn, const nm_reply_in_t *reply);
    nm_rc_t (*result)(void *state, nm_turn_t *turn, const nm_result_t *result);

    //  A request at the front of a role that has one: nm_turn_answer answers it.
    nm_rc_t (*request)(void *state, nm_turn_t *turn, const nm_front_request_t *request);

    //  Mail that was put with this token (nm_mail_out_t.notify) is on the disk of the peer. A restart forgets
    //  who wanted to know.
    nm_rc_t (*receipted)(void *state, nm_turn_t *turn, uint64_t token);

    //  The authority has said that an actor of this name and its disk are gone for good, last at peer->lost_ms; a later actor
    //  of the name may be there, or nobody here ever heard of one (then its role is NM_ROLE_NONE). Told in the turn in which that is learnt, and again after each load and each change of the
    //  directory: the role keeps in its store about which loss it has done something.
    nm_rc_t (*forgotten)(void *state, nm_turn_t *turn, const nm_peer_t *peer);

    //  Mail of ours that a lost peer may have handled. True: it goes to another of the peer's role, with what is put into
    //  changed (may be NULL), if anything, as its body. False: it does not, because the role accounts for it by itself, since it was
    //  told in `forgotten`. A question of its content alone; body is empty if it was put by reference. NULL: all goes as it is.
    bool (*doubted)(uint8_t kind, nm_bytes_t body, nm_buf_t *changed);

    //  Runs in each turn after its inputs when a wake is due, and once per turn that had inputs
    //  if `every_turn`: start what there is room for, do what is due, bounded; then nm_turn_wake.
    nm_rc_t (*due)(void *state, nm_turn_t *turn);
    bool every_turn;

    //  The turn is on disk; its outputs are about to go.
    void (*committed)(void *state);

    //  Body of mail that was put by reference (nm_mail_out_t.by_ref), when it is sent again or
    //  was waiting. View into the transaction. NM_ERR_MISSING: what it spoke of is over; the
    //  runtime then sends an empty body, which the receiver takes in and passes over.
    nm_rc_t (*load_body)(void *state, nm_turn_t *turn, uint8_t kind, nm_bytes_t ref, nm_bytes_t *body);

    //  How much more mail the role is willing to hold (credit is shared out from this); NULL: no limit.
    size_t (*room)(void *state);

    //  What it holds that is not finished, and since when the oldest (0: none), for `status`.
    void (*backlog)(void *state, uint64_t *count, int64_t *oldest_ms);

    //  Sets those of its gauges that nobody needs until somebody looks. Reads the store, and changes nothing.
    void (*figures)(void *state, nm_turn_t *turn);

    //  Adds pairs to the `status` map; returns how many.
    size_t (*status)(void *state, nm_buf_t *out);
} nm_role_t;

#endif
