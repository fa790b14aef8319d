/*  api - the operations that clients may ask: one table for the wire, for HTTP and for the document that describes both.
 *
 *  The gateway takes from it who may ask what, the HTTP bridge its routes, and the OpenAPI document
 *  all of it. A row says nothing of how an operation is done.
 *
 *  Over HTTP the fields of the body come from three places: the JSON object (POST, PUT, PATCH), the query (GET, DELETE),
 *  and the path, where {name} is the field `name`.
 */
#ifndef NM_API_H
#define NM_API_H

#include "wire/record.h"

//  What a key may do.
typedef enum {
    NM_SCOPE_NOTIFICATIONS_WRITE,
    NM_SCOPE_NOTIFICATIONS_READ,
    NM_SCOPE_USERS_WRITE,
    NM_SCOPE_USERS_READ,
    NM_SCOPE_TEMPLATES_WRITE,
    NM_SCOPE_TEMPLATES_READ,
    NM_SCOPE_WEBHOOKS,
    NM_SCOPE_DEAD_LETTERS,
    NM_SCOPE_COUNT,
    NM_SCOPE_ADMIN,  //  Not given to keys: the keys of the service admin have it
    NM_SCOPE_ANY,    //  Whoever has a key
    NM_SCOPE_OPEN,   //  Anybody
} nm_scope_t;
extern const nm_words_t nm_scope_words;

typedef enum {
    NM_HTTP_GET,
    NM_HTTP_POST,
    NM_HTTP_PUT,
    NM_HTTP_PATCH,
    NM_HTTP_DELETE,
    NM_HTTP_METHOD_COUNT
} nm_http_method_t;
extern const nm_words_t nm_http_method_words;

enum {
    NM_API_LEGACY = 1,      //  A path of an earlier service's clients
    NM_API_LARGE = 2,       //  The body may be NM_BODY_BATCH_MAX, else NM_BODY_MAX
    NM_API_IDEMPOTENT = 4,  //  Takes an idempotency key
    NM_API_LIMITED = 8,     //  Counts against the limits of its service; the answer tells of them
    NM_API_EVENTS = 16,     //  Over HTTP a stream of server-sent events
    NM_API_EDGE = 32,       //  The bridge answers it by itself; no gateway knows it
};

typedef struct {
    const char *op;  //  As in the ask
    nm_scope_t scope;
    nm_http_method_t method;
    const char *path;  //  NULL: not over HTTP
    uint16_t status;   //  When all is well
    uint16_t flags;
    const char *summary;
} nm_api_t;

extern const nm_api_t nm_api[];
extern const size_t nm_api_count;

//  The first row of an operation; NULL: there is no such.
const nm_api_t *nm_api_find(nm_bytes_t op);

#endif
