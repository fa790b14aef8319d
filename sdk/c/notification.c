#include "sdk/c/notification.h"
#include "wire/reader.h"
#include "wire/writer.h"

typedef struct {
    const char *name;
    size_t offset;
} s_member_t;

static const s_member_t TEXTS[] = {
    { "channel", offsetof(nmesh_notification_t, channel) },
    { "recipient", offsetof(nmesh_notification_t, recipient) },
    { "user_id", offsetof(nmesh_notification_t, user_id) },
    { "subject", offsetof(nmesh_notification_t, subject) },
    { "content", offsetof(nmesh_notification_t, content) },
    { "html", offsetof(nmesh_notification_t, html) },
    { "template", offsetof(nmesh_notification_t, template_code) },
    { "language", offsetof(nmesh_notification_t, language) },
    { "priority", offsetof(nmesh_notification_t, priority) },
    { "provider", offsetof(nmesh_notification_t, provider) },
    { "send_at", offsetof(nmesh_notification_t, send_at) },
    { "expires_at", offsetof(nmesh_notification_t, expires_at) },
};

static const s_member_t PACKED[] = {
    { "variables", offsetof(nmesh_notification_t, variables) },
    { "metadata", offsetof(nmesh_notification_t, metadata) },
    { "email", offsetof(nmesh_notification_t, email) },
    { "push", offsetof(nmesh_notification_t, push) },
};

static size_t
s_pack_texts(const nmesh_notification_t *notification, nm_buf_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < NM_COUNT(TEXTS); i++) {
        const char *text = *(const char *const *) ((const char *) notification + TEXTS[i].offset);
        if (!text)
            continue;
        nm_writer_pair_text(out, TEXTS[i].name, text);
        count++;
    }
    return count;
}

static nm_rc_t
s_pack_packed(const nmesh_notification_t *notification, nm_buf_t *out, size_t *count)
{
    for (size_t i = 0; i < NM_COUNT(PACKED); i++) {
        const nmesh_packed_t *packed = (const void *) ((const char *) notification + PACKED[i].offset);
        if (!packed->size)
            continue;
        if (nm_reader_check(nm_bytes(packed->at, packed->size)) != NM_OK)
            return NM_ERR_MALFORMED;
        nm_writer_pair_raw(out, PACKED[i].name, nm_bytes(packed->at, packed->size));
        (*count)++;
    }
    return NM_OK;
}

static nm_rc_t
s_pack_extra(nmesh_packed_t extra, nm_buf_t *out, size_t *count)
{
    if (!extra.size)
        return NM_OK;
    nm_bytes_t raw = nm_bytes(extra.at, extra.size);
    nm_reader_t reader;
    uint32_t pair_count;
    if (nm_reader_check(raw) != NM_OK)
        return NM_ERR_MALFORMED;
    nm_reader_open(&reader, raw);
    if (nm_reader_map(&reader, &pair_count) != NM_OK)
        return NM_ERR_MALFORMED;
    nm_buf_add(out, reader.at, (size_t) (reader.end - reader.at));
    *count += pair_count;
    return NM_OK;
}

nm_rc_t
nm_notification_pack(const nmesh_notification_t *notification, nm_buf_t *out)
{
    size_t start = out->size;
    size_t mark = nm_writer_map_open(out);
    size_t count = s_pack_texts(notification, out);
    if (notification->dedupe_seconds) {
        nm_writer_pair_uint(out, "dedupe_seconds", notification->dedupe_seconds);
        count++;
    }
    if (notification->at_most_once) {
        nm_writer_pair_bool(out, "at_most_once", true);
        count++;
    }
    nm_rc_t rc = s_pack_packed(notification, out, &count);
    if (rc == NM_OK)
        rc = s_pack_extra(notification->extra, out, &count);
    if (rc == NM_OK)
        nm_writer_map_close(out, mark, count);
    else
        out->size = start;
    return rc;
}
