/*  records - what nmesh speaks of: the requests of clients and the bodies of mail.
 *
 *  Requests (nm_request_t and its parts) come from clients, keys by name, and are
 *  checked field by field with every fault named. What a row cannot say (one of two,
 *  not both) is checked by nm_request_check.
 *
 *  Mail bodies travel between actors, keys by tag.
 */
#ifndef NM_RECORDS_H
#define NM_RECORDS_H

#include "wire/record.h"

//  The id of the built-in service `admin`, whose keys carry the role admin.
#define NM_ADMIN_SERVICE_TEXT "00000000-0000-4000-8000-000000000001"

//  -- Words

typedef enum { NM_CHANNEL_EMAIL, NM_CHANNEL_PUSH, NM_CHANNEL_SMS, NM_CHANNEL_WHATSAPP, NM_CHANNEL_COUNT } nm_channel_t;
extern const nm_words_t nm_channel_words;

typedef enum {
    NM_PRIORITY_INSTANT,
    NM_PRIORITY_HIGH,
    NM_PRIORITY_NORMAL,
    NM_PRIORITY_LOW,
    NM_PRIORITY_COUNT
} nm_priority_t;
extern const nm_words_t nm_priority_words;

typedef enum { NM_STRATEGY_FIRST, NM_STRATEGY_ALL } nm_strategy_t;
extern const nm_words_t nm_strategy_words;

typedef enum {
    NM_STATUS_SCHEDULED,
    NM_STATUS_PENDING,
    NM_STATUS_QUEUED,
    NM_STATUS_SENDING,
    NM_STATUS_RETRYING,
    NM_STATUS_SENT,  //  This and what follows is final
    NM_STATUS_DELIVERED,
    NM_STATUS_BOUNCED,
    NM_STATUS_FAILED,
    NM_STATUS_CANCELLED,
    NM_STATUS_EXPIRED,
    NM_STATUS_SUPPRESSED,
    NM_STATUS_COUNT
} nm_status_t;
extern const nm_words_t nm_status_words;

//  What happens to a notification: timeline, event stream and webhooks use these words.
typedef enum {
    NM_EVENT_ACCEPTED,
    NM_EVENT_SCHEDULED,
    NM_EVENT_QUEUED,
    NM_EVENT_SENDING,
    NM_EVENT_RETRY_SCHEDULED,
    NM_EVENT_RETRY_ATTEMPTED,
    NM_EVENT_SENT,
    NM_EVENT_DELIVERED,
    NM_EVENT_BOUNCED,
    NM_EVENT_FAILED,
    NM_EVENT_CANCELLED,
    NM_EVENT_EXPIRED,
    NM_EVENT_SUPPRESSED,
    NM_EVENT_REPLAYED,
    NM_EVENT_COUNT
} nm_event_kind_t;
extern const nm_words_t nm_event_words;

typedef enum {
    NM_OUTCOME_STARTED,    //  On its way: no result yet
    NM_OUTCOME_SENT,       //  The provider took it
    NM_OUTCOME_LATER,      //  Not now: try again, at this or another provider
    NM_OUTCOME_REFUSED,    //  Never: this delivery cannot be sent
    NM_OUTCOME_UNCERTAIN,  //  Nobody knows whether the provider took it
    NM_OUTCOME_COUNT
} nm_outcome_t;
extern const nm_words_t nm_outcome_words;

//  Why a delivery is a dead letter.
typedef enum {
    NM_REASON_REJECTED,      //  A provider refused it for good
    NM_REASON_RETRIES,       //  All tries are used up
    NM_REASON_UNCERTAIN,     //  Parked: it may have been sent
    NM_REASON_TEMPLATE,      //  The content could not be made
    NM_REASON_NO_PROVIDER,   //  No provider can send it
    NM_REASON_NO_RECIPIENT,  //  There is no address to send to
    NM_REASON_POISON,        //  An actor stopped over it again and again
    NM_REASON_COUNT
} nm_reason_t;
extern const nm_words_t nm_reason_words;

