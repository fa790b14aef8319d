/*  provider_reads - what is read of providers, at any copy of the book; their secrets are never shown.
 *
 *  While the mesh file counts (actors/providers/entry.h) its providers are what is read.
 */
#ifndef NM_ACCOUNT_PROVIDER_READS_H
#define NM_ACCOUNT_PROVIDER_READS_H

#include "actors/accounts/act.h"
#include "actors/providers/entry.h"

nm_act_fn nm_act_providers_list, nm_act_providers_get;

//  Calls visit for each, or for each of the mesh file; stops at its first result that is not NM_OK.
typedef nm_rc_t(nm_act_visit_fn)(nm_act_t *it, void *arg, const nm_provider_entry_t *entry);
nm_rc_t nm_act_each_provider(nm_act_t *it, nm_act_visit_fn *visit, void *arg);
nm_rc_t nm_act_each_of_file(nm_act_t *it, nm_act_visit_fn *visit, void *arg);

//  NM_ERR_MISSING: there is none of that name. count (may be NULL) gets how many there are. Views live until the
//  turn ends.
nm_rc_t nm_act_find_provider(nm_act_t *it, nm_bytes_t name, nm_provider_entry_t *entry, size_t *count);

//  Answers with the provider.
nm_rc_t nm_act_show_provider(nm_act_t *it, unsigned status, const nm_provider_entry_t *entry);

const nm_driver_t *nm_act_driver(const nm_provider_entry_t *entry);  //  NULL if there is none of its kind

#endif
