#include "sdk/c/doors.h"

#include "wire/frames.h"
#include "wire/reader.h"
#include "wire/writer.h"

static const uint64_t ASK_ID = UINT64_MAX;

void
nm_doors_pack(const char *api_key, nm_buf_t *out)
{
    nm_writer_map(out, 2);
    nm_writer_text(out, "headers");
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "api_key", api_key);
    nm_writer_text(out, "asks");
    nm_writer_list(out, 1);
    nm_writer_map(out, 2);
    nm_writer_pair_uint(out, "id", ASK_ID);
    nm_writer_pair_text(out, "op", "doors");
}

static nm_bytes_t
s_text(nm_bytes_t map, const char *key)
{
    nm_bytes_t raw, text;
    nm_reader_t reader;
    if (nm_reader_find(map, key, &raw) != NM_OK)
        return nm_bytes(NULL, 0);
    nm_reader_open(&reader, raw);
    return nm_reader_str(&reader, &text) == NM_OK ? text : nm_bytes(NULL, 0);
}

static bool
s_is_up(nm_bytes_t door)
{
    nm_bytes_t raw;
    nm_reader_t reader;
    bool up;
    if (nm_reader_find(door, "up", &raw) != NM_OK)
        return true;
    nm_reader_open(&reader, raw);
    return nm_reader_bool(&reader, &up) != NM_OK || up;
}

static void
s_read_doors(nm_bytes_t body, nm_line_t *line)
{
    nm_bytes_t raw, door;
    nm_list_t doors;
    if (nm_reader_find(body, "doors", &raw) != NM_OK || nm_list_open(&doors, raw) != NM_OK)
        return;
    while (nm_list_next(&doors, &door) == NM_OK)
        nm_line_learn(line, s_text(door, "endpoint"), s_text(door, "key"), s_is_up(door));
}

void
nm_doors_read(nm_bytes_t frame, nm_line_t *line)
{
    nm_reply_frame_t replies;
    nm_reply_t reply;
    nm_list_t list;
    nm_bytes_t raw;
    if (nm_reader_check(frame) != NM_OK ||
        nm_record_decode(&nm_reply_frame_shape, &replies, frame, NULL, "") != NM_OK ||
        nm_list_open(&list, replies.replies) != NM_OK)
        return;
    while (nm_list_next(&list, &raw) == NM_OK)
        if (nm_record_decode(&nm_reply_shape, &reply, raw, NULL, "") == NM_OK && reply.id == ASK_ID &&
            reply.status == 200)
            s_read_doors(reply.body, line);
}
