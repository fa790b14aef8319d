/*  answers - what the operations of api.h give: the bodies of replies at doors, keys by name.
 *
 *  Clients see records that are kept otherwise: `shown_x` is what they see of x, and is called X in the OpenAPI
 *  document. A field that is NIL is always there, and nil if there is nothing to tell; one that is MAY comes only
 *  when it has a value.
 *
 *  Tags here are never used: an answer is packed by name.
 */
#ifndef NM_ANSWERS_H
#define NM_ANSWERS_H

#include "wire/asks.h"

//  -- Problems (RFC 9457)

#define NM_SHOWN_FAULT_FIELDS(F, R)                                                                            \
    F(R, 1, pointer, STR, 128, MUST, NULL, "Where: RFC 6901 in a body, ?name in the query; empty: as a whole") \
    F(R, 2, detail, STR, NM_DETAIL_MAX, MUST, NULL, "What is wrong there")
NM_RECORD_DECLARE(shown_fault, NM_SHOWN_FAULT_FIELDS);

#define NM_PROBLEM_FIELDS(F, R)                                                                                    \
    F(R, 1, type, LINE, NM_URL_MAX, MUST, NULL, "about:blank: the status says it all")                             \
    F(R, 2, title, LINE, 64, MUST, NULL, "The status in words")                                                    \
    F(R, 3, status, UINT, 599, MUST, NULL, "As in the answer's first line")                                        \
    F(R, 4, detail, STR, NM_DETAIL_MAX, MUST, NULL, "What is wrong, for people")                                   \
    F(R, 5, instance, LINE, NM_URL_MAX, MAY, NULL, "The path that was asked")                                      \
    F(R, 6, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "As in the header X-Correlation-ID and in logs") \
    F(R, 7, errors, RECORDS, NM_FAULT_COUNT, MAY, &nm_shown_fault_shape, "With 422: everything that is wrong")

//  The last field is called violated-policies, which is no name in C.
#define NM_PROBLEM_STRUCT(F, R) NM_PROBLEM_FIELDS(F, R) F(R, 8, violated_policies, LINES, 8, MAY, NULL, "")
NM_RECORD_DECLARE(problem, NM_PROBLEM_STRUCT);

//  -- Notifications

#define NM_LINKS_FIELDS(F, R) F(R, 1, self, LINE, NM_URL_MAX, MUST, NULL, "Path of the notification")
NM_RECORD_DECLARE(shown_links, NM_LINKS_FIELDS);

#define NM_SHOWN_ACCEPTED_FIELDS(F, R)                                                                   \
    F(R, 1, id, ID, 0, MUST, NULL, "Of the notification")                                                \
    F(R, 2, status, ENUM, 0, MUST, &nm_status_words, "Its status now")                                   \
    F(R, 3, channel, ENUM, 0, MUST, &nm_channel_words, "The first channel")                              \
    F(R, 4, created_at, TIME, 0, MUST, NULL, "When it was accepted")                                     \
    F(R, 5, deduplicated, BOOL, 0, MAY, NULL, "True: it is an earlier one with the same content")        \
    F(R, 6, copies, UINT, UINT32_MAX, MAY, NULL, "On how many disks it is, if its service asks for two") \
    F(R, 7, hosts, UINT, UINT32_MAX, MAY, NULL, "... and on how many machines")                          \
    F(R, 8, links, RECORD, 4096, MUST, &nm_shown_links_shape, "Where it can be seen")
NM_RECORD_DECLARE(shown_accepted, NM_SHOWN_ACCEPTED_FIELDS);

//  At the path of an earlier service, whose clients read another name.
#define NM_SHOWN_ACCEPTED_LEGACY_FIELDS(F, R) \
    NM_SHOWN_ACCEPTED_FIELDS(F, R)            \
    F(R, 9, notificationId, ID, 0, MUST, NULL, "The id once more")
NM_RECORD_DECLARE(shown_accepted_legacy, NM_SHOWN_ACCEPTED_LEGACY_FIELDS);

