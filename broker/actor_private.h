/*  actor_private - the actor's insides, shared by the files that carry out its turns; nobody else includes it.
 */
#ifndef NM_ACTOR_PRIVATE_H
#define NM_ACTOR_PRIVATE_H

#include "broker/actor.h"
#include "broker/asks.h"
#include "broker/books.h"
#include "broker/inbox.h"
#include "broker/link.h"
#include "broker/offenders.h"
#include "broker/outbox.h"
#include "broker/tags.h"
#include "broker/turn.h"
#include "broker/watches.h"
#include "wire/id.h"

enum { NM_LANE_TEXT_MAX = NM_NAME_MAX + 8 };

//  Where a peer of the directory is found among those of the actor.
typedef struct {
    bool taken;
    size_t peer;      //  Its number among the peers
    nm_link_t *link;  //  NULL: no mail is exchanged
} nm_seat_t;

//  A waiting line of the outbox.
typedef struct {
    char text[NM_LANE_TEXT_MAX];
    nm_role_id_t role;  //  NM_ROLE_NONE if it waits for one peer
    nm_link_t *link;    //  ... the link to it
    uint64_t count;
    bool tagged;  //  tags has all that waits
    nm_tags_t tags;
} nm_lane_t;

//  A frame that is being filled: mail to a peer, replies on a route, asks to a peer.
typedef struct {
    nm_buf_t bytes;
    size_t mark;   //  Where its list's count goes
    size_t count;  //  Items so far; 0: not started
    bool claim;    //  Of mail: it is to be claimed
} nm_draft_t;

//  How the directory is evened out with others. Times are monotonic.
typedef struct {
    nm_directory_t *directory;  //  NULL: this actor keeps out of it
    bool loaded;                //  What was saved has been taken in
    int64_t tick_at_ms;
    int64_t beat_at_ms;
    int64_t sync_at_ms;
    int64_t push_wake_ms;  //  INT64_MAX: there are no news
    int64_t push_at_ms;    //  Not before: news that come together go together
    int64_t began_ms;      //  When this life began
    int64_t answered_ms;   //  When anybody last answered
    int64_t knock_at_ms;   //  The next knock at a lobby, if nobody answers
    int64_t knock_pause_ms;
    size_t seed;           //  Whose lobby is next
    unsigned warned_days;  //  For how many days the certificate was still good at the last warning
} nm_exchange_t;

//  survey.c: how all actors are, asked for by operators or the role; at most so many at a time.
enum {
    NM_SURVEY_COUNT = 4,
    NM_SURVEY_PATIENCE_MS = 2000,
    NM_SURVEY_HASTE_MS = 1000,  //  For the role, for whose answer others wait
};
typedef struct nm_survey nm_survey_t;

//  Something that took its time up to the end of this turn.
typedef struct {
    nm_metric_t *metric;
    int64_t before_ms;  //  How much of it lies before the turn
    uint64_t count;
} nm_timing_t;

//  What the turn itself keeps: reset at each start.
struct nm_turn {
    nm_actor_t *actor;
    nm_txn_t *txn;
    nm_now_t now;
    const nm_input_t *inputs;
    size_t input_count;
    uint64_t mails_in;
    uint64_t mails_out;
};

struct nm_actor {
    const nm_role_t *role;
    void *state;
    nm_setup_t setup;
    nm_store_t *store;
    uint64_t boot;
    uint64_t seed;
    uint64_t random[64];  //  The system's, drawn ahead
    size_t random_left;
    int64_t started_ms;  //  Wall clock
    nm_id_maker_t ids;
    int exit_code;
    bool leaving;
    bool draining;          //  ... for good
    bool loaded;            //  Memory agrees with the store
    bool changed;           //  The last turn changed the store
    bool unfinished;        //  A turn left work of its own to the next
    uint64_t told_version;  //  As of which directory the role was told who is lost; 0: not since it was loaded

    //  Whom the directory names. They come while the actor runs; none goes, so places and addresses stay.
    uint64_t directory_version;  //  As of which peers and links were taken from it
    const nm_peer_t **peers;
    nm_draft_t *ask_drafts;  //  One per peer
    size_t peer_count;
    nm_seat_t *seats;  //  By a peer's place in the directory
    size_t seat_count;
    nm_link_t **links;        //  To those of them with whom mail is exchanged
    nm_draft_t *mail_drafts;  //  One per link, by its index
    size_t link_count;

    nm_lane_t *lanes;
    size_t lane_count;
    nm_watches_t watches;

    nm_book_copy_t *books;  //  One per book of the role

    nm_draft_t reply_draft;
    nm_caller_t reply_route;
    nm_offenders_t offenders;

    nm_asks_t asks;

    nm_output_t *outputs;  //  A ring of its own would save nothing: taken in order, then cleared
    size_t output_count;
    size_t output_taken;
    size_t output_room;

