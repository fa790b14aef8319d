/*  idempotency - first answers, kept 24 hours, so that an ask may be repeated.
 *
 *  A key belongs to a service. The same key with the same value asked of the same
 *  operation gets the first answer again; with another value it is refused. Only
 *  answers of success are kept. An ask is taken in and answered in one turn, so there is
 *  never a first one that is half done. Which gateway a key belongs to is told by keyed.h.
 *
 *  Content that is a duplicate (dedupe_seconds) is found here too.
 */
#ifndef NM_IDEMPOTENCY_H
#define NM_IDEMPOTENCY_H

#include "actors/gateway/case.h"

#define NM_FIRST_ANSWER_FIELDS(F, R)                                         \
    F(R, 1, fingerprint, BIN, 32, MUST, NULL, "Of operation and value")      \
    F(R, 2, at, TIME, 0, MUST, NULL, "When it was given")                    \
    F(R, 3, status, UINT, 599, MUST, NULL, "As in HTTP")                     \
    F(R, 4, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "Its own") \
    F(R, 5, body, ANY, NM_FRAME_MAX, MUST, NULL, "As it was sent")
NM_RECORD_DECLARE(first_answer, NM_FIRST_ANSWER_FIELDS);

//  A key with what it is asked for. An empty key means that there is none.
typedef struct {
    nm_bytes_t key;
    uint8_t fingerprint[NM_FINGERPRINT_SIZE];
    uint8_t place[NM_FINGERPRINT_SIZE];  //  Where its first answer stands
} nm_idempotency_t;

//  The bare key of a header, which may be quoted. NM_ERR_MALFORMED if nothing is left.
nm_rc_t nm_idempotency_key(nm_bytes_t header, nm_bytes_t *key);

//  Where the first answer of a key of the asker's service stands.
void nm_idempotency_place(nm_case_t *it, nm_bytes_t key, uint8_t place[NM_FINGERPRINT_SIZE]);

//  Is there one?
nm_rc_t nm_idempotency_is_known(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], bool *known);

//  The name of the gateway that answers for a key in our stead; NM_ERR_MISSING if we do. placed: because its
//  recipient belongs there, not the key.
nm_rc_t nm_idempotency_moved(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], nm_bytes_t *gateway,
                             bool *placed);
nm_rc_t nm_idempotency_move(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], const char *gateway);
nm_rc_t nm_idempotency_place_at(nm_case_t *it, const uint8_t place[NM_FINGERPRINT_SIZE], const char *gateway);

void nm_idempotency_set(nm_case_t *it, nm_idempotency_t *self, nm_bytes_t key, const char *op, nm_bytes_t body);

//  NM_ERR_MISSING: the key is new. NM_ERR_REFUSED: it was used for something else.
nm_rc_t nm_idempotency_find(nm_case_t *it, const nm_idempotency_t *self, nm_first_answer_t *first);
nm_rc_t nm_idempotency_keep(nm_case_t *it, const nm_idempotency_t *self, unsigned status, nm_bytes_t body);

//  The latest notification with the same channel, recipient and content that is not older than
//  the request's dedupe_seconds. NM_ERR_MISSING if there is none.
nm_rc_t nm_duplicates_find(nm_case_t *it, const nm_request_t *request, uint8_t hash[NM_FINGERPRINT_SIZE], nm_id_t *id);
nm_rc_t nm_duplicates_keep(nm_case_t *it, const uint8_t hash[NM_FINGERPRINT_SIZE], const nm_id_t *id);

#endif
