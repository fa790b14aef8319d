/*  offline - jobs on the store of a stopped actor.
 *
 *  Only an actor's own program knows its tables, so `nctl check` and `nctl restore` run it
 *  for this. The answer is one JSON object on stdout, for a program to read; a failure is a
 *  sentence in error. A store whose actor runs is refused: it holds the lock.
 */
#ifndef NM_OFFLINE_H
#define NM_OFFLINE_H

#include "lmdb_store/store.h"

//  Reads every value. {actor, records, bytes, bad, first_bad}; NM_ERR_CORRUPT if any is bad.
nm_rc_t nm_offline_check(const nm_store_config_t *config, nm_error_t *error);

//  Puts the backup in place. {actor, epoch}.
nm_rc_t nm_offline_restore(const nm_store_config_t *config, const char *backup_path, bool replace, nm_error_t *error);

#endif