//  What became of a dead letter.
typedef enum { NM_LETTER_OPEN, NM_LETTER_REPLAYED, NM_LETTER_DISCARDED, NM_LETTER_STATE_COUNT } nm_letter_state_t;
extern const nm_words_t nm_letter_state_words;

//  -- Requests

#define NM_ATTACHMENT_FIELDS(F, R)                                                 \
    F(R, 1, filename, LINE, 255, MUST, NULL, "Name shown to the reader")           \
    F(R, 2, content_type, LINE, 127, MUST, NULL, "Media type, as application/pdf") \
    F(R, 3, content_base64, BASE64, NM_ATTACHMENTS_MAX, MUST, NULL, "The bytes, base64")
NM_RECORD_DECLARE(attachment, NM_ATTACHMENT_FIELDS);

#define NM_EMAIL_FIELDS(F, R)                                                                  \
    F(R, 1, cc, LINES, NM_COPIES_MAX, MAY, NULL, "Further visible recipients")                 \
    F(R, 2, bcc, LINES, NM_COPIES_MAX, MAY, NULL, "Further hidden recipients")                 \
    F(R, 3, reply_to, LINE, NM_ADDRESS_MAX, MAY, NULL, "Address for answers")                  \
    F(R, 4, from_name, LINE, 200, MAY, NULL, "Display name of the sender")                     \
    F(R, 5, headers, MAP, 32768, MAY, NULL, "Own headers: X-, List-, References, In-Reply-To") \
    F(R, 6, attachments, RECORDS, NM_ATTACHMENT_COUNT, MAY, &nm_attachment_shape, "Files")
NM_RECORD_DECLARE(email, NM_EMAIL_FIELDS);

#define NM_PUSH_FIELDS(F, R)                                                                \
    F(R, 1, title, STR, 1024, MAY, NULL, "Headline")                                        \
    F(R, 2, body, STR, 4096, MAY, NULL, "Text")                                             \
    F(R, 3, image, LINE, NM_URL_MAX, MAY, NULL, "Address of a picture")                     \
    F(R, 4, url, LINE, NM_URL_MAX, MAY, NULL, "Where a tap leads")                          \
    F(R, 5, badge, UINT, 1000000, MAY, NULL, "Number on the icon")                          \
    F(R, 6, sound, LINE, 128, MAY, NULL, "Name of a sound")                                 \
    F(R, 7, data, MAP, 4096, MAY, NULL, "Texts for the app")                                \
    F(R, 8, collapse_key, LINE, 64, MAY, NULL, "Replaces an earlier one with the same key") \
    F(R, 9, ttl, UINT, 2419200, MAY, NULL, "Seconds for which the provider keeps trying")
NM_RECORD_DECLARE(push, NM_PUSH_FIELDS);

#define NM_RECIPIENTS_FIELDS(F, R)                                    \
    F(R, 1, email, LINE, NM_ADDRESS_MAX, MAY, NULL, "E-mail address") \
    F(R, 2, phone, LINE, 32, MAY, NULL, "E.164 number")               \
    F(R, 3, token, LINE, NM_TOKEN_MAX, MAY, NULL, "Device token")
NM_RECORD_DECLARE(recipients, NM_RECIPIENTS_FIELDS);

