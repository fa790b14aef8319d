/*  address - is this text an e-mail address, or a telephone number?
 *
 *  Strict on purpose: what passes is put into SMTP commands and headers (RELIABILITY:
 *  libcurl hands CR and LF through to the wire), so no control characters, no spaces,
 *  no angle brackets, no quoted local parts, no comments, no address literals.
 */
#ifndef NM_ADDRESS_H
#define NM_ADDRESS_H

#include "nm.h"

//  An addr-spec of RFC 5321 section 4.1.2 in its dot-string form, with a domain of at
//  least two labels or "localhost". UTF-8 is allowed in both parts (RFC 6531).
bool nm_address_is_email(nm_bytes_t text);

//  E.164: a plus and 7 to 15 digits, the first not 0.
bool nm_address_is_phone(nm_bytes_t text);

//  For logs: keeps the first letter and the domain (a***@example.com), or the last
//  two digits of a number; a NUL-terminated text in out.
void nm_address_mask(nm_bytes_t text, char *out, size_t size);

#endif
