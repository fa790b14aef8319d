/*  head - judges the head of an HTTP request: request line and fields, before any of its body is read. Pure.
 *
 *  Whatever two servers could read differently is refused (RFC 9112 section 11.2): several lengths, a length beside a
 *  transfer coding, names and values with characters that they must not have.
 */
#ifndef NM_HEAD_H
#define NM_HEAD_H

#include "actors/bridge/request.h"

enum {
    NM_HEAD_MAX = 32 * 1024,        //  Bytes of a whole head ...
    NM_HEAD_TARGET_MAX = 8 * 1024,  //  ... of its request target
    NM_HEAD_FIELD_MAX = 100,
};

typedef struct {
    nm_bytes_t name;
    nm_bytes_t value;
} nm_head_field_t;

//  What came in.
typedef struct {
    nm_bytes_t method;
    nm_bytes_t target;   //  As it came
    nm_bytes_t version;  //  HTTP/1.1
    nm_head_field_t fields[NM_HEAD_FIELD_MAX];
    size_t field_count;
    size_t size;  //  Of all of it, in bytes
} nm_head_t;

//  What is so for all requests.
typedef struct {
    const nm_routes_t *routes;
    nm_bytes_t *origins;  //  Whose pages may ask; "*": everybody's
    size_t origin_count;
} nm_head_rules_t;

typedef enum {
    NM_HEAD_GO,      //  To a gateway, once its body is there
    NM_HEAD_ALLOW,   //  OPTIONS: answer 204 with allow
    NM_HEAD_REFUSE,  //  Answer with the refusal at once, and read nothing
    NM_HEAD_BREAK,   //  The same, and nothing more from this connection
} nm_head_verdict_t;

typedef struct {
    nm_head_verdict_t verdict;
    nm_refusal_t refusal;             //  REFUSE, BREAK. With GO it stands in the request instead
    char allow[NM_ROUTE_ALLOW_SIZE];  //  With OPTIONS and 405
    nm_bytes_t forwarded;             //  X-Forwarded-For, the last if there are several
    nm_bytes_t asked_method;          //  Access-Control-Request-Method: a page asks whether it may
    nm_bytes_t correlation_id;        //  Empty: make one
    bool has_body;                    //  One will follow
    uint64_t body_size;               //  Declared size of it; UINT64_MAX: chunked
    uint64_t body_max;                //  What it may have
} nm_head_result_t;

//  request: zeroed by the caller. Its api, route, path, query, headers, last_event, origin and refusal are filled in as far
//  as the head could be read; they are views into head.
void nm_head_judge(const nm_head_rules_t *rules, const nm_head_t *head, nm_head_result_t *result,
                   struct nm_front_request *request);

#endif
