/*  folder - the folder of a store: who may use it, and what stands in it.
 *
 *  Private to lmdb_store/. LMDB takes no lock against a second process with the
 *  same file, syncs neither the new file's name nor its folder, and cannot tell a
 *  store that was never finished from one that is damaged. So the folder has a
 *  LOCK file under flock, and a marker, PROVISIONED, that is written last.
 *
 *  flock belongs to the open file and not to the process, so it refuses a second
 *  opening within one process as well.
 */
#ifndef NM_FOLDER_H
#define NM_FOLDER_H

#include "nm.h"

#define NM_FOLDER_DATA "data.mdb"
#define NM_FOLDER_DATA_LOCK "lock.mdb"
#define NM_FOLDER_LOCK "LOCK"
#define NM_FOLDER_MARKER "PROVISIONED"
#define NM_FOLDER_BALLAST "ballast"
#define NM_FOLDER_REDO "redo.log"
#define NM_FOLDER_MARK "redo.mark"

typedef struct {
    char *path;
    int fd;
    int lock_fd;
    bool syncs;  //  False for tests that want no sync
} nm_folder_t;

//  Makes the folder if need be, checks that nobody else may read it, and takes the
//  lock. nm_folder_close is needed after a failure too.
nm_rc_t nm_folder_open(nm_folder_t *self, const char *path, bool syncs, nm_error_t *error);
void nm_folder_close(nm_folder_t *self);

bool nm_folder_has(const nm_folder_t *self, const char *name);
void nm_folder_remove(const nm_folder_t *self, const char *name);

//  Tells a store that is to be provisioned (fresh) from one that is there. What an
//  unfinished provisioning left is set aside. A marker without data is an error.
nm_rc_t nm_folder_state(const nm_folder_t *self, bool *fresh, nm_error_t *error);

//  Syncs the names in the folder, and the folder's own name in its parent.
nm_rc_t nm_folder_sync(const nm_folder_t *self, nm_error_t *error);

//  Writes the marker, durably. It repeats the epoch, so that a restore after the
//  data file was lost does not take an epoch for the second time.
nm_rc_t nm_folder_mark(const nm_folder_t *self, uint32_t epoch, nm_error_t *error);

//  The epoch that the marker names; 0 without one.
uint32_t nm_folder_marked_epoch(const nm_folder_t *self);

#endif
