#include "actors/bridge/routes.h"

#include "wire/utf8.h"

//  Several rows have one path, each with another method.
typedef struct {
    nm_bytes_t path;
    const nm_api_t *rows[NM_HTTP_METHOD_COUNT];
} path_t;

struct nm_routes {
    path_t *paths;  //  Those with a word first where others have a {name}
    size_t count;
};

//  A word sorts before a {name}, which stands for any word: so the first that fits is the right one.
static int
s_compare(const void *a, const void *b)
{
    nm_bytes_t one = ((const path_t *) a)->path, two = ((const path_t *) b)->path;
    size_t size = one.size < two.size ? one.size : two.size;
    int order = memcmp(one.at, two.at, size);
    return order ? order : one.size < two.size ? -1 : one.size > two.size;
}

static path_t *
s_path(nm_routes_t *self, nm_bytes_t path)
{
    for (size_t i = 0; i < self->count; i++)
        if (nm_bytes_equal(self->paths[i].path, path))
            return &self->paths[i];
    self->paths[self->count] = (path_t){ .path = path };
    return &self->paths[self->count++];
}

nm_routes_t *
nm_routes_new(const nm_api_t *rows, size_t count)
{
    nm_routes_t *self = nm_alloc(sizeof *self);
    self->paths = nm_alloc(count * sizeof *self->paths);
    for (size_t i = 0; i < count; i++)
        if (rows[i].path)
            s_path(self, nm_text(rows[i].path))->rows[rows[i].method] = &rows[i];
    qsort(self->paths, self->count, sizeof *self->paths, s_compare);
    return self;
}

void
nm_routes_destroy(nm_routes_t **self_p)
{
    nm_routes_t *self = *self_p;
    if (!self)
        return;
    free(self->paths);
    free(self);
    *self_p = NULL;
}

//  Takes the text up to the separator off rest.
static nm_bytes_t
s_split(nm_bytes_t *rest, char separator)
{
    const uint8_t *at = rest->size ? memchr(rest->at, separator, rest->size) : NULL;
    size_t size = at ? (size_t) (at - rest->at) : rest->size;
    nm_bytes_t part = nm_bytes(rest->at, size);
    *rest = at ? nm_bytes(at + 1, rest->size - size - 1) : nm_bytes(rest->at + size, 0);
    return part;
}

static bool
s_fits(nm_bytes_t pattern, nm_bytes_t path, nm_route_t *route)
{
    route->value_count = 0;
    while (pattern.size && path.size) {
        bool more = memchr(pattern.at, '/', pattern.size) != NULL;
        if (more != (memchr(path.at, '/', path.size) != NULL))
            return false;
        nm_bytes_t want = s_split(&pattern, '/'), got = s_split(&path, '/');
        if (!want.size || want.at[0] != '{') {
            if (!nm_bytes_equal(want, got))
                return false;
            continue;
        }
        if (!got.size || route->value_count == NM_ROUTE_VALUE_MAX)
            return false;
        route->names[route->value_count] = nm_bytes(want.at + 1, want.size - 2);
        route->values[route->value_count++] = got;
    }
    return !pattern.size && !path.size;
}

bool
nm_routes_find(const nm_routes_t *self, nm_bytes_t path, nm_route_t *route)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!s_fits(self->paths[i].path, path, route))
            continue;
        memcpy(route->rows, self->paths[i].rows, sizeof route->rows);
        return true;
    }
    return false;
}

void
nm_routes_allow(const nm_route_t *route, char out[NM_ROUTE_ALLOW_SIZE])
{
    size_t used = 0;
    for (unsigned method = 0; method < NM_HTTP_METHOD_COUNT; method++) {
        if (!route->rows[method])
            continue;
        used += (size_t) snprintf(out + used, NM_ROUTE_ALLOW_SIZE - used, "%s, ",
                                  nm_words_text(&nm_http_method_words, method));
        if (method == NM_HTTP_GET)
            used += (size_t) snprintf(out + used, NM_ROUTE_ALLOW_SIZE - used, "HEAD, ");
    }
    snprintf(out + used, NM_ROUTE_ALLOW_SIZE - used, "OPTIONS");
}

static int
s_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

nm_rc_t
nm_routes_resolve(nm_bytes_t text, bool query, nm_buf_t *out)
{
    size_t start = out->size;
    uint8_t *to = nm_buf_reserve(out, text.size);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c == '%') {
            bool whole = text.size - i > 2;
            int high = whole ? s_digit(text.at[i + 1]) : -1;
            int low = whole ? s_digit(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NM_ERR_MALFORMED;
            c = (uint8_t) (high << 4 | low);
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        if (!c)
            return NM_ERR_MALFORMED;
        *to++ = c;
    }
    size_t size = (size_t) (to - (out->at + start));
    if (!nm_utf8_is_valid(nm_bytes(out->at + start, size)))
        return NM_ERR_MALFORMED;
    out->size = start + size;
    return NM_OK;
}

bool
nm_routes_next(nm_bytes_t *query, nm_bytes_t *name, nm_bytes_t *value)
{
    while (query->size) {
        *value = s_split(query, '&');
        if (!value->size)
            continue;
        *name = s_split(value, '=');
        return true;
    }
    return false;
}
