/*  documents - what the bridge tells of itself: /openapi.json, and /docs, which shows that to people.
 *
 *  Both are the same for everybody and for the life of the process: they are there when the bridge starts, and named by an
 *  ETag. The page is one file without anything from elsewhere; docs/make puts it together when the bridge is built.
 */
#ifndef NM_DOCUMENTS_H
#define NM_DOCUMENTS_H

#include "nm.h"

enum { NM_DOCUMENT_TAG_SIZE = 20, NM_DOCUMENT_POLICY_SIZE = 512 };

typedef struct {
    nm_bytes_t body;
    char tag[NM_DOCUMENT_TAG_SIZE];        //  16 hex digits in quotes
    char policy[NM_DOCUMENT_POLICY_SIZE];  //  Content-Security-Policy; empty: none
} nm_document_t;

typedef struct {
    nm_document_t openapi;
    nm_document_t docs;
    nm_buf_t printed;  //  Holds openapi
} nm_documents_t;

void nm_documents_make(nm_documents_t *self);
void nm_documents_free(nm_documents_t *self);

//  Does an If-None-Match name it?
bool nm_document_is_known(const nm_document_t *self, nm_bytes_t if_none_match);

//  The page that the build has made.
nm_bytes_t nm_docs_page(void);

#endif