    nm_store_room_t room;
    int64_t room_at_ms;  //  When the room was last looked at (monotonic)
    int64_t beat_at_ms;
    int64_t link_beat_ms;  //  How often all links get a beat
    int64_t forget_at_ms;  //  When receipts are due to be written down; INT64_MAX: none wait
    int64_t settle_at_ms;  //  When the store's log is due to be brought home; INT64_MAX: it is empty
    int64_t scrub_at_ms;   //  When the next part of the store is due to be read
    int64_t expire_at_ms;  //  When what has expired is due to be forgotten
    int64_t role_wake_ms;  //  Wall clock; INT64_MAX: no wish

    nm_caller_t backup_caller;
    bool backing_up;
    bool drain_begins;   //  It is asked to drain with this turn
    bool backup_begins;  //  ... with this turn

    nm_timing_t *timings;  //  Of this turn; they count once it is on disk
    size_t timing_count;
    size_t timing_room;
    int64_t backup_at_ms;  //  When the last backup was made; 0: none in this life

    nm_exchange_t exchange;
    nm_survey_t *surveys[NM_SURVEY_COUNT];  //  NULL until one is needed
    nm_turn_t turn;

#ifdef NM_MUTANT_ACK_BEFORE_COMMIT
    void (*early)(void *arg);
    void *early_arg;
#endif

    struct {
        nm_metric_t *turns, *undone, *inputs, *mail_in, *mail_duplicate, *mail_out, *mail_again, *mail_claimed,
            *mail_taken_back, *mail_void, *receipts_in, *receipts_out, *refused, *bad_frames, *quarantined, *asks_in,
            *asks_out, *asks_late, *asks_alone, *asks_undone, *gaps, *clients_blocked;
        nm_metric_t *scrub_records, *scrub_bytes, *scrub_passes;
        nm_metric_t *turn_us, *commit_us, *settle_us, *turn_inputs;
    } metric;
};

enum { NM_SETTLE_PATIENCE_MS = 200, NM_FORGET_PATIENCE_MS = 100, NM_FORGET_COUNT = 4096 };

//  A scrub reads half a MiB at a time, so 1 GiB in seven minutes, and rests an hour between passes.
enum { NM_SCRUB_START_MS = 1000, NM_SCRUB_STEP_MS = 200, NM_SCRUB_REST_MS = 3600 * 1000 };

//  What has expired is looked for once a minute; where there is much of it, so many in a turn, and soon again.
enum { NM_EXPIRE_COUNT = 2000, NM_EXPIRE_MS = 60 * 1000, NM_EXPIRE_AGAIN_MS = 50 };
#define NM_BACKUP_TOKEN UINT64_MAX

//  actor.c
nm_output_t *nm_actor_output(nm_actor_t *self, nm_output_kind_t kind);
nm_link_t *nm_actor_link(nm_actor_t *self, const char *peer);
const nm_seat_t *nm_actor_seat(const nm_actor_t *self, const nm_peer_t *peer);  //  NULL: named only in this turn
uint64_t nm_actor_random(nm_actor_t *self);
int64_t nm_actor_clock_us(void);

//  mailbox.c: link frames in
nm_rc_t nm_mailbox_take(nm_actor_t *self, const nm_input_t *input);
nm_rc_t nm_mailbox_bad(nm_actor_t *self, nm_link_t *link, const char *what);  //  Counts it; always NM_OK
void nm_mailbox_say_verdict(nm_actor_t *self, nm_link_t *link, nm_greet_verdict_t verdict);
nm_rc_t nm_mailbox_take_item(nm_actor_t *self, nm_link_t *link, const nm_mail_item_t *item);  //  Granted mail

//  claiming.c: asking for mail before it is taken in, and saying yes
nm_rc_t nm_claiming_take_claim(nm_actor_t *self, nm_link_t *link, nm_bytes_t record);
nm_rc_t nm_claiming_take_grant(nm_actor_t *self, nm_link_t *link, nm_bytes_t record);
void nm_claiming_release(nm_actor_t *self, nm_link_t *link);  //  After the commit: what is to be claimed

//  posting.c: mail out, from a role's wish to the receipt
nm_rc_t nm_posting_load(nm_actor_t *self, nm_txn_t *txn);
nm_rc_t nm_posting_add_link(nm_actor_t *self, nm_txn_t *txn, nm_link_t *link);  //  One that came later
nm_lane_t *nm_posting_lane(nm_actor_t *self, nm_role_id_t role, const char *peer);
nm_rc_t nm_posting_put(nm_actor_t *self, const nm_mail_out_t *mail);
nm_rc_t nm_posting_wait(nm_actor_t *self, nm_lane_t *lane, uint64_t rank, const nm_outbox_mail_t *mail);
nm_rc_t nm_posting_drop(nm_actor_t *self, nm_lane_t *lane, nm_place_t place, const nm_outbox_mail_t *mail);
nm_rc_t nm_posting_find(nm_actor_t *self, nm_lane_t *lane, nm_bytes_t tag, nm_place_t *place, nm_outbox_mail_t *mail);
void nm_posting_receipted(nm_actor_t *self, nm_link_t *link, const nm_spans_t *spans);
void nm_posting_void(nm_actor_t *self, nm_link_t *link, uint64_t seq);  //  Sends that the number holds nothing
nm_rc_t nm_posting_finish(nm_actor_t *self);                     //  Before the commit: resend, assign, forget, save
void nm_posting_flush(nm_actor_t *self, const nm_link_t *link);  //  The link's draft becomes an output
void nm_posting_discard(nm_actor_t *self);                       //  The turn was undone

