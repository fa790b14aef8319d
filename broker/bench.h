/*  bench - drives one role through turns on a store of its own, without sockets, clock or network.
 *
 *  For unit tests and benchmarks of roles. It stands on nm_actor_turn, so custody, asks and
 *  the commit are the real ones; the peers are played by the test:
 *
 *      nm_bench_t *bench = nm_bench_new(&nm_router_role, "router-1", NULL);
 *      nm_bench_mail(bench, "gateway-1", NM_MAIL_WORK, body);
 *      nm_bench_turn(bench);
 *      assert_int_equal(nm_bench_mails(bench, NM_MAIL_DELIVERY), 1);
 *
 *  The mesh has gateway-1 (number 1), gateway-2 (2), router-1, router-2, email-1, email-2,
 *  deadletter-1 and user-1, and bridge-1 if the role is that of bridges; all greeted, with credit, unless told otherwise. Inputs are queued and given
 *  to the next turn. Outputs of all turns are kept until nm_bench_forget. Not for production.
 */
#ifndef NM_BENCH_H
#define NM_BENCH_H

#include "broker/actor.h"

typedef struct nm_bench nm_bench_t;

//  The admin API key of the bench's mesh is {admin service}-000102030405060708090a0b0c0d0e0f: this
//  is the BLAKE2b-256 of the text of its second half.
#define NM_BENCH_ADMIN_SECRET "000102030405060708090a0b0c0d0e0f"
#define NM_BENCH_ADMIN_HASH "ee74af1f53aa5b510c06f62d8bffabe551c575d4a577c9e2c08128a3aa2c3307"

//  settings: further ZPL text for the mesh file (providers, email, ...); may be NULL. The process
//  ends with a message if it cannot be made: a test has no use for a half bench.
nm_bench_t *nm_bench_new(const nm_role_t *role, const char *name, const char *settings);
void nm_bench_destroy(nm_bench_t **self_p);

//  Stops the actor without goodbye and starts it again on the same store: a crash and a restart.
//  Queued inputs and kept outputs are gone.
void nm_bench_restart(nm_bench_t *self);

void *nm_bench_state(nm_bench_t *self);  //  The role's own state
nm_store_t *nm_bench_store(nm_bench_t *self);
uint64_t nm_bench_rows(nm_bench_t *self, const nm_table_t *table);  //  How many entries a table of it has
const nm_mesh_t *nm_bench_mesh(nm_bench_t *self);

//  -- Time. Starts at 2026-11-21T00:00:00Z and moves only here.
int64_t nm_bench_now(const nm_bench_t *self);
void nm_bench_wait(nm_bench_t *self, int64_t ms);
void nm_bench_step(nm_bench_t *self, int64_t ms);  //  Somebody sets the wall clock, while no actor looks

//  -- Inputs for the next turn; bytes are copied.
void nm_bench_mail(nm_bench_t *self, const char *peer, unsigned kind, nm_bytes_t body);
void nm_bench_record(nm_bench_t *self, const char *peer, unsigned kind, const nm_shape_t *shape, const void *record);

//  An ask; peer "" is a client at the door, "operator" an operator at the desk. headers may be NULL. Returns the number of the ask.
uint64_t nm_bench_ask(nm_bench_t *self, const char *peer, const char *op, const nm_ask_headers_t *headers,
                      nm_bytes_t body);

//  Answers an ask that the role has put (see nm_bench_asked).
void nm_bench_answer(nm_bench_t *self, uint64_t id, const char *peer, unsigned status, nm_bytes_t body);
void nm_bench_answer_with(nm_bench_t *self, uint64_t id, const char *peer, unsigned status, nm_bytes_t headers,
                          nm_bytes_t body);

//  A request at the front; it belongs to the caller and must last until the next turn is over.
void nm_bench_request(nm_bench_t *self, const nm_front_request_t *request);

//  The result of an effect; text is copied. Token and about come from the effect.
void nm_bench_result(nm_bench_t *self, const nm_effect_t *effect, nm_call_t call, unsigned code, const char *text);

//  One turn with all queued inputs. At most 32 further turns follow if the role wants to be
//  woken at once. Returns the result of the first that was not NM_OK.
nm_rc_t nm_bench_turn(nm_bench_t *self);
nm_rc_t nm_bench_turn_once(nm_bench_t *self);  //  ... and none further

//  -- Outputs so far, in order
typedef struct {
    char peer[NM_NAME_MAX + 1];
    uint8_t kind;
    uint8_t priority;
    nm_bytes_t body;
} nm_bench_mail_t;

typedef struct {
    uint64_t id;  //  Of the ask
    unsigned status;
    nm_bytes_t headers;
    nm_bytes_t body;
} nm_bench_reply_t;

