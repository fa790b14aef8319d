#include "broker/actor_private.h"
#include "tests/sim/sim.h"

#include <sodium.h>

//  -- Links of an actor

static nm_link_t *
s_link(const sim_host_t *host, size_t i)
{
    return i < host->actor->link_count ? host->actor->links[i] : NULL;
}

static sim_host_t *
s_peer(sim_t *sim, const nm_link_t *link)
{
    for (size_t i = 0; i < sim->host_count; i++)
        if (sim->hosts[i].seat->entry->name[0] == link->peer->actor.name[0] &&
            strcmp(sim->hosts[i].seat->entry->name, link->peer->actor.name) == 0)
            return &sim->hosts[i];
    return NULL;
}

static const nm_link_t *
s_link_to(const sim_host_t *host, const sim_host_t *peer)
{
    const nm_link_t *link;
    for (size_t i = 0; (link = s_link(host, i)); i++)
        if (strcmp(link->peer->actor.name, peer->seat->entry->name) == 0)
            return link;
    return NULL;
}

//  -- Which mail was handled, and by whom, which is in the last byte. A mail is known by its body: no two that the mesh
//  makes are alike.

static uint64_t
s_mark(const nm_mail_in_t *mail, const sim_host_t *host)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint8_t key[crypto_shorthash_KEYBYTES] = { mail->kind };
    crypto_shorthash(hash, mail->body.at, mail->body.size, key);
    return nm_get_u64(hash) << 8 | (host->index + 1);
}

static bool
s_is_same(uint64_t a, uint64_t b)
{
    return a >> 8 == b >> 8;
}

static uint64_t *
s_place(const sim_ledger_t *self, uint64_t mark)
{
    size_t at = (size_t) (mark >> 8) & (self->room - 1);
    while (self->marks[at] && !s_is_same(self->marks[at], mark))
        at = (at + 1) & (self->room - 1);
    return &self->marks[at];
}

//  Was it handled by one who is still there? What was known to one that is lost may be handled by another.
static bool
s_has(const sim_t *sim, uint64_t mark)
{
    const sim_ledger_t *self = &sim->ledger;
    uint64_t found = self->room ? *s_place(self, mark) : 0;
    return found && !sim->hosts[(found & 0xff) - 1].forgotten;
}

static void
s_add(sim_ledger_t *self, uint64_t mark)
{
    if (self->count * 2 >= self->room) {
        sim_ledger_t before = *self;
        self->room = before.room ? before.room * 2 : 1024;
        self->marks = nm_alloc(self->room * sizeof *self->marks);
        for (size_t i = 0; i < before.room; i++)
            if (before.marks[i])
                *s_place(self, before.marks[i]) = before.marks[i];
        free(before.marks);
    }
    uint64_t *place = s_place(self, mark);
    self->count += !*place;
    *place = mark;
}

//  -- Between an actor and its role

//  Recipients say which note it is.
static size_t
s_recipient_note(const sim_t *sim, nm_bytes_t recipient)
{
    char text[32];
    unsigned number;
    nm_bytes_to_text(recipient, text, sizeof text);
    return sscanf(text, "u%u@", &number) == 1 && number < sim->note_count ? number : SIZE_MAX;
}

static size_t
s_delivery_note(const sim_t *sim, nm_bytes_t raw)
{
    nm_delivery_t delivery;
    bool good = nm_record_decode(&nm_delivery_shape, &delivery, raw, NULL, "") == NM_OK;
    return good ? s_recipient_note(sim, delivery.recipient) : SIZE_MAX;
}

static size_t
s_user_note(const sim_t *sim, const char *user)
{
    for (size_t i = 0; i < sim->note_count; i++)
        if (strcmp(sim->ground->people[sim->notes[i].tenant][i], user) == 0)
            return i;
    return SIZE_MAX;
}

static size_t
s_work_note(const sim_t *sim, nm_bytes_t raw)
{
    nm_work_t work;
    char recipient[SIM_ADDRESS_SIZE], user[NM_ID_TEXT_SIZE + 1];
    if (nm_record_decode(&nm_work_shape, &work, raw, NULL, "") != NM_OK)
        return SIZE_MAX;
    sim_body_text(work.request, "recipient", recipient, sizeof recipient);
    sim_body_text(work.request, "user_id", user, sizeof user);
    return user[0] ? s_user_note(sim, user) : s_recipient_note(sim, nm_text(recipient));
}

