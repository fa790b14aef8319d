/*  mesh - the mesh file: who is on the mesh, where, and the settings of each role.
 *
 *  One ZPL file, the same on every machine, without secrets:
 *
 *      mesh
 *          name = "demo"
 *          authority = "<64 hex digits: the Ed25519 public key>"
 *          admin_key_hash = "<64 hex digits: BLAKE2b-256 of the admin API key's secret half>"
 *          public_domain = "nmesh.local"
 *          lease = "5s"
 *      actors
 *          gateway-1
 *              role = "gateway"
 *              number = 1
 *              mailbox = "tcp://127.0.0.1:7751"
 *              desk = "tcp://127.0.0.1:7752"
 *              door = "tcp://127.0.0.1:7753"
 *              lobby = "tcp://127.0.0.1:7754"
 *              host = "rack-1"
 *          bridge-1
 *              role = "bridge"
 *              mailbox = "tcp://127.0.0.1:7763"
 *              desk = "tcp://127.0.0.1:7764"
 *              http = "tcp://127.0.0.1:8080"
 *      directory
 *          beat = "20s"
 *          expiry = "70s"
 *      providers
 *          maildir
 *              kind = "maildir"
 *              channels = "email"
 *              priority = 10
 *              path = "maildir"
 *      books
 *          services = "user-1"         who begins a book; without it the first user actor
 *      email
 *          retries = 3
 *      store
 *          quota = "64G"
 *
 *  Beside it stand certs/NAME.cert (everybody's), keys/NAME.key (an actor's own, 0600),
 *  store.key (0600), stores/NAME/. Only tcp:// and ipc:// end points are taken.
 *
 *  An actor that was launched later stands in a file of its own on its machine, actors/NAME.zpl, with
 *  the settings of a roster entry at the top. The others hear of it through the directory.
 */
#ifndef NM_MESH_H
#define NM_MESH_H

#include "broker/cert.h"
#include "broker/roles.h"
#include "broker/zpl.h"

enum {
    NM_MESH_ACTOR_MAX = 1000,
    NM_ENDPOINT_MAX = 120,
    NM_MESH_PATH_MAX = 512,
    NM_HOST_MAX = 65,
    NM_MESH_LOCAL_MAX = 256
};

#define NM_MESH_HTTP_DEFAULT "tcp://127.0.0.1:8080"

typedef struct {
    char name[NM_NAME_MAX + 1];
    nm_role_id_t role;
    uint16_t number;  //  Of a gateway, 1 and up: ids carry it. Else 0.
    char mailbox[NM_ENDPOINT_MAX];
    char desk[NM_ENDPOINT_MAX];
    char door[NM_ENDPOINT_MAX];   //  Empty but for gateways
    char http[NM_ENDPOINT_MAX];   //  Empty but for bridges; port 0: the system picks one
    char lobby[NM_ENDPOINT_MAX];  //  Where newcomers knock; empty if it has none
    char host[NM_HOST_MAX];       //  The machine, a label: `host`, else the host of its mailbox
    unsigned line;                //  Where it stands in the mesh file
    bool local;                   //  It stands in actors/ of this machine instead
} nm_mesh_actor_t;

typedef struct {
    char folder[NM_MESH_PATH_MAX];  //  Where the mesh file stands; relative paths start there
    char name[NM_NAME_MAX + 1];
    uint8_t authority[NM_SIGN_PUBLIC_SIZE];
    uint8_t admin_key_hash[32];
    char public_domain[256];  //  Right of the @ in Message-IDs
    int64_t lease_ms;         //  A peer that is silent for so long loses the mail that it has not claimed
    nm_mesh_actor_t *actors;
    size_t actor_count;
    nm_zpl_t *root;                       //  The whole file: roles read their own parts
    nm_zpl_t *locals[NM_MESH_LOCAL_MAX];  //  The files of actors/
    size_t local_count;
} nm_mesh_t;

//  NULL on failure; error has file, line and reason.
nm_mesh_t *nm_mesh_load(const char *folder, nm_error_t *error);
void nm_mesh_destroy(nm_mesh_t **self_p);

const nm_mesh_actor_t *nm_mesh_find(const nm_mesh_t *self, const char *name);

//  Part of the file by name ("providers", "email"), or NULL.
const nm_zpl_t *nm_mesh_part(const nm_mesh_t *self, const char *name);

//  Is this an end point that others can connect to? tcp://HOST:PORT or ipc:// and an absolute path.
bool nm_mesh_is_endpoint(const char *text);

//  Joins a path of the mesh file to the folder unless it is absolute.
void nm_mesh_path(const nm_mesh_t *self, const char *path, char *out, size_t size);

#endif
