//  following - the lineup follows the book of providers.

#include "actors/channel/worker.h"
#include "actors/providers/entry.h"
#include "broker/log.h"
#include "lmdb_store/book.h"

typedef struct {
    nm_channel_worker_t *worker;
    nm_provider_setup_t *setups;
    size_t count, room;
} s_gather_t;

//  What cannot be opened here is left out, and said so: the others go on.
static void
s_open(s_gather_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 8;
        self->setups = nm_realloc(self->setups, self->room * sizeof *self->setups);
    }
    if (nm_provider_setup_open(&self->setups[self->count], node, self->worker->mesh, error) == NM_OK)
        self->count++;
    else
        nm_log(NM_LOG_ERROR, "provider_left_out", "Provider %s cannot be used by this actor: %s", node->name,
               error->text);
}

static nm_rc_t
s_gather_book(s_gather_t *self, nm_txn_t *txn)
{
    nm_cursor_t cursor;
    nm_bytes_t key, value;
    nm_rc_t rc;
    nm_book_open(&cursor, txn, NM_PROVIDERS_BOOK, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_book_next(&cursor, &key, &value)) == NM_OK) {
        nm_provider_entry_t entry;
        nm_error_t error = { "" };
        if (nm_record_decode(&nm_provider_entry_shape, &entry, value, NULL, "") != NM_OK) {
            rc = NM_ERR_CORRUPT;
            break;
        }
        nm_zpl_t *tree = nm_provider_entry_tree(&entry, false, &error);
        if (tree)
            s_open(self, tree, &error);
        else
            nm_log(NM_LOG_ERROR, "provider_left_out", "Provider %.*s cannot be used by this actor: %s", NM_PRINT(key),
                   error.text);
        nm_zpl_destroy(&tree);
    }
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static void
s_gather_file(s_gather_t *self)
{
    const nm_zpl_t *part = nm_mesh_part(self->worker->mesh, "providers");
    nm_error_t error = { "" };
    for (const nm_zpl_t *node = part ? part->child : NULL; node; node = node->next)
        s_open(self, node, &error);
}

nm_rc_t
nm_following_renew(nm_channel_worker_t *self, nm_turn_t *turn)
{
    s_gather_t gather = { .worker = self };
    bool counts = false;
    nm_rc_t rc = nm_provider_book_counts(nm_turn_txn(turn), &counts);
    if (rc == NM_OK && counts)
        rc = s_gather_book(&gather, nm_turn_txn(turn));
    else if (rc == NM_OK)
        s_gather_file(&gather);
    if (rc == NM_OK) {
        nm_lineup_renew(&self->lineup, gather.setups, gather.count, self->metrics, nm_turn_now(turn),
                        nm_slots_calling(self->slots) > 0);
        nm_slots_unblock(self->slots);
        self->stale = false;
    } else {
        while (gather.count)
            nm_provider_setup_close(&gather.setups[--gather.count]);
    }
    free(gather.setups);
    return rc;
}

static nm_rc_t
s_changed(void *state, nm_turn_t *turn, nm_bytes_t key)
{
    nm_channel_worker_t *self = state;
    (void) turn, (void) key;
    self->stale = true;
    return NM_OK;
}

const nm_book_use_t nm_channel_books[NM_CHANNEL_BOOK_COUNT] = { { NM_PROVIDERS_BOOK, s_changed } };
