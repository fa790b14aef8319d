/*  convert - between the JSON of HTTP and the MessagePack of asks and answers, whatever they hold. Pure.
 *
 *  Strict on the way in: UTF-8, no name twice in one object, nothing after the value, and no deeper and with no more values
 *  than an ask may have. Numbers keep their value: integers are integers, and others get as many digits as it takes to read them back the same.
 */
#ifndef NM_CONVERT_H
#define NM_CONVERT_H

#include "nm.h"
#include "wire/limits.h"

//  The rest of a frame around a body: three levels, and a few values.
enum { NM_CONVERT_DEPTH_MAX = NM_DEPTH_MAX - 3, NM_CONVERT_NODE_MAX = NM_NODE_MAX - 1000 };

//  Adds the pairs of a JSON object, without the head of the map, and says how many there are. NM_ERR_MALFORMED: it is none;
//  error has where and what.
nm_rc_t nm_convert_object(nm_bytes_t json, nm_buf_t *out, size_t *count, nm_error_t *error);

//  Adds one value as JSON. raw is checked (nm_reader_check). What JSON has no word for, a binary or an infinity, becomes
//  null.
void nm_convert_value(nm_bytes_t raw, nm_buf_t *out);

//  Adds a text as a JSON string.
void nm_convert_text(nm_bytes_t text, nm_buf_t *out);

#endif
