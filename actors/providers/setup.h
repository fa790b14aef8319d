/*  setup - the settings of one provider, read and checked: what all have, and the driver's own.
 *
 *  They come from a part of the mesh file or from an entry of the book of providers (entry.h); both are a ZPL tree by
 *  then, so there is one place that knows what is right.
 */
#ifndef NM_PROVIDER_SETUP_H
#define NM_PROVIDER_SETUP_H

#include "actors/providers/provider.h"

enum { NM_PROVIDER_HASH_SIZE = 32, NM_PROVIDER_PRIORITY = 100 };

typedef struct {
    char name[NM_NAME_MAX + 1];
    const nm_driver_t *driver;
    void *config;       //  The driver's
    unsigned channels;  //  NM_CHANNEL_BIT of each
    uint64_t priority;  //  The lowest goes first
    bool active;
    nm_id_t *services;                    //  Only for these tenants ...
    size_t service_count;                 //  ... or, if none are named, for all
    uint8_t hash[NM_PROVIDER_HASH_SIZE];  //  Of what the driver was told: equal ones call alike
} nm_provider_setup_t;

//  node is the provider's. error: where and what. On failure there is nothing to close.
nm_rc_t nm_provider_setup_open(nm_provider_setup_t *self, const nm_zpl_t *node, const nm_mesh_t *mesh,
                               nm_error_t *error);
void nm_provider_setup_close(nm_provider_setup_t *self);

//  Is this a setting that every provider has, rather than one of a driver?
bool nm_provider_is_common(const char *name);

//  May it send for this tenant?
bool nm_provider_setup_serves(const nm_provider_setup_t *self, const nm_id_t *service);

#endif
