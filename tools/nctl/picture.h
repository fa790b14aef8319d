/*  picture - the whole mesh at one moment: every actor, with what it says of itself.
 *
 *  Pure: look.h takes one of a live mesh. A picture is a JSON list with an object for each actor, by host, role and name:
 *
 *      name, role, host, number, version
 *      state           up, full, draining, leaving; of one that does not answer: silent, or what the others
 *                      make of it: quiet, gone, left, forgotten, uncertified
 *      life            alive, quiet, gone or unheard, by the directory
 *      membership      in, draining, left, uncertified, forgotten
 *      not_after_ms    when its certificate ends; 0 if it has none
 *      silent          true: nothing of what follows is there
 *      clock_off_ms    how far its clock is ahead of the asked actor's, give or take
 *      clock_error_ms
 *      ...             and its whole status: backlog, oldest_ms, links, waiting, store, metrics, ...
 */
#ifndef NM_PICTURE_H
#define NM_PICTURE_H

#include <jansson.h>
#include "broker/mesh.h"

//  Out of statuses, one for each actor of the mesh file, NULL for those that did not answer.
json_t *nm_picture_of(const nm_mesh_t *mesh, json_t *const *statuses);

//  Makes a picture out of what mesh.status answers: each status becomes part of its actor.
void nm_picture_settle(json_t *actors);

//  Is it one that is meant to be there, and does not answer?
bool nm_picture_misses(const json_t *actor);

//  -- What is in it

const json_t *nm_picture_find(const json_t *actors, const char *name);

//  A counter or gauge, labels added up. value: only those that have a label with this value; NULL: all.
int64_t nm_picture_metric(const json_t *actor, const char *name, const char *value);
int64_t nm_picture_waiting(const json_t *actor);                       //  Mail in the outbox, all lanes
int64_t nm_picture_over_links(const json_t *actor, const char *name);  //  Sum of a number of its links
size_t nm_picture_links(const json_t *actor, const char *state);       //  How many links are so; NULL: all

#endif