//  The body of POST /v1/notifications.
#define NM_REQUEST_FIELDS(F, R)                                                                             \
    F(R, 1, channel, ENUM, 0, MAY, &nm_channel_words, "Over which channel")                                 \
    F(R, 2, channels, LINES, 8, MAY, &nm_channel_words, "Channels tried in turn, or all")                   \
    F(R, 3, strategy, ENUM, 0, MAY, &nm_strategy_words, "What channels means: first or all")                \
    F(R, 4, user_id, ID, 0, MAY, NULL, "A known user")                                                      \
    F(R, 5, recipient, LINE, NM_TOKEN_MAX, MAY, NULL, "E-mail address, E.164 number or device token")       \
    F(R, 6, recipients, RECORD, 8192, MAY, &nm_recipients_shape, "An address for each of channels")         \
    F(R, 7, template, LINE, NM_CODE_MAX, MAY, NULL, "Template code")                                        \
    F(R, 8, template_version, UINT, UINT32_MAX, MAY, NULL, "A version other than the active one")           \
    F(R, 9, language, LINE, 35, MAY, NULL, "BCP 47 tag")                                                    \
    F(R, 10, variables, MAP, NM_VARIABLES_MAX, MAY, NULL, "Values for the template")                        \
    F(R, 11, subject, LINE, NM_SUBJECT_MAX, MAY, NULL, "Subject of an e-mail, title of a push")             \
    F(R, 12, content, STR, NM_CONTENT_MAX, MAY, NULL, "Plain text")                                         \
    F(R, 13, html, STR, NM_HTML_MAX, MAY, NULL, "HTML of an e-mail")                                        \
    F(R, 14, push, RECORD, 32768, MAY, &nm_push_shape, "Parts of a rich push")                              \
    F(R, 15, email, RECORD, NM_BODY_BATCH_MAX, MAY, &nm_email_shape, "Parts of a rich e-mail")              \
    F(R, 16, priority, ENUM, 1, MAY, &nm_priority_words, "instant, high, normal or low; 0 to 3")            \
    F(R, 17, send_at, TIME, 0, MAY, NULL, "Not before")                                                     \
    F(R, 18, expires_at, TIME, 0, MAY, NULL, "Not after")                                                   \
    F(R, 19, provider, LINE, NM_NAME_MAX, MAY, NULL, "One provider by name")                                \
    F(R, 20, metadata, MAP, NM_METADATA_MAX, MAY, NULL, "Given back and sent to webhooks")                  \
    F(R, 21, dedupe_seconds, UINT, NM_DEDUPE_MAX, MAY, NULL, "The same content within so long is the same") \
    F(R, 22, at_most_once, BOOL, 0, MAY, NULL, "Rather park than risk sending twice")                       \
    F(R, 23, request_id, LINE, NM_IDEMPOTENCY_MAX, MAY, NULL, "Idempotency key in the body")
NM_RECORD_DECLARE(request, NM_REQUEST_FIELDS);

//  The body of POST /v1/notifications/broadcast: a request to many users. Its struct begins as nm_request_t does.
#define NM_BROADCAST_FIELDS(F, R) \
    NM_REQUEST_FIELDS(F, R)       \
    F(R, 24, user_ids, LINES, NM_BROADCAST_COUNT, MUST, NULL, "1 to 10,000 users; one that is named twice is one")
NM_RECORD_DECLARE(all_of_broadcast, NM_BROADCAST_FIELDS);
extern const nm_shape_t nm_broadcast_shape;  //  Without whom a request is for

//  Checks what rows cannot say: one of two, content that fits the channel, addresses
//  by their grammar, cc and bcc together, own headers, times. Adds to faults below
//  parent; NM_ERR_MALFORMED if it added any. now_ms: a past expires_at is a fault.
nm_rc_t nm_request_check(const nm_request_t *request, int64_t now_ms, nm_faults_t *faults, const char *parent);

//  -- Mail bodies

typedef enum {
    NM_MAIL_WORK = 1,         //  gateway to router: nm_work_t
    NM_MAIL_DELIVERY = 2,     //  router to a channel actor: nm_delivery_t
    NM_MAIL_EVENT = 3,        //  anyone to the owning gateway: nm_event_t
    NM_MAIL_DEAD_LETTER = 4,  //  a channel actor or router to deadletter: nm_dead_letter_t
    NM_MAIL_REPLAY = 5,       //  deadletter to router: nm_replay_t
    NM_MAIL_RETURN = 6,       //  a channel actor that leaves to a router: nm_delivery_t with its progress
    NM_MAIL_COPY = 7,         //  gateway to another gateway: nm_copy_t
} nm_mail_kind_t;

