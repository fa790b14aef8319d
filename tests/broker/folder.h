/*  folder - a mesh's folder for tests: mesh.zpl, an authority, certificates as a test wants them.
 */
#ifndef NM_TEST_FOLDER_H
#define NM_TEST_FOLDER_H

#include "broker/mesh.h"

#define FOLDER_NOW_MS INT64_C(1795233591123)  //  2026-11-21T03:59:51.123Z

typedef struct {
    char path[64];
    uint8_t authority[NM_SIGN_PUBLIC_SIZE];
    uint8_t authority_secret[NM_SIGN_SECRET_SIZE];
} folder_t;

//  Makes the folder with certs/ and a mesh file of gateway-1, router-1, email-1 and deadletter-1.
void folder_make(folder_t *self);
void folder_remove(folder_t *self);

//  Replaces the mesh file; the text starts with what stands below the mesh part.
void folder_write_mesh(const folder_t *self, const char *rest);

//  Writes any file below the folder.
void folder_write(const folder_t *self, const char *name, const char *text, unsigned mode);
void folder_path(const folder_t *self, const char *name, char out[256]);

//  Makes and signs a certificate that is valid for an hour around FOLDER_NOW_MS, and saves it as certs/NAME.cert.
void folder_certify(const folder_t *self, const char *name, nm_role_id_t role, nm_cert_t *cert);

//  Signs it as it is and saves it as certs/FILE.
void folder_save(const folder_t *self, nm_cert_t *cert, const char *file);

#endif
