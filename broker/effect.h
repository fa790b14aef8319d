/*  effect - something done outside the mesh, and what came of it.
 *
 *  Role code fills in an effect and gives it to its turn; after the commit the loop runs
 *  it, and its result is an input of a later turn. This header is the pure part: values.
 *  effects.h runs them.
 */
#ifndef NM_EFFECT_H
#define NM_EFFECT_H

#include "nm.h"

typedef enum {
    NM_EFFECT_SMTP,  //  One message to one recipient, over a pooled libcurl connection
    NM_EFFECT_HTTP,  //  One request
    NM_EFFECT_WORK,  //  A function that may block, run on the worker thread
} nm_effect_kind_t;

typedef enum { NM_TLS_NONE, NM_TLS_STARTTLS, NM_TLS_DIRECT } nm_tls_t;

//  How far a call came. What the provider said is in code and text.
typedef enum {
    NM_CALL_ANSWERED,   //  There is an answer: look at code
    NM_CALL_UNREACHED,  //  No connection: name, route, refused, TLS. Surely not sent
    NM_CALL_BROKEN,     //  The connection ended before the message was complete. Surely not sent
    NM_CALL_UNKNOWN,    //  It ended after the message was complete and before the answer
    NM_CALL_FORBIDDEN,  //  Our own rules refused it: address not allowed, bytes not allowed
} nm_call_t;

typedef struct nm_result nm_result_t;
typedef void(nm_work_fn)(void *arg, nm_result_t *result);

//  All texts are owned by the effect; nm_effect_destroy frees them.
typedef struct {
    nm_effect_kind_t kind;
    uint64_t token;  //  The role's number for it; the result carries it back
    nm_id_t about;   //  The role's id for it; the result carries it back

    char *url;   //  smtp://host:port, https://...
    char *user;  //  NULL: no authentication
    char *password;
    nm_tls_t tls;     //  STARTTLS is required when set, never merely tried
    char *ca_file;    //  NULL: the system's
    bool insecure;    //  Certificates are not checked (tests only; said in the log at start)
    char *sender;     //  SMTP: MAIL FROM, "" for the null path
    char *recipient;  //  SMTP: RCPT TO
    char *method;     //  HTTP
    char **headers;   //  HTTP: "Name: value", header_count of them
    size_t header_count;
    nm_buf_t body;     //  SMTP: the message with CRLF line ends, without dot stuffing
    bool public_only;  //  HTTP: refuse addresses that are not public
    int64_t connect_timeout_ms;
    int64_t timeout_ms;    //  Of the whole call
    unsigned connections;  //  At most so many to this host at once

    nm_work_fn *work;  //  WORK
    void *work_arg;
    void (*work_free)(void *arg);  //  Frees work_arg; may be NULL
} nm_effect_t;

struct nm_result {
    uint64_t token;
    nm_id_t about;
    nm_call_t call;
    unsigned code;           //  Last SMTP reply, HTTP status, or errno of WORK; 0 if none
    int64_t retry_after_ms;  //  The provider's wish; -1 if none
    int64_t took_us;
    char text[1025];  //  The provider's last words, one line, printable UTF-8
    nm_buf_t body;    //  HTTP answer, bounded; WORK may use it as it likes
};

nm_effect_t *nm_effect_new(nm_effect_kind_t kind, uint64_t token, const nm_id_t *about);
void nm_effect_destroy(nm_effect_t **self_p);

//  Copies a text into one of the fields above, freeing what was there.
void nm_effect_set(char **field, const char *text);
void nm_effect_set_bytes(char **field, nm_bytes_t text);
void nm_effect_add_header(nm_effect_t *self, const char *name, nm_bytes_t value);

//  May it be run at all? NM_ERR_REFUSED for control characters in addresses and headers, a message
//  whose lines do not all end with CRLF, and a URL that is not of its kind.
nm_rc_t nm_effect_check(const nm_effect_t *self, nm_error_t *error);

//  Makes what others said one line that is safe to keep and to show, cut to what fits.
void nm_result_set_text(nm_result_t *result, nm_bytes_t text);

void nm_result_free(nm_result_t *result);  //  Its body, not itself

#endif
