/*  encode - the encodings that mail is made of: quoted-printable, base64, encoded words.
 *
 *  Pure. Each writes lines of at most 76 characters with CRLF between them, and none
 *  after the last: where that belongs to is the caller's knowledge.
 */
#ifndef NM_ENCODE_H
#define NM_ENCODE_H

#include "nm.h"

enum { NM_MAIL_LINE_MAX = 76, NM_MAIL_LINE_HARD_MAX = 998 };

//  Adds text with every line end (CRLF, LF or CR) as CRLF.
void nm_encode_lines(nm_bytes_t text, nm_buf_t *out);

//  RFC 2045 section 6.7. text has CRLF line ends. A dot or "From " at the start of a
//  line is encoded too: no relay can trip over them.
void nm_encode_quoted(nm_bytes_t text, nm_buf_t *out);

//  How long nm_encode_quoted's output is, without its line breaks. To choose by.
size_t nm_encode_quoted_size(nm_bytes_t text);

void nm_encode_base64(nm_bytes_t bytes, nm_buf_t *out);

//  Adds base64 that is there already, broken into lines.
void nm_encode_base64_lines(nm_bytes_t text, nm_buf_t *out);

//  RFC 2047: as UTF-8 base64 words, folded, no character split. column is where the
//  line stands; the new column is returned.
size_t nm_encode_words(nm_bytes_t text, size_t column, nm_buf_t *out);

#endif
