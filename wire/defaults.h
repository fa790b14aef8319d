/*  defaults - what holds for the notifications of a service where they do not say.
 *
 *  They are put into the request when it is accepted, and are part of what is kept: a
 *  change of the service alters nothing that was accepted before. What a client says always
 *  wins; null says nothing, as everywhere.
 */
#ifndef NM_DEFAULTS_H
#define NM_DEFAULTS_H

#include "wire/records.h"

enum { NM_EXPIRES_IN_MAX = 31536000 };  //  Seconds: a year

#define NM_DEFAULTS_FIELDS(F, R)                                                                                      \
    F(R, 1, channel, ENUM, 0, MAY, &nm_channel_words, "Over which channel")                                           \
    F(R, 2, priority, ENUM, 1, MAY, &nm_priority_words, "instant, high, normal or low; 0 to 3")                       \
    F(R, 3, language, LINE, 35, MAY, NULL, "BCP 47 tag; with a template")                                             \
    F(R, 4, provider, LINE, NM_NAME_MAX, MAY, NULL, "One provider by name; over `channel` alone if that is given")    \
    F(R, 5, from_name, LINE, 200, MAY, NULL, "Display name of the sender of an e-mail")                               \
    F(R, 6, reply_to, LINE, NM_ADDRESS_MAX, MAY, NULL, "Address for answers to an e-mail")                            \
    F(R, 7, dedupe_seconds, UINT, NM_DEDUPE_MAX, MAY, NULL, "The same content within so long is the same")            \
    F(R, 8, expires_in_seconds, UINT, NM_EXPIRES_IN_MAX, MAY, NULL, "expires_at, counted from send_at or acceptance") \
    F(R, 9, at_most_once, BOOL, 0, MAY, NULL, "Rather park than risk sending twice")
NM_RECORD_DECLARE(defaults, NM_DEFAULTS_FIELDS);

//  What rows cannot say. Adds to faults below parent.
void nm_defaults_check(const nm_defaults_t *self, nm_faults_t *faults, const char *parent);

//  Does a request say over which channel it goes?
bool nm_defaults_names_channel(nm_bytes_t request);

//  Packs the request with what it does not say. request: a map; anything else stays as it is.
void nm_defaults_apply(const nm_defaults_t *self, nm_bytes_t request, int64_t now_ms, nm_buf_t *out);

#endif
