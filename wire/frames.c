#include "wire/frames.h"
#include "wire/reader.h"
#include "wire/writer.h"

NM_RECORD_DEFINE(span, NM_SPAN_FIELDS, NULL, 0);
NM_RECORD_DEFINE(greet, NM_GREET_FIELDS, NULL, 0);
NM_RECORD_DEFINE(mail_item, NM_MAIL_ITEM_FIELDS, NULL, 0);
NM_RECORD_DEFINE(mail, NM_MAIL_FIELDS, NULL, 0);
NM_RECORD_DEFINE(receipt, NM_RECEIPT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(beat, NM_BEAT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(bye, NM_BYE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(claim, NM_CLAIM_FIELDS, NULL, 0);
NM_RECORD_DEFINE(grant, NM_GRANT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(ask_headers, NM_ASK_HEADERS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(ask, NM_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(ask_frame, NM_ASK_FRAME_FIELDS, NULL, 0);
NM_RECORD_DEFINE(reply, NM_REPLY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(reply_frame, NM_REPLY_FRAME_FIELDS, NULL, 0);

nm_rc_t
nm_frame_open(nm_bytes_t frame, nm_frame_kind_t *kind, nm_bytes_t *record)
{
    if (frame.size > NM_FRAME_MAX || nm_reader_check(frame) != NM_OK)
        return NM_ERR_MALFORMED;

    nm_reader_t reader;
    uint32_t count;
    uint64_t number;
    nm_reader_open(&reader, frame);
    if (nm_reader_list(&reader, &count) != NM_OK || count != 2 || nm_reader_uint(&reader, &number) != NM_OK)
        return NM_ERR_MALFORMED;
    if (number < NM_FRAME_GREET || number > NM_FRAME_GRANT || nm_reader_peek(&reader) != NM_KIND_MAP)
        return NM_ERR_MALFORMED;

    *kind = (nm_frame_kind_t) number;
    *record = nm_bytes(reader.at, (size_t) (reader.end - reader.at));
    return NM_OK;
}

void
nm_frame_start(nm_buf_t *out, nm_frame_kind_t kind)
{
    nm_writer_list(out, 2);
    nm_writer_uint(out, (uint64_t) kind);
}
