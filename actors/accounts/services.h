/*  services - the tenants and their API keys: a book, and in memory for every ask.
 *
 *  An ask is authenticated without a look at the disk: all services and keys are loaded
 *  at start and follow each change of the book, whoever made it. A key is shown once; what is
 *  kept is BLAKE2b-256 of its secret half, the 32 hex digits as they were written.
 *
 *  The book `services` has the entries service/{id} and key/{service}/{id}; what else may stand in it comes from a
 *  newer actor and is passed over. A user actor owns it and makes the changes; every gateway has a copy and
 *  authenticates from that.
 */
#ifndef NM_ACCOUNTS_SERVICES_H
#define NM_ACCOUNTS_SERVICES_H

#include "broker/turn.h"
#include "wire/api.h"
#include "wire/asks.h"

enum { NM_SECRET_SIZE = 32, NM_KEY_TEXT_SIZE = 65 };

#define NM_SERVICE_FIELDS(F, R)                                                                          \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                                                             \
    F(R, 2, name, LINE, NM_NAME_MAX, MUST, NULL, "Unique among services")                                \
    F(R, 3, description, STR, 1024, MAY, NULL, "For people")                                             \
    F(R, 4, is_active, BOOL, 0, MUST, NULL, "Its keys work")                                             \
    F(R, 5, limits, RECORD, 512, MAY, &nm_limits_shape, "How much it may ask")                           \
    F(R, 6, recipient_limits, RECORD, 512, MAY, &nm_recipient_limits_shape, "How much a recipient gets") \
    F(R, 7, retention_days, UINT, 3650, MAY, NULL, "How long ended notifications are kept")              \
    F(R, 8, accept, UINT, 2, MAY, NULL, "On how many disks before the 202")                              \
    F(R, 9, created_at, TIME, 0, MUST, NULL, "When it was made")                                         \
    F(R, 10, updated_at, TIME, 0, MUST, NULL, "When it was changed last")                                \
    F(R, 11, deleted_at, TIME, 0, MAY, NULL, "When it was deleted; its data goes after retention")       \
    F(R, 12, accept_alone, BOOL, 0, MAY, NULL, "Rather on one disk than not at all")                     \
    F(R, 13, defaults, RECORD, 4096, MAY, &nm_defaults_shape, "What holds where a notification does not say")
NM_RECORD_DECLARE(service, NM_SERVICE_FIELDS);

#define NM_API_KEY_FIELDS(F, R)                                           \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                              \
    F(R, 2, service, ID, 0, MUST, NULL, "Whose it is")                    \
    F(R, 3, name, LINE, NM_NAME_MAX, MUST, NULL, "For people")            \
    F(R, 4, scopes, UINT, UINT32_MAX, MUST, NULL, "A bit for each scope") \
    F(R, 5, hash, BIN, 32, MUST, NULL, "BLAKE2b-256 of the secret half")  \
    F(R, 6, created_at, TIME, 0, MUST, NULL, "When it was made")          \
    F(R, 7, expires_at, TIME, 0, MAY, NULL, "When it stops working")
NM_RECORD_DECLARE(api_key, NM_API_KEY_FIELDS);

//  How much is let through; 0: there is no such limit.
typedef struct {
    uint64_t per_minute, burst, per_day;
    uint64_t recipient_per_hour, recipient_per_day;
} nm_allowance_t;

//  What is kept in memory of a service and of a key.
typedef struct {
    nm_id_t id;
    bool active;
    bool deleted;
    int64_t retention_ms;  //  0: the gateway's
    uint8_t accept;        //  On how many disks before the 202
    bool accept_alone;     //  ... but on one if there is no other
    bool has_limits;       //  Of its own; else those of the mesh file hold
    bool has_recipient_limits;
    nm_allowance_t allowance;
    bool has_defaults;
} nm_tenant_t;

typedef struct {
    nm_id_t service;
    nm_id_t id;
    uint8_t hash[NM_SECRET_SIZE];
    uint32_t scopes;
    int64_t expires_ms;  //  When it stops working; INT64_MAX: never
    int64_t used_ms;
    bool used_changed;  //  used_ms is newer than what the disk has
} nm_tenant_key_t;

//  {0} is an empty one. changes counts every change, so that whoever caches can see one.
typedef struct {
    nm_tenant_t *tenants;
    size_t tenant_count, tenant_room;
    nm_tenant_key_t *keys;
    size_t key_count, key_room;
    uint64_t changes;
} nm_services_t;

//  service id, key id -> when the key was used last.
extern const nm_table_t nm_key_uses_table;

#define NM_SERVICES_BOOK "services"
#define NM_SERVICE_PREFIX "service/"
#define NM_KEY_PREFIX "key/"

//  Takes everything from the disk, forgetting what was in memory.
nm_rc_t nm_services_load(nm_services_t *self, nm_txn_t *txn);
void nm_services_free(nm_services_t *self);

//  An entry of the book was changed: memory follows.
nm_rc_t nm_services_changed(nm_services_t *self, nm_txn_t *txn, nm_bytes_t entry);

const nm_tenant_t *nm_services_find(const nm_services_t *self, const nm_id_t *id);

//  The keys of a service, which stand together. Good until a change of the book.
nm_tenant_key_t *nm_services_keys(const nm_services_t *self, const nm_id_t *service, size_t *count);

//  Reads a service or key of the book; views live until the transaction ends.
nm_rc_t nm_services_get(nm_txn_t *txn, const nm_id_t *id, nm_service_t *service);
nm_rc_t nm_services_get_key(nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id, nm_api_key_t *key);

//  Adds or replaces, where the book is this actor's; memory follows by nm_services_changed.
nm_rc_t nm_services_put(nm_turn_t *turn, const nm_service_t *service);
nm_rc_t nm_services_put_key(nm_turn_t *turn, const nm_api_key_t *key);
nm_rc_t nm_services_delete_key(nm_turn_t *turn, const nm_id_t *service, const nm_id_t *id);

//  When a key was used last, as far as this actor knows; 0: never, or a while ago and not noted.
int64_t nm_services_used(const nm_services_t *self, const nm_id_t *service, const nm_id_t *id);

//  Somebody else saw the key used; the later time counts.
void nm_services_note_used(nm_services_t *self, const nm_id_t *service, const nm_id_t *id, int64_t at_ms);

//  Writes down when keys were used last, for those that were used since. told (may be NULL) gets them packed for
//  keys.used, NM_USES_MAX at most; returns how many through count.
enum { NM_USES_MAX = 1000 };
nm_rc_t nm_services_save_used(nm_services_t *self, nm_txn_t *txn, nm_buf_t *told, size_t *count);

//  Keys of entries in the book, as text; the keys of a service start with the last one.
enum { NM_SERVICES_ENTRY_SIZE = 96 };
nm_bytes_t nm_services_entry(const nm_id_t *id, char out[NM_SERVICES_ENTRY_SIZE]);
nm_bytes_t nm_services_key_entry(const nm_id_t *service, const nm_id_t *id, char out[NM_SERVICES_ENTRY_SIZE]);
nm_bytes_t nm_services_keys_of(const nm_id_t *service, char out[NM_SERVICES_ENTRY_SIZE]);

#endif
