/*  files - the files of a mesh that nctl makes and reads: keys, and whole small files.
 */
#ifndef NM_FILES_H
#define NM_FILES_H

#include "nm.h"
#include "broker/mesh.h"

enum { NM_PATH_MAX = 1024, NM_FILE_MAX = 1024 * 1024 };

//  folder/name, cut to NM_PATH_MAX.
void nm_files_join(char out[NM_PATH_MAX], const char *folder, const char *name);

bool nm_files_exists(const char *folder, const char *name);

//  Makes a folder (0700) and those above it; one that is there is fine.
nm_rc_t nm_files_folder(const char *path, nm_error_t *error);

//  Syncs the folder in which this file or folder was made or renamed.
nm_rc_t nm_files_sync_folder(const char *path, nm_error_t *error);

//  A new file, synced with its name. NM_ERR_DUPLICATE if it is there: nothing is ever overwritten.
nm_rc_t nm_files_write(const char *folder, const char *name, unsigned mode, nm_bytes_t text, nm_error_t *error);

//  The whole file and a NUL behind it, which size does not count.
nm_rc_t nm_files_read(const char *folder, const char *name, nm_buf_t *text, nm_error_t *error);

//  As nm_cert_save, and its name is synced too.
nm_rc_t nm_files_save_cert(const nm_cert_t *cert, const char *path, bool with_secret, nm_error_t *error);

//  Makes, signs and writes certs/NAME.cert and keys/NAME.key below the mesh's folder, valid from an hour
//  before now_ms on. Gateways that begin in one moment know that they were founded together.
nm_rc_t nm_files_certify(const char *folder, const char *name, nm_role_id_t role, int64_t now_ms, unsigned days,
                         const uint8_t authority[NM_SIGN_SECRET_SIZE], nm_error_t *error);

//  Is the key of this actor in the mesh's folder? Then this machine runs it.
bool nm_files_is_here(const char *folder, const char *name);

//  authority.key: the Ed25519 secret. Wipe it after use.
nm_rc_t nm_files_authority(const char *folder, uint8_t secret[NM_SIGN_SECRET_SIZE], nm_error_t *error);

#endif
