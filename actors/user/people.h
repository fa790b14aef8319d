/*  people - the accounts of those who sign in: a book that only user actors hold, and what finds an account in it.
 *
 *  The book `people` has an entry user/{service}/{id} for each account; so a page of a service's accounts is a walk. It
 *  holds NM_PEOPLE_MAX accounts, shared out by portions.h. Two tables of each actor follow it: by id, and by a keyed hash of service and
 *  e-mail, whose key is the actor's own. So no key on disk shows an address.
 */
#ifndef NM_PEOPLE_H
#define NM_PEOPLE_H

#include "actors/accounts/jwt.h"
#include "actors/accounts/portions.h"
#include "broker/turn.h"

#define NM_PEOPLE_BOOK "people"

enum { NM_PASSWORD_HASH_SIZE = 128, NM_PEOPLE_KEY_SIZE = 32, NM_PEOPLE_MAX = 65000 };

#define NM_PERSON_FIELDS(F, R)                                                                            \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                                                              \
    F(R, 2, service, ID, 0, MUST, NULL, "Whose user it is")                                               \
    F(R, 3, external_id, LINE, NM_CODE_MAX, MAY, NULL, "What the service calls it")                       \
    F(R, 4, name, LINE, 256, MAY, NULL, "For people")                                                     \
    F(R, 5, email, LINE, NM_ADDRESS_MAX, MAY, NULL, "As given; unique in its service")                    \
    F(R, 6, phone, LINE, 32, MAY, NULL, "E.164")                                                          \
    F(R, 7, language, LINE, NM_LANGUAGE_MAX, MAY, NULL, "BCP 47")                                         \
    F(R, 8, timezone, LINE, NM_TIMEZONE_MAX, MAY, NULL, "An IANA name")                                   \
    F(R, 9, password_hash, LINE, NM_PASSWORD_HASH_SIZE, MAY, NULL, "argon2id; absent: it cannot sign in") \
    F(R, 10, roles, UINT, UINT32_MAX, MUST, NULL, "A bit for each nm_person_role_t")                      \
    F(R, 11, created_at, TIME, 0, MUST, NULL, "When it was made")                                         \
    F(R, 12, updated_at, TIME, 0, MUST, NULL, "When it was changed last")
NM_RECORD_DECLARE(person, NM_PERSON_FIELDS);

extern const nm_table_t nm_people_ids_table;     //  id -> service, hash of the e-mail
extern const nm_table_t nm_people_emails_table;  //  hash of service and e-mail -> id
extern const nm_table_t nm_people_facts_table;   //  name -> value: the key of that hash

typedef struct {
    uint8_t key[NM_PEOPLE_KEY_SIZE];
    nm_portions_t portions;  //  Accounts of each service
} nm_people_t;

//  The key of the hash, made with the store; and how many there are.
nm_rc_t nm_people_load(nm_people_t *self, nm_txn_t *txn);
void nm_people_free(nm_people_t *self);

//  May the service have one more account?
bool nm_people_may(const nm_people_t *self, const nm_id_t *service);

//  An entry of the book was changed: the tables follow.
nm_rc_t nm_people_changed(nm_people_t *self, nm_txn_t *txn, nm_bytes_t entry);

//  Reads an account; views live until the turn ends. NM_ERR_MISSING: there is none.
nm_rc_t nm_people_get(nm_txn_t *txn, const nm_id_t *id, nm_person_t *person);

//  The id of the service's account with this e-mail, in any letter case.
nm_rc_t nm_people_find(const nm_people_t *self, nm_txn_t *txn, const nm_id_t *service, nm_bytes_t email, nm_id_t *id);

//  Adds, replaces or deletes, where the book is this actor's.
nm_rc_t nm_people_put(nm_turn_t *turn, const nm_person_t *person);
nm_rc_t nm_people_delete(nm_turn_t *turn, const nm_person_t *person);

//  How keys of entries of a service's accounts begin.
enum { NM_PEOPLE_ENTRY_SIZE = 96 };
nm_bytes_t nm_people_of(const nm_id_t *service, char out[NM_PEOPLE_ENTRY_SIZE]);

#endif
