#include "wire/openapi.h"

#include "wire/openapi_private.h"

static const char TITLE[] = "nmesh";
static const char SUMMARY[] = "Notifications over e-mail, push, SMS and WhatsApp";
static const char DESCRIPTION[] =
    "A notification that is answered with 202 is on disk: it is delivered, or it becomes a dead letter that tells "
    "why.\n\n"
    "**Who asks.** A service has API keys (`X-API-Key`), a person signs in (`Authorization: Bearer`). Without or with "
    "wrong "
    "credentials the answer is 401, without the right to ask 403; what belongs to somebody else is 404. Too many wrong "
    "ones are 429, right ones too, until `Retry-After` is over.\n\n"
    "**Bodies** are JSON in UTF-8. A field that is not known is 422, so that a typing error is not a lost option; so "
    "is one "
    "that stands there twice, or beside an older name of it. `null` means absent; in a PATCH (RFC 7396) it clears. "
    "Limits "
    "in bytes are of UTF-8: a `maxLength` of the same number is a bound that no value passes.\n\n"
    "**Errors** are problems (RFC 9457). A 422 names everything that is wrong, by JSON pointer (RFC 6901) in the body "
    "and "
    "`?name` in the query.\n\n"
    "**Idempotency.** With `Idempotency-Key` (or `request_id` in the body) the same ask gets the first answer again "
    "for 24 "
    "hours, marked `Idempotent-Replayed: true`; the same key with another body is 422, and 409 while the first one "
    "runs.\n\n"
    "**Lists** are newest first: `limit` and `cursor` in, `items` and `next_cursor` out.\n\n"
    "**Methods.** HEAD is where GET is. OPTIONS is answered 204 with `Allow`, a method that is not there 405 with "
    "`Allow`. A "
    "head of a request that is too large (32 KiB, 100 fields) is 431, its target (8 KiB) 414, one that two servers "
    "could "
    "read differently 400, and the connection ends.";

//  -- Paths

static bool
s_is_first(size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (nm_api[i].path && strcmp(nm_api[i].path, nm_api[row].path) == 0)
            return false;
    return true;
}

static void
s_write_path(nm_buf_t *out, const char *path)
{
    nm_pairs_t methods = nm_pairs_open(out);
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path && strcmp(nm_api[i].path, path) == 0)
            nm_openapi_operation(&methods, &nm_api[i]);
    nm_pairs_close(&methods);
}

static void
s_write_paths(nm_buf_t *out)
{
    nm_writer_text(out, "paths");
    nm_pairs_t paths = nm_pairs_open(out);
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path && s_is_first(i)) {
            nm_pairs_name(&paths, nm_api[i].path);
            s_write_path(out, nm_api[i].path);
        }
    nm_pairs_close(&paths);
}

//  -- What they refer to

static void
s_write_security(nm_buf_t *out)
{
    nm_writer_text(out, "securitySchemes");
    nm_writer_map(out, 2);
    nm_writer_text(out, "api_key");
    nm_writer_map(out, 4);
    nm_writer_pair_text(out, "type", "apiKey");
    nm_writer_pair_text(out, "in", "header");
    nm_writer_pair_text(out, "name", "X-API-Key");
    nm_writer_pair_text(out, "description",
                        "The key of a service: {service_id}-{secret}, 32 hex digits each. The scopes of an operation "
                        "are those that the key must have.");
    nm_writer_text(out, "bearer");
    nm_writer_map(out, 4);
    nm_writer_pair_text(out, "type", "http");
    nm_writer_pair_text(out, "scheme", "bearer");
    nm_writer_pair_text(out, "bearerFormat", "JWT");
    nm_writer_pair_text(out, "description", "The token of a person who has signed in.");
}

static void
s_write_components(nm_buf_t *out)
{
    nm_writer_text(out, "components");
    nm_writer_map(out, 5);
    nm_openapi_schemas(out);
    nm_openapi_parameters(out);
    nm_openapi_headers(out);
    nm_openapi_responses(out);
    s_write_security(out);
}

static void
s_write_info(nm_buf_t *out)
{
    nm_writer_text(out, "info");
    nm_writer_map(out, 5);
    nm_writer_pair_text(out, "title", TITLE);
    nm_writer_pair_text(out, "summary", SUMMARY);
    nm_writer_pair_text(out, "description", DESCRIPTION);
    nm_writer_pair_text(out, "version", NM_VERSION_TEXT);
    nm_writer_text(out, "license");
    nm_writer_map(out, 2);
    nm_writer_pair_text(out, "name", "Mozilla Public License 2.0");
    nm_writer_pair_text(out, "identifier", "MPL-2.0");
}

void
nm_openapi_write(nm_buf_t *out)
{
    nm_writer_map(out, 6);
    nm_writer_pair_text(out, "openapi", "3.1.0");
    s_write_info(out);
    nm_writer_text(out, "servers");
    nm_writer_list(out, 1);
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "url", "/");
    nm_openapi_tags(out);
    s_write_paths(out);
    s_write_components(out);
}
