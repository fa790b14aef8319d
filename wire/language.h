/*  language - language tags.
 */
#ifndef NM_LANGUAGE_H
#define NM_LANGUAGE_H

#include "nm.h"

//  A tag by its shape (BCP 47, RFC 5646): subtags of 1 to 8 letters and digits, the first of letters.
bool nm_language_is_tag(nm_bytes_t tag);

#endif
