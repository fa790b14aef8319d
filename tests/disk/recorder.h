/*  recorder - writes down, in order, all that a store does to its files.
 *
 *  Linked into a program it stands before libc: what the program and LMDB write, sync, cut off,
 *  rename and delete in the folder that was named becomes a list of operations with their
 *  payload, in shared memory, so that children that are killed add to the same list. Nothing
 *  is changed on the way. What libc writes by itself (dprintf) is taken at the next fsync.
 *
 *  LOCK, lock.mdb and the ballast are left out: what they hold is never read again.
 */
#ifndef NM_TESTS_RECORDER_H
#define NM_TESTS_RECORDER_H

#include "nm.h"

enum { RECORD_NAME_MAX = 32, RECORD_FILES_MAX = 32 };

typedef enum {
    RECORD_CREATE,    //  name stands for file from now on
    RECORD_WRITE,     //  bytes at `at` of file
    RECORD_TRUNCATE,  //  file has `at` bytes
    RECORD_SYNC,      //  All that was done to file is on the disk
    RECORD_SYNC_ONE,  //  The write before it is (O_DSYNC)
    RECORD_RENAME,    //  name becomes `to`
    RECORD_UNLINK,    //  name is gone
    RECORD_SYNC_NAMES,
    RECORD_NOTE,  //  What the program itself wants to stand here: `at`
} record_kind_t;

typedef struct {
    record_kind_t kind;
    unsigned file;
    uint64_t at;
    const uint8_t *bytes;
    size_t size;
    char name[RECORD_NAME_MAX];
    char to[RECORD_NAME_MAX];
} record_t;

//  Begins to record what happens in folder. Once, before the first child.
void recorder_start(const char *folder);

//  Records nothing from here on, in this process.
void recorder_stop(void);

void recorder_note(uint64_t value);

//  The list so far.
const record_t *recorder_list(size_t *count);

//  Memory that children share with their parent.
void *recorder_alloc(size_t size);

#endif
