/*  sender - the setting `from` of providers that send e-mail.
 */
#ifndef NM_SENDER_H
#define NM_SENDER_H

#include "broker/mesh.h"

//  Reads `from`; without it nmesh@ and the mesh's public domain.
nm_rc_t nm_sender_open(const nm_zpl_t *node, const nm_mesh_t *mesh, char *from, size_t size, nm_error_t *error);

#endif
