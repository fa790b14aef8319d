//  Ask frames as a door gets them, and reply frames as a client gets them: frame, items,
//  their headers.
#include "fuzz.h"

static void
s_open_asks(nm_bytes_t bytes)
{
    nm_ask_frame_t frame;
    nm_list_t list;
    nm_bytes_t item;
    if (nm_record_decode(&nm_ask_frame_shape, &frame, bytes, NULL, "") != NM_OK)
        return;
    PROMISE(nm_list_open(&list, frame.asks) == NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_ask_t ask;
        nm_ask_headers_t headers;
        PROMISE(nm_record_decode(&nm_ask_shape, &ask, item, NULL, "") == NM_OK);
        if (NM_HAS(&ask, ask, headers))
            PROMISE(nm_record_decode(&nm_ask_headers_shape, &headers, ask.headers, NULL, "") == NM_OK);
        if (NM_HAS(&ask, ask, body))
            PROMISE(nm_reader_check(ask.body) == NM_OK);
    }
    PROMISE(list.index == list.count);
}

static void
s_open_replies(nm_bytes_t bytes)
{
    nm_reply_frame_t frame;
    nm_list_t list;
    nm_bytes_t item;
    if (nm_record_decode(&nm_reply_frame_shape, &frame, bytes, NULL, "") != NM_OK)
        return;
    PROMISE(nm_list_open(&list, frame.replies) == NM_OK);
    while (nm_list_next(&list, &item) == NM_OK) {
        nm_reply_t reply;
        PROMISE(nm_record_decode(&nm_reply_shape, &reply, item, NULL, "") == NM_OK);
    }
    PROMISE(list.index == list.count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t size)
{
    nm_bytes_t bytes = nm_bytes(at, size);
    s_try_shape(&nm_ask_frame_shape, bytes);
    s_try_shape(&nm_reply_frame_shape, bytes);
    s_open_asks(bytes);
    s_open_replies(bytes);
    return 0;
}
