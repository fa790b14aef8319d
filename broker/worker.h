/*  worker - one thread for what would block the actor: file syncs, backups, password hashes.
 *
 *  Jobs run in the order they were given; results wait until they are taken. The
 *  descriptor (an eventfd) is readable while results wait.
 */
#ifndef NM_WORKER_H
#define NM_WORKER_H

#include "broker/effect.h"

typedef struct nm_worker nm_worker_t;

//  thread_count: 1 but for work that may well run side by side (maildir syncs). Started lazily.
nm_worker_t *nm_worker_new(unsigned thread_count);
void nm_worker_destroy(nm_worker_t **self_p);  //  Waits for the job under way, drops the rest

//  Takes over an NM_EFFECT_WORK effect.
void nm_worker_start(nm_worker_t *self, nm_effect_t *effect);
int nm_worker_fd(const nm_worker_t *self);

//  Take until it answers false: that is what makes the descriptor quiet again.
bool nm_worker_take(nm_worker_t *self, nm_result_t *result);
size_t nm_worker_running(const nm_worker_t *self);

#endif
