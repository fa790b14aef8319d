/*  convert - between the JSON of HTTP and the MessagePack of asks and answers, whatever they hold. Pure.
 *
 *  Strict on the way in: UTF-8, no name twice in one object, nothing after the value, NM_DEPTH_MAX deep. Numbers keep their
 *  value: integers are integers, and others get as many digits as it takes to read them back the same.
 */
#ifndef NM_CONVERT_H
#define NM_CONVERT_H

#include "nm.h"

//  Adds the pairs of a JSON object, without the head of the map, and says how many there are. NM_ERR_MALFORMED: it is none;
//  error has where and what.
nm_rc_t nm_convert_object(nm_bytes_t json, nm_buf_t *out, size_t *count, nm_error_t *error);

//  Adds one value as JSON. raw is checked (nm_reader_check). What JSON has no word for, a binary or an infinity, becomes
//  null.
void nm_convert_value(nm_bytes_t raw, nm_buf_t *out);

//  Adds a text as a JSON string.
void nm_convert_text(nm_bytes_t text, nm_buf_t *out);

#endif
