/*  gather - what several actors of a role have to be asked together: lists, and whatever may be with any of them.
 *
 *  The ask becomes an errand (errands.h): first nm_gather_ask puts it to the others, and when each has
 *  answered or is known to be away the operation runs again and makes one answer of theirs. Each
 *  gives at most one page, so work and memory are bounded by their number.
 *
 *  Who is away is named in the answer: `incomplete: true` and `missing`, a list of names. Who is forgotten is not
 *  asked: what was his is with others now.
 */
#ifndef NM_GATHER_H
#define NM_GATHER_H

#include "actors/gateway/answer.h"

struct nm_case;

//  The actors of the role that are asked, but for this one itself: those that are not forgotten. At most max; peers
//  may be NULL.
size_t nm_gather_peers(const struct nm_gateway *gateway, nm_role_id_t role, const nm_peer_t **peers, size_t max);

//  Puts the ask of the case to all of them with this body, in the asker's name if headers.
nm_rc_t nm_gather_ask(struct nm_case *it, nm_role_id_t role, const nm_ask_headers_t *headers, nm_bytes_t body);

//  Answers with one page out of their pages and our own, which may be empty: there is none.
nm_rc_t nm_gather_page(struct nm_case *it, nm_bytes_t own, size_t limit);

//  Answers as the one that knows what was asked for; 404 if nobody does and nobody is away.
nm_rc_t nm_gather_one(struct nm_case *it);

//  Packs `incomplete` and `missing` into a map, if somebody is: how many pairs that were.
size_t nm_gather_write_missing(const struct nm_case *it, nm_buf_t *out);

//  Answers for all if there is nothing to be made of what they said: one of them found a fault in the ask, or nobody
//  answered. NM_ERR_MISSING: there is; nothing was answered.
nm_rc_t nm_gather_refused(struct nm_case *it);

#endif
