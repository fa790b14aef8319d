/*  answers - what the bridge says over HTTP: the answers of gateways, and its own. Pure.
 */
#ifndef NM_BRIDGE_ANSWERS_H
#define NM_BRIDGE_ANSWERS_H

#include "actors/bridge/request.h"

//  Adds a header field to an answer. A value with a control character is left out.
void nm_answers_field(nm_front_answer_t *answer, const char *name, nm_bytes_t value);

//  A problem (RFC 9457) of the bridge's own. faults may be NULL.
void nm_answers_problem(const struct nm_front_request *request, const nm_refusal_t *refusal, const nm_faults_t *faults,
                        nm_front_answer_t *answer);

//  What a gateway has answered.
void nm_answers_reply(const struct nm_front_request *request, unsigned status, nm_bytes_t headers, nm_bytes_t body,
                      nm_front_answer_t *answer);

//  A page of the bridge's own.
void nm_answers_page(const struct nm_front_request *request, unsigned status, const char *type, nm_bytes_t body,
                     nm_front_answer_t *answer);

//  Begins an answer: its number, its status and the fields that all have.
void nm_answers_begin(const struct nm_front_request *request, unsigned status, const char *type,
                      nm_front_answer_t *answer);

#endif
