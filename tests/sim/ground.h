/*  ground - what simulations stand on and do not change: a mesh, its directory, and new stores.
 *
 *  Made once per process, in a folder of its own under /dev/shm. Each simulation begins with
 *  copies of the stores: opened once by their actors, with two tenants, a key for each
 *  at every gateway, and users of each at the user actor.
 *
 *  Newcomers do not stand in the mesh file: each has a machine of its own, which is a folder beside, and nobody else
 *  has its certificate.
 */
#ifndef SIM_GROUND_H
#define SIM_GROUND_H

#include "broker/actor.h"
#include "tests/sim/authority.h"
#include "wire/id.h"

enum {
    SIM_SEAT_MAX = 13,
    SIM_CERT_COUNT = 2,
    SIM_TENANT_COUNT = 2,
    SIM_PEOPLE_COUNT = 24,
    SIM_API_KEY_SIZE = 65,
    SIM_BACKLOG = 12
};

//  2026-11-21T00:00:00Z: when every simulation begins.
#define SIM_START_MS INT64_C(1795219200000)

//  A store as it lies on a stopped machine's disk.
typedef struct {
    nm_buf_t content;  //  data.mdb
    nm_buf_t marker;   //  PROVISIONED
} sim_disk_t;

//  The place of one actor.
typedef struct {
    const nm_role_t *role;
    const nm_mesh_t *mesh;  //  As it stands on its machine
    const nm_mesh_actor_t *entry;
    bool newcomer;
    nm_cert_t certs[SIM_CERT_COUNT];  //  With secrets. The second is for when the first is renewed, or was revoked
    char path[128];                   //  Of its store
    const nm_table_t *tables[64];
    size_t table_count;
    sim_disk_t fresh;
    char keys[SIM_TENANT_COUNT][SIM_API_KEY_SIZE + 1];  //  At a gateway
} sim_seat_t;

typedef struct {
    char folder[64];
    sim_authority_t authority;
    nm_mesh_t *mesh;
    nm_mesh_t *far[SIM_SEAT_MAX];  //  Of newcomers
    size_t far_count;
    nm_directory_t *directory;  //  Of the mesh file alone, where actors have none of their own
    sim_seat_t seats[SIM_SEAT_MAX];
    size_t seat_count;
    char admin_key[SIM_API_KEY_SIZE + 1];
    char people[SIM_TENANT_COUNT][SIM_PEOPLE_COUNT][NM_ID_TEXT_SIZE + 1];  //  Ids; whose address is sim_address
} sim_ground_t;

//  The address of a tenant's n-th recipient, who is also its n-th user.
enum { SIM_ADDRESS_SIZE = 32 };
void sim_address(size_t tenant, size_t n, char out[SIM_ADDRESS_SIZE]);

//  The process ends with a message if it cannot be made.
sim_ground_t *sim_ground_new(void);
void sim_ground_destroy(sim_ground_t **self_p);

//  How a store of that seat is opened.
nm_store_config_t sim_seat_config(const sim_seat_t *self);

//  The file that a backup is restored from.
void sim_seat_backup_path(const sim_seat_t *self, char path[160]);

//  Copies the store's files out, or puts them in place of what is there. The store must not be
//  in a transaction; for put it must be closed.
void sim_disk_get(sim_disk_t *self, const sim_seat_t *seat);
void sim_disk_put(const sim_disk_t *self, const sim_seat_t *seat);

//  Writes the content alone, as a backup file.
void sim_disk_back_up(const sim_disk_t *self, const char *path);
void sim_disk_free(sim_disk_t *self);

#endif
