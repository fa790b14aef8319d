/*  frames - what travels: link frames between mailboxes, ask and reply frames at desks and doors.
 *
 *  A link frame is a two-item list: its kind (nm_frame_kind_t) and its record, keys by
 *  tag. It goes from one actor's PUSH socket to the other's mailbox. Who sent it is
 *  told by the CURVE certificate, never by the frame.
 *
 *  An ask frame and a reply frame are one record each, keys by name, on DEALER and ROUTER.
 */
#ifndef NM_FRAMES_H
#define NM_FRAMES_H

#include "wire/record.h"

typedef enum {
    NM_FRAME_GREET = 1,
    NM_FRAME_MAIL = 2,
    NM_FRAME_RECEIPT = 3,
    NM_FRAME_BEAT = 4,
    NM_FRAME_BYE = 5,
    NM_FRAME_CLAIM = 6,
    NM_FRAME_GRANT = 7,
} nm_frame_kind_t;

//  A run of sequence numbers, both ends included.
#define NM_SPAN_FIELDS(F, R)                                                \
    F(R, 1, first, UINT, UINT64_MAX, MUST, NULL, "First number of the run") \
    F(R, 2, last, UINT, UINT64_MAX, MUST, NULL, "Last number of the run, itself in it")
NM_RECORD_DECLARE(span, NM_SPAN_FIELDS);

