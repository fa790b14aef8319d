/*  stream - where a reader of all gateways' events stands: a point in the journal of each, and since when it reads.
 *
 *  A gateway without a point is read from `since` on: one that joined, or was away all the time. So nothing that
 *  happens after a stream began is left out, and what a point has passed never comes again.
 *
 *  As text it is a cursor: "v2" and base64url, without padding, of
 *
 *      since in ms, count of points, for each the number of the gateway less the one before, its position: varints
 *      (7 bits each, low first, 0x80 says that more follow), numbers rising; then 4 bytes of SipHash-2-4 over
 *      these, keyed with the first 16 bytes of the mesh's authority, so that a damaged cursor is none.
 *
 *  A cursor of before, {number}-{position, hex}, is a point in one journal. Pure.
 */
#ifndef NM_STREAM_H
#define NM_STREAM_H

#include "nm.h"
#include "wire/limits.h"

enum { NM_STREAM_MAX = 200 };

typedef struct {
    uint16_t number;    //  Of the gateway
    uint64_t position;  //  All before it was read
} nm_point_t;

typedef struct {
    int64_t since_ms;
    size_t count;
    nm_point_t points[NM_STREAM_MAX];  //  Numbers rise
} nm_stream_t;

//  The point in the journal of that gateway; NULL: there is none.
const nm_point_t *nm_stream_find(const nm_stream_t *self, uint16_t number);

//  Sets or adds a point; one more than NM_STREAM_MAX is left out, so that gateway is read from `since` on again.
void nm_stream_put(nm_stream_t *self, uint16_t number, uint64_t position);
void nm_stream_drop(nm_stream_t *self, uint16_t number);

bool nm_stream_equal(const nm_stream_t *a, const nm_stream_t *b);

//  authority: NM_SIGN_PUBLIC_SIZE bytes.
void nm_stream_text(const nm_stream_t *self, const uint8_t *authority, char out[NM_STREAM_CURSOR_MAX + 1]);

//  NM_ERR_MALFORMED: it is not one of ours.
nm_rc_t nm_stream_read(nm_stream_t *self, const uint8_t *authority, nm_bytes_t text);

//  The cursor of one journal alone.
enum { NM_POINT_TEXT_SIZE = 31 };
void nm_point_text(const nm_point_t *self, char out[NM_POINT_TEXT_SIZE + 1]);
nm_rc_t nm_point_read(nm_point_t *self, nm_bytes_t text);

#endif
