/*  openapi - describes the operations of api.h as an OpenAPI 3.1 document.
 *
 *  Tables in, one value out, packed by name, for whoever prints it as JSON. Nothing is said here that a table says: paths,
 *  fields, limits and statuses come from api.h, asks.h and answers.h. What stands here is what tables cannot say:
 *  conventions, examples, and which fields go together.
 *
 *  The same tables give the same bytes.
 */
#ifndef NM_OPENAPI_H
#define NM_OPENAPI_H

#include "wire/api.h"

void nm_openapi_write(nm_buf_t *out);

#endif