//  The note that a mail speaks of; SIZE_MAX: none that is known.
static size_t
s_note_of(const sim_t *sim, const nm_mail_in_t *mail)
{
    nm_event_t event;
    nm_dead_letter_t letter;
    nm_replay_t replay;
    bool good;
    switch ((nm_mail_kind_t) mail->kind) {
    case NM_MAIL_COPY: return SIZE_MAX;
    case NM_MAIL_WORK: return s_work_note(sim, mail->body);
    case NM_MAIL_DELIVERY:
    case NM_MAIL_RETURN: return s_delivery_note(sim, mail->body);
    case NM_MAIL_EVENT:
        good = nm_record_decode(&nm_event_shape, &event, mail->body, NULL, "") == NM_OK;
        return good ? sim_note_find(sim, &event.notification) : SIZE_MAX;
    case NM_MAIL_DEAD_LETTER:
        good = nm_record_decode(&nm_dead_letter_shape, &letter, mail->body, NULL, "") == NM_OK;
        return good ? s_delivery_note(sim, letter.delivery) : SIZE_MAX;
    case NM_MAIL_REPLAY:
        good = nm_record_decode(&nm_replay_shape, &replay, mail->body, NULL, "") == NM_OK;
        return good ? s_delivery_note(sim, replay.delivery) : SIZE_MAX;
    }
    return SIZE_MAX;
}

//  After a store went back, mail of what went with it may be made once more, what its outbox still
//  holds is sent again in a new stream, and what it had taken in since is taken in again.
static bool
s_is_excused(const sim_host_t *host, const sim_host_t *from, const nm_mail_in_t *mail)
{
    const sim_t *sim = host->sim;
    if (!sim->rolled_back)
        return false;
    size_t note = s_note_of(sim, mail);
    return host->state != SIM_STORE_WHOLE || from->state != SIM_STORE_WHOLE || note == SIZE_MAX ||
           sim->notes[note].excused;
}

static void
s_note_mail(sim_host_t *host, const nm_mail_in_t *mail)
{
    sim_t *sim = host->sim;
    sim_ledger_t *self = &sim->ledger;
    size_t from = 0, note;
    while (strcmp(sim->hosts[from].seat->entry->name, mail->peer) != 0)
        from++;
    self->from[from]++;
    if (!mail->body.size)
        return;  //  What it spoke of was over when it left
    if (self->pending_count == self->pending_room) {
        self->pending_room = self->pending_room ? self->pending_room * 2 : 64;
        self->pending = nm_realloc(self->pending, self->pending_room * sizeof *self->pending);
    }
    uint64_t mark = s_mark(mail, host);
    bool twice = s_has(sim, mark);
    for (size_t i = 0; i < self->pending_count; i++)
        twice |= s_is_same(self->pending[i], mark);
    if (twice && !s_is_excused(host, &sim->hosts[from], mail))
        snprintf(self->twice, sizeof self->twice, "%s handled a mail of kind %u from %s that was handled before",
                 host->seat->entry->name, mail->kind, mail->peer);
    self->pending[self->pending_count++] = mark;
    if (mail->kind == NM_MAIL_DEAD_LETTER && (note = s_note_of(sim, mail)) != SIZE_MAX)
        self->buried[note]++;
}

//  A role's handlers get no word of whose they are, so the host is found by whose turn it is.
static sim_host_t *s_host;

static nm_rc_t
s_on_mail(void *state, nm_turn_t *turn, const nm_mail_in_t *mail)
{
    nm_rc_t rc = s_host->seat->role->mail(state, turn, mail);
    if (rc == NM_OK)
        s_note_mail(s_host, mail);
    else if (rc == NM_ERR_MALFORMED)
        sim_fault(s_host->sim, "I4", "%s cannot read a mail of kind %u from %s", s_host->seat->entry->name, mail->kind,
                  mail->peer);
    return rc;
}

void
sim_ledger_watch(sim_host_t *host)
{
    host->role.mail = s_on_mail;
}

void
sim_ledger_enter(sim_host_t *host)
{
    s_host = host;
    host->void_mark = nm_metric_value(host->actor->metric.mail_void);
}

//  Voids of the life that runs, as it counts them itself.
static uint64_t
s_count_voids(const sim_host_t *host)
{
    return nm_metric_value(host->actor->metric.mail_void);
}

//  Which of them one that is lost had sent: its numbers that were seen and not handled. Its link stays until the host has
//  forgotten it and starts anew, and then has seen nothing.
static void
s_count_voids_of_lost(sim_host_t *host)
{
    const sim_t *sim = host->sim;
    for (size_t i = 0; sim->lost && i < sim->host_count; i++) {
        const nm_link_t *link = sim->hosts[i].forgotten ? s_link_to(host, &sim->hosts[i]) : NULL;
        uint64_t seen = link ? nm_spans_count(&link->seen) : 0;
        if (seen)
            host->voids_of[i] = seen - sim->ledger.handled[host->index][i];
    }
}

