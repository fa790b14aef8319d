/*  server - a small scripted server on 127.0.0.1 for tests of effects: SMTP or HTTP, a thread each connection.
 *
 *  The script says what is answered at each stage. SERVER_DROP closes the connection there,
 *  SERVER_HANG says nothing until the other side leaves.
 */
#ifndef NM_TEST_SERVER_H
#define NM_TEST_SERVER_H

#include "nm.h"

#define SERVER_DROP "(drop)"
#define SERVER_HANG "(hang)"

typedef struct {
    //  SMTP; NULL is the usual answer
    const char *greeting;
    const char *ehlo;
    const char *auth;
    const char *mail;
    const char *rcpt;
    const char *data;
    const char *end;        //  After the final dot
    bool drop_in_body;      //  Resets the connection when the message begins
    bool close_after_mail;  //  Closes after each message, as for an idle connection
    //  HTTP: the whole answer; not NULL makes it an HTTP server
    const char *http;
    size_t http_filler_size;  //  So many more bytes follow the answer
} server_script_t;

typedef struct server server_t;

//  What it saw.
typedef struct {
    unsigned connection_count;
    unsigned open_max;    //  At once
    unsigned mail_count;  //  Final dots
    char commands[2048];  //  All lines of commands, each with a |
    nm_buf_t message;     //  The last, as it came over the wire
} server_seen_t;

server_t *server_new(const server_script_t *script, unsigned *port);

//  Ends all its threads; seen may be NULL, else free its message.
void server_destroy(server_t **self_p, server_seen_t *seen);

#endif
