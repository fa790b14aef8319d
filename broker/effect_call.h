/*  effect_call - one call by libcurl: set up from an effect, watched, and judged at its end.
 *
 *  Private to effects.c. The judgement is the point: whether a message that got no answer
 *  was surely not sent, or may have been.
 */
#ifndef NM_EFFECT_CALL_H
#define NM_EFFECT_CALL_H

#include <curl/curl.h>
#include <stdatomic.h>
#include "broker/effect.h"

//  Older connections are not used again: servers close them.
enum { NM_EFFECT_IDLE_S = 30 };

//  One call, from start to result. Handles are used again.
typedef struct nm_effect_call {
    CURL *easy;
    CURLcode code;                //  Of SMTP: what curl_easy_perform returned
    const atomic_bool *stopping;  //  Belongs to nm_effects, which sets it to end its threads
    struct nm_effect_host *host;
    nm_effect_t *effect;
    struct curl_slist *lines;  //  Recipient of SMTP, headers of HTTP
    int64_t start_us;
    size_t body_at;         //  How much of the body curl has read
    bool body_done;         //  All of it: the end of the message may be out
    bool forbidden;         //  An address was refused
    bool again;             //  It runs for the second time
    bool fresh;             //  It may not use a connection that is there
    size_t header_size;     //  Of an HTTP answer, so far
    unsigned reply_code;    //  Of the SMTP reply that came last
    bool reply_open;        //  More lines of it follow
    bool reply_after_body;  //  It came after the message was complete
    nm_buf_t reply_text;
    nm_buf_t answer;  //  HTTP
    char curl_text[CURL_ERROR_SIZE];
    struct nm_effect_call *next;        //  In the host's queue, the list of the active or of the idle
    struct nm_effect_call **prev_next;  //  What points here, among the active
} nm_effect_call_t;

//  Prepares easy for the effect, from nothing: also for a second run.
void nm_effect_call_set_up(nm_effect_call_t *self);

//  Says what came of it.
void nm_effect_call_fill(nm_effect_call_t *self, CURLcode code, nm_result_t *result);

//  May it run once more, over a new connection, without any risk of sending twice?
bool nm_effect_call_may_repeat(const nm_effect_call_t *self, CURLcode code);

//  Frees it with its effect and handle. Never waits for a server.
void nm_effect_call_destroy(nm_effect_call_t **self_p);

//  Microseconds of a clock that only goes forward.
int64_t nm_effect_clock_us(void);

#endif
