/*  asks - what the operations of api.h take: the bodies of asks at doors, keys by name.
 *
 *  Whoever answers an operation decodes its body with the shape that stands here, the HTTP bridge and the OpenAPI
 *  document read the same one. An operation that takes part of a record has a shape of its own over the same
 *  struct (NM_RECORD_VARIANT): services.create has no id, services.patch must have one.
 *
 *  The body of notifications.create is nm_request_t of records.h.
 */
#ifndef NM_WIRE_ASKS_H
#define NM_WIRE_ASKS_H

#include "wire/defaults.h"

//  What an operation takes that takes nothing.
extern const nm_shape_t nm_nothing_shape;

//  What names a notification or a service.
#define NM_BY_ID_FIELDS(F, R) F(R, 1, id, REF, NM_REF_MAX, MUST, NULL, "Which one")
NM_RECORD_DECLARE(by_id, NM_BY_ID_FIELDS);

//  -- Notifications

#define NM_BATCH_FIELDS(F, R)                                                                   \
    F(R, 1, notifications, LIST, NM_BATCH_COUNT, MUST, &nm_request_shape, "1 to 1,000 of them") \
    F(R, 2, request_id, LINE, NM_IDEMPOTENCY_MAX, MAY, NULL, "Idempotency key in the body")
NM_RECORD_DECLARE(batch, NM_BATCH_FIELDS);