void
sim_ledger_undo(sim_t *sim)
{
    sim_ledger_t *self = &sim->ledger;
    self->pending_count = 0;
    memset(self->from, 0, sizeof self->from);
    memset(self->buried, 0, sizeof self->buried);
    self->twice[0] = 0;
}

void
sim_ledger_commit(sim_host_t *host)
{
    sim_t *sim = host->sim;
    sim_ledger_t *self = &sim->ledger;
    if (self->twice[0])
        sim_fault(sim, "custody", "%s", self->twice);
    for (size_t i = 0; i < self->pending_count; i++)
        s_add(self, self->pending[i]);
    for (size_t i = 0; i < sim->host_count; i++) {
        self->handled[host->index][i] += self->from[i];
        sim->tally->mails += self->from[i];
    }
    for (size_t i = 0; i < sim->note_count; i++)
        sim->notes[i].buried += self->buried[i];
    host->voids += s_count_voids(host) - host->void_mark;
    host->void_mark = s_count_voids(host);
    s_count_voids_of_lost(host);
    sim_ledger_undo(sim);
}

//  -- What two actors know of each other

//  Does the far end know the stream that this store of host speaks in now?
static bool
s_same_stream(const sim_host_t *host, const nm_link_t *far)
{
    return far->known && nm_id_equal(&far->store, nm_store_id(host->store)) &&
           far->epoch == nm_store_epoch(host->store);
}

//  What host has given to peer, and has of peer, is less than peer knows of. A restored store that has not met the
//  peer yet says so itself when it does, of its own copy as of one that was put back since.
static bool
s_is_behind(const sim_host_t *host, const sim_host_t *peer, const nm_link_t *near, const nm_link_t *far)
{
    if (s_same_stream(host, far) && nm_spans_last(&far->seen) >= near->next)
        return true;
    return s_same_stream(peer, near) && !near->restored && near->seen.seen + 1 < far->low;
}

bool
sim_ledger_is_behind(const sim_host_t *host)
{
    const nm_link_t *near;
    for (size_t i = 0; (near = s_link(host, i)); i++) {
        const sim_host_t *peer = s_peer(host->sim, near);
        const nm_link_t *far = peer && peer->actor ? s_link_to(peer, host) : NULL;
        if (far && s_is_behind(host, peer, near, far))
            return true;
    }
    return false;
}

//  I8: what is on the way to a peer stays within what it may grant at most.
static void
s_check_credit(const sim_host_t *host, const nm_link_t *link)
{
    uint32_t most = link->peer->actor.role == NM_ROLE_EMAIL ? SIM_BACKLOG : NM_CREDIT_COUNT;
    if (link->open_count > most)
        sim_fault(host->sim, "I8", "%s has %u mails on the way to %s, which grants %u at most", host->seat->entry->name,
                  link->open_count, link->peer->actor.name, most);
}

//  Two that have met agree: nobody has seen what was never given, nobody believes that the other has
//  what it has not. A store that went back in time breaks one of the two.
static void
s_check_pair(sim_host_t *host, const nm_link_t *near)
{
    sim_host_t *peer = s_peer(host->sim, near);
    const nm_link_t *far = peer && peer->actor ? s_link_to(peer, host) : NULL;
    if (!far || near->state != NM_LINK_UP || near->boot != peer->actor->boot)
        return;
    bool lacks = s_same_stream(peer, near) && !nm_spans_has_all(&near->seen, &far->receipted);
    if (lacks || s_is_behind(host, peer, near, far))
        sim_fault(host->sim, "I9", "%s went on with %s, and its store is older than what that knows of it",
                  host->seat->entry->name, peer->seat->entry->name);
}

void
sim_ledger_check(sim_host_t *host)
{
    const nm_link_t *link;
    for (size_t i = 0; (link = s_link(host, i)); i++) {
        s_check_credit(host, link);
        if (!nm_actor_exit(host->actor))
            s_check_pair(host, link);
    }
}

//  -- Drained

