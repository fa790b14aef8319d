#include "actors/gateway/show.h"

#include "wire/id.h"
#include "wire/time.h"
#include "wire/trace.h"
#include "wire/writer.h"

enum { DETAIL_SIZE = NM_DETAIL_MAX + 64 };

static void
s_nil(nm_buf_t *out, const char *key)
{
    nm_writer_text(out, key);
    nm_writer_nil(out);
}

static void
s_str(nm_buf_t *out, const char *key, bool has, nm_bytes_t value)
{
    if (has)
        nm_writer_pair_str(out, key, value);
    else
        s_nil(out, key);
}

static void
s_time(nm_buf_t *out, const char *key, bool has, int64_t at_ms)
{
    if (has)
        nm_writer_pair_time(out, key, at_ms);
    else
        s_nil(out, key);
}

static void
s_uint(nm_buf_t *out, const char *key, bool has, uint64_t value)
{
    if (has)
        nm_writer_pair_uint(out, key, value);
    else
        s_nil(out, key);
}

static void
s_raw(nm_buf_t *out, const char *key, bool has, nm_bytes_t raw)
{
    if (has)
        nm_writer_pair_raw(out, key, raw);
    else
        s_nil(out, key);
}

static void
s_word(nm_buf_t *out, const char *key, const nm_words_t *words, unsigned number)
{
    nm_writer_pair_text(out, key, nm_words_text(words, number));
}

nm_bytes_t
nm_show_detail(nm_bytes_t detail, const nm_reason_t *reason, const int64_t *due_at, char *room, size_t size)
{
    char due[NM_TIME_TEXT_SIZE + 1];
    if (reason) {
        int used = snprintf(room, size, "%s%s%.*s", nm_words_text(&nm_reason_words, *reason), detail.size ? ": " : "",
                            NM_PRINT(detail));
        return nm_bytes(room, used > 0 && (size_t) used < size ? (size_t) used : 0);
    }
    if (detail.size || !due_at)
        return detail;
    nm_time_to_text(*due_at, due);
    snprintf(room, size, "due at %s", due);
    return nm_text(room);
}

//  -- Attempts and timeline

static void
s_write_attempt(nm_buf_t *out, const nm_try_t *try, const nm_attempt_t *attempt, bool several)
{
    nm_writer_map(out, several ? 8 : 7);
    nm_writer_pair_uint(out, "number", attempt->number);
    if (several)
        nm_writer_pair_uint(out, "delivery", try->number);
    nm_writer_pair_str(out, "provider", attempt->provider);
    nm_writer_pair_time(out, "started_at", attempt->started_at);
    s_time(out, "ended_at", NM_HAS(attempt, attempt, ended_at), attempt->ended_at);
    s_word(out, "outcome", &nm_outcome_words, attempt->outcome);
    s_uint(out, "code", NM_HAS(attempt, attempt, code), attempt->code);
    s_str(out, "detail", NM_HAS(attempt, attempt, detail), attempt->detail);
}

static void
s_write_attempts(nm_buf_t *out, const nm_history_t *history, bool several)
{
    nm_writer_text(out, "attempts");
    nm_writer_list(out, history->try_count);
    for (size_t i = 0; i < history->try_count; i++)
        s_write_attempt(out, &history->tries[i], &history->attempts[i], several);
}

static void
s_write_step(nm_buf_t *out, int64_t at_ms, nm_event_kind_t kind, nm_bytes_t detail)
{
    nm_writer_map(out, 3);
    nm_writer_pair_time(out, "at", at_ms);
    s_word(out, "event", &nm_event_words, kind);
    s_str(out, "detail", detail.size > 0, detail);
}

static nm_bytes_t
s_show_trace(const nm_note_t *note, char *room, size_t size)
{
    if (!NM_HAS(note, note, traceparent))
        return nm_bytes(NULL, 0);
    snprintf(room, size, "trace %.*s", NM_PRINT(nm_trace_id(note->traceparent)));
    return nm_text(room);
}

//  The first steps are not stored: the note says them.
static size_t
s_write_first_steps(nm_buf_t *out, const nm_note_t *note)
{
    char room[DETAIL_SIZE];
    s_write_step(out, note->created_at, NM_EVENT_ACCEPTED, s_show_trace(note, room, sizeof room));
    if (!NM_HAS(note, note, send_at) || note->send_at <= note->created_at)
        return 1;
    nm_bytes_t detail = nm_show_detail(nm_bytes(NULL, 0), NULL, &note->send_at, room, sizeof room);
    s_write_step(out, note->created_at, NM_EVENT_SCHEDULED, detail);
    return 2;
}

static void
s_write_timeline(nm_buf_t *out, const nm_note_t *note, const nm_history_t *history)
{
    nm_writer_text(out, "timeline");
    size_t mark = nm_writer_list_open(out);
    size_t count = s_write_first_steps(out, note);
    for (size_t i = 0; i < history->step_count; i++) {
        const nm_step_t *step = &history->steps[i];
        nm_reason_t reason = (nm_reason_t) step->reason;
        char room[DETAIL_SIZE];
        nm_bytes_t detail = NM_HAS(step, step, detail) ? step->detail : nm_bytes(NULL, 0);
        detail = nm_show_detail(detail, NM_HAS(step, step, reason) ? &reason : NULL,
                                NM_HAS(step, step, due_at) ? &step->due_at : NULL, room, sizeof room);
        s_write_step(out, step->at, (nm_event_kind_t) step->kind, detail);
    }
    nm_writer_list_close(out, mark, count + history->step_count);
}

nm_rc_t
nm_show_note(nm_history_t *history, const nm_id_t *id, const nm_note_t *note, nm_buf_t *out)
{
    nm_rc_t rc = nm_history_read(history, note);
    if (rc != NM_OK)
        return rc;

    enum { KEY_COUNT = 20 };
    nm_writer_map(out, KEY_COUNT);
    nm_writer_pair_id(out, "id", id);
    nm_writer_pair_id(out, "service_id", &note->service);
    s_word(out, "channel", &nm_channel_words, note->channel);
    s_raw(out, "channels", NM_HAS(note, note, channels), note->channels);
    if (NM_HAS(note, note, user_id))
        nm_writer_pair_id(out, "user_id", &note->user_id);
    else
        s_nil(out, "user_id");
    s_str(out, "recipient", NM_HAS(note, note, recipient), note->recipient);
    s_str(out, "template", NM_HAS(note, note, template), note->template);
    s_uint(out, "template_version", NM_HAS(note, note, template_version), note->template_version);
    s_str(out, "language", NM_HAS(note, note, language), note->language);
    s_word(out, "priority", &nm_priority_words, note->priority);
    s_word(out, "status", &nm_status_words, note->status);
    s_str(out, "provider", NM_HAS(note, note, provider), note->provider);
    s_raw(out, "metadata", NM_HAS(note, note, metadata), note->metadata);
    nm_writer_pair_str(out, "correlation_id", note->correlation_id);
    nm_writer_pair_time(out, "created_at", note->created_at);
    nm_writer_pair_time(out, "updated_at", note->updated_at);
    s_time(out, "send_at", NM_HAS(note, note, send_at), note->send_at);
    s_time(out, "expires_at", NM_HAS(note, note, expires_at), note->expires_at);
    s_write_attempts(out, history, NM_HAS(note, note, deliveries) && note->deliveries > 1);
    s_write_timeline(out, note, history);
    return NM_OK;
}
