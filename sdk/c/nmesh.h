/*  nmesh.h - the C client of nmesh: send notifications, follow what becomes of them.
 *
 *  A client talks to the doors of one or more gateways over ZeroMQ with CURVE. It needs
 *  the end point and the public key of one door, and an API key; its own key pair is
 *  made anew each time it is opened. It asks the first gateway for the doors of the others.
 *
 *  What is promised. A notification that is answered with an id is on the gateway's disk
 *  and will end in one final status. Every send carries an idempotency key, the caller's
 *  or one that the client makes, so what the client asks again after a silence is never
 *  sent twice. When a door stays silent, or cannot take on work now (503), the client goes on
 *  to another by itself and asks there again. While the one gateway that answers for a key, or
 *  for a notification, is away, it asks again until the time of the ask is over.
 *
 *  Two manners. The blocking calls do one thing and return. The asynchronous ones
 *  (nmesh_submit, nmesh_poll) keep many asks open; what is submitted between two polls
 *  travels in one frame and costs the gateway one commit. Both may be used on one client,
 *  but not a blocking call from inside a callback.
 *
 *  Threads. A client belongs to the thread that uses it; open one for each thread.
 *  Ownership. Texts and bytes that are given in are copied before the call returns. What
 *  a callback is given is valid until it returns. Times are milliseconds; texts are UTF-8.
 *  Results. Calls return 0, or -1 with the reason in nmesh_error_t.
 */
#ifndef NMESH_H
#define NMESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    NMESH_ID_SIZE = 37,        //  A UUID text and its NUL
    NMESH_WORD_SIZE = 32,      //  A status, a channel, the name of an event, and a NUL
    NMESH_TIME_SIZE = 32,      //  A time as RFC 3339, and a NUL
    NMESH_CURSOR_SIZE = 4097,  //  A place in the stream of events, and a NUL
    NMESH_DETAIL_SIZE = 512,
    NMESH_FAULT_COUNT = 16,  //  Faults that one error keeps
    NMESH_OPEN_MAX = 16384,  //  Asks that one client may have open
};

typedef struct nmesh nmesh_t;

//  -- Errors

//  One thing that is wrong with what was sent.
typedef struct {
    char pointer[128];  //  Where: a JSON pointer (RFC 6901), as /recipient
    char detail[160];   //  What
} nmesh_fault_t;

typedef struct {
    //  As in HTTP: 401 no or wrong key, 403 not allowed, 404 not there, 409 too late or under
    //  way, 422 wrong in itself (see faults), 429 too much, 503 not now, 504 no answer in time,
    //  507 the mesh is full. 0: the call itself was wrong, and nothing was sent.
    unsigned status;
    char title[64];
    char detail[NMESH_DETAIL_SIZE];
    nmesh_fault_t faults[NMESH_FAULT_COUNT];
    size_t fault_count;
} nmesh_error_t;

//  -- Opening

typedef struct {
    const char *endpoint;    //  tcp://host:port or ipc://path
    const char *server_key;  //  The door's CURVE public key, Z85, 40 characters
} nmesh_door_t;

typedef struct {
    const nmesh_door_t *doors;  //  The first is used until it is silent, then the next, and round
    size_t door_count;
    bool fixed_doors;        //  These and no others: do not ask for the doors of other gateways
    const char *api_key;     //  {service id}-{secret}; NULL where certificates speak (see keys)
    const char *token;       //  Instead of a key: the JWT of somebody who signed in (auth.login)
    const char *public_key;  //  Own CURVE pair, Z85; both NULL for a throw-away pair
    const char *secret_key;
    int timeout_ms;  //  How long an ask may take in all; 0: 30,000
    int silence_ms;  //  How long a door may be silent before the next is asked; 0: 5,000 for
                     //  notifications, 12,000 for what a gateway may have to ask others
    void *context;   //  A ZeroMQ context to share among clients; NULL: one of its own
} nmesh_options_t;

//  Does not wait for a connection: an unreachable door shows in the first call. error may be NULL,
//  here and everywhere.
nmesh_t *nmesh_open(const nmesh_options_t *options, nmesh_error_t *error);

//  Asks that are open are dropped without their callbacks. Sets *self_p to NULL.
void nmesh_close(nmesh_t **self_p);

//  -- Notifications

//  Bytes of one value packed as MessagePack, for fields that are objects.
typedef struct {
    const void *at;
    size_t size;
} nmesh_packed_t;

//  What to send. Zero it, then set what is wanted: NULL, 0 and false mean absent.
typedef struct {
    const char *channel;    //  "email", "push", "sms", "whatsapp"
    const char *recipient;  //  An address, a number in E.164, a device token; or user_id
    const char *user_id;
    const char *subject;
    const char *content;  //  Plain text
    const char *html;
    const char *template_code;  //  Content by template instead
    const char *language;
    const char *priority;         //  "instant", "high", "normal", "low"
    const char *provider;         //  One provider by name
    const char *send_at;          //  RFC 3339
    const char *expires_at;       //  RFC 3339
    const char *idempotency_key;  //  NULL: the client makes one
    const char *correlation_id;   //  For logs and webhooks
    unsigned dedupe_seconds;
    bool at_most_once;         //  Rather park than risk sending twice
    nmesh_packed_t variables;  //  Packed maps
    nmesh_packed_t metadata;
    nmesh_packed_t email;
    nmesh_packed_t push;
    nmesh_packed_t extra;  //  A packed map whose pairs are added: any field that has no place above
} nmesh_notification_t;

