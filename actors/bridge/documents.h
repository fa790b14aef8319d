/*  documents - what the bridge tells of itself: /openapi.json, and /docs, which shows that to people.
 *
 *  Both are the same for everybody and for the life of the process: they are made when the bridge starts, kept in memory, and
 *  named by an ETag.
 */
#ifndef NM_DOCUMENTS_H
#define NM_DOCUMENTS_H

#include "nm.h"

enum { NM_DOCUMENT_TAG_SIZE = 20 };  //  16 hex digits in quotes

typedef struct {
    nm_buf_t body;
    char tag[NM_DOCUMENT_TAG_SIZE];
} nm_document_t;

typedef struct {
    nm_document_t openapi;
} nm_documents_t;

void nm_documents_make(nm_documents_t *self);
void nm_documents_free(nm_documents_t *self);

//  Does an If-None-Match name it?
bool nm_document_is_known(const nm_document_t *self, nm_bytes_t if_none_match);

#endif
