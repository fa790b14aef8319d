/*  settings - what the mesh file says of HTTP: the part `http`, the same for all bridges.
 *
 *      http
 *          connections = 12000                 at most so many at a time
 *          per_address = 256                   ... from one address; 0: no limit. None without it, on loopback
 *          bodies = "256M"                     what bodies may take together while they come in and are worked on
 *          idle = "60s"                        how long a connection may rest between two requests
 *          proxies = "10.0.0.5 10.0.0.6"       who is believed what X-Forwarded-For says
 *          origins = "https://app.example"     whose pages may ask (CORS); "*": everybody's
 *          tls
 *              cert = "tls/cert.pem"           a chain, and its key; relative to the mesh file's folder
 *              key = "tls/key.pem"             both are read anew when they change
 *
 *  Where a bridge listens stands in its entry among the actors: http = "tcp://ADDRESS:PORT".
 */
#ifndef NM_BRIDGE_SETTINGS_H
#define NM_BRIDGE_SETTINGS_H

#include "broker/mesh.h"

enum { NM_BRIDGE_WORDS_MAX = 32, NM_BRIDGE_ADDRESS_SIZE = 64 };

//  Words of a setting, apart.
typedef struct {
    char *text;
    nm_bytes_t words[NM_BRIDGE_WORDS_MAX];
    size_t count;
} nm_bridge_words_t;

typedef struct {
    char host[NM_ENDPOINT_MAX];
    char port[8];
    uint64_t connections;
    uint64_t per_address;
    uint64_t bodies_size;
    int64_t idle_ms;
    nm_bridge_words_t proxies;
    nm_bridge_words_t origins;
    char tls_cert[NM_MESH_PATH_MAX * 2];  //  Empty: without TLS
    char tls_key[NM_MESH_PATH_MAX * 2];
} nm_bridge_settings_t;

nm_rc_t nm_bridge_settings_read(nm_bridge_settings_t *self, const nm_mesh_t *mesh, const nm_mesh_actor_t *actor,
                                nm_error_t *error);
void nm_bridge_settings_free(nm_bridge_settings_t *self);

//  Is this host of an end point one that only this machine can reach?
bool nm_bridge_settings_is_local(const char *host);

//  Whose request it is. address: of the one who is connected; when that is a proxy of ours, whom it has spoken for, by
//  X-Forwarded-For. Each proxy adds an address at the end, so it is read from there until one is no proxy's.
void nm_bridge_settings_client(const nm_bridge_settings_t *self, nm_bytes_t forwarded,
                               char address[NM_BRIDGE_ADDRESS_SIZE]);

bool nm_bridge_words_have(const nm_bridge_words_t *self, nm_bytes_t word);

#endif