//  takeback.c: what a lost peer has not claimed goes to others of its role
nm_rc_t nm_takeback_run(nm_actor_t *self);

//  forgetting.c: all that was meant for a peer that is gone with its disk goes to others
nm_rc_t nm_forgetting_look(nm_actor_t *self);  //  After a load, and when the directory has changed
nm_rc_t nm_forgetting_run(nm_actor_t *self);
void
nm_forgetting_undo(nm_link_t *link);  //  The turn was undone: perhaps in it the peer was forgotten, or its end came
//  Which mail that the peer may have handled goes back; NULL: all does, or it is not lost.
nm_outbox_keep_fn *nm_forgetting_filter(const nm_actor_t *self, const nm_link_t *link);

//  links.c: what an actor says to its peers beside mail, and how it watches them
void nm_links_tick(nm_actor_t *self);
void nm_links_send(nm_actor_t *self, const nm_link_t *link, nm_frame_kind_t kind, const nm_shape_t *shape,
                   const void *record);
void nm_links_release(nm_actor_t *self);  //  After the commit: greetings, receipts, beats, mail

//  desk.c: asks and replies
nm_rc_t nm_desk_take_ask(nm_actor_t *self, const nm_input_t *input);
nm_rc_t nm_desk_take_reply(nm_actor_t *self, const nm_input_t *input);
nm_rc_t nm_desk_tick(nm_actor_t *self);  //  Asks of ours that nobody answered in time
void nm_desk_release(nm_actor_t *self);
void nm_desk_discard(nm_actor_t *self);
void nm_desk_ask(nm_actor_t *self, const nm_peer_t *peer, const nm_ask_out_t *ask, nm_asker_kind_t asker);
void nm_desk_refuse(nm_actor_t *self, const nm_input_t *input, unsigned status, const char *detail);

//  exchange.c: who is on the mesh, evened out with others
void nm_exchange_start(nm_actor_t *self, nm_directory_t *directory, nm_now_t now);
nm_rc_t nm_exchange_load(nm_actor_t *self, nm_txn_t *txn);  //  In the first turn
nm_rc_t nm_exchange_run(nm_actor_t *self);                  //  After the inputs of a turn: what is due
void nm_exchange_committed(nm_actor_t *self);
int64_t nm_exchange_wake(const nm_actor_t *self);
bool nm_exchange_ask(nm_actor_t *self, const nm_ask_in_t *ask);  //  True if the ask was one of these
void nm_exchange_reply(nm_actor_t *self, const nm_reply_in_t *reply);
void nm_exchange_write_status(const nm_actor_t *self, nm_buf_t *out);        //  Two pairs of the status
bool nm_exchange_is_partner(const nm_actor_t *self, const nm_peer_t *peer);  //  May it be told and asked?
void nm_exchange_sync_with(nm_actor_t *self, const nm_peer_t *peer);
const char *nm_exchange_membership(const nm_peer_t *peer);  //  in, draining, left, uncertified, forgotten

//  Takes all that news bring. Returns how many statements were new; why the last was not believed is in error.
size_t nm_exchange_take_news(nm_actor_t *self, const nm_updates_t *news, nm_error_t *error);

//  lobby.c: how a newcomer gets in, from both sides
enum { NM_KNOCK_PAUSE_MS = 1000 };  //  Between two knocks, at first
void nm_lobby_take_knock(nm_actor_t *self, const nm_input_t *input);
void nm_lobby_take_welcome(nm_actor_t *self, const nm_input_t *input);
void nm_lobby_knock(nm_actor_t *self);  //  At the next seed, in turn

//  figures.c: what there is to see of this actor as it is now
void nm_figures_make(nm_actor_t *self);                   //  All that are counted
void nm_figures_look(nm_actor_t *self);                   //  Sets the gauges; within a turn
uint64_t nm_figures_file_limit(void);                     //  How many files and sockets this process may have open
void nm_figures_took(nm_actor_t *self, int64_t took_us);  //  The turn is on disk, and took so long

//  status.c: what every actor answers
bool nm_status_ask(nm_actor_t *self, const nm_ask_in_t *ask, nm_rc_t *rc);  //  True if the ask was one of these
void nm_status_backup_done(nm_actor_t *self, const nm_result_t *result);
typedef enum { NM_STATUS_FULL, NM_STATUS_BRIEF, NM_STATUS_FIGURES } nm_status_part_t;
nm_status_part_t nm_status_part(nm_bytes_t body);  //  As an ask wants it
void nm_status_write(nm_actor_t *self, nm_status_part_t part, nm_buf_t *out);

//  survey.c: how all actors are, asked by this one
nm_rc_t nm_survey_start(nm_actor_t *self, const nm_ask_in_t *ask);
nm_rc_t nm_survey_reply(nm_actor_t *self, const nm_reply_in_t *reply);
void nm_survey_close(nm_actor_t *self);

#endif
