/*  routes - which operation a path and a method stand for. Made from the table of wire/api.h; pure.
 */
#ifndef NM_ROUTES_H
#define NM_ROUTES_H

#include "wire/api.h"

enum { NM_ROUTE_VALUE_MAX = 4, NM_ROUTE_ALLOW_SIZE = 64 };

typedef struct nm_routes nm_routes_t;

//  A path that there is: its operations, and what stands where the table has {name}.
typedef struct {
    const nm_api_t *rows[NM_HTTP_METHOD_COUNT];  //  NULL: not with this method
    nm_bytes_t names[NM_ROUTE_VALUE_MAX];
    nm_bytes_t values[NM_ROUTE_VALUE_MAX];  //  As they came: percent signs are not resolved
    size_t value_count;
} nm_route_t;

//  rows are not copied.
nm_routes_t *nm_routes_new(const nm_api_t *rows, size_t count);
void nm_routes_destroy(nm_routes_t **self_p);

//  False: there is no such path. Where several fit, the one with a word where others have a {name}.
bool nm_routes_find(const nm_routes_t *self, nm_bytes_t path, nm_route_t *route);

//  The methods of a path, for the header Allow. HEAD is where GET is, OPTIONS everywhere.
void nm_routes_allow(const nm_route_t *route, char out[NM_ROUTE_ALLOW_SIZE]);

//  Resolves percent signs (and, in a query, plus signs), adding to out. NM_ERR_MALFORMED, nothing added: a percent sign
//  without two hex digits, or what comes out is not UTF-8 or holds a NUL.
nm_rc_t nm_routes_resolve(nm_bytes_t text, bool query, nm_buf_t *out);

//  Takes the next name=value off a query, as they came. False at the end. Empty parts are passed over.
bool nm_routes_next(nm_bytes_t *query, nm_bytes_t *name, nm_bytes_t *value);

//  Is there any?
static inline bool
nm_routes_has_query(nm_bytes_t query)
{
    nm_bytes_t name, value;
    return nm_routes_next(&query, &name, &value);
}

#endif
