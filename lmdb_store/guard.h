/*  guard - turns a crash inside LMDB into one line that names the store, and an end.
 *
 *  Private to lmdb_store/. LMDB asserts on what it did not write, and a page of the map that
 *  the disk cannot deliver, or that a damaged page points to, is a SIGBUS or SIGSEGV. Each of
 *  these is damage of the store: the process ends with NM_STORE_EXIT_DAMAGED at once and
 *  writes nothing more. Any other SIGBUS or SIGSEGV goes to whoever handled it before.
 */
#ifndef NM_GUARD_H
#define NM_GUARD_H

#include <lmdb.h>

#include "nm.h"

//  Watches the map of env, from its opening until nm_guard_leave. path must live as long.
//  Beyond some hundred stores in one process (a simulator) the next are not watched.
void nm_guard_enter(MDB_env *env, const char *path);
void nm_guard_leave(MDB_env *env);

#endif