//  The mesh's promise to deliver.
typedef struct {
    char id[NMESH_ID_SIZE];
    char status[NMESH_WORD_SIZE];
    char channel[NMESH_WORD_SIZE];
    char created_at[NMESH_TIME_SIZE];
} nmesh_receipt_t;

//  Sends one and waits until it is accepted. receipt may be NULL.
int nmesh_send(nmesh_t *self, const nmesh_notification_t *notification, nmesh_receipt_t *receipt, nmesh_error_t *error);

//  What became of one of many.
typedef struct {
    unsigned status;  //  202 accepted, 200 known already; else as in nmesh_error_t
    char id[NMESH_ID_SIZE];
    char detail[NMESH_DETAIL_SIZE];  //  Why not, if it was not accepted
} nmesh_sent_t;

//  Sends many with at most `window` open at a time (0: 1,000) and waits for all. results
//  has room for count and is in the order of notifications. Returns how many were accepted.
size_t nmesh_send_many(nmesh_t *self, const nmesh_notification_t *notifications, size_t count, size_t window,
                       nmesh_sent_t *results);

typedef struct {
    char id[NMESH_ID_SIZE];
    char status[NMESH_WORD_SIZE];
    char channel[NMESH_WORD_SIZE];
    char provider[64];
    char updated_at[NMESH_TIME_SIZE];
    unsigned attempt_count;
    bool final;  //  Nothing more will happen but a receipt of the provider or a replay
} nmesh_status_t;

int nmesh_status(nmesh_t *self, const char *id, nmesh_status_t *status, nmesh_error_t *error);

//  409: it is too late.
int nmesh_cancel(nmesh_t *self, const char *id, nmesh_error_t *error);

//  -- Events

typedef struct {
    char id[NMESH_ID_SIZE];        //  Of the notification
    char event[NMESH_WORD_SIZE];   //  accepted, queued, sending, retry_scheduled, sent, failed ...
    char status[NMESH_WORD_SIZE];  //  The status that it led to
    char at[NMESH_TIME_SIZE];
    char detail[NMESH_DETAIL_SIZE];
} nmesh_event_t;

typedef void(nmesh_event_fn)(const nmesh_event_t *event, void *arg);

//  Waits up to wait_ms (at most 60,000) for events after the cursor, calls fn for each and moves the cursor.
//  Start with an empty cursor for "from now"; keep it to go on later without a gap. Returns
//  how many there were, 0 if the time passed quietly, -1 on error. A cursor belongs to the gateway
//  that gave it and tells of what that one accepted; any door leads there.
int nmesh_events(nmesh_t *self, char cursor[NMESH_CURSOR_SIZE], int wait_ms, nmesh_event_fn *fn, void *arg,
                 nmesh_error_t *error);

//  -- Any operation

typedef struct {
    const char *op;               //  As notifications.list; docs/PROTOCOL.md has them all
    nmesh_packed_t body;          //  One packed value, or empty
    const char *idempotency_key;  //  NULL: none
    const char *correlation_id;
    int timeout_ms;  //  0: the client's
    int silence_ms;  //  0: the client's; give long polls their wait on top
    bool once;       //  Never ask again: for what is not safe to do twice
    bool impatient;  //  A 503 is the answer; else it is asked again while there is time
} nmesh_ask_t;

//  The answer. Views that end with the callback, or with the next call on the client.
typedef struct {
    unsigned status;         //  As in HTTP; 504 is also what the client says when nobody answered
    nmesh_packed_t headers;  //  A packed map of texts; may be empty
    nmesh_packed_t body;     //  One packed value; may be empty
} nmesh_reply_t;

//  Asks and waits. Returns 0 with 1xx to 3xx, else -1 and the problem in error; reply has both.
int nmesh_ask(nmesh_t *self, const nmesh_ask_t *ask, nmesh_reply_t *reply, nmesh_error_t *error);

//  Copies the text at a key of a packed map; false, and an empty text, if there is none.
bool nmesh_text(nmesh_packed_t map, const char *key, char *out, size_t size);

//  Reads a reply with a status of 400 or more into an error.
void nmesh_problem(const nmesh_reply_t *reply, nmesh_error_t *error);

//  -- Asynchronous

typedef void(nmesh_fn)(nmesh_t *self, const nmesh_reply_t *reply, void *arg);

//  Opens an ask; fn is called exactly once from a later nmesh_poll. -1: the call is wrong (a text that
//  is not UTF-8, a key of more than a line or 255 bytes, a body that is not one packed value) or NMESH_OPEN_MAX asks
//  are open.
int nmesh_submit(nmesh_t *self, const nmesh_notification_t *notification, nmesh_fn *fn, void *arg);
int nmesh_submit_ask(nmesh_t *self, const nmesh_ask_t *ask, nmesh_fn *fn, void *arg);

//  Sends what was submitted, takes what was answered. Waits up to timeout_ms for a first
//  answer (0: not at all). Returns how many callbacks it made.
int nmesh_poll(nmesh_t *self, int timeout_ms);

//  How many asks are open.
size_t nmesh_open_count(const nmesh_t *self);

//  How many doors are known: those of the options, and what was learned since.
size_t nmesh_door_count(const nmesh_t *self);

//  A descriptor for a foreign loop. It tells that something changed, once: whenever it is
//  readable, and after every submit, call nmesh_poll(self, 0); call it at least every 100 ms
//  too, for time-outs. It may change when a door is silent, so ask anew after each poll.
int nmesh_fd(const nmesh_t *self);

const char *nmesh_version(void);

#ifdef __cplusplus
}
#endif
#endif
