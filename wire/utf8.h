/*  utf8 - is this text UTF-8, is it one line, how many characters are in it?
 *
 *  Strict as Unicode 15 table 3-7: no overlong forms, no surrogates, nothing above
 *  U+10FFFF. So two texts that look the same to us are the same to everyone.
 */
#ifndef NM_UTF8_H
#define NM_UTF8_H

#include "nm.h"

bool nm_utf8_is_valid(nm_bytes_t text);

//  Takes the first character off rest. False at the end and at anything malformed.
bool nm_utf8_next(nm_bytes_t *rest, uint32_t *rune);

//  For text that is valid: true without control characters, line and paragraph separators.
//  Such a text can become a header or an address without starting a new one.
bool nm_utf8_is_line(nm_bytes_t text);

//  Characters (code points) in valid text.
size_t nm_utf8_count(nm_bytes_t text);

//  The largest size up to max at which valid text can be cut without cutting a character.
size_t nm_utf8_cut(nm_bytes_t text, size_t max);

#endif
