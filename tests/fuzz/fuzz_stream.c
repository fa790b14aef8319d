//  Cursors of events: any text, and any bytes behind a right checksum.
#include "fuzz.h"
#include "actors/gateway/stream.c"

static const uint8_t AUTHORITY[32] = "the authority of all these tests";

static void
s_try_text(nm_bytes_t text)
{
    char again[NM_STREAM_CURSOR_MAX + 1];
    nm_stream_t stream, same;
    nm_point_t point;
    if (nm_point_read(&point, text) == NM_OK)
        PROMISE(text.size <= NM_POINT_TEXT_SIZE);
    if (nm_stream_read(&stream, AUTHORITY, text) != NM_OK)
        return;
    nm_stream_text(&stream, AUTHORITY, again);
    PROMISE(nm_stream_read(&same, AUTHORITY, nm_text(again)) == NM_OK && nm_stream_equal(&stream, &same));
}

static void
s_try_raw(nm_bytes_t bytes)
{
    varints_t raw = { bytes.at, bytes.at + bytes.size, false };
    nm_stream_t stream = { .count = 0 }, same;
    char text[NM_STREAM_CURSOR_MAX + 1];
    if (s_take(&stream, &raw) != NM_OK)
        return;
    PROMISE(stream.count <= NM_STREAM_MAX);
    for (size_t i = 1; i < stream.count; i++)
        PROMISE(stream.points[i - 1].number < stream.points[i].number);
    nm_stream_text(&stream, AUTHORITY, text);
    PROMISE(nm_stream_read(&same, AUTHORITY, nm_text(text)) == NM_OK && nm_stream_equal(&stream, &same));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    s_try_text(nm_bytes(data, size));
    s_try_raw(nm_bytes(data, size));
    return 0;
}