//  A notification on its way to be routed.
#define NM_WORK_FIELDS(F, R)                                                                                    \
    F(R, 1, notification, ID, 0, MUST, NULL, "Its id")                                                          \
    F(R, 2, service, ID, 0, MUST, NULL, "The tenant")                                                           \
    F(R, 3, generation, UINT, 1000000, MUST, NULL, "How often it was replayed")                                 \
    F(R, 4, created_at, TIME, 0, MUST, NULL, "When it was accepted")                                            \
    F(R, 5, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs and webhooks")                      \
    F(R, 6, traceparent, LINE, 64, MAY, NULL, "W3C trace context")                                              \
    F(R, 7, request, ANY, NM_FRAME_MAX, MUST, NULL, "nm_request_t as it came, keys by name")                    \
    F(R, 8, skip, BIN, 32, MAY, NULL, "A bit for each delivery that is accounted for: bit n % 8 of byte n / 8") \
    F(R, 9, order, UINT, UINT32_MAX, MAY, NULL, "Orders of its events begin above this")                        \
    F(R, 10, earlier, UINT, 1000000, MAY, NULL, "Numbers of its attempts begin above this")
NM_RECORD_DECLARE(work, NM_WORK_FIELDS);

//  One try at one provider.
#define NM_ATTEMPT_FIELDS(F, R)                                                              \
    F(R, 1, number, UINT, 1000000, MUST, NULL, "1 for the first of the delivery")            \
    F(R, 2, provider, LINE, NM_NAME_MAX, MUST, NULL, "At which provider")                    \
    F(R, 3, started_at, TIME, 0, MUST, NULL, "When it was put on disk, before the call")     \
    F(R, 4, ended_at, TIME, 0, MAY, NULL, "When the answer came")                            \
    F(R, 5, outcome, ENUM, 0, MUST, &nm_outcome_words, "What came of it")                    \
    F(R, 6, code, UINT, 999999, MAY, NULL, "The provider's code: SMTP reply or HTTP status") \
    F(R, 7, detail, STR, NM_DETAIL_MAX, MAY, NULL, "The provider's own words")
NM_RECORD_DECLARE(attempt, NM_ATTEMPT_FIELDS);

//  One notification to one address over one channel. The last five fields are its progress: what is sent again, or
//  given back by a channel actor that leaves, goes on from there.
#define NM_DELIVERY_FIELDS(F, R)                                                                         \
    F(R, 1, notification, ID, 0, MUST, NULL, "The notification it is made from")                         \
    F(R, 2, service, ID, 0, MUST, NULL, "The tenant")                                                    \
    F(R, 3, number, UINT, 255, MUST, NULL, "Which delivery of the notification")                         \
    F(R, 4, generation, UINT, 1000000, MUST, NULL, "How often it was replayed")                          \
    F(R, 5, channel, ENUM, 0, MUST, &nm_channel_words, "Over which channel")                             \
    F(R, 6, recipient, LINE, NM_TOKEN_MAX, MUST, NULL, "Address")                                        \
    F(R, 7, priority, ENUM, 0, MUST, &nm_priority_words, "How urgent")                                   \
    F(R, 8, created_at, TIME, 0, MUST, NULL, "When the notification was accepted")                       \
    F(R, 9, expires_at, TIME, 0, MAY, NULL, "Not after")                                                 \
    F(R, 10, at_most_once, BOOL, 0, MAY, NULL, "Rather park than risk sending twice")                    \
    F(R, 11, provider, LINE, NM_NAME_MAX, MAY, NULL, "One provider by name")                             \
    F(R, 12, subject, LINE, NM_SUBJECT_MAX, MAY, NULL, "Subject")                                        \
    F(R, 13, content, STR, NM_CONTENT_MAX, MAY, NULL, "Plain text")                                      \
    F(R, 14, html, STR, NM_HTML_MAX, MAY, NULL, "HTML")                                                  \
    F(R, 15, email, RECORD, NM_BODY_BATCH_MAX, MAY, &nm_email_shape, "As in the request")                \
    F(R, 16, push, RECORD, 32768, MAY, &nm_push_shape, "As in the request")                              \
    F(R, 17, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs and webhooks")              \
    F(R, 18, traceparent, LINE, 64, MAY, NULL, "W3C trace context")                                      \
    F(R, 19, to, LINE, NM_ADDRESS_MAX, MAY, NULL, "Header To when the envelope's recipient is a copy's") \
    F(R, 20, order, UINT, UINT32_MAX, MAY, NULL, "Orders of its events begin above this")                \
    F(R, 21, earlier, UINT, 1000000, MAY, NULL, "Numbers of its attempts begin above this")              \
    F(R, 22, tries, UINT, UINT32_MAX, MAY, NULL, "Given back: failed tries that count")                  \
    F(R, 23, attempts, RECORDS, NM_ATTEMPT_COUNT, MAY, &nm_attempt_shape,                                \
      "Given back: the first and the latest of them")                                                    \
    F(R, 24, due_at, TIME, 0, MAY, NULL, "Given back: not before")                                       \
    F(R, 25, doubtful, BOOL, 0, MAY, NULL, "Given back: an actor is lost that may have sent it")
NM_RECORD_DECLARE(delivery, NM_DELIVERY_FIELDS);

//  What clients see of one: not how far actors are with it.
extern const nm_shape_t nm_shown_delivery_shape;

//  Something happened to a notification. (generation, number, order) tells which of two is
//  the later, whatever order they arrive in.
#define NM_EVENT_FIELDS(F, R)                                                                             \
    F(R, 1, notification, ID, 0, MUST, NULL, "To which")                                                  \
    F(R, 2, kind, ENUM, 0, MUST, &nm_event_words, "What")                                                 \
    F(R, 3, at, TIME, 0, MUST, NULL, "When")                                                              \
    F(R, 4, number, UINT, 255, MUST, NULL, "Which delivery")                                              \
    F(R, 5, generation, UINT, 1000000, MUST, NULL, "In which replay")                                     \
    F(R, 6, order, UINT, UINT32_MAX, MUST, NULL, "Grows with each event of this delivery and generation") \
    F(R, 7, attempt, RECORD, 8192, MAY, &nm_attempt_shape, "The attempt that began or ended")             \
    F(R, 8, due_at, TIME, 0, MAY, NULL, "When the next attempt is due")                                   \
    F(R, 9, reason, ENUM, 0, MAY, &nm_reason_words, "Why it failed")                                      \
    F(R, 10, detail, STR, NM_DETAIL_MAX, MAY, NULL, "For people")                                         \
    F(R, 11, deliveries, UINT, 255, MAY, NULL, "How many deliveries the notification was made into")      \
    F(R, 12, holder, LINE, NM_NAME_MAX, MAY, NULL, "Who said so, if its gateway tells the keeper of its copy")
NM_RECORD_DECLARE(event, NM_EVENT_FIELDS);

//  A delivery that failed for good.
#define NM_DEAD_LETTER_FIELDS(F, R)                                                    \
    F(R, 1, id, ID, 0, MUST, NULL, "Its own id")                                       \
    F(R, 2, died_at, TIME, 0, MUST, NULL, "When")                                      \
    F(R, 3, reason, ENUM, 0, MUST, &nm_reason_words, "Why")                            \
    F(R, 4, detail, STR, NM_DETAIL_MAX, MAY, NULL, "For people")                       \
    F(R, 5, attempts, RECORDS, NM_ATTEMPT_COUNT, MUST, &nm_attempt_shape, "All tries") \
    F(R, 6, delivery, RECORD, NM_FRAME_MAX, MUST, &nm_delivery_shape, "The delivery, content included")
NM_RECORD_DECLARE(dead_letter, NM_DEAD_LETTER_FIELDS);

//  A dead letter that is to be tried again, with its generation already raised.
#define NM_REPLAY_FIELDS(F, R)                                   \
    F(R, 1, dead_letter, ID, 0, MUST, NULL, "Which dead letter") \
    F(R, 2, delivery, RECORD, NM_FRAME_MAX, MUST, &nm_delivery_shape, "The delivery to make")
NM_RECORD_DECLARE(replay, NM_REPLAY_FIELDS);

//  A notification on a second disk, before it is accepted; or that there is no need of it any more.
#define NM_COPY_FIELDS(F, R)                                                                     \
    F(R, 1, notification, ID, 0, MUST, NULL, "Its id")                                           \
    F(R, 2, ended, BOOL, 0, MAY, NULL, "It was not accepted: forget it, also if it comes later") \
    F(R, 3, service, ID, 0, MAY, NULL, "The tenant; this and what follows unless it has ended")  \
    F(R, 4, correlation_id, LINE, NM_CORRELATION_MAX, MAY, NULL, "For logs and webhooks")        \
    F(R, 5, traceparent, LINE, 64, MAY, NULL, "W3C trace context")                               \
    F(R, 6, request, ANY, NM_FRAME_MAX, MAY, NULL, "nm_request_t as it came, keys by name")
NM_RECORD_DECLARE(copy, NM_COPY_FIELDS);
//  -- Books: what holders of a book ask each other, keys by tag (broker/books.h)

//  A stretch of a book's changes that one owner wrote.
#define NM_BOOK_TERM_FIELDS(F, R)                                                              \
    F(R, 1, round, UINT, UINT32_MAX, MUST, NULL, "The higher round wins")                      \
    F(R, 2, owner, LINE, NM_NAME_MAX, MUST, NULL, "Who wrote; the later name wins in a round") \
    F(R, 3, store, ID, 0, MUST, NULL, "Store of the owner")                                    \
    F(R, 4, base, UINT, UINT64_MAX, MUST, NULL, "Number of the last change before this term")
NM_RECORD_DECLARE(book_term, NM_BOOK_TERM_FIELDS);

//  The body of book.changes and book.news: where the asker's copy stands.
#define NM_BOOK_ASK_FIELDS(F, R)                                                                               \
    F(R, 1, book, LINE, NM_BOOK_WORD_MAX, MUST, NULL, "Which book")                                            \
    F(R, 2, terms, RECORDS, NM_BOOK_TERM_COUNT, MUST, &nm_book_term_shape, "Terms of the asker's copy")        \
    F(R, 3, number, UINT, UINT64_MAX, MUST, NULL, "Number of its last change: what follows is asked for")      \
    F(R, 4, heard, RECORD, 512, MAY, &nm_book_term_shape, "The highest term that the asker has heard of")      \
    F(R, 5, from, LINE, NM_BOOK_ENTRY_KEY_MAX, MAY, NULL, "All entries are asked for, from after this key on") \
    F(R, 6, whole, BOOL, 0, MAY, NULL, "All entries are asked for, from the first on")
NM_RECORD_DECLARE(book_ask, NM_BOOK_ASK_FIELDS);

//  One change, or one entry.
#define NM_BOOK_ITEM_FIELDS(F, R)                                        \
    F(R, 1, key, LINE, NM_BOOK_ENTRY_KEY_MAX, MUST, NULL, "Which entry") \
    F(R, 2, value, BIN, NM_BOOK_ENTRY_SIZE, MAY, NULL, "Absent: it was deleted")
NM_RECORD_DECLARE(book_item, NM_BOOK_ITEM_FIELDS);

//  The answer: where the asked one's copy stands, and what the asker lacks of it.
#define NM_BOOK_REPLY_FIELDS(F, R)                                                                                    \
    F(R, 1, terms, RECORDS, NM_BOOK_TERM_COUNT, MUST, &nm_book_term_shape, "Terms of this copy")                      \
    F(R, 2, number, UINT, UINT64_MAX, MUST, NULL, "Number of its last change")                                        \
    F(R, 3, heard, RECORD, 512, MAY, &nm_book_term_shape, "The highest term that it has heard of")                    \
    F(R, 4, whole, BOOL, 0, MAY, NULL, "The items are entries, in the order of their keys; else changes that follow") \
    F(R, 5, items, RECORDS, NM_BOOK_ITEM_COUNT, MAY, &nm_book_item_shape, "Changes or entries")                       \
    F(R, 6, more, BOOL, 0, MAY, NULL, "There are more")
NM_RECORD_DECLARE(book_reply, NM_BOOK_REPLY_FIELDS);

#endif
