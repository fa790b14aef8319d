#include "tests/sim/ask.h"

#include "wire/reader.h"
#include "wire/writer.h"

const uint8_t SIM_CLIENT_KEY[NM_CURVE_KEY_SIZE] = { 2, 7, 1, 8, 2, 8 };

void
sim_ask_pack(const sim_ask_t *self, nm_buf_t *out)
{
    nm_ask_headers_t headers = { .has = 0 };
    nm_ask_t ask = { .has = 0 };
    nm_buf_t raw = { 0 };
    if (self->api_key)
        NM_PUT(&headers, ask_headers, api_key, nm_text(self->api_key));
    if (self->idempotency_key)
        NM_PUT(&headers, ask_headers, idempotency_key, nm_text(self->idempotency_key));
    nm_record_encode(&nm_ask_headers_shape, &headers, NM_BY_NAME, &raw);
    NM_PUT(&ask, ask, id, self->id);
    NM_PUT(&ask, ask, op, nm_text(self->op));
    NM_PUT(&ask, ask, headers, nm_buf_bytes(&raw));
    if (self->body.size)
        NM_PUT(&ask, ask, body, self->body);
    nm_writer_map(out, 1);
    nm_writer_text(out, "asks");
    nm_writer_list(out, 1);
    nm_record_encode(&nm_ask_shape, &ask, NM_BY_NAME, out);
    nm_buf_free(&raw);
}

bool
sim_reply_read(nm_bytes_t bytes, sim_reply_t *reply)
{
    nm_reply_frame_t frame;
    nm_reply_t first;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_reader_check(bytes) != NM_OK || nm_record_decode(&nm_reply_frame_shape, &frame, bytes, NULL, "") != NM_OK ||
        nm_list_open(&list, frame.replies) != NM_OK || nm_list_next(&list, &raw) != NM_OK ||
        nm_record_decode(&nm_reply_shape, &first, raw, NULL, "") != NM_OK)
        return false;
    *reply = (sim_reply_t){ first.id, (unsigned) first.status, first.body };
    return true;
}

void
sim_body_put(nm_buf_t *out, ...)
{
    va_list args;
    const char *key;
    size_t count = 0, mark = nm_writer_map_open(out);
    va_start(args, out);
    for (; (key = va_arg(args, const char *)); count++)
        nm_writer_pair_text(out, key, va_arg(args, const char *));
    va_end(args);
    nm_writer_map_close(out, mark, count);
}

void
sim_body_text(nm_bytes_t map, const char *key, char *out, size_t size)
{
    nm_bytes_t raw, text;
    nm_reader_t reader;
    out[0] = 0;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return;
    nm_reader_open(&reader, raw);
    if (nm_reader_str(&reader, &text) == NM_OK)
        nm_bytes_to_text(text, out, size);
}

unsigned
sim_body_uint(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    uint64_t number = 0;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return 0;
    nm_reader_open(&reader, raw);
    return nm_reader_uint(&reader, &number) == NM_OK ? (unsigned) number : 0;
}

size_t
sim_body_count(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw;
    nm_list_t list;
    return nm_reader_find(map, key, &raw) == NM_OK && nm_list_open(&list, raw) == NM_OK ? list.count : 0;
}

nm_bytes_t
sim_body_item(nm_bytes_t map, const char *key, size_t n)
{
    nm_bytes_t raw, item;
    nm_list_t list;
    if (nm_reader_find(map, key, &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        return nm_bytes(NULL, 0);
    for (size_t i = 0; nm_list_next(&list, &item) == NM_OK; i++)
        if (i == n)
            return item;
    return nm_bytes(NULL, 0);
}
