/*  fuzz - what the fuzzers share. A broken promise aborts, and libFuzzer keeps the input.
 */
#ifndef NM_FUZZ_H
#define NM_FUZZ_H

#include "nm.h"
#include "wire/asks.h"
#include "wire/frames.h"
#include "wire/members.h"
#include "wire/reader.h"
#include "wire/records.h"
#include "wire/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t size);

#define PROMISE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static const nm_shape_t *const SHAPES[] __attribute__((unused)) = {
    &nm_span_shape,        &nm_greet_shape,       &nm_mail_item_shape,   &nm_mail_shape,        &nm_receipt_shape,
    &nm_beat_shape,        &nm_bye_shape,         &nm_claim_shape,       &nm_grant_shape,       &nm_ask_headers_shape,
    &nm_ask_shape,         &nm_ask_frame_shape,   &nm_reply_shape,       &nm_reply_frame_shape, &nm_attachment_shape,
    &nm_email_shape,       &nm_push_shape,        &nm_recipients_shape,  &nm_request_shape,     &nm_work_shape,
    &nm_delivery_shape,    &nm_attempt_shape,     &nm_event_shape,       &nm_dead_letter_shape, &nm_replay_shape,
    &nm_certificate_shape, &nm_member_shape,      &nm_signed_shape,      &nm_statement_shape,   &nm_sync_shape,
    &nm_knock_shape,       &nm_welcome_shape,     &nm_updates_shape,     &nm_copy_shape,        &nm_book_term_shape,
    &nm_book_ask_shape,    &nm_book_item_shape,   &nm_book_reply_shape,  &nm_by_id_shape,       &nm_batch_shape,
    &nm_list_ask_shape,    &nm_events_ask_shape,  &nm_letter_list_shape, &nm_letter_ref_shape,  &nm_letter_replay_shape,
    &nm_letter_many_shape, &nm_service_ask_shape, &nm_key_ask_shape,     &nm_page_ask_shape,    &nm_provider_ask_shape,
};

//  Any struct of SHAPES fits in.
typedef union {
    uint64_t has;
    char room[1024];
} any_record_t;

//  Decodes bytes as that shape in both ways, which must agree; what was taken packs
//  again and comes back with the same bytes.
__attribute__((unused)) static bool
s_try_shape(const nm_shape_t *shape, nm_bytes_t bytes)
{
    any_record_t record, again;
    nm_faults_t faults = { 0 };
    nm_rc_t strict = nm_record_decode(shape, &record, bytes, NULL, "");
    nm_rc_t collected = nm_record_decode(shape, &again, bytes, &faults, "/items/1");
    PROMISE(shape->size <= sizeof record);
    PROMISE(strict == collected);
    PROMISE((strict == NM_OK) == (faults.count == 0));

    nm_buf_t first = { 0 }, second = { 0 };
    nm_faults_write(&faults, &first);
    PROMISE(nm_reader_check(nm_buf_bytes(&first)) == NM_OK);
    for (int keys = NM_BY_TAG; strict == NM_OK && keys <= NM_BY_NAME; keys++) {
        nm_buf_clear(&first);
        nm_buf_clear(&second);
        nm_record_encode(shape, &record, (nm_keys_t) keys, &first);
        if (nm_record_decode(shape, &again, nm_buf_bytes(&first), NULL, "") != NM_OK) {
            //  By name a raw nil is an absent value; nothing else may get lost
            PROMISE(keys == NM_BY_NAME);
            continue;
        }
        nm_record_encode(shape, &again, (nm_keys_t) keys, &second);
        PROMISE(keys == NM_BY_NAME || again.has == record.has);
        PROMISE(again.has != record.has || nm_bytes_equal(nm_buf_bytes(&first), nm_buf_bytes(&second)));
    }
    nm_buf_free(&first);
    nm_buf_free(&second);
    return strict == NM_OK;
}

#endif
