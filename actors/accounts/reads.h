/*  reads - what is read of services and keys, at any copy of the book.
 *
 *  The built-in service admin stands in no book: it is shown, and cannot be changed.
 */
#ifndef NM_ACCOUNT_READS_H
#define NM_ACCOUNT_READS_H

#include "actors/accounts/act.h"

nm_act_fn nm_act_services_list, nm_act_services_get, nm_act_keys_list;

bool nm_act_is_admin(const nm_act_t *it, const nm_id_t *service);

//  NM_ERR_REFUSED: there is no such service, and that is answered.
nm_rc_t nm_act_find_service(nm_act_t *it, nm_bytes_t text, nm_id_t *id, nm_service_t *service);

//  Answers with the service.
nm_rc_t nm_act_show_service(nm_act_t *it, unsigned status, const nm_service_t *service);

//  Packs a key: with its text where it is shown this once, else with its last use.
void nm_act_write_key(const nm_act_t *it, nm_buf_t *out, const nm_api_key_t *key, const char *text);

#endif
