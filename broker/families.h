/*  families - every figure that an actor shows, in one table: name, kind, labels, and what it says.
 *
 *  The names are those that Prometheus sees, and a promise to whoever draws or alerts by them:
 *  deploy/grafana, deploy/prometheus and docs/metrics.md are held to this table by tests. A figure
 *  that is not here cannot be made.
 *
 *  Values are whole numbers everywhere but in the text for Prometheus. decimals says how many of
 *  their digits stand behind the point there: 6 for what is counted in microseconds and shown in seconds.
 *
 *  What a label says is bounded: words of this code, roles, providers and books. Names of services,
 *  recipients and ids are never labels.
 *
 *  To add one: a row here, in the order of the names; nm_metrics_make where it is counted; a line in docs/metrics.md
 *  (nctl metrics --families prints it).
 */
#ifndef NM_FAMILIES_H
#define NM_FAMILIES_H

#include "nm.h"

typedef enum { NM_METRIC_COUNTER, NM_METRIC_GAUGE, NM_METRIC_HISTOGRAM } nm_metric_kind_t;

//  C(id, name, first label, second label, help)                     a counter
//  G(id, name, decimals, first label, second label, help)           a gauge
//  H(id, name, decimals, least, most, first label, second label, help)    a histogram, whose buckets are shown from
//                                                                         2^least to 2^most
#define NM_FAMILIES(C, G, H)                                                                                           \
    H(ACCEPT_SIZE, "nmesh_accept_size_bytes", 0, 8, 23, NULL, NULL, "Size of what asked for a notification")           \
    C(ACCEPTS, "nmesh_accepts_total", NULL, NULL, "Notifications accepted")                                            \
    G(ACTOR_INFO, "nmesh_actor_info", 0, "version", NULL, "Always 1; which version the actor runs")                    \
    G(ACTOR_UP, "nmesh_actor_up", 0, NULL, NULL, "1 if the actor answers, 0 if it is a member and does not")           \
    C(ANSWERS, "nmesh_answers_total", "status", NULL, "Answers of a gateway by status, as in HTTP")                    \
    C(ASKS_ANSWERED, "nmesh_asks_answered_total", "op", "class", "Answers of a gateway by operation and class")        \
    C(ASKS_FAILED, "nmesh_asks_failed_total", "reason", NULL, "Asks of this actor that no actor answered")             \
    C(ASKS_IN, "nmesh_asks_received_total", NULL, NULL, "Asks that came")                                              \
    C(ASKS_OUT, "nmesh_asks_sent_total", NULL, NULL, "Asks to other actors")                                           \
    C(ASKS_UNDONE, "nmesh_asks_undone_total", NULL, NULL, "Asks answered 507 because the turn found no room")          \
    G(ASKS_WAITING, "nmesh_asks_waiting", 0, NULL, NULL, "Asks to other actors that wait for an answer")               \
    C(ATTEMPTS, "nmesh_attempts_total", "provider", "outcome", "Attempts begun (started), and how they ended")         \
    G(BACKLOG, "nmesh_backlog", 0, NULL, NULL, "Unfinished work that the actor holds, scheduled work included")        \
    G(BACKLOG_OLDEST, "nmesh_backlog_oldest_seconds", 3, NULL, NULL,                                                   \
      "Since when the oldest of it waits that is not scheduled")                                                       \
    G(BACKUP_AT, "nmesh_backup_timestamp_seconds", 3, NULL, NULL, "When the last backup was made in this life")        \
    G(BOOK_AWAY, "nmesh_book_owner_away", 0, "book", NULL, "1 if the owner of the book does not answer")               \
    C(BREAKER_OPENED, "nmesh_breaker_opened_total", "provider", NULL, "Times that the breaker opened")                 \
    G(BREAKER, "nmesh_breaker_state", 0, "provider", NULL, "0 closed, 1 half-open, 2 open")                            \
    G(CERT_EXPIRY, "nmesh_certificate_expiry_timestamp_seconds", 3, NULL, NULL, "When the actor's certificate ends")   \
    C(CLIENTS_BLOCKED, "nmesh_clients_blocked_total", NULL, NULL, "Clients shut out for frames that are none")         \
    H(COMMIT, "nmesh_commit_seconds", 6, 6, 22, NULL, NULL, "Time to make a turn durable: write and sync")             \
    G(CREDIT, "nmesh_credit", 0, "peer_role", NULL, "Mail that peers are willing to have on its way to them")          \
    G(LETTERS_DISCARDED, "nmesh_dead_letters_discarded", 0, NULL, NULL, "Dead letters kept that were discarded")       \
    G(LETTERS_OPEN, "nmesh_dead_letters_open", 0, NULL, NULL, "Dead letters that nobody has looked after")             \
    G(LETTERS_REPLAYED, "nmesh_dead_letters_replayed", 0, NULL, NULL, "Dead letters kept that were replayed")          \
    C(DEAD_LETTERS, "nmesh_dead_letters_total", "reason", NULL, "Deliveries given up for good")                        \
    G(LETTERS_WAITING, "nmesh_dead_letters_waiting", 0, NULL, NULL, "Dead letters about to be replayed")               \
    G(DELIVERIES_HELD, "nmesh_deliveries", 0, "state", NULL, "Deliveries that a channel actor holds")                  \
    G(DELIVERIES_OLDEST, "nmesh_deliveries_oldest_seconds", 3, "state", NULL, "Age of the oldest of them")             \
    C(DELIVERIES, "nmesh_deliveries_total", NULL, NULL, "Deliveries that a router mailed to channel actors")           \
    G(DISK_FREE, "nmesh_disk_free_bytes", 0, NULL, NULL, "Free space on the file system of the store")                 \
    G(POLLERS, "nmesh_event_pollers", 0, NULL, NULL, "Clients that wait for events")                                   \
    C(EVENTS, "nmesh_events_total", NULL, NULL, "Events taken in by a gateway")                                        \
    G(FILES_LIMIT, "nmesh_files_limit", 0, NULL, NULL, "Files and sockets that the process may have open")             \
    G(FILES_OPEN, "nmesh_files_open", 0, NULL, NULL, "Files and sockets that it has open")                             \
    C(FINALS, "nmesh_finals_total", "status", NULL, "Notifications that reached a final status")                       \
    C(FRAMES_BAD, "nmesh_frames_malformed_total", NULL, NULL, "Frames that are none")                                  \
    C(FRAMES_REFUSED, "nmesh_frames_refused_total", NULL, NULL, "Frames and asks against the rights of their sender")  \
    C(HANDSHAKES_REFUSED, "nmesh_handshakes_refused_total", "domain", NULL, "Connections refused: no valid key")       \
    G(HTTP_CERT_EXPIRY, "nmesh_http_certificate_expiry_timestamp_seconds", 3, NULL, NULL,                              \
      "When the certificate that HTTP clients are shown ends")                                                         \
    G(HTTP_CONNECTIONS, "nmesh_http_connections", 0, NULL, NULL, "Connections of HTTP clients")                        \
    C(HTTP_CUT, "nmesh_http_connections_cut_total", NULL, NULL, "Connections cut off: too slow, or at fault")          \
    C(HTTP_ACCEPTED, "nmesh_http_connections_total", NULL, NULL, "Connections that came")                              \
    C(HTTP_HEADS_REFUSED, "nmesh_http_heads_refused_total", NULL, NULL, "Requests refused by their head alone")        \
    C(HTTP_REPEATED, "nmesh_http_repeated_total", NULL, NULL, "Requests asked again because a gateway was lost")       \
    H(HTTP_REQUEST, "nmesh_http_request_seconds", 6, 7, 26, NULL, NULL,                                                \
      "From a whole request to its answer, streams not counted")                                                       \
    G(HTTP_OPEN, "nmesh_http_requests_open", 0, NULL, NULL, "Requests that wait for an answer, streams included")      \
    C(HTTP_REQUESTS, "nmesh_http_requests_total", "route", "status", "Requests answered, by path and status")          \
    G(HTTP_STREAMS, "nmesh_http_streams", 0, NULL, NULL, "Streams of events that flow")                                \
    G(HTTP_BEHIND, "nmesh_http_streams_behind", 0, NULL, NULL,                                                         \
      "Streams whose clients have not read all that they were sent")                                                   \
    G(INBOX_PENDING, "nmesh_inbox_pending", 0, "peer_role", NULL, "Mail on offer from peers, not taken in yet")        \
    C(INPUTS, "nmesh_inputs_total", NULL, NULL, "Inputs of turns: frames, asks, replies, results")                     \
    G(LINKS, "nmesh_links", 0, "peer_role", "state", "Links to other actors")                                          \
    G(LOCKED_OUT, "nmesh_locked_out", 0, NULL, NULL,                                                                   \
      "Clients that are locked out for wrong credentials, at this gateway")                                            \
    C(MAIL_CLAIMED, "nmesh_mail_claimed_total", NULL, NULL, "Mail that was claimed before it was taken in")            \
    C(MAIL_DUPLICATE, "nmesh_mail_duplicate_total", NULL, NULL, "Mail that was known already, and receipted again")    \
    C(MAIL_GAPS, "nmesh_mail_gap_total", NULL, NULL, "Gaps met in the numbers of a peer's mail")                       \
    C(MAIL_QUARANTINED, "nmesh_mail_quarantined_total", NULL, NULL, "Mail set aside because nobody could read it")     \
    C(MAIL_IN, "nmesh_mail_received_total", NULL, NULL, "Mail taken in, each once")                                    \
    C(MAIL_AGAIN, "nmesh_mail_resent_total", NULL, NULL, "Mail sent again after a greeting")                           \
    C(MAIL_OUT, "nmesh_mail_sent_total", NULL, NULL, "Mail given a number and sent")                                   \
    C(MAIL_TAKEN_BACK, "nmesh_mail_taken_back_total", NULL, NULL, "Mail taken back from a lost peer")                  \
    C(MAIL_VOID, "nmesh_mail_void_total", NULL, NULL, "Numbers whose mail went elsewhere")                             \
    G(MEMORY, "nmesh_memory_resident_bytes", 0, NULL, NULL, "Resident memory of the process")                          \
    G(NOTIFICATIONS, "nmesh_notifications", 0, "status", NULL, "Notifications kept by a gateway")                      \
    G(OUTBOX_OPEN, "nmesh_outbox_open", 0, "peer_role", NULL, "Mail on its way: sent, no receipt yet")                 \
    G(OUTBOX_STALLED, "nmesh_outbox_stalled_seconds", 3, "peer_role", NULL,                                            \
      "Since when no receipt came for open mail")                                                                      \
    G(OUTBOX_WAITING, "nmesh_outbox_waiting", 0, "peer_role", NULL, "Mail that waits for a peer to have room")         \
    G(OUTBOX_OLDEST, "nmesh_outbox_waiting_oldest_seconds", 3, "peer_role", NULL,                                      \
      "Age of the waiting mail next in line")                                                                          \
    H(PROVIDER_CALL, "nmesh_provider_call_seconds", 6, 9, 27, "provider", NULL,                                        \
      "Calls of providers, from start to end")                                                                         \
    C(RECEIPTS_IN, "nmesh_receipts_received_total", NULL, NULL, "Receipts that came")                                  \
    C(RECEIPTS_OUT, "nmesh_receipts_sent_total", NULL, NULL, "Receipts given")                                         \
    C(REDRIVEN, "nmesh_redriven_total", NULL, NULL, "Notifications sent again because an actor was lost")              \
    C(ROUTED, "nmesh_routed_total", NULL, NULL, "Notifications and replays that a router took in")                     \
    C(ROUTER_REFUSED, "nmesh_router_refused_total", NULL, NULL, "Notifications and deliveries that ended at a router") \
    C(SCRUB_BYTES, "nmesh_scrub_bytes_total", NULL, NULL, "Bytes of the store read to see that it is whole")           \
    C(SCRUB_PASSES, "nmesh_scrub_passes_total", NULL, NULL, "Times that all of the store was read")                    \
    C(SCRUB_RECORDS, "nmesh_scrub_records_total", NULL, NULL, "Values of the store read to see that it is whole")      \
    H(SETTLE, "nmesh_settle_seconds", 6, 6, 24, NULL, NULL, "Time to bring the store's log home")                      \
    H(STAGE, "nmesh_stage_seconds", 6, 7, 29, "stage", NULL,                                                           \
      "accept: from an ask to its 202; route: from there to a router's disk; queue: to a channel actor's disk; wait: " \
      "from ready to the provider's call; final: from acceptance to the final status")                                 \
    G(START, "nmesh_start_timestamp_seconds", 3, NULL, NULL, "When the process started")                               \
    G(STORE_QUOTA, "nmesh_store_quota_bytes", 0, NULL, NULL, "What the store may use; from 80 % on it is tight")       \
    G(STORE_RECORDS, "nmesh_store_records", 0, NULL, NULL, "Values in the store")                                      \
    G(STORE_TIGHT, "nmesh_store_tight", 0, NULL, NULL, "1 if new work is refused for want of room")                    \
    G(STORE_USED, "nmesh_store_used_bytes", 0, NULL, NULL, "What the store uses")                                      \
    H(TURN_INPUTS, "nmesh_turn_inputs", 0, 0, 11, NULL, NULL, "Inputs of a turn that share its commit")                \
    H(TURN, "nmesh_turn_seconds", 6, 6, 24, NULL, NULL, "Length of a turn, commit included")                           \
    C(TURNS, "nmesh_turns_total", NULL, NULL, "Turns taken")                                                           \
    C(UNDONE, "nmesh_turns_undone_total", NULL, NULL, "Turns undone because the store was full")                       \
    C(UNKNOWN_EVENTS, "nmesh_unknown_events_total", NULL, NULL, "Events about notifications that are not here")

#define NM_FAMILY_ID(id, ...) NM_FAMILY_##id,
typedef enum { NM_FAMILIES(NM_FAMILY_ID, NM_FAMILY_ID, NM_FAMILY_ID) NM_FAMILY_COUNT } nm_family_id_t;
#undef NM_FAMILY_ID

enum { NM_FAMILY_LABEL_COUNT = 2 };

typedef struct {
    const char *name;
    nm_metric_kind_t kind;
    uint8_t decimals;
    uint8_t least, most;                        //  Powers of two; of a histogram
    const char *labels[NM_FAMILY_LABEL_COUNT];  //  NULL: it has none, or one only
    const char *help;
} nm_family_t;

extern const nm_family_t nm_families[NM_FAMILY_COUNT];  //  In the order of their names
extern const char *const nm_metric_kind_texts[];

//  NM_FAMILY_COUNT if there is none of that name.
nm_family_id_t nm_families_find(nm_bytes_t name);

#endif
