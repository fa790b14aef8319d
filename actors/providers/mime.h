/*  mime - builds the message of an e-mail delivery (RFC 5322, 2045 to 2047, 2231).
 *
 *  Pure. What comes out has CRLF line ends only, no line over 76 characters where the
 *  standards allow folding and never one over 998, and is 7-bit but for addresses that
 *  are not ASCII themselves (RFC 6532). Texts are quoted-printable or base64, whatever is
 *  shorter, so nothing in them can end the message, open a part or start a header.
 *
 *  What it was given has been validated by the gateway. It is validated here again, since
 *  libcurl and receivers believe every byte: a fault is NM_ERR_REFUSED and a reason.
 *
 *  The Message-ID is <NOTIFICATION.GENERATION@DOMAIN>: the same for every attempt and
 *  for every copy, so that a receiver can suppress a repeat. Bcc is never written.
 */
#ifndef NM_MIME_H
#define NM_MIME_H

#include "wire/records.h"

typedef struct {
    const nm_delivery_t *delivery;
    const char *from;    //  Address of the sender
    const char *domain;  //  Right of the @ in the Message-ID
    int64_t date_ms;
} nm_mime_t;

//  Adds the message to out. After a failure out may hold a part of it.
nm_rc_t nm_mime_build(const nm_mime_t *self, nm_buf_t *out, nm_error_t *error);

#endif