static nm_rc_t
s_check_tables(nm_txn_t *txn, void *arg)
{
    //  What an actor holds for others, whatever its role.
    static const char *const WORK[] = { "waiting", "contents", "progress", "unreached_work", "replay_line" };
    const sim_host_t *host = arg;
    for (size_t i = 0; i < host->seat->table_count; i++)
        for (size_t n = 0; n < NM_COUNT(WORK); n++) {
            const nm_table_t *table = host->seat->tables[i];
            if (strcmp(table->name, WORK[n]) == 0 && nm_table_count(txn, table))
                sim_fault(host->sim, "drain", "%s says that it is drained, and holds %llu of %s",
                          host->seat->entry->name, (unsigned long long) nm_table_count(txn, table), table->name);
        }
    return NM_OK;
}

//  They had it once, before their store went back in time.
static bool
s_has_had(const sim_host_t *peer, const nm_link_t *near, uint64_t seq)
{
    return peer->state != SIM_STORE_WHOLE && nm_spans_has(&near->receipted, seq);
}

//  What it gave to others is theirs: they have seen each number.
static void
s_check_given(const sim_host_t *host)
{
    const nm_link_t *near;
    for (size_t i = 0; (near = s_link(host, i)); i++) {
        const sim_host_t *peer = s_peer(host->sim, near);
        const nm_link_t *far = peer && peer->actor && !peer->forgotten ? s_link_to(peer, host) : NULL;
        for (uint64_t seq = 1; far && s_same_stream(host, far) && seq < near->next; seq++)
            if (!nm_spans_has(&far->seen, seq) && nm_claims_get(&near->claim, seq) != NM_CLAIM_VOID &&
                !s_has_had(peer, near, seq))
                sim_fault(host->sim, "drain", "%s says that it is drained, and %s has not seen its mail %llu",
                          host->seat->entry->name, peer->seat->entry->name, (unsigned long long) seq);
    }
}

void
sim_ledger_check_drained(const sim_host_t *host)
{
    s_check_given(host);
    if (nm_store_view(host->store, s_check_tables, (void *) host) != NM_OK)
        sim_fault(host->sim, "drain", "the store of %s cannot be read", host->seat->entry->name);
}

bool
sim_ledger_is_waited_for(const sim_host_t *host)
{
    sim_t *sim = host->sim;
    for (size_t i = 0; i < sim->host_count; i++) {
        const nm_link_t *far = sim->hosts[i].actor ? s_link_to(&sim->hosts[i], host) : NULL;
        if (far && nm_link_holds(far))
            return true;
    }
    return false;
}

//  -- The end

void
sim_ledger_excuse_note(sim_t *self, size_t number)
{
    sim_note_t *note = &self->notes[number];
    self->tally->excused += !note->excused;
    note->excused = true;
}

void
sim_ledger_excuse(sim_t *self)
{
    for (size_t i = 0; i < self->note_count; i++)
        if (self->notes[i].state != SIM_NOTE_NEW)
            sim_ledger_excuse_note(self, i);
}

//  Of what was taken back from one who has left for good the numbers stay open, void as they are.
static bool
s_is_open(sim_t *sim, const nm_link_t *link)
{
    const sim_host_t *peer = s_peer(sim, link);
    return peer && peer->gone ? nm_link_holds(link) : link->open_count != 0;
}

//  Nothing of it is under way, not even its end.
static bool
s_is_empty(const sim_host_t *host)
{
    const nm_link_t *link;
    uint64_t held = 0;
    int64_t oldest_ms;
    if (!host->actor)
        return !host->present;
    if (host->draining || (host->must_stop && host->state == SIM_STORE_ROLLED))
        return false;
    for (size_t i = 0; (link = s_link(host, i)); i++)
        if (s_is_open(host->sim, link))
            return false;
    for (size_t i = 0; i < host->actor->lane_count; i++)
        if (host->actor->lanes[i].count)
            return false;
    if (host->role.backlog && host->role.id != NM_ROLE_DEADLETTER && host->role.id != NM_ROLE_GATEWAY)
        host->role.backlog(host->actor->state, &held, &oldest_ms);
    return !held;
}

bool
sim_ledger_is_quiet(sim_t *self)
{
    for (size_t i = 0; i < self->note_count; i++) {
        const sim_note_t *note = &self->notes[i];
        if (!note->excused && !(note->state == SIM_NOTE_TAKEN && note->seen && note->status >= NM_STATUS_SENT))
            return false;
    }
    for (size_t i = 0; i < self->host_count; i++)
        if (!s_is_empty(&self->hosts[i]))
            return false;
    return true;
}

