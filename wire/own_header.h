/*  own_header - header fields that a client adds to an e-mail: which there may be, and with what in them.
 *
 *  The gateway refuses what does not fit, and whoever builds the message looks again, by the same rules: what was
 *  accepted can be built. Other fields are ours to write.
 */
#ifndef NM_OWN_HEADER_H
#define NM_OWN_HEADER_H

#include "nm.h"

//  What is wrong with the name, or with what stands in a field of that name; NULL: nothing.
const char *nm_own_header_name_fault(nm_bytes_t name);
const char *nm_own_header_value_fault(nm_bytes_t name, nm_bytes_t value);

//  References, In-Reply-To and List-... have a grammar of their own, in which encoded words have no place.
bool nm_own_header_is_structured(nm_bytes_t name);

#endif