#define NM_GREET_FIELDS(F, R)                                                                                      \
    F(R, 1, store, ID, 0, MUST, NULL, "Store id of the one who greets")                                            \
    F(R, 2, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of its store")                                             \
    F(R, 3, boot, UINT, UINT64_MAX, MUST, NULL, "A random number of this process")                                 \
    F(R, 4, low, UINT, UINT64_MAX, MUST, NULL, "Lowest number of my stream to you that has no receipt")            \
    F(R, 5, next, UINT, UINT64_MAX, MUST, NULL, "Next number of my stream to you")                                 \
    F(R, 6, seen_store, ID, 0, MAY, NULL, "The store of yours that the next four speak of; absent if I know none") \
    F(R, 7, seen_epoch, UINT, UINT32_MAX, MAY, NULL, "Its epoch")                                                  \
    F(R, 8, seen, UINT, UINT64_MAX, MAY, NULL, "Watermark of your stream: all up to it is on my disk")             \
    F(R, 9, above, RECORDS, NM_SPAN_MAX, MAY, &nm_span_shape, "Runs above the watermark that are on my disk")      \
    F(R, 10, credit, UINT, UINT32_MAX, MUST, NULL, "How many mails you may have on the way to me")                 \
    F(R, 11, answer, BOOL, 0, MUST, NULL, "False opens a greeting and wants one back; true is that one")           \
    F(R, 12, version, LINE, 32, MAY, NULL, "Version of the software, for people")                                  \
    F(R, 13, your_boot, UINT, UINT64_MAX, MAY, NULL, "Boot number of yours that this answers")                     \
    F(R, 14, claims, BOOL, 0, MAY, NULL, "I know claim and grant")                                                 \
    F(R, 15, number, UINT, UINT64_MAX, MAY, NULL, "Number of this greeting: it rises within a boot")               \
    F(R, 16, your_number, UINT, UINT64_MAX, MAY, NULL, "The highest number of a greeting of your_boot that I had") \
    F(R, 17, receipted, RECORDS, NM_SPAN_MAX, MAY, &nm_span_shape, "Runs of my stream above low that you receipted")
NM_RECORD_DECLARE(greet, NM_GREET_FIELDS);

#define NM_MAIL_ITEM_FIELDS(F, R)                                                         \
    F(R, 1, seq, UINT, UINT64_MAX, MUST, NULL, "Number in the stream")                    \
    F(R, 2, kind, UINT, 255, MUST, NULL, "What the body is: nm_mail_kind_t; 0 is a void") \
    F(R, 3, priority, UINT, 3, MUST, NULL, "0 instant, 1 high, 2 normal, 3 low")          \
    F(R, 4, body, BIN, NM_FRAME_MAX, MUST, NULL, "The packed record")
NM_RECORD_DECLARE(mail_item, NM_MAIL_ITEM_FIELDS);

//  The items come last, so that a frame can be filled while it is not known how many there will be.
#define NM_MAIL_FIELDS(F, R)                                                                            \
    F(R, 1, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of the sender's store")                         \
    F(R, 2, store, ID, 0, MUST, NULL, "Store id of the sender")                                         \
    F(R, 3, low, UINT, UINT64_MAX, MUST, NULL, "Lowest number that has no receipt")                     \
    F(R, 5, claim, BOOL, 0, MAY, NULL, "Claim these before you take them in; absent: they are granted") \
    F(R, 6, boot, UINT, UINT64_MAX, MAY, NULL, "Which process sends it")                                \
    F(R, 7, your_boot, UINT, UINT64_MAX, MAY, NULL, "Which process of yours it is for")                 \
    F(R, 4, items, RECORDS, NM_MAIL_BATCH_COUNT, MUST, &nm_mail_item_shape, "The mail, by rising number")
NM_RECORD_DECLARE(mail, NM_MAIL_FIELDS);

#define NM_RECEIPT_FIELDS(F, R)                                                                               \
    F(R, 1, store, ID, 0, MUST, NULL, "Store id of the sender of the mail")                                   \
    F(R, 2, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of the sender of the mail")                           \
    F(R, 3, seen, UINT, UINT64_MAX, MUST, NULL, "Watermark: all up to it is on my disk")                      \
    F(R, 4, above, RECORDS, NM_SPAN_MAX, MAY, &nm_span_shape, "Runs above the watermark that are on my disk") \
    F(R, 5, credit, UINT, UINT32_MAX, MUST, NULL, "How many mails you may have on the way to me")             \
    F(R, 6, boot, UINT, UINT64_MAX, MAY, NULL, "Which process has taken it in")                               \
    F(R, 7, your_boot, UINT, UINT64_MAX, MAY, NULL, "Which process of yours it tells")
NM_RECORD_DECLARE(receipt, NM_RECEIPT_FIELDS);

#define NM_BEAT_FIELDS(F, R)                                                                             \
    F(R, 1, boot, UINT, UINT64_MAX, MUST, NULL, "Which process speaks: an unknown one is greeted again") \
    F(R, 2, credit, UINT, UINT32_MAX, MUST, NULL, "How many mails you may have on the way to me")        \
    F(R, 3, backlog, UINT, UINT64_MAX, MUST, NULL, "Mail and deliveries that I hold")                    \
    F(R, 4, every_ms, UINT, 60000, MAY, NULL, "How often I beat; every 600 ms if absent")
NM_RECORD_DECLARE(beat, NM_BEAT_FIELDS);

#define NM_BYE_FIELDS(F, R)                                             \
    F(R, 1, boot, UINT, UINT64_MAX, MUST, NULL, "Which process leaves") \
    F(R, 2, reason, LINE, NM_DETAIL_MAX, MAY, NULL, "Why, for people")
NM_RECORD_DECLARE(bye, NM_BYE_FIELDS);

//  The receiver of mail asks whether it may take these numbers in.
#define NM_CLAIM_FIELDS(F, R)                                                          \
    F(R, 1, boot, UINT, UINT64_MAX, MUST, NULL, "Which process claims")                \
    F(R, 2, your_boot, UINT, UINT64_MAX, MUST, NULL, "Which process of yours it asks") \
    F(R, 3, store, ID, 0, MUST, NULL, "Store id of the sender of the mail")            \
    F(R, 4, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of the sender of the mail")    \
    F(R, 5, seqs, RECORDS, NM_SPAN_MAX, MUST, &nm_span_shape, "Runs of numbers, rising and apart")
NM_RECORD_DECLARE(claim, NM_CLAIM_FIELDS);

//  The sender of mail says that the receiver may: it will give these numbers to nobody else.
#define NM_GRANT_FIELDS(F, R)                                                              \
    F(R, 1, boot, UINT, UINT64_MAX, MUST, NULL, "Which process grants")                    \
    F(R, 2, your_boot, UINT, UINT64_MAX, MUST, NULL, "Which process of yours had claimed") \
    F(R, 3, store, ID, 0, MUST, NULL, "Store id of the sender of the mail")                \
    F(R, 4, epoch, UINT, UINT32_MAX, MUST, NULL, "Epoch of the sender of the mail")        \
    F(R, 5, seqs, RECORDS, NM_SPAN_MAX, MUST, &nm_span_shape, "Runs of numbers, rising and apart")
NM_RECORD_DECLARE(grant, NM_GRANT_FIELDS);

//  Headers of an ask: what HTTP has in header fields. On a frame they hold for all of
//  its asks; an ask's own win.
#define NM_ASK_HEADERS_FIELDS(F, R)                                                                      \
    F(R, 1, api_key, LINE, 128, MAY, NULL, "{service_id}-{secret}, 32 hex digits each")                  \
    F(R, 2, authorization, LINE, 8192, MAY, NULL, "Bearer and a JWT")                                    \
    F(R, 3, idempotency_key, LINE, NM_IDEMPOTENCY_MAX + 2, MAY, NULL, "Idempotency-Key, quoted or bare") \
    F(R, 4, correlation_id, LINE, 1024, MAY, NULL, "X-Correlation-ID")                                   \
    F(R, 5, traceparent, LINE, 256, MAY, NULL, "W3C trace context")                                      \
    F(R, 6, client_address, LINE, 64, MAY, NULL, "Set by a bridge, believed only from one")
NM_RECORD_DECLARE(ask_headers, NM_ASK_HEADERS_FIELDS);

#define NM_ASK_FIELDS(F, R)                                                                           \
    F(R, 1, id, UINT, UINT64_MAX, MUST, NULL, "The asker's number for it; the reply carries it back") \
    F(R, 2, op, LINE, 64, MUST, NULL, "What is asked, as notifications.create")                       \
    F(R, 3, headers, RECORD, 16384, MAY, &nm_ask_headers_shape, "Headers of this ask alone")          \
    F(R, 4, body, ANY, NM_FRAME_MAX, MAY, NULL, "What the operation takes")                           \
    F(R, 5, timeout_ms, UINT, 600000, MAY, NULL, "How long the asker waits; 30 s if absent")
NM_RECORD_DECLARE(ask, NM_ASK_FIELDS);

#define NM_ASK_FRAME_FIELDS(F, R)                                                                   \
    F(R, 1, headers, RECORD, 16384, MAY, &nm_ask_headers_shape, "Headers of all asks in the frame") \
    F(R, 2, asks, RECORDS, NM_ASK_BATCH_COUNT, MUST, &nm_ask_shape, "The asks")
NM_RECORD_DECLARE(ask_frame, NM_ASK_FRAME_FIELDS);

//  What a reply carries beside its body: what HTTP has in header fields.
#define NM_REPLY_FIELDS(F, R)                                                                    \
    F(R, 1, id, UINT, UINT64_MAX, MUST, NULL, "The number of the ask")                           \
    F(R, 2, status, UINT, 599, MUST, NULL, "As in HTTP")                                         \
    F(R, 3, headers, MAP, 16384, MAY, NULL, "Names in lower case with dashes; values are texts") \
    F(R, 4, body, ANY, NM_FRAME_MAX, MAY, NULL, "The answer, or a problem (RFC 9457)")
NM_RECORD_DECLARE(reply, NM_REPLY_FIELDS);

#define NM_REPLY_FRAME_FIELDS(F, R) \
    F(R, 1, replies, RECORDS, NM_ASK_BATCH_COUNT, MUST, &nm_reply_shape, "The replies, in any order")
NM_RECORD_DECLARE(reply_frame, NM_REPLY_FRAME_FIELDS);

//  Takes a link frame apart: its kind, and the raw record. The whole frame has been
//  checked (nm_reader_check) when this answers NM_OK.
nm_rc_t nm_frame_open(nm_bytes_t frame, nm_frame_kind_t *kind, nm_bytes_t *record);

//  Starts a link frame: the caller adds the record next.
void nm_frame_start(nm_buf_t *out, nm_frame_kind_t kind);

#endif
