#include "actors/gateway/history.h"

#include "wire/writer.h"

NM_RECORD_DEFINE(part, NM_PART_FIELDS, NULL, 0);
NM_RECORD_DEFINE(try, NM_TRY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(step, NM_STEP_FIELDS, NULL, 0);

//  -- Between the note and the lists

//  Decodes a list of records of one shape into an array of at most max of them.
static nm_rc_t
s_read_list(const nm_shape_t *shape, bool has, nm_bytes_t raw, void *records, size_t max, size_t *count)
{
    nm_list_t list;
    nm_rc_t rc;
    *count = 0;
    if (!has)
        return NM_OK;
    if (nm_list_open(&list, raw) != NM_OK || list.count > max)
        return NM_ERR_CORRUPT;
    while ((rc = nm_list_decode(&list, shape, (char *) records + shape->size * *count)) == NM_OK)
        ++*count;
    return rc == NM_ERR_MISSING ? NM_OK : NM_ERR_CORRUPT;
}

nm_rc_t
nm_history_read(nm_history_t *self, const nm_note_t *note)
{
    nm_rc_t rc = s_read_list(&nm_part_shape, NM_HAS(note, note, parts), note->parts, self->parts, NM_PART_COUNT,
                             &self->part_count);
    if (rc == NM_OK)
        rc = s_read_list(&nm_try_shape, NM_HAS(note, note, tries), note->tries, self->tries, NM_ATTEMPT_COUNT,
                         &self->try_count);
    for (size_t i = 0; rc == NM_OK && i < self->try_count; i++)
        if (nm_record_decode(&nm_attempt_shape, &self->attempts[i], self->tries[i].attempt, NULL, "") != NM_OK)
            rc = NM_ERR_CORRUPT;
    if (rc == NM_OK)
        rc = s_read_list(&nm_step_shape, NM_HAS(note, note, steps), note->steps, self->steps, NM_TIMELINE_COUNT,
                         &self->step_count);
    return rc;
}

static nm_bytes_t
s_write_list(const nm_shape_t *shape, const void *records, size_t count, nm_buf_t *out)
{
    nm_buf_clear(out);
    nm_writer_list(out, count);
    for (size_t i = 0; i < count; i++)
        nm_record_encode(shape, (const char *) records + shape->size * i, NM_BY_TAG, out);
    return nm_buf_bytes(out);
}

void
nm_history_write(nm_history_t *self, nm_note_t *note)
{
    if (self->part_count)
        NM_PUT(note, note, parts, s_write_list(&nm_part_shape, self->parts, self->part_count, &self->packed_parts));
    if (self->try_count)
        NM_PUT(note, note, tries, s_write_list(&nm_try_shape, self->tries, self->try_count, &self->packed_tries));
    if (self->step_count)
        NM_PUT(note, note, steps, s_write_list(&nm_step_shape, self->steps, self->step_count, &self->packed_steps));
}

void
nm_history_free(nm_history_t *self)
{
    nm_buf_free(&self->packed_parts);
    nm_buf_free(&self->packed_tries);
    nm_buf_free(&self->packed_steps);
    for (size_t i = 0; i < NM_ATTEMPT_COUNT; i++)
        nm_buf_free(&self->lost[i]);
}

//  -- The timeline

//  A cancellation is told twice, by the reply and by the event of whoever did it; they
//  are one step.
static bool
s_is_same_step(const nm_step_t *step, const nm_event_t *event)
{
    return step->kind == event->kind && step->number == event->number && step->generation == event->generation &&
           (step->order == event->order || event->kind == NM_EVENT_CANCELLED);
}

static bool
s_is_before(const nm_step_t *a, const nm_step_t *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    if (a->generation != b->generation)
        return a->generation < b->generation;
    if (a->order != b->order)
        return a->order < b->order;
    if (a->number != b->number)
        return a->number < b->number;
    return a->kind < b->kind;
}

static nm_rc_t
s_add_step(nm_history_t *self, const nm_event_t *event)
{
    for (size_t i = 0; i < self->step_count; i++)
        if (s_is_same_step(&self->steps[i], event))
            return NM_ERR_DUPLICATE;

    nm_step_t step = { .has = 0 };
    NM_PUT(&step, step, at, event->at);
    NM_PUT(&step, step, kind, event->kind);
    NM_PUT(&step, step, number, event->number);
    NM_PUT(&step, step, generation, event->generation);
    NM_PUT(&step, step, order, event->order);
    if (NM_HAS(event, event, due_at))
        NM_PUT(&step, step, due_at, event->due_at);
    if (NM_HAS(event, event, reason))
        NM_PUT(&step, step, reason, event->reason);
    if (NM_HAS(event, event, detail))
        NM_PUT(&step, step, detail, event->detail);

    size_t at = self->step_count;
    while (at > 0 && s_is_before(&step, &self->steps[at - 1]))
        at--;
    if (self->step_count == NM_TIMELINE_COUNT) {
        if (at == 0)
            return NM_OK;  //  Older than all that there is room for
        memmove(self->steps, self->steps + 1, --at * sizeof *self->steps);
    } else {
        memmove(self->steps + at + 1, self->steps + at, (self->step_count - at) * sizeof *self->steps);
        self->step_count++;
    }
    self->steps[at] = step;
    return NM_OK;
}

//  -- Attempts

static int
s_compare_tries(const nm_try_t *a, uint64_t a_attempt, const nm_try_t *b, uint64_t b_attempt)
{
    if (a->generation != b->generation)
        return a->generation < b->generation ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a_attempt < b_attempt ? -1 : a_attempt > b_attempt;
}

//  Of one attempt we hear that it began and how it ended, in any order; the end stays. An
//  uncertain one may still become certain.
static bool
s_tells_more(const nm_attempt_t *old, const nm_attempt_t *new)
{
    static const uint8_t KNOWLEDGE[NM_OUTCOME_COUNT] = {
        [NM_OUTCOME_STARTED] = 0, [NM_OUTCOME_UNCERTAIN] = 1, [NM_OUTCOME_LATER] = 2,
        [NM_OUTCOME_REFUSED] = 2, [NM_OUTCOME_SENT] = 3,
    };
    return KNOWLEDGE[new->outcome] > KNOWLEDGE[old->outcome];
}

static void
s_add_attempt(nm_history_t *self, const nm_event_t *event)
{
    nm_try_t try = { .has = 0 };
    nm_attempt_t attempt;
    if (nm_record_decode(&nm_attempt_shape, &attempt, event->attempt, NULL, "") != NM_OK)
        return;
    NM_PUT(&try, try, number, event->number);
    NM_PUT(&try, try, generation, event->generation);
    NM_PUT(&try, try, attempt, event->attempt);

    size_t at = self->try_count;
    int order = 1;
    while (at > 0 &&
           (order = s_compare_tries(&try, attempt.number, &self->tries[at - 1], self->attempts[at - 1].number)) < 0)
        at--;
    if (at > 0 && order == 0) {
        if (!s_tells_more(&self->attempts[at - 1], &attempt))
            return;
        at--;
    } else if (self->try_count == NM_ATTEMPT_COUNT) {
        if (at == 0)
            return;
        at--;
        memmove(self->tries, self->tries + 1, at * sizeof *self->tries);
        memmove(self->attempts, self->attempts + 1, at * sizeof *self->attempts);
    } else {
        memmove(self->tries + at + 1, self->tries + at, (self->try_count - at) * sizeof *self->tries);
        memmove(self->attempts + at + 1, self->attempts + at, (self->try_count - at) * sizeof *self->attempts);
        self->try_count++;
    }
    self->tries[at] = try;
    self->attempts[at] = attempt;
}

//  -- Deliveries

nm_status_t
nm_history_status_of(nm_event_kind_t kind)
{
    switch (kind) {
    case NM_EVENT_SCHEDULED: return NM_STATUS_SCHEDULED;
    case NM_EVENT_QUEUED: return NM_STATUS_QUEUED;
    case NM_EVENT_SENDING:
    case NM_EVENT_RETRY_ATTEMPTED: return NM_STATUS_SENDING;
    case NM_EVENT_RETRY_SCHEDULED: return NM_STATUS_RETRYING;
    case NM_EVENT_SENT: return NM_STATUS_SENT;
    case NM_EVENT_DELIVERED: return NM_STATUS_DELIVERED;
    case NM_EVENT_BOUNCED: return NM_STATUS_BOUNCED;
    case NM_EVENT_FAILED: return NM_STATUS_FAILED;
    case NM_EVENT_CANCELLED: return NM_STATUS_CANCELLED;
    case NM_EVENT_EXPIRED: return NM_STATUS_EXPIRED;
    case NM_EVENT_SUPPRESSED: return NM_STATUS_SUPPRESSED;
    default: return NM_STATUS_PENDING;  //  Accepted, replayed
    }
}

//  May a delivery of one generation go from one status to the next?
static bool
s_may_follow(nm_status_t from, nm_status_t to)
{
    if (!nm_status_is_final(from))
        return true;
    return from == NM_STATUS_SENT && (to == NM_STATUS_DELIVERED || to == NM_STATUS_BOUNCED);
}

static nm_part_t *
s_part(nm_history_t *self, uint64_t number)
{
    for (size_t i = 0; i < self->part_count; i++)
        if (self->parts[i].number == number)
            return &self->parts[i];
    return NULL;
}

static void
s_set_part(nm_part_t *part, const nm_event_t *event, const char *peer)
{
    NM_PUT(part, part, generation, event->generation);
    NM_PUT(part, part, order, event->order);
    NM_PUT(part, part, status, (uint8_t) nm_history_status_of((nm_event_kind_t) event->kind));
    if (*peer)
        NM_PUT(part, part, holder, nm_text(peer));
}

static void
s_advance(nm_history_t *self, const nm_event_t *event, const char *peer)
{
    nm_part_t *part = s_part(self, event->number);
    self->reopened = event->generation > (part ? part->generation : 0);
    if (!part) {
        if (self->part_count == NM_PART_COUNT)
            return;
        part = &self->parts[self->part_count++];
        *part = (nm_part_t){ .has = 0 };
        NM_PUT(part, part, number, event->number);
        s_set_part(part, event, peer);
        return;
    }
    bool later = event->generation == part->generation && event->order > part->order;
    nm_status_t next = nm_history_status_of((nm_event_kind_t) event->kind);
    if (self->reopened || (later && s_may_follow((nm_status_t) part->status, next)))
        s_set_part(part, event, peer);
}

nm_rc_t
nm_history_apply(nm_history_t *self, const nm_event_t *event, const char *peer)
{
    nm_rc_t rc = s_add_step(self, event);
    if (rc != NM_OK)
        return rc;
    if (NM_HAS(event, event, attempt))
        s_add_attempt(self, event);
    s_advance(self, event, peer);
    return NM_OK;
}

void
nm_history_note(nm_history_t *self, const nm_event_t *event)
{
    (void) s_add_step(self, event);
}

void
nm_history_end(nm_history_t *self, nm_status_t status)
{
    for (size_t i = 0; i < self->part_count; i++)
        if (!nm_status_is_final((nm_status_t) self->parts[i].status))
            NM_PUT(&self->parts[i], part, status, (uint8_t) status);
}

static bool
s_is_accounted(const uint8_t accounted[32], uint64_t number)
{
    return accounted[number / 8 % 32] >> number % 8 & 1;
}

//  What its actor would have told of an attempt can never be known.
static void
s_lose_attempt(nm_history_t *self, size_t i, int64_t now_ms)
{
    nm_attempt_t *attempt = &self->attempts[i];
    if (attempt->outcome != NM_OUTCOME_STARTED)
        return;
    NM_PUT(attempt, attempt, outcome, NM_OUTCOME_UNCERTAIN);
    NM_PUT(attempt, attempt, ended_at, now_ms);
    nm_buf_t *packed = &self->lost[i];
    nm_buf_clear(packed);
    nm_record_encode(&nm_attempt_shape, attempt, NM_BY_TAG, packed);
    NM_PUT(&self->tries[i], try, attempt, nm_buf_bytes(packed));
}

void
nm_history_lose(nm_history_t *self, const uint8_t accounted[32], int64_t now_ms, uint64_t *order, uint64_t *earlier)
{
    for (size_t i = 0; i < self->part_count; i++)
        if (self->parts[i].order != NM_ORDER_OWN && self->parts[i].order >= *order)
            *order = self->parts[i].order + 1;
    for (size_t i = 0; i < self->step_count; i++)
        if (self->steps[i].order != NM_ORDER_OWN && self->steps[i].order >= *order)
            *order = self->steps[i].order + 1;
    for (size_t i = 0; i < self->try_count; i++) {
        if (self->attempts[i].number > *earlier)
            *earlier = self->attempts[i].number;
        if (!s_is_accounted(accounted, self->tries[i].number))
            s_lose_attempt(self, i, now_ms);
    }
    for (size_t i = 0; i < self->part_count; i++) {
        nm_part_t *part = &self->parts[i];
        if (s_is_accounted(accounted, part->number))
            continue;
        NM_PUT(part, part, order, *order);
        NM_DROP(part, part, holder);
    }
}

nm_status_t
nm_history_status(const nm_history_t *self, uint64_t count)
{
    nm_status_t first = NM_STATUS_PENDING, running = NM_STATUS_PENDING;
    bool any_runs = self->part_count < count;
    for (size_t i = 0; i < self->part_count; i++) {
        nm_status_t status = (nm_status_t) self->parts[i].status;
        if (self->parts[i].number == 0)
            first = status;
        if (nm_status_is_final(status))
            continue;
        any_runs = true;
        running = status > running ? status : running;
    }
    return any_runs ? running : first;
}
