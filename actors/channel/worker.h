/*  worker - the insides of a channel worker, shared by the files of this folder only.
 */
#ifndef NM_CHANNEL_WORKER_H
#define NM_CHANNEL_WORKER_H

#include "actors/channel/channel.h"
#include "actors/channel/deliveries.h"
#include "actors/channel/lineup.h"
#include "actors/channel/settings.h"

enum {
    NM_CHANNEL_CRASH_MAX = 5,     //  Attempts in a row that ended with the process: poison
    NM_CHANNEL_START_MAX = 256,   //  Deliveries looked at in one turn
    NM_CHANNEL_FIRST_ORDER = 10,  //  Of the first event; below it is the router's
};

typedef struct {
    nm_channel_settings_t settings;
    nm_lineup_t lineup;
    unsigned channels;
    nm_slots_t *slots;
    uint64_t boot;  //  A random number of this process; 0 before the first load
    bool stale;     //  The book of providers has changed since the lineup was made
    const nm_directory_t *directory;
    const nm_mesh_t *mesh;
    nm_metrics_t *metrics;
    nm_metric_t *wait_us;  //  From ready to the provider's call
    nm_metric_t *dead_letters[NM_REASON_COUNT];
    nm_buf_t packed;  //  Scratch
} nm_channel_worker_t;

//  One delivery in hand: what is changed here is written by nm_hand_keep, or is gone
//  with one of the endings.
typedef struct {
    nm_channel_worker_t *worker;
    nm_turn_t *turn;
    nm_slot_t *slot;  //  NULL: it was never taken in
    nm_delivery_key_t key;
    nm_progress_t progress;
} nm_hand_t;

//  What is told of it.
typedef struct {
    nm_event_kind_t kind;
    nm_bytes_t attempt;  //  Raw; empty if none
    int64_t due_ms;      //  0: none
    int reason;          //  nm_reason_t, or -1
    const char *detail;  //  NULL: none
} nm_news_t;

//  -- hand.c: one delivery, from the store and back

nm_rc_t nm_hand_take(nm_hand_t *self, nm_channel_worker_t *worker, nm_turn_t *turn, nm_slot_t *slot);
nm_rc_t nm_hand_keep(nm_hand_t *self);

//  Mails the event to the owning gateway. The order in progress has grown then: keep it.
nm_rc_t nm_hand_tell(nm_hand_t *self, const nm_news_t *news);

//  Tells, and removes it. news->attempt may be empty.
nm_rc_t nm_hand_end(nm_hand_t *self, const nm_news_t *news);

//  Mails it to a router with its progress, for another actor of the channel to go on; removes it.
nm_rc_t nm_hand_give_back(nm_hand_t *self);

//  A dead letter with all attempts, and the event failed; removes it.
nm_rc_t nm_hand_bury(nm_hand_t *self, nm_reason_t reason, const char *detail);

//  -- following.c

//  Makes the lineup of the providers as they stand in the book, or in the mesh file while that counts.
nm_rc_t nm_following_renew(nm_channel_worker_t *self, nm_turn_t *turn);

//  -- sending.c

//  Starts an attempt, or finds that there is none to be started now.
nm_rc_t nm_sending_start(nm_channel_worker_t *self, nm_turn_t *turn, nm_slot_t *slot);

//  Gives one that is not being sent back to a router. An attempt that ended with an earlier process is closed first, so
//  one that may have been sent is known for it wherever it goes.
nm_rc_t nm_sending_give_back(nm_channel_worker_t *self, nm_turn_t *turn, nm_slot_t *slot);

//  May it be parked only, once it may have been sent?
bool nm_sending_must_park(const nm_hand_t *hand);

//  Until when a waiting delivery waits: its due time, or its expiry if that is sooner.
int64_t nm_sending_due(const nm_slot_t *slot, int64_t due_ms);

#endif