#define NM_LIST_ASK_FIELDS(F, R)                                                      \
    F(R, 1, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many; 50 if absent")     \
    F(R, 2, cursor, LINE, NM_CURSOR_MAX, MAY, NULL, "next_cursor of the page before") \
    F(R, 3, status, ENUM, 0, MAY, &nm_status_words, "Only with this status")          \
    F(R, 4, channel, ENUM, 0, MAY, &nm_channel_words, "Only over this channel")       \
    F(R, 5, user_id, ID, 0, MAY, NULL, "Only to this user")                           \
    F(R, 6, created_after, TIME, 0, MAY, NULL, "Accepted at this time or later")      \
    F(R, 7, created_before, TIME, 0, MAY, NULL, "Accepted before this time")          \
    F(R, 8, service_id, REF, NM_REF_MAX, MAY, NULL, "Only of this service; for admins")
NM_RECORD_DECLARE(list_ask, NM_LIST_ASK_FIELDS);

#define NM_EVENTS_ASK_FIELDS(F, R)                                                                           \
    F(R, 1, after, LINE, NM_STREAM_CURSOR_MAX, MAY, NULL, "A cursor; 0: all that is kept; absent: from now") \
    F(R, 2, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many; 50 if absent")                            \
    F(R, 3, wait_ms, UINT, 60000, MAY, NULL, "How long to wait if there is nothing yet")                     \
    F(R, 4, notification, REF, NM_REF_MAX, MAY, NULL, "Of this one only")                                    \
    F(R, 5, service_id, REF, NM_REF_MAX, MAY, NULL, "Of this service only; for admins")                      \
    F(R, 6, since, TIME, 0, MAY, NULL, "Without a cursor: from this time on")
NM_RECORD_DECLARE(events_ask, NM_EVENTS_ASK_FIELDS);

//  What a stream of events over HTTP takes of it: of everything, and of one notification, as `id`.
extern const nm_shape_t nm_events_stream_shape, nm_events_of_one_shape;

//  -- Dead letters. A gateway that passes an ask on puts in whose letters the asker may see.

#define NM_LETTER_LIST_FIELDS(F, R)                                                           \
    F(R, 1, service_id, ID, 0, MAY, NULL, "Only of this service; for admins")                 \
    F(R, 2, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many; 50 if absent")             \
    F(R, 3, cursor, LINE, NM_CURSOR_MAX, MAY, NULL, "next_cursor of the page before")         \
    F(R, 4, channel, ENUM, 0, MAY, &nm_channel_words, "Only of this channel")                 \
    F(R, 5, provider, LINE, NM_NAME_MAX, MAY, NULL, "Only those that this provider had last") \
    F(R, 6, reason, ENUM, 0, MAY, &nm_reason_words, "Only of this reason")                    \
    F(R, 7, since, TIME, 0, MAY, NULL, "Dead at this time or later")                          \
    F(R, 8, until, TIME, 0, MAY, NULL, "Dead before this time")                               \
    F(R, 9, state, ENUM, 0, MAY, &nm_letter_state_words, "open if absent")
NM_RECORD_DECLARE(letter_list, NM_LETTER_LIST_FIELDS);

//  What get and discard take.
#define NM_LETTER_REF_FIELDS(F, R)                                                     \
    F(R, 1, service_id, ID, 0, MAY, NULL, "Only if it is of this service; for admins") \
    F(R, 2, id, REF, NM_REF_MAX, MUST, NULL, "Which letter")
NM_RECORD_DECLARE(letter_ref, NM_LETTER_REF_FIELDS);

#define NM_LETTER_REPLAY_FIELDS(F, R)                                                    \
    F(R, 1, service_id, ID, 0, MAY, NULL, "Only if it is of this service; for admins")   \
    F(R, 2, id, REF, NM_REF_MAX, MUST, NULL, "Which letter")                             \
    F(R, 3, recipient, LINE, NM_TOKEN_MAX, MAY, NULL, "Send it to this address instead") \
    F(R, 4, provider, LINE, NM_NAME_MAX, MAY, NULL, "Send it with this provider")
NM_RECORD_DECLARE(letter_replay, NM_LETTER_REPLAY_FIELDS);

#define NM_LETTER_FILTER_FIELDS(F, R)                                                         \
    F(R, 1, channel, ENUM, 0, MAY, &nm_channel_words, "Only of this channel")                 \
    F(R, 2, provider, LINE, NM_NAME_MAX, MAY, NULL, "Only those that this provider had last") \
    F(R, 3, reason, ENUM, 0, MAY, &nm_reason_words, "Only of this reason")                    \
    F(R, 4, since, TIME, 0, MAY, NULL, "Dead at this time or later")                          \
    F(R, 5, until, TIME, 0, MAY, NULL, "Dead before this time")                               \
    F(R, 6, state, ENUM, 0, MAY, &nm_letter_state_words, "open, or absent: no other letter can be replayed")
NM_RECORD_DECLARE(letter_filter, NM_LETTER_FILTER_FIELDS);

#define NM_LETTER_MANY_FIELDS(F, R)                                                                         \
    F(R, 1, service_id, ID, 0, MAY, NULL, "Only of this service; for admins")                               \
    F(R, 2, filter, RECORD, 4096, MAY, &nm_letter_filter_shape, "Which letters; absent: all that are open") \
    F(R, 3, dry_run, BOOL, 0, MAY, NULL, "Only count")                                                      \
    F(R, 4, rate_per_second, UINT, NM_REPLAY_RATE_MAX, MAY, NULL,                                           \
      "At most so many a second; absent: as fast as they go")
NM_RECORD_DECLARE(letter_many, NM_LETTER_MANY_FIELDS);

//  -- Services and their keys

//  What a key may do.
typedef enum {
    NM_SCOPE_NOTIFICATIONS_WRITE,
    NM_SCOPE_NOTIFICATIONS_READ,
    NM_SCOPE_USERS_WRITE,
    NM_SCOPE_USERS_READ,
    NM_SCOPE_TEMPLATES_WRITE,
    NM_SCOPE_TEMPLATES_READ,
    NM_SCOPE_WEBHOOKS,
    NM_SCOPE_DEAD_LETTERS,
    NM_SCOPE_COUNT,
    NM_SCOPE_ADMIN,  //  Not given to keys: the keys of the service admin have it
    NM_SCOPE_ANY,    //  Whoever has a key
    NM_SCOPE_OPEN,   //  Anybody
} nm_scope_t;
extern const nm_words_t nm_scope_words;

#define NM_LIMITS_FIELDS(F, R)                                               \
    F(R, 1, per_minute, UINT, UINT32_MAX, MAY, NULL, "Requests in a minute") \
    F(R, 2, burst, UINT, UINT32_MAX, MAY, NULL, "Requests at once")          \
    F(R, 3, per_day, UINT, UINT32_MAX, MAY, NULL, "Requests in a day")
NM_RECORD_DECLARE(limits, NM_LIMITS_FIELDS);

#define NM_RECIPIENT_LIMITS_FIELDS(F, R)                                       \
    F(R, 1, per_hour, UINT, UINT32_MAX, MAY, NULL, "Notifications in an hour") \
    F(R, 2, per_day, UINT, UINT32_MAX, MAY, NULL, "Notifications in a day")
NM_RECORD_DECLARE(recipient_limits, NM_RECIPIENT_LIMITS_FIELDS);

#define NM_SERVICE_ASK_FIELDS(F, R)                                                                      \
    F(R, 1, id, REF, NM_REF_MAX, MAY, NULL, "Which service")                                             \
    F(R, 2, name, LINE, NM_NAME_MAX, MAY, NULL, "Unique among services")                                 \
    F(R, 3, description, STR, 1024, MAY, NULL, "For people")                                             \
    F(R, 4, is_active, BOOL, 0, MAY, NULL, "Its keys work; true if absent")                              \
    F(R, 5, limits, RECORD, 512, MAY, &nm_limits_shape, "How much it may ask")                           \
    F(R, 6, recipient_limits, RECORD, 512, MAY, &nm_recipient_limits_shape, "How much a recipient gets") \
    F(R, 7, retention_days, UINT, 3650, MAY, NULL, "How long ended notifications are kept")              \
    F(R, 8, accept, UINT, 2, MAY, NULL, "On how many disks before the 202")                              \
    F(R, 9, accept_alone, BOOL, 0, MAY, NULL, "Rather on one disk than not at all")                      \
    F(R, 10, defaults, RECORD, 4096, MAY, &nm_defaults_shape, "What holds where a notification does not say")
NM_RECORD_DECLARE(service_ask, NM_SERVICE_ASK_FIELDS);
//  What rows cannot say of a service. Adds to faults.
void nm_service_ask_check(const nm_service_ask_t *self, nm_faults_t *faults);

extern const nm_shape_t nm_service_new_shape, nm_service_change_shape;

#define NM_KEY_ASK_FIELDS(F, R)                                                       \
    F(R, 1, service_id, REF, NM_REF_MAX, MUST, NULL, "Whose key")                     \
    F(R, 2, key_id, REF, NM_REF_MAX, MAY, NULL, "Which key")                          \
    F(R, 3, name, LINE, NM_NAME_MAX, MAY, NULL, "For people")                         \
    F(R, 4, scopes, LINES, 16, MAY, &nm_scope_words, "What it may do; all if absent") \
    F(R, 5, expires_at, TIME, 0, MAY, NULL, "When it stops working; never if absent") \
    F(R, 6, overlap_seconds, UINT, 2592000, MAY, NULL, "How long the old one still works; a day if absent")
NM_RECORD_DECLARE(key_ask, NM_KEY_ASK_FIELDS);
extern const nm_shape_t nm_key_new_shape, nm_key_rotate_shape, nm_key_ref_shape;

//  Between actors: when keys were used last.
#define NM_KEY_USE_FIELDS(F, R)                      \
    F(R, 1, service, ID, 0, MUST, NULL, "Whose key") \
    F(R, 2, id, ID, 0, MUST, NULL, "Which key")      \
    F(R, 3, at, TIME, 0, MUST, NULL, "When")
NM_RECORD_DECLARE(key_use, NM_KEY_USE_FIELDS);

#define NM_KEY_USES_FIELDS(F, R) F(R, 1, uses, RECORDS, 1000, MUST, &nm_key_use_shape, "Those that were used")
NM_RECORD_DECLARE(key_uses, NM_KEY_USES_FIELDS);

//  Of services, and of the keys or the users of one.
#define NM_PAGE_ASK_FIELDS(F, R)                                                      \
    F(R, 1, limit, UINT, NM_LIST_MAX, MAY, NULL, "At most so many; 50 if absent")     \
    F(R, 2, cursor, LINE, NM_CURSOR_MAX, MAY, NULL, "next_cursor of the page before") \
    F(R, 3, service_id, REF, NM_REF_MAX, MAY, NULL, "Of which service")
NM_RECORD_DECLARE(page_ask, NM_PAGE_ASK_FIELDS);
extern const nm_shape_t nm_services_page_shape, nm_keys_page_shape, nm_users_page_shape;

//  -- People who sign in

//  What a person may do.
typedef enum { NM_PERSON_ADMIN, NM_PERSON_USER, NM_PERSON_ROLE_COUNT } nm_person_role_t;
extern const nm_words_t nm_person_role_words;

enum { NM_PASSWORD_MIN = 8, NM_PASSWORD_MAX = 1024, NM_LANGUAGE_MAX = 35, NM_TIMEZONE_MAX = 64 };

#define NM_USER_ASK_FIELDS(F, R)                                                                  \
    F(R, 1, id, REF, NM_REF_MAX, MAY, NULL, "Which user")                                         \
    F(R, 2, service_id, REF, NM_REF_MAX, MAY, NULL, "Of which service; for admins")               \
    F(R, 3, external_id, LINE, NM_CODE_MAX, MAY, NULL, "What the service calls it")               \
    F(R, 4, name, LINE, 256, MAY, NULL, "For people")                                             \
    F(R, 5, email, LINE, NM_ADDRESS_MAX, MAY, NULL, "Unique in its service, in any letter case")  \
    F(R, 6, phone, LINE, 32, MAY, NULL, "E.164 number")                                           \
    F(R, 7, language, LINE, NM_LANGUAGE_MAX, MAY, NULL, "BCP 47 tag")                             \
    F(R, 8, timezone, LINE, NM_TIMEZONE_MAX, MAY, NULL, "IANA name")                              \
    F(R, 9, password, STR, NM_PASSWORD_MAX, MAY, NULL, "8 to 1,024 bytes; without it no sign-in") \
    F(R, 10, roles, LINES, 8, MAY, &nm_person_role_words, "user if absent; admin only of the service admin")
NM_RECORD_DECLARE(user_ask, NM_USER_ASK_FIELDS);
extern const nm_shape_t nm_user_new_shape, nm_user_change_shape;

#define NM_LOGIN_FIELDS(F, R)                                           \
    F(R, 1, email, LINE, NM_ADDRESS_MAX, MUST, NULL, "Of the account")  \
    F(R, 2, password, STR, NM_PASSWORD_MAX, MUST, NULL, "Its password") \
    F(R, 3, service, LINE, NM_NAME_MAX, MAY, NULL, "Of which service; id or name")
NM_RECORD_DECLARE(login, NM_LOGIN_FIELDS);

//  How a token is signed.
typedef enum { NM_JWT_EDDSA, NM_JWT_HS256, NM_JWT_ALGORITHM_COUNT } nm_jwt_algorithm_t;
extern const nm_words_t nm_jwt_algorithm_words;

#define NM_SIGNING_FIELDS(F, R)                                                  \
    F(R, 1, algorithm, ENUM, 0, MAY, &nm_jwt_algorithm_words, "EdDSA if absent") \
    F(R, 2, overlap_seconds, UINT, 86400, MAY, NULL, "How long earlier tokens hold; a day if absent")
NM_RECORD_DECLARE(signing, NM_SIGNING_FIELDS);

//  -- Providers

#define NM_PROVIDER_ASK_FIELDS(F, R)                                                                               \
    F(R, 1, name, LINE, NM_NAME_MAX, MAY, NULL, "Letters a-z, digits and dashes")                                  \
    F(R, 2, kind, LINE, NM_NAME_MAX, MAY, NULL, "Its driver; cannot be changed")                                   \
    F(R, 3, channels, LINES, NM_CHANNEL_COUNT, MAY, &nm_channel_words, "What it sends over; all it can if absent") \
    F(R, 4, is_active, BOOL, 0, MAY, NULL, "It is used; true if absent")                                           \
    F(R, 5, priority, UINT, NM_PROVIDER_PRIORITY_MAX, MAY, NULL, "The lowest goes first; 100 if absent")           \
    F(R, 6, config, MAP, NM_PROVIDER_CONFIG_MAX, MAY, NULL, "The driver's settings")                               \
    F(R, 7, services, LINES, NM_PROVIDER_SERVICE_MAX, MAY, NULL, "Only for these services, by id; for all if absent")
NM_RECORD_DECLARE(provider_ask, NM_PROVIDER_ASK_FIELDS);
extern const nm_shape_t nm_provider_new_shape, nm_provider_change_shape, nm_provider_ref_shape;

#endif
