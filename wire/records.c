#include "wire/records.h"

#define WORDS(variable, text, count, ...)                                        \
    static const char *const s_##variable[] = { __VA_ARGS__ };                   \
    _Static_assert(NM_COUNT(s_##variable) == (count), "a word for each number"); \
    const nm_words_t nm_##variable##_words = { text, s_##variable, count }

WORDS(channel, "channel", NM_CHANNEL_COUNT, "email", "push", "sms", "whatsapp");
WORDS(priority, "priority", NM_PRIORITY_COUNT, "instant", "high", "normal", "low");
WORDS(strategy, "strategy", 2, "first", "all");
WORDS(status, "status", NM_STATUS_COUNT, "scheduled", "pending", "queued", "sending", "retrying", "sent", "delivered",
      "bounced", "failed", "cancelled", "expired", "suppressed");
WORDS(event, "event", NM_EVENT_COUNT, "accepted", "scheduled", "queued", "sending", "retry_scheduled",
      "retry_attempted", "sent", "delivered", "bounced", "failed", "cancelled", "expired", "suppressed", "replayed");
WORDS(outcome, "outcome", NM_OUTCOME_COUNT, "started", "sent", "later", "refused", "uncertain");
WORDS(reason, "reason", NM_REASON_COUNT, "rejected", "retries", "uncertain", "template", "no_provider", "no_recipient",
      "poison");
WORDS(letter_state, "letter_state", NM_LETTER_STATE_COUNT, "open", "replayed", "discarded");

//  What clients of earlier services call these fields.
static const nm_alias_t REQUEST_ALIASES[] = {
    { "type", "channel" },
    { "notification_type", "channel" },
    { "template_code", "template" },
};

NM_RECORD_DEFINE(attachment, NM_ATTACHMENT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(email, NM_EMAIL_FIELDS, NULL, 0);
NM_RECORD_DEFINE(push, NM_PUSH_FIELDS, NULL, 0);
NM_RECORD_DEFINE(recipients, NM_RECIPIENTS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(request, NM_REQUEST_FIELDS, REQUEST_ALIASES, NM_COUNT(REQUEST_ALIASES));
NM_RECORD_DEFINE(all_of_broadcast, NM_BROADCAST_FIELDS, NULL, 0);
NM_RECORD_VARIANT(broadcast, all_of_broadcast, 0,
                  NM_BIT(all_of_broadcast, user_id) | NM_BIT(all_of_broadcast, recipient) |
                      NM_BIT(all_of_broadcast, recipients),
                  REQUEST_ALIASES, NM_COUNT(REQUEST_ALIASES));
NM_RECORD_DEFINE(work, NM_WORK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(attempt, NM_ATTEMPT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(delivery, NM_DELIVERY_FIELDS, NULL, 0);
NM_RECORD_VARIANT(shown_delivery, delivery, 0,
                  NM_BIT(delivery, order) | NM_BIT(delivery, earlier) | NM_BIT(delivery, tries) |
                      NM_BIT(delivery, attempts) | NM_BIT(delivery, due_at) | NM_BIT(delivery, doubtful),
                  NULL, 0);
NM_RECORD_DEFINE(event, NM_EVENT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(dead_letter, NM_DEAD_LETTER_FIELDS, NULL, 0);
NM_RECORD_DEFINE(replay, NM_REPLAY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(copy, NM_COPY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(book_term, NM_BOOK_TERM_FIELDS, NULL, 0);
NM_RECORD_DEFINE(book_ask, NM_BOOK_ASK_FIELDS, NULL, 0);
NM_RECORD_DEFINE(book_item, NM_BOOK_ITEM_FIELDS, NULL, 0);
NM_RECORD_DEFINE(book_reply, NM_BOOK_REPLY_FIELDS, NULL, 0);
