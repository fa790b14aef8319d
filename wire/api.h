/*  api - the operations that clients may ask: one table for the wire, for HTTP and for the document that describes both.
 *
 *  The gateway takes from it who may ask what, the HTTP bridge its routes, and the OpenAPI document
 *  all of it. A row says nothing of how an operation is done.
 *
 *  Over HTTP the fields of an ask come from three places: the JSON object (POST, PUT, PATCH), the query (GET, DELETE),
 *  and the path, where {name} is the field `name`. What stands in the path stands nowhere else.
 */
#ifndef NM_API_H
#define NM_API_H

#include "wire/answers.h"

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
    NM_API_EDGE = 32,       //  The bridge answers it by itself
    NM_API_STATE = 64,      //  A 503 has the same body as a 200: it tells why
    NM_API_CACHED = 128,    //  Comes with an ETag
    NM_API_SELF = 256,      //  Also for a person with the role user: for what is its own
};

enum { NM_API_ALSO_COUNT = 4 };

typedef struct {
    const char *op;  //  As in the ask
    nm_scope_t scope;
    nm_http_method_t method;
    const char *path;  //  NULL: not over HTTP
    uint16_t status;   //  When all is well
    uint16_t flags;
    const char *summary;
    const nm_shape_t *ask;             //  What it takes; NULL: nothing
    uint16_t also[NM_API_ALSO_COUNT];  //  Other statuses, beside those that all rows like it have
    const nm_shape_t *answer;          //  Of statuses below 300, in JSON; NULL: no body, or one of this type
    const char *type;                  //  NULL: none
} nm_api_t;

extern const nm_api_t nm_api[];
extern const size_t nm_api_count;

//  The first row of an operation; NULL: there is no such.
const nm_api_t *nm_api_find(nm_bytes_t op);

//  Whether its fields come as a JSON object.
static inline bool
nm_api_has_body(const nm_api_t *self)
{
    return self->method != NM_HTTP_GET && self->method != NM_HTTP_DELETE;
}

//  Whether {name} stands in its path.
bool nm_api_is_in_path(const nm_api_t *self, const char *name);

//  Every status that its path and method may be answered with over HTTP, rising; returns how many.
enum { NM_API_STATUS_COUNT = 24 };
size_t nm_api_statuses(const nm_api_t *self, uint16_t out[NM_API_STATUS_COUNT]);

#endif