//  For whoever reads the story: what is left at a host.
static void
s_tell(const sim_host_t *host)
{
    const sim_t *sim = host->sim;
    const char *name = host->seat->entry->name;
    const nm_link_t *link;
    uint64_t held = 0;
    int64_t oldest_ms = 0;
    if (host->role.backlog)
        host->role.backlog(host->actor->state, &held, &oldest_ms);
    sim_say(sim, "%s holds %llu%s%s", name, (unsigned long long) held, host->draining ? ", drains" : "",
            host->must_stop ? ", has to stop" : "");
    for (size_t i = 0; (link = s_link(host, i)); i++)
        if (link->open_count)
            sim_say(sim, "%s has %u open to %s, which is %s", name, link->open_count, link->peer->actor.name,
                    nm_link_state_text(link->state));
    for (size_t i = 0; i < host->actor->lane_count; i++)
        if (host->actor->lanes[i].count)
            sim_say(sim, "%s has %llu for %s", name, (unsigned long long) host->actor->lanes[i].count,
                    host->actor->lanes[i].text);
}

static void
s_close_note(sim_t *self, size_t number)
{
    const sim_note_t *note = &self->notes[number];
    size_t known = 0;
    const char *word = note->seen ? nm_words_text(&nm_status_words, note->status) : "unknown";
    self->tally->notes++;
    if (note->excused)
        return;
    for (size_t i = 0; i < note->got_count; i++)
        known += note->gots[i] == SIM_GOT_KNOWN || note->gots[i] == SIM_GOT_FORGOTTEN;
    switch (note->seen ? note->status : NM_STATUS_COUNT) {
    case NM_STATUS_SENT:
        self->tally->sent++;
        if (!known)
            sim_fault(self, "I1", "note %zu is said to be sent, and no server has said so", number);
        break;
    case NM_STATUS_FAILED:
        self->tally->failed++;
        //  What a lost actor may have sent, and may be sent once only, is not sent again.
        if (!note->failures && !(self->lost && note->at_most_once))
            sim_fault(self, "I1", "note %zu has failed, and nothing had gone wrong with it", number);
        //  A dead letter on its way is on one disk.
        if (!note->buried && !self->lost)
            sim_fault(self, "I1", "note %zu has failed, and is no dead letter", number);
        break;
    case NM_STATUS_EXPIRED:
        if (!note->expires)
            sim_fault(self, "I6", "note %zu has expired, and had no time to do so", number);
        break;
    case NM_STATUS_CANCELLED:
        if (!note->cancelled)
            sim_fault(self, "I6", "note %zu is cancelled, and nobody asked for it", number);
        break;
    default: sim_fault(self, "I1", "note %zu was accepted and is %s in the end", number, word);
    }
}

//  Every number that was given away was handled once, or was void: its mail was taken back and given to another. Of one
//  that is lost nobody can say how many it gave.
static void
s_close_streams(sim_host_t *host)
{
    sim_t *sim = host->sim;
    uint64_t seen = 0, handled = 0, voids = host->voids;
    const nm_link_t *near;
    for (size_t i = 0; i < sim->host_count; i++)
        voids -= host->voids_of[i];
    for (size_t i = 0; (near = s_link(host, i)); i++) {
        const sim_host_t *peer = s_peer(sim, near);
        if (!peer || peer->forgotten)
            continue;
        const nm_link_t *far = peer->actor ? s_link_to(peer, host) : NULL;
        seen += near->seen.seen;
        handled += sim->ledger.handled[host->index][peer->index];
        if (near->known && far && far->next - 1 != near->seen.seen)
            sim_fault(sim, "custody", "%s gave %llu mails to %s, which has seen %llu", peer->seat->entry->name,
                      (unsigned long long) far->next - 1, host->seat->entry->name,
                      (unsigned long long) near->seen.seen);
    }
    if (seen != handled + voids)
        sim_fault(sim, "custody", "%s has seen %llu mails, and handled %llu and %llu voids", host->seat->entry->name,
                  (unsigned long long) seen, (unsigned long long) handled, (unsigned long long) voids);
}

void
sim_ledger_close(sim_t *self)
{
    for (size_t i = 0; i < self->host_count; i++) {
        sim_host_t *host = &self->hosts[i];
        if (!host->actor && host->present && !self->fault[0])
            sim_fault(self, "I7", "%s is down in the end", host->seat->entry->name);
        if (host->actor)
            s_tell(host);
        if (host->actor && !host->forgotten && !self->rolled_back)
            s_close_streams(host);
        if (host->must_stop && host->state == SIM_STORE_ROLLED)
            sim_fault(self, "I9", "%s was rolled back behind its peers, and nobody noticed", host->seat->entry->name);
    }
    for (size_t i = 0; i < self->note_count; i++)
        s_close_note(self, i);
}
