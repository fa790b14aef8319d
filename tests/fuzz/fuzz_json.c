//  Any bytes as the JSON body of a request: what is taken fits into the frame of an ask, and comes back the same.
#include "actors/bridge/convert.h"
#include "tests/fuzz/fuzz.h"
#include "wire/reader.h"
#include "wire/writer.h"

static void
s_pack(nm_bytes_t json, nm_buf_t *out, nm_rc_t *rc)
{
    size_t count = 0;
    nm_error_t error;
    nm_buf_clear(out);
    nm_writer_map(out, 1);
    nm_writer_text(out, "asks");
    nm_writer_list(out, 1);
    nm_writer_map(out, 1);
    nm_writer_text(out, "body");
    size_t mark = nm_writer_map_open(out);
    *rc = nm_convert_object(json, out, &count, &error);
    if (count > UINT16_MAX)
        *rc = NM_ERR_MALFORMED;
    nm_writer_map_close(out, mark, *rc == NM_OK ? count : 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_buf_t frame = { 0 }, text = { 0 }, again = { 0 }, same = { 0 };
    nm_bytes_t asks, ask, body;
    nm_list_t list;
    nm_rc_t rc;
    s_pack(nm_bytes(at, size), &frame, &rc);
    PROMISE(nm_reader_check(nm_buf_bytes(&frame)) == NM_OK);
    PROMISE(nm_reader_find(nm_buf_bytes(&frame), "asks", &asks) == NM_OK && nm_list_open(&list, asks) == NM_OK);
    PROMISE(nm_list_next(&list, &ask) == NM_OK && nm_reader_find(ask, "body", &body) == NM_OK);
    if (rc == NM_OK) {
        nm_convert_value(body, &text);
        s_pack(nm_buf_bytes(&text), &again, &rc);
        PROMISE(rc == NM_OK);
        PROMISE(nm_reader_find(nm_buf_bytes(&again), "asks", &asks) == NM_OK && nm_list_open(&list, asks) == NM_OK);
        PROMISE(nm_list_next(&list, &ask) == NM_OK && nm_reader_find(ask, "body", &body) == NM_OK);
        nm_convert_value(body, &same);
        PROMISE(same.size == text.size);
    }
    nm_buf_free(&frame);
    nm_buf_free(&text);
    nm_buf_free(&again);
    nm_buf_free(&same);
    return 0;
}
