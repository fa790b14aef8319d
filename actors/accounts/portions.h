/*  portions - how many of a bounded number of places each service has, and whether it may have one more.
 *
 *  A service may have up to three times as many places as are free after all services took theirs. So one alone may have
 *  three quarters of them, and whoever takes all it can leaves a quarter of what it found. Only an admin makes services,
 *  so nobody multiplies to have more.
 *
 *  {0} is one in which nobody has any. In memory only: whoever keeps the things counts them anew from the store.
 */
#ifndef NM_ACCOUNTS_PORTIONS_H
#define NM_ACCOUNTS_PORTIONS_H

#include "nm.h"

enum { NM_PORTION_OF_FREE = 3 };

typedef struct {
    nm_id_t service;
    uint64_t count;
} nm_portion_t;

typedef struct {
    nm_portion_t *items;  //  By rising service; none is of nothing
    size_t count, room;
    uint64_t total;
} nm_portions_t;

void nm_portions_free(nm_portions_t *self);

//  Keeps the memory.
void nm_portions_clear(nm_portions_t *self);

//  The service took a place, or gave back one that it had.
void nm_portions_take(nm_portions_t *self, const nm_id_t *service);
void nm_portions_give(nm_portions_t *self, const nm_id_t *service);

uint64_t nm_portions_of(const nm_portions_t *self, const nm_id_t *service);

//  May the service have one more of so many places?
bool nm_portions_may(const nm_portions_t *self, const nm_id_t *service, uint64_t places);

#endif
