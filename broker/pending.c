#include "broker/pending.h"

//  Where the number stands, or would stand.
static size_t
s_place(const nm_pending_t *self, uint64_t seq)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (self->mails[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
s_insert(nm_pending_t *self, size_t at, const nm_mail_item_t *item)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->mails = nm_realloc(self->mails, self->room * sizeof *self->mails);
    }
    memmove(&self->mails[at + 1], &self->mails[at], (self->count - at) * sizeof *self->mails);
    nm_pending_mail_t *mail = &self->mails[at];
    *mail = (nm_pending_mail_t){ .seq = item->seq,
                                 .kind = (uint8_t) item->kind,
                                 .priority = (uint8_t) item->priority,
                                 .due = true,
                                 .body = nm_alloc(item->body.size),
                                 .size = item->body.size };
    if (item->body.size)
        memcpy(mail->body, item->body.at, item->body.size);
    self->count++;
    self->size += item->body.size;
}

nm_rc_t
nm_pending_keep(nm_pending_t *self, const nm_mail_item_t *item)
{
    size_t at = s_place(self, item->seq);
    if (at < self->count && self->mails[at].seq == item->seq) {
        self->mails[at].due = true;
    } else {
        bool alone = self->count == 0;
        if (!alone && (self->count >= NM_CREDIT_COUNT || self->size + item->body.size > 2 * NM_CREDIT_SIZE))
            return NM_ERR_FULL;
        s_insert(self, at, item);
    }
    self->due = true;
    return NM_OK;
}

bool
nm_pending_has(const nm_pending_t *self, uint64_t seq)
{
    size_t at = s_place(self, seq);
    return at < self->count && self->mails[at].seq == seq && !self->mails[at].taken;
}

bool
nm_pending_claims(nm_pending_t *self, nm_runs_t *runs)
{
    if (!self->due)  //  Mostly; asked of each link at the end of each turn, and runs are large
        return false;
    *runs = (nm_runs_t){ 0 };
    for (size_t i = 0; i < self->count; i++) {
        nm_pending_mail_t *mail = &self->mails[i];
        if (!mail->due || mail->taken)
            continue;
        if (!nm_runs_add(runs, mail->seq))
            return true;
        mail->due = false;
    }
    self->due = false;
    return runs->count > 0;
}

const nm_pending_mail_t *
nm_pending_take(nm_pending_t *self, uint64_t first, uint64_t last)
{
    for (size_t i = s_place(self, first); i < self->count && self->mails[i].seq <= last; i++) {
        nm_pending_mail_t *mail = &self->mails[i];
        if (mail->taken)
            continue;
        mail->taken = self->sweep_due = true;
        return mail;
    }
    return NULL;
}

void
nm_pending_sweep(nm_pending_t *self)
{
    if (!self->sweep_due)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        nm_pending_mail_t *mail = &self->mails[i];
        if (mail->taken) {
            self->size -= mail->size;
            free(mail->body);
        } else {
            self->mails[kept++] = *mail;
        }
    }
    self->count = kept;
    self->sweep_due = false;
}

void
nm_pending_clear(nm_pending_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->mails[i].body);
    free(self->mails);
    *self = (nm_pending_t){ 0 };
}
