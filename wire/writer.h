/*  writer - packs MessagePack into a growing buffer, in the smallest forms.
 *
 *  A thin skin over msgpack-c's packer. Counts come first, as the format wants:
 *  nm_writer_map(out, 2) and then two keys with their values.
 */
#ifndef NM_WRITER_H
#define NM_WRITER_H

#include "nm.h"

void nm_writer_nil(nm_buf_t *out);
void nm_writer_bool(nm_buf_t *out, bool value);
void nm_writer_uint(nm_buf_t *out, uint64_t value);
void nm_writer_int(nm_buf_t *out, int64_t value);
void nm_writer_float(nm_buf_t *out, double value);
void nm_writer_str(nm_buf_t *out, nm_bytes_t text);
void nm_writer_text(nm_buf_t *out, const char *text);
void nm_writer_bin(nm_buf_t *out, nm_bytes_t bytes);
void nm_writer_list(nm_buf_t *out, size_t count);
void nm_writer_map(nm_buf_t *out, size_t count);

//  Adds one value that is packed already.
void nm_writer_raw(nm_buf_t *out, nm_bytes_t raw);

//  A value whose count is known only later: nm_writer_map_open leaves room for the
//  head, nm_writer_map_close fills in how many pairs came (at most 65,535).
size_t nm_writer_map_open(nm_buf_t *out);
void nm_writer_map_close(nm_buf_t *out, size_t mark, size_t count);
size_t nm_writer_list_open(nm_buf_t *out);
void nm_writer_list_close(nm_buf_t *out, size_t mark, size_t count);

//  One pair of a map with a text key.
void nm_writer_pair_text(nm_buf_t *out, const char *key, const char *value);
void nm_writer_pair_str(nm_buf_t *out, const char *key, nm_bytes_t value);
void nm_writer_pair_uint(nm_buf_t *out, const char *key, uint64_t value);
void nm_writer_pair_bool(nm_buf_t *out, const char *key, bool value);
void nm_writer_pair_id(nm_buf_t *out, const char *key, const nm_id_t *id);  //  As text
void nm_writer_pair_time(nm_buf_t *out, const char *key, int64_t at_ms);    //  As RFC 3339
void nm_writer_pair_raw(nm_buf_t *out, const char *key, nm_bytes_t raw);
void nm_writer_pair_raw_or_nil(nm_buf_t *out, const char *key, bool has, nm_bytes_t raw);

#endif
