#include "wire/answers.h"

NM_RECORD_DEFINE(shown_fault, NM_SHOWN_FAULT_FIELDS, NULL, 0);

// clang-format off
static const nm_field_t s_problem_fields[] = {
    NM_PROBLEM_FIELDS(NM_ROW_FIELD, problem)
    { "violated-policies", 8, NM_FIELD_LINES, NM_NEED_MAY, 8, offsetof(nm_problem_t, violated_policies), NULL,
      "With 429: which limits were reached" },
};
// clang-format on
const nm_shape_t nm_problem_shape = {
    "problem", s_problem_fields, NM_COUNT(s_problem_fields), sizeof(nm_problem_t), NULL, 0
};

NM_RECORD_DEFINE(shown_links, NM_LINKS_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_accepted, NM_SHOWN_ACCEPTED_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_accepted_legacy, NM_SHOWN_ACCEPTED_LEGACY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(batch_taken, NM_BATCH_TAKEN_FIELDS, NULL, 0);
NM_RECORD_DEFINE(batch_refused, NM_BATCH_REFUSED_FIELDS, NULL, 0);
NM_RECORD_CHOICE(batch_item, batch_taken, batch_refused);
NM_RECORD_DEFINE(batch_result, NM_BATCH_RESULT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(broadcast_taken, NM_BROADCAST_TAKEN_FIELDS, NULL, 0);
NM_RECORD_DEFINE(broadcast_refused, NM_BROADCAST_REFUSED_FIELDS, NULL, 0);
NM_RECORD_CHOICE(broadcast_item, broadcast_taken, broadcast_refused);
NM_RECORD_DEFINE(broadcast_result, NM_BROADCAST_RESULT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_attempt, NM_SHOWN_ATTEMPT_FIELDS, NULL, 0);
NM_RECORD_DEFINE(timeline_step, NM_TIMELINE_STEP_FIELDS, NULL, 0);
NM_RECORD_DEFINE(notification, NM_NOTIFICATION_FIELDS, NULL, 0);
NM_RECORD_DEFINE(event_data, NM_EVENT_DATA_FIELDS, NULL, 0);
NM_RECORD_DEFINE(whole_letter, NM_WHOLE_LETTER_FIELDS, NULL, 0);
NM_RECORD_VARIANT(shown_letter, whole_letter, 0, NM_BIT(whole_letter, attempts) | NM_BIT(whole_letter, delivery), NULL,
                  0);
NM_RECORD_DEFINE(replayed, NM_REPLAYED_FIELDS, NULL, 0);
NM_RECORD_DEFINE(replayed_many, NM_REPLAYED_MANY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_service, NM_SHOWN_SERVICE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(new_key, NM_NEW_KEY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_key, NM_SHOWN_KEY_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_user, NM_SHOWN_USER_FIELDS, NULL, 0);
NM_RECORD_DEFINE(signed_in, NM_SIGNED_IN_FIELDS, NULL, 0);
NM_RECORD_DEFINE(shown_provider, NM_SHOWN_PROVIDER_FIELDS, NULL, 0);
NM_RECORD_DEFINE(notification_page, NM_NOTIFICATION_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(letter_page, NM_LETTER_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(service_page, NM_SERVICE_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(key_page, NM_KEY_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(user_page, NM_USER_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(provider_page, NM_PROVIDER_PAGE_FIELDS, NULL, 0);
NM_RECORD_DEFINE(health, NM_HEALTH_FIELDS, NULL, 0);
NM_RECORD_DEFINE(readiness, NM_READINESS_FIELDS, NULL, 0);
