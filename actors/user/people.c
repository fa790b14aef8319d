#include "actors/user/people.h"

#include <sodium.h>

#include "lmdb_store/book.h"
#include "lmdb_store/key.h"
#include "wire/id.h"

#define PREFIX "user/"

enum { HASH_SIZE = 16, ROW_SIZE = NM_ID_SIZE + HASH_SIZE };

const nm_table_t nm_people_ids_table = { NM_TABLE_ROLE, false, "people_ids" };
const nm_table_t nm_people_emails_table = { NM_TABLE_ROLE + 1, false, "people_emails" };
const nm_table_t nm_people_facts_table = { NM_TABLE_ROLE + 2, true, "facts" };

NM_RECORD_DEFINE(person, NM_PERSON_FIELDS, NULL, 0);

//  -- Keys

nm_bytes_t
nm_people_of(const nm_id_t *service, char out[NM_PEOPLE_ENTRY_SIZE])
{
    char text[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(service, text);
    snprintf(out, NM_PEOPLE_ENTRY_SIZE, PREFIX "%s/", text);
    return nm_text(out);
}

static nm_bytes_t
s_entry(const nm_id_t *service, const nm_id_t *id, char out[NM_PEOPLE_ENTRY_SIZE])
{
    nm_id_to_text(id, out + nm_people_of(service, out).size);
    return nm_text(out);
}

//  NM_ERR_MISSING: it is an entry of another kind, by a newer actor.
static nm_rc_t
s_read_entry(nm_bytes_t entry, nm_id_t *service, nm_id_t *id)
{
    enum { AT = sizeof PREFIX - 1, SIZE = AT + NM_ID_TEXT_SIZE + 1 + NM_ID_TEXT_SIZE };
    if (entry.size != SIZE || memcmp(entry.at, PREFIX, AT) != 0 ||
        nm_id_from_text(nm_bytes(entry.at + AT, NM_ID_TEXT_SIZE), service) != NM_OK ||
        nm_id_from_text(nm_bytes(entry.at + AT + NM_ID_TEXT_SIZE + 1, NM_ID_TEXT_SIZE), id) != NM_OK)
        return NM_ERR_MISSING;
    return NM_OK;
}

static nm_key_t
s_id_key(const nm_id_t *id)
{
    nm_key_t key = { .size = 0 };
    nm_key_id(&key, id);
    return key;
}

//  A to Z become small; the rest of an address is left as it is.
static void
s_hash(const nm_people_t *self, const nm_id_t *service, nm_bytes_t email, uint8_t hash[HASH_SIZE])
{
    uint8_t text[NM_ID_SIZE + NM_ADDRESS_MAX];
    size_t size = NM_ID_SIZE;
    memcpy(text, service->at, NM_ID_SIZE);
    for (size_t i = 0; i < email.size && size < sizeof text; i++) {
        uint8_t c = email.at[i];
        text[size++] = c >= 'A' && c <= 'Z' ? (uint8_t) (c + 'a' - 'A') : c;
    }
    crypto_generichash(hash, HASH_SIZE, text, size, self->key, sizeof self->key);
}

//  -- The tables

static nm_rc_t
s_count(nm_people_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t key, row;
    nm_id_t service;
    nm_rc_t rc;
    nm_portions_clear(&self->portions);
    nm_cursor_open(&cursor, txn, &nm_people_ids_table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &key, &row)) == NM_OK) {
        if (row.size != ROW_SIZE) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        memcpy(service.at, row.at, NM_ID_SIZE);
        nm_portions_take(&self->portions, &service);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

void
nm_people_free(nm_people_t *self)
{
    nm_portions_free(&self->portions);
}

bool
nm_people_may(const nm_people_t *self, const nm_id_t *service)
{
    return nm_portions_may(&self->portions, service, NM_PEOPLE_MAX);
}

nm_rc_t
nm_people_load(nm_people_t *self, nm_txn_t *txn)
{
    nm_bytes_t value;
    nm_rc_t rc = nm_table_get(txn, &nm_people_facts_table, nm_text("key"), &value);
    if (rc == NM_OK && value.size != sizeof self->key)
        return NM_ERR_CORRUPT;
    if (rc == NM_OK)
        memcpy(self->key, value.at, sizeof self->key);
    if (rc == NM_ERR_MISSING) {
        randombytes_buf(self->key, sizeof self->key);
        rc = nm_table_put(txn, &nm_people_facts_table, nm_text("key"), nm_bytes(self->key, sizeof self->key));
    }
    return rc == NM_OK ? s_count(self, txn) : rc;
}

//  A whole copy comes in the order of ids: another account may have the address already that this one gave up.
static nm_rc_t
s_forget_email(nm_txn_t *txn, nm_bytes_t hash, const nm_id_t *id)
{
    nm_bytes_t whose;
    nm_rc_t rc = nm_table_get(txn, &nm_people_emails_table, hash, &whose);
    if (rc == NM_OK && nm_bytes_equal(whose, nm_bytes(id->at, NM_ID_SIZE)))
        rc = nm_table_delete(txn, &nm_people_emails_table, hash);
    return rc;
}

static nm_rc_t
s_forget(nm_people_t *self, nm_txn_t *txn, const nm_id_t *id)
{
    static const uint8_t NONE[HASH_SIZE];
    nm_key_t key = s_id_key(id);
    nm_bytes_t row;
    nm_id_t service;
    uint8_t hash[HASH_SIZE];
    nm_rc_t rc = nm_table_get(txn, &nm_people_ids_table, nm_key_view(&key), &row);
    if (rc != NM_OK)
        return rc == NM_ERR_MISSING ? NM_OK : rc;
    if (row.size != ROW_SIZE)
        return NM_ERR_CORRUPT;
    memcpy(service.at, row.at, NM_ID_SIZE);
    memcpy(hash, row.at + NM_ID_SIZE, HASH_SIZE);
    nm_portions_give(&self->portions, &service);
    rc = nm_table_delete(txn, &nm_people_ids_table, nm_key_view(&key));
    if (rc == NM_OK && memcmp(hash, NONE, HASH_SIZE) != 0)
        rc = s_forget_email(txn, nm_bytes(hash, HASH_SIZE), id);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_remember(nm_people_t *self, nm_txn_t *txn, const nm_person_t *person)
{
    uint8_t row[ROW_SIZE] = { 0 };
    nm_key_t key = s_id_key(&person->id);
    memcpy(row, person->service.at, NM_ID_SIZE);
    nm_portions_take(&self->portions, &person->service);
    if (NM_HAS(person, person, email))
        s_hash(self, &person->service, person->email, row + NM_ID_SIZE);
    nm_rc_t rc = nm_table_put(txn, &nm_people_ids_table, nm_key_view(&key), nm_bytes(row, sizeof row));
    if (rc == NM_OK && NM_HAS(person, person, email))
        rc = nm_table_put(txn, &nm_people_emails_table, nm_bytes(row + NM_ID_SIZE, HASH_SIZE),
                          nm_bytes(person->id.at, NM_ID_SIZE));
    return rc;
}

static nm_rc_t
s_get(nm_txn_t *txn, const nm_id_t *service, const nm_id_t *id, nm_person_t *person)
{
    nm_bytes_t value;
    char entry[NM_PEOPLE_ENTRY_SIZE];
    nm_rc_t rc = nm_book_get(txn, NM_PEOPLE_BOOK, s_entry(service, id, entry), &value);
    if (rc == NM_OK && nm_record_decode(&nm_person_shape, person, value, NULL, "") != NM_OK)
        return NM_ERR_CORRUPT;
    return rc;
}

nm_rc_t
nm_people_changed(nm_people_t *self, nm_txn_t *txn, nm_bytes_t entry)
{
    nm_id_t service, id;
    nm_person_t person;
    if (s_read_entry(entry, &service, &id) != NM_OK)
        return NM_OK;
    nm_rc_t rc = s_forget(self, txn, &id);
    if (rc == NM_OK)
        rc = s_get(txn, &service, &id, &person);
    if (rc == NM_OK)
        rc = s_remember(self, txn, &person);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

//  -- Reading and changing

nm_rc_t
nm_people_get(nm_txn_t *txn, const nm_id_t *id, nm_person_t *person)
{
    nm_key_t key = s_id_key(id);
    nm_bytes_t row;
    nm_id_t service;
    nm_rc_t rc = nm_table_get(txn, &nm_people_ids_table, nm_key_view(&key), &row);
    if (rc != NM_OK)
        return rc;
    if (row.size != ROW_SIZE)
        return NM_ERR_CORRUPT;
    memcpy(service.at, row.at, NM_ID_SIZE);
    return s_get(txn, &service, id, person);
}

nm_rc_t
nm_people_find(const nm_people_t *self, nm_txn_t *txn, const nm_id_t *service, nm_bytes_t email, nm_id_t *id)
{
    uint8_t hash[HASH_SIZE];
    nm_bytes_t value;
    if (email.size > NM_ADDRESS_MAX)
        return NM_ERR_MISSING;
    s_hash(self, service, email, hash);
    nm_rc_t rc = nm_table_get(txn, &nm_people_emails_table, nm_bytes(hash, HASH_SIZE), &value);
    if (rc == NM_OK && value.size != NM_ID_SIZE)
        return NM_ERR_CORRUPT;
    if (rc == NM_OK)
        memcpy(id->at, value.at, NM_ID_SIZE);
    return rc;
}

nm_rc_t
nm_people_put(nm_turn_t *turn, const nm_person_t *person)
{
    nm_buf_t packed = { 0 };
    char entry[NM_PEOPLE_ENTRY_SIZE];
    nm_record_encode(&nm_person_shape, person, NM_BY_TAG, &packed);
    nm_rc_t rc =
        nm_turn_book_put(turn, NM_PEOPLE_BOOK, s_entry(&person->service, &person->id, entry), nm_buf_bytes(&packed));
    sodium_memzero(packed.at, packed.size);
    nm_buf_free(&packed);
    return rc;
}

nm_rc_t
nm_people_delete(nm_turn_t *turn, const nm_person_t *person)
{
    char entry[NM_PEOPLE_ENTRY_SIZE];
    return nm_turn_book_delete(turn, NM_PEOPLE_BOOK, s_entry(&person->service, &person->id, entry));
}
