/*  loop - the edge of an actor: sockets, signals and effects around nm_actor_turn.
 *
 *  One thread. It polls, gathers inputs up to a bound, runs one turn, and lets the outputs
 *  go. It decides nothing but when: an ask cannot wait; mail and results keep the role's pace,
 *  so that under load many share one commit.
 */
#ifndef NM_LOOP_H
#define NM_LOOP_H

#include "broker/actor.h"
#include "broker/effects.h"
#include "broker/net.h"
#include "broker/worker.h"

typedef struct nm_loop nm_loop_t;

//  All belong to the caller and outlive the loop.
typedef struct {
    nm_actor_t *actor;
    const nm_role_t *role;
    const nm_mesh_actor_t *self;
    nm_directory_t *directory;
    nm_net_t *net;
    nm_worker_t *worker;
    const nm_effects_driver_t *effects;  //  NULL for a role without SMTP or HTTP effects
    const nm_front_driver_t *front;      //  NULL for a role without a front
} nm_loop_config_t;

//  Binds mailbox, desk, door and front, connects to the mailboxes of its peers. NULL on failure.
nm_loop_t *nm_loop_new(const nm_loop_config_t *config, nm_error_t *error);
void nm_loop_destroy(nm_loop_t **self_p);

//  Runs until SIGTERM or SIGINT, then takes no more, waits a little for calls under way and says
//  goodbye; or until it was told to drain and is drained. Returns the exit code.
int nm_loop_run(nm_loop_t *self);

#endif
