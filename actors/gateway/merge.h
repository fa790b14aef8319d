/*  merge - one page of a list out of the pages that several actors gave of their own lists.
 *
 *  A page is a map with `items`, newest first, each a map with its `id`, and `next_cursor`, an id: nothing
 *  that stands at it or above was left out, and below it there may be more. Ids sort by time, so one id
 *  is a cursor for all lists together, whoever is asked next.
 *
 *  Pure; pages are views into what was given. What is on two pages is taken once.
 */
#ifndef NM_MERGE_H
#define NM_MERGE_H

#include "wire/record.h"

typedef struct {
    nm_list_t rest;   //  Items after `item`
    nm_bytes_t item;  //  The newest that was not taken; empty: none is left
    nm_id_t id;       //  Its id
    bool more;        //  There may be more below edge
    nm_id_t edge;
} nm_page_t;

//  NM_ERR_MALFORMED: that is no page.
nm_rc_t nm_page_open(nm_page_t *self, nm_bytes_t body);

typedef struct {
    size_t count;  //  Items that were taken
    bool more;     //  There may be more below last
    nm_id_t last;
} nm_merged_t;

//  Packs the newest items of the pages into items, one after the other: at most limit, at most about NM_PAGE_NODE_MAX
//  values, and none that something may come before which no page has. NM_ERR_MALFORMED: an item has no id.
nm_rc_t nm_merge(nm_page_t *pages, size_t count, size_t limit, nm_buf_t *items, nm_merged_t *merged);

#endif