#define NM_BATCH_TAKEN_FIELDS(F, R)                                                                      \
    F(R, 1, index, UINT, NM_BATCH_COUNT, MUST, NULL, "Which item of the batch, from 0")                  \
    F(R, 2, id, ID, 0, MUST, NULL, "Of the notification")                                                \
    F(R, 3, status, ENUM, 0, MUST, &nm_status_words, "Its status now")                                   \
    F(R, 4, deduplicated, BOOL, 0, MAY, NULL, "True: it is an earlier one with the same content")        \
    F(R, 5, copies, UINT, UINT32_MAX, MAY, NULL, "On how many disks it is, if its service asks for two") \
    F(R, 6, hosts, UINT, UINT32_MAX, MAY, NULL, "... and on how many machines")
NM_RECORD_DECLARE(batch_taken, NM_BATCH_TAKEN_FIELDS);

#define NM_BATCH_REFUSED_FIELDS(F, R)                                                         \
    F(R, 1, index, UINT, NM_BATCH_COUNT, MUST, NULL, "Which item of the batch, from 0")       \
    F(R, 2, status, UINT, 599, MUST, NULL, "What it would have been answered with by itself") \
    F(R, 3, detail, STR, NM_DETAIL_MAX, MUST, NULL, "Why")                                    \
    F(R, 4, errors, RECORDS, NM_FAULT_COUNT, MUST, &nm_shown_fault_shape, "Everything that is wrong with it")
NM_RECORD_DECLARE(batch_refused, NM_BATCH_REFUSED_FIELDS);

//  An item of a batch: taken or refused.
extern const nm_shape_t nm_batch_item_shape;

#define NM_BATCH_RESULT_FIELDS(F, R)                                \
    F(R, 1, accepted, UINT, NM_BATCH_COUNT, MUST, NULL, "How many") \
    F(R, 2, rejected, UINT, NM_BATCH_COUNT, MUST, NULL, "How many") \
    F(R, 3, items, LIST, NM_BATCH_COUNT, MUST, &nm_batch_item_shape, "All of them, in the order of the batch")
NM_RECORD_DECLARE(batch_result, NM_BATCH_RESULT_FIELDS);

#define NM_BROADCAST_TAKEN_FIELDS(F, R)                          \
    F(R, 1, user_id, ID, 0, MUST, NULL, "As it was asked")       \
    F(R, 2, id, ID, 0, MUST, NULL, "Of the user's notification") \
    F(R, 3, deduplicated, BOOL, 0, MAY, NULL, "True: it is an earlier one with the same content")
NM_RECORD_DECLARE(broadcast_taken, NM_BROADCAST_TAKEN_FIELDS);

#define NM_BROADCAST_REFUSED_FIELDS(F, R)                                                     \
    F(R, 1, user_id, LINE, NM_LINE_MAX, MUST, NULL, "As it was asked")                        \
    F(R, 2, status, UINT, 599, MUST, NULL, "What it would have been answered with by itself") \
    F(R, 3, detail, STR, NM_DETAIL_MAX, MUST, NULL, "Why")
NM_RECORD_DECLARE(broadcast_refused, NM_BROADCAST_REFUSED_FIELDS);

//  A user of a broadcast: taken or refused.
extern const nm_shape_t nm_broadcast_item_shape;

#define NM_BROADCAST_RESULT_FIELDS(F, R)                                \
    F(R, 1, accepted, UINT, NM_BROADCAST_COUNT, MUST, NULL, "How many") \
    F(R, 2, items, LIST, NM_BROADCAST_COUNT, MUST, &nm_broadcast_item_shape, "Each user once, in the order of user_ids")
NM_RECORD_DECLARE(broadcast_result, NM_BROADCAST_RESULT_FIELDS);

#define NM_SHOWN_ATTEMPT_FIELDS(F, R)                                                        \
    F(R, 1, number, UINT, 1000000, MUST, NULL, "1 for the first of the delivery")            \
    F(R, 2, delivery, UINT, 255, MAY, NULL, "Of which delivery, if there are several")       \
    F(R, 3, provider, LINE, NM_NAME_MAX, MUST, NULL, "At which provider")                    \
    F(R, 4, started_at, TIME, 0, MUST, NULL, "When it began")                                \
    F(R, 5, ended_at, TIME, 0, NIL, NULL, "When the provider had answered")                  \
    F(R, 6, outcome, ENUM, 0, MUST, &nm_outcome_words, "What came of it")                    \
    F(R, 7, code, UINT, 999999, NIL, NULL, "The provider's code: SMTP reply or HTTP status") \
    F(R, 8, detail, STR, NM_DETAIL_MAX, NIL, NULL, "The provider's own words")
