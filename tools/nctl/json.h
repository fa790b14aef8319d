/*  json - between JSON and MessagePack.
 *
 *  Binaries become base64 texts on the way to JSON, which has none. Depth is bounded by
 *  NM_DEPTH_MAX both ways.
 */
#ifndef NM_JSON_H
#define NM_JSON_H

#include <jansson.h>
#include "nm.h"

//  NM_ERR_MALFORMED: too deep, or a number that MessagePack has no place for.
nm_rc_t nm_json_pack(const json_t *json, nm_buf_t *out);

//  NULL if raw is not exactly one well-formed value.
json_t *nm_json_unpack(nm_bytes_t raw);

//  Parses strictly: no repeated names, nothing after the value. error: where and what.
json_t *nm_json_parse(nm_bytes_t text, nm_error_t *error);

//  One line, or indented for people. What may not be shown (screen.h) stands in it as an escape: what tenants wrote goes to
//  terminals.
void nm_json_write(const json_t *json, bool indented, nm_buf_t *out);

//  The same, and a newline follows.
void nm_json_print(const json_t *json, bool indented, FILE *out);

//  The text at a name, or "" if it is not there or no text.
const char *nm_json_text(const json_t *object, const char *name);
int64_t nm_json_number(const json_t *object, const char *name);

#endif