typedef struct {
    uint64_t id;
    char peer[NM_NAME_MAX + 1];
    char op[65];
    nm_bytes_t headers;
    nm_bytes_t body;
} nm_bench_asked_t;

//  How many mails of a kind have left (0: of any kind), and the n-th of them; NULL past the end.
size_t nm_bench_mails(const nm_bench_t *self, unsigned kind);
const nm_bench_mail_t *nm_bench_sent(const nm_bench_t *self, unsigned kind, size_t n);

const nm_bench_reply_t *nm_bench_reply(const nm_bench_t *self, uint64_t id);  //  NULL: not answered yet
size_t nm_bench_asks(const nm_bench_t *self);
const nm_bench_asked_t *nm_bench_asked(const nm_bench_t *self, size_t n);

//  Answers to requests at the front; each piece counts.
size_t nm_bench_answers(const nm_bench_t *self);
const nm_front_answer_t *nm_bench_answered(const nm_bench_t *self, size_t n);

//  Effects that have been started; nm_bench_effect gives the n-th, which the bench owns.
size_t nm_bench_effects(const nm_bench_t *self);
const nm_effect_t *nm_bench_effect(const nm_bench_t *self, size_t n);

//  Drops all kept outputs, so that the next turn's stand alone.
void nm_bench_forget(nm_bench_t *self);

//  The actor underneath: tests of broker/ look at its insides through actor_private.h.
nm_actor_t *nm_bench_actor(nm_bench_t *self);

//  -- The world around
void nm_bench_since(nm_bench_t *self, const char *name, int64_t not_before_ms);  //  When a certificate begins
void nm_bench_frame(nm_bench_t *self, const char *peer, nm_bytes_t frame);       //  Any bytes, as a link frame
void nm_bench_again(nm_bench_t *self, const char *peer);                         //  The peer sends its last mail again
void nm_bench_boast(nm_bench_t *self, const char *peer,
                    uint64_t seen);                                     //  A new process of it says it has seen so much
void nm_bench_hold(nm_bench_t *self, const char *peer, bool held);      //  It takes in, but its receipts get lost
void nm_bench_freeze(nm_bench_t *self, const char *peer, bool frozen);  //  Not a word while it is frozen
void nm_bench_busy(nm_bench_t *self, const char *peer, uint64_t backlog);  //  A beat tells of its backlog
void nm_bench_away(nm_bench_t *self, const char *peer);                    //  It says goodbye: mail for it waits
void nm_bench_back(nm_bench_t *self, const char *peer);                    //  A new process of it greets
void nm_bench_reborn(nm_bench_t *self, const char *peer);                  //  It is killed and started again
void nm_bench_bury(nm_bench_t *self, const char *peer);  //  The authority says that it is gone for good, disk and all
void nm_bench_bury_stranger(nm_bench_t *self, const char *name);  //  ... of one that nobody here has heard of
void nm_bench_follow(nm_bench_t *self, const char *peer);  //  A later actor of that name, with a store of its own
void nm_bench_full(nm_bench_t *self, bool tight);          //  The store looks tight from the next turn on
void nm_bench_play_books(nm_bench_t *self);  //  From now on the test answers asks about books; else nobody else has any

//  The actor takes over all changes of a book that the owner's copy, on another bench, has made since the last time.
void nm_bench_follow_book(nm_bench_t *self, nm_bench_t *owner, const char *book);
void nm_bench_hear_owner(nm_bench_t *self, const char *book);  //  It is there, until it is asked the next time

//  -- Claims. A played peer claims at once what it is offered, and takes it in when it is granted; only then does it
//  count as a mail that has left. A frozen one does neither.
size_t nm_bench_offered(nm_bench_t *self, const char *peer);  //  What it was offered and not granted

//  The other way round: mail that the actor has to claim, and the grant. Such mail is numbered from 1 for each
//  peer, together with that of nm_bench_mail.
void nm_bench_offer(nm_bench_t *self, const char *peer, unsigned kind, nm_bytes_t body);
void nm_bench_grant(nm_bench_t *self, const char *peer, uint64_t first, uint64_t last);
void nm_bench_void(nm_bench_t *self, const char *peer, uint64_t seq);  //  The number holds nothing any more
size_t nm_bench_claims(const nm_bench_t *self);                        //  Frames of claims that have left

//  From now on nobody is played: frames to peers go to wire, and theirs come by nm_bench_frame, so that
//  several benches can be made a mesh. Begins with a restart.
typedef void(nm_bench_wire_fn)(void *arg, const char *peer, nm_bytes_t frame);
void nm_bench_connect(nm_bench_t *self, nm_bench_wire_fn *wire, void *arg);

#endif
