/*  base64 - RFC 4648 section 4, strictly: the standard alphabet, padding, no white space,
 *  no stray bits. So one sequence of bytes has one text.
 */
#ifndef NM_BASE64_H
#define NM_BASE64_H

#include "nm.h"

//  NM_OK if text is base64; size is then how many bytes it stands for.
nm_rc_t nm_base64_size(nm_bytes_t text, size_t *size);

//  Adds the bytes that text stands for. NM_ERR_MALFORMED adds nothing.
nm_rc_t nm_base64_decode(nm_bytes_t text, nm_buf_t *out);

#endif
