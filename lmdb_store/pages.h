/*  pages - reads data.mdb with its own eyes, before LMDB does, and vouches for its structure.
 *
 *  Private to lmdb_store/. LMDB believes every page. A damaged one makes it crash, or lose
 *  records without a word, or take pages that are in use for free and write over them. So at
 *  each opening the file is read here first, from the newer of its two meta pages down:
 *
 *  - each page is the one it says it is, of the kind that belongs there, and whole;
 *  - keys are in order, and where a search from the root looks for them;
 *  - each tree has as many records, and pages of each kind, as its root claims;
 *  - no page is used twice, nor used and on the free list.
 *
 *  Values are not opened: their checksums do that when they are used. What is taken of them
 *  is the tally of each table (tally.h). It knows LMDB's format (data version 1, which all of
 *  LMDB 0.9 writes) for the byte order of this machine.
 *
 *  A start must not take minutes: of a very large store the largest tables are left out,
 *  and only their number of records is taken, from their root. The scrub reads them later.
 */
#ifndef NM_PAGES_H
#define NM_PAGES_H

#include "nm.h"
#include "lmdb_store/store.h"
#include "lmdb_store/tally.h"

enum {
    NM_PAGES_NAME_MAX = 63,
    NM_PAGES_BUDGET = 256 * 1024,  //  Pages of trees that an opening reads: 1 GiB, about a second
};

typedef struct {
    char name[NM_PAGES_NAME_MAX + 1];
    nm_tally_t tally;  //  Without a sum if the table was left out
    bool whole;        //  All of it was read
} nm_pages_table_t;

typedef struct {
    uint64_t commit;  //  LMDB's number of the last commit
    size_t table_count;
    nm_pages_table_t tables[NM_STORE_TABLE_MAX];
} nm_pages_t;

//  Reads the file; budget is NM_PAGES_BUDGET but for tests. path is the store's, for the
//  sentence in error. NM_ERR_CORRUPT: damage.
nm_rc_t nm_pages_read(int fd, const char *path, uint64_t budget, nm_pages_t *pages, nm_error_t *error);

//  The table of that name; NULL if there is none.
const nm_pages_table_t *nm_pages_table(const nm_pages_t *self, const char *name);

#endif