NM_RECORD_DECLARE(shown_attempt, NM_SHOWN_ATTEMPT_FIELDS);

#define NM_STEP_SHOWN_DETAIL_MAX (NM_DETAIL_MAX + 64)
#define NM_TIMELINE_STEP_FIELDS(F, R)                               \
    F(R, 1, at, TIME, 0, MUST, NULL, "When")                        \
    F(R, 2, event, ENUM, 0, MUST, &nm_event_words, "What happened") \
    F(R, 3, detail, STR, NM_STEP_SHOWN_DETAIL_MAX, NIL, NULL, "More about it, for people")
NM_RECORD_DECLARE(timeline_step, NM_TIMELINE_STEP_FIELDS);

#define NM_NOTIFICATION_FIELDS(F, R)                                                             \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                                                     \
    F(R, 2, service_id, ID, 0, MUST, NULL, "Whose it is")                                        \
    F(R, 3, channel, ENUM, 0, MUST, &nm_channel_words, "The channel, the first of channels")     \
    F(R, 4, channels, LINES, 8, NIL, &nm_channel_words, "As it was asked for")                   \
    F(R, 5, user_id, ID, 0, NIL, NULL, "To which user")                                          \
    F(R, 6, recipient, LINE, NM_TOKEN_MAX, NIL, NULL, "To which address")                        \
    F(R, 7, template, LINE, NM_CODE_MAX, NIL, NULL, "Template code")                             \
    F(R, 8, template_version, UINT, UINT32_MAX, NIL, NULL, "Its version")                        \
    F(R, 9, language, LINE, 35, NIL, NULL, "BCP 47 tag")                                         \
    F(R, 10, priority, ENUM, 0, MUST, &nm_priority_words, "How urgent")                          \
    F(R, 11, status, ENUM, 0, MUST, &nm_status_words, "How far it is")                           \
    F(R, 12, provider, LINE, NM_NAME_MAX, NIL, NULL, "The provider that was asked for")          \
    F(R, 13, metadata, MAP, NM_METADATA_MAX, NIL, NULL, "As it was given")                       \
    F(R, 14, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs and webhooks")      \
    F(R, 15, created_at, TIME, 0, MUST, NULL, "When it was accepted")                            \
    F(R, 16, updated_at, TIME, 0, MUST, NULL, "When its status changed last")                    \
    F(R, 17, send_at, TIME, 0, NIL, NULL, "Not before")                                          \
    F(R, 18, expires_at, TIME, 0, NIL, NULL, "Not after")                                        \
    F(R, 19, attempts, RECORDS, UINT32_MAX, MUST, &nm_shown_attempt_shape, "Tries at providers") \
    F(R, 20, timeline, RECORDS, UINT32_MAX, MUST, &nm_timeline_step_shape, "What happened to it, in order")
NM_RECORD_DECLARE(notification, NM_NOTIFICATION_FIELDS);

//  The data of a server-sent event.
#define NM_EVENT_DATA_FIELDS(F, R)                                                                \
    F(R, 1, id, ID, 0, MUST, NULL, "Of the notification")                                         \
    F(R, 2, status, ENUM, 0, MUST, &nm_status_words, "Its status after that")                     \
    F(R, 3, event, LINE, 64, MUST, NULL, "What happened, as webhooks call it: notification.sent") \
    F(R, 4, at, TIME, 0, MUST, NULL, "When")                                                      \
    F(R, 5, detail, STR, NM_STEP_SHOWN_DETAIL_MAX, NIL, NULL, "More about it, for people")        \
    F(R, 6, delivery, UINT, 255, MAY, NULL, "To which delivery")                                  \
    F(R, 7, service_id, ID, 0, MAY, NULL, "Whose it is; where events of all services are read")
NM_RECORD_DECLARE(event_data, NM_EVENT_DATA_FIELDS);

//  Where several actors are asked: not all of them have answered.
#define NM_MISSING(F, R)                                                                          \
    F(R, 30, incomplete, BOOL, 0, MAY, NULL, "True: some that had to be asked have not answered") \
    F(R, 31, missing, LINES, UINT32_MAX, MAY, NULL, "Which")

//  -- Dead letters

#define NM_WHOLE_LETTER_FIELDS(F, R)                                                                         \
    F(R, 1, id, ID, 0, MUST, NULL, "Its own id")                                                             \
    F(R, 2, notification_id, ID, 0, MUST, NULL, "The notification it comes from")                            \
    F(R, 3, service_id, ID, 0, MUST, NULL, "Whose it is")                                                    \
    F(R, 4, channel, ENUM, 0, MUST, &nm_channel_words, "Over which channel")                                 \
    F(R, 5, recipient, LINE, NM_TOKEN_MAX, NIL, NULL, "Address; gone once discarded")                        \
    F(R, 6, provider, LINE, NM_NAME_MAX, NIL, NULL, "The provider that had it last, else the one asked for") \
    F(R, 7, reason, ENUM, 0, MUST, &nm_reason_words, "Why it failed")                                        \
    F(R, 8, detail, STR, NM_DETAIL_MAX, NIL, NULL, "For people; gone once discarded")                        \
    F(R, 9, state, ENUM, 0, MUST, &nm_letter_state_words, "What became of it")                               \
    F(R, 10, attempt_count, UINT, NM_ATTEMPT_COUNT, MUST, NULL, "How many tries it had")                     \
    F(R, 11, correlation_id, LINE, NM_CORRELATION_MAX, MUST, NULL, "For logs")                               \
    F(R, 12, created_at, TIME, 0, MUST, NULL, "When it failed for good")                                     \
    F(R, 13, updated_at, TIME, 0, MUST, NULL, "When its state changed last")                                 \
    F(R, 14, replay_at, TIME, 0, NIL, NULL, "When its turn comes, if it stands in line for a replay")        \
    F(R, 15, attempts, RECORDS, NM_ATTEMPT_COUNT, MUST, &nm_shown_attempt_shape, "All tries")                \
    F(R, 16, delivery, RECORD, NM_FRAME_MAX, MUST, &nm_shown_delivery_shape, "The delivery, content included")
NM_RECORD_DECLARE(whole_letter, NM_WHOLE_LETTER_FIELDS);

//  In lists.
extern const nm_shape_t nm_shown_letter_shape;

#define NM_REPLAYED_FIELDS(F, R)                                    \
    F(R, 1, id, ID, 0, MUST, NULL, "Of the dead letter")            \
    F(R, 2, notification_id, ID, 0, MUST, NULL, "Its notification") \
    F(R, 3, replayed, BOOL, 0, MUST, NULL, "True: it is being sent again")
NM_RECORD_DECLARE(replayed, NM_REPLAYED_FIELDS);

#define NM_REPLAYED_MANY_FIELDS(F, R)                                                     \
    F(R, 1, matched, UINT, UINT32_MAX, MUST, NULL, "How many the filter names")           \
    F(R, 2, replayed, UINT, UINT32_MAX, MUST, NULL, "How many are sent again")            \
    F(R, 3, more, BOOL, 0, MUST, NULL, "There are more than one ask may take: ask again") \
    NM_MISSING(F, R)
NM_RECORD_DECLARE(replayed_many, NM_REPLAYED_MANY_FIELDS);

//  -- Services, keys, providers

#define NM_SHOWN_SERVICE_FIELDS(F, R)                                                                                 \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id; without dashes the first half of its keys")                               \
    F(R, 2, name, LINE, NM_NAME_MAX, MUST, NULL, "Unique among services")                                             \
    F(R, 3, description, STR, 1024, NIL, NULL, "For people")                                                          \
    F(R, 4, is_active, BOOL, 0, MUST, NULL, "Its keys work")                                                          \
    F(R, 5, limits, RECORD, 512, NIL, &nm_limits_shape, "How much it may ask")                                        \
    F(R, 6, recipient_limits, RECORD, 512, NIL, &nm_recipient_limits_shape, "How much a recipient gets")              \
    F(R, 7, retention_days, UINT, 3650, NIL, NULL, "How long ended notifications are kept; null: as the mesh has it") \
    F(R, 8, accept, UINT, 2, MUST, NULL, "On how many disks before the 202")                                          \
    F(R, 9, accept_alone, BOOL, 0, MUST, NULL, "Rather on one disk than not at all")                                  \
    F(R, 10, created_at, TIME, 0, MUST, NULL, "When it was made")                                                     \
    F(R, 11, updated_at, TIME, 0, MUST, NULL, "When it was changed last")                                             \
    F(R, 12, defaults, RECORD, 4096, NIL, &nm_defaults_shape, "What holds where a notification does not say")
NM_RECORD_DECLARE(shown_service, NM_SHOWN_SERVICE_FIELDS);

#define NM_NEW_KEY_FIELDS(F, R)                                                  \
    F(R, 1, key_id, ID, 0, MUST, NULL, "Its id")                                 \
    F(R, 2, key, LINE, 128, MUST, NULL, "The key itself: it is shown this once") \
    F(R, 3, name, LINE, NM_NAME_MAX, MUST, NULL, "For people")                   \
    F(R, 4, scopes, LINES, 16, MUST, &nm_scope_words, "What it may do")          \
    F(R, 5, created_at, TIME, 0, MUST, NULL, "When it was made")                 \
    F(R, 6, expires_at, TIME, 0, NIL, NULL, "When it stops working")
NM_RECORD_DECLARE(new_key, NM_NEW_KEY_FIELDS);

#define NM_SHOWN_KEY_FIELDS(F, R)                                                                          \
    F(R, 1, key_id, ID, 0, MUST, NULL, "Its id")                                                           \
    F(R, 2, name, LINE, NM_NAME_MAX, MUST, NULL, "For people")                                             \
    F(R, 3, scopes, LINES, 16, MUST, &nm_scope_words, "What it may do")                                    \
    F(R, 4, created_at, TIME, 0, MUST, NULL, "When it was made")                                           \
    F(R, 5, last_used_at, TIME, 0, NIL, NULL, "When it was used last, about; gateways tell once a minute") \
    F(R, 6, expires_at, TIME, 0, NIL, NULL, "When it stops working")
NM_RECORD_DECLARE(shown_key, NM_SHOWN_KEY_FIELDS);

#define NM_SHOWN_USER_FIELDS(F, R)                                                           \
    F(R, 1, id, ID, 0, MUST, NULL, "Its id")                                                 \
    F(R, 2, service_id, ID, 0, MUST, NULL, "Of which service")                               \
    F(R, 3, external_id, LINE, NM_CODE_MAX, NIL, NULL, "What the service calls it")          \
    F(R, 4, name, LINE, 256, NIL, NULL, "For people")                                        \
    F(R, 5, email, LINE, NM_ADDRESS_MAX, NIL, NULL, "As given; unique in its service")       \
    F(R, 6, phone, LINE, 32, NIL, NULL, "E.164 number")                                      \
    F(R, 7, language, LINE, NM_LANGUAGE_MAX, NIL, NULL, "BCP 47 tag")                        \
    F(R, 8, timezone, LINE, NM_TIMEZONE_MAX, NIL, NULL, "IANA name")                         \
    F(R, 9, roles, LINES, 8, MUST, &nm_person_role_words, "What it may do when it signs in") \
    F(R, 10, has_password, BOOL, 0, MUST, NULL, "It can sign in")                            \
    F(R, 11, created_at, TIME, 0, MUST, NULL, "When it was made")                            \
    F(R, 12, updated_at, TIME, 0, MUST, NULL, "When it was changed last")
NM_RECORD_DECLARE(shown_user, NM_SHOWN_USER_FIELDS);

#define NM_SIGNED_IN_FIELDS(F, R)                                                        \
    F(R, 1, access_token, LINE, 1024, MUST, NULL, "A JWT, for the header Authorization") \
    F(R, 2, token_type, LINE, 16, MUST, NULL, "Bearer")                                  \
    F(R, 3, expires_in, UINT, UINT32_MAX, MUST, NULL, "Seconds")
NM_RECORD_DECLARE(signed_in, NM_SIGNED_IN_FIELDS);

#define NM_SHOWN_PROVIDER_FIELDS(F, R)                                                                             \
    F(R, 1, name, LINE, NM_NAME_MAX, MUST, NULL, "Its name")                                                       \
    F(R, 2, kind, LINE, NM_NAME_MAX, MUST, NULL, "Its driver")                                                     \
    F(R, 3, channels, LINES, NM_CHANNEL_COUNT, NIL, &nm_channel_words, "What it sends over; null: all it can")     \
    F(R, 4, is_active, BOOL, 0, MUST, NULL, "It is used")                                                          \
    F(R, 5, priority, UINT, NM_PROVIDER_PRIORITY_MAX, MUST, NULL, "The lowest goes first")                         \
    F(R, 6, config, MAP, NM_PROVIDER_CONFIG_MAX, MUST, NULL, "The driver's settings, without secrets")             \
    F(R, 7, secrets, LINES, UINT32_MAX, MUST, NULL, "Names of the settings that are secret: they are never shown") \
    F(R, 8, services, LINES, NM_PROVIDER_SERVICE_MAX, NIL, NULL, "Only for these services; null: for all")         \
    F(R, 9, created_at, TIME, 0, MUST, NULL, "When it was made")                                                   \
    F(R, 10, updated_at, TIME, 0, MUST, NULL, "When it was changed last")
NM_RECORD_DECLARE(shown_provider, NM_SHOWN_PROVIDER_FIELDS);

//  -- Pages

#define NM_NEXT_CURSOR(F, R) \
    F(R, 2, next_cursor, LINE, NM_CURSOR_MAX, NIL, NULL, "Gives the page after this one; null: there is none")

#define NM_NOTIFICATION_PAGE_FIELDS(F, R)                                              \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_notification_shape, "Newest first") \
    NM_NEXT_CURSOR(F, R)                                                               \
    NM_MISSING(F, R)
NM_RECORD_DECLARE(notification_page, NM_NOTIFICATION_PAGE_FIELDS);

#define NM_LETTER_PAGE_FIELDS(F, R)                                                    \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_shown_letter_shape, "Newest first") \
    NM_NEXT_CURSOR(F, R)                                                               \
    NM_MISSING(F, R)
NM_RECORD_DECLARE(letter_page, NM_LETTER_PAGE_FIELDS);

#define NM_SERVICE_PAGE_FIELDS(F, R)                                                    \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_shown_service_shape, "Newest first") \
    NM_NEXT_CURSOR(F, R)
NM_RECORD_DECLARE(service_page, NM_SERVICE_PAGE_FIELDS);

#define NM_KEY_PAGE_FIELDS(F, R)                                                    \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_shown_key_shape, "Newest first") \
    NM_NEXT_CURSOR(F, R)
NM_RECORD_DECLARE(key_page, NM_KEY_PAGE_FIELDS);

#define NM_USER_PAGE_FIELDS(F, R)                                                    \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_shown_user_shape, "Newest first") \
    NM_NEXT_CURSOR(F, R)
NM_RECORD_DECLARE(user_page, NM_USER_PAGE_FIELDS);

#define NM_PROVIDER_PAGE_FIELDS(F, R)                                                         \
    F(R, 1, items, RECORDS, NM_LIST_MAX, MUST, &nm_shown_provider_shape, "In order of names") \
    NM_NEXT_CURSOR(F, R)
NM_RECORD_DECLARE(provider_page, NM_PROVIDER_PAGE_FIELDS);

//  -- Health

#define NM_HEALTH_FIELDS(F, R) F(R, 1, status, LINE, 16, MUST, NULL, "ok")
NM_RECORD_DECLARE(health, NM_HEALTH_FIELDS);

#define NM_READINESS_FIELDS(F, R)                                                                                   \
    F(R, 1, status, LINE, 16, MUST, NULL, "ok, or why no notification is accepted")                                 \
    F(R, 2, store, LINE, 16, MUST, NULL, "ok or tight")                                                             \
    F(R, 3, backlog, UINT, UINT64_MAX, MUST, NULL, "Notifications that have not ended")                             \
    F(R, 4, roles, MAP, 4096, MUST, NULL, "Of each role how many actors are alive, of how many: {alive, total}")    \
    F(R, 5, oldest_seconds, UINT, UINT64_MAX, MUST, NULL, "Age of the oldest of the backlog that is not scheduled") \
    F(R, 6, store_used_bytes, UINT, UINT64_MAX, MUST, NULL, "What the store uses")                                  \
    F(R, 7, store_quota_bytes, UINT, UINT64_MAX, MUST, NULL, "What it may use")                                     \
    F(R, 8, disk_free_bytes, UINT, UINT64_MAX, MUST, NULL, "Free space on its file system")
NM_RECORD_DECLARE(readiness, NM_READINESS_FIELDS);

#endif
