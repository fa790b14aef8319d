#include "actors/gateway/tables.h"

#include "actors/accounts/services.h"
#include "actors/gateway/lockout.h"

const nm_table_t nm_notes_table = { NM_TABLE_ROLE, true, "notes" };
const nm_table_t nm_contents_table = { NM_TABLE_ROLE + 1, true, "contents" };
const nm_table_t nm_by_service_table = { NM_TABLE_ROLE + 2, false, "by_service" };
const nm_table_t nm_due_table = { NM_TABLE_ROLE + 3, false, "due" };
const nm_table_t nm_journal_table = { NM_TABLE_ROLE + 4, true, "journal" };
const nm_table_t nm_answers_table = { NM_TABLE_ROLE + 5, true, "answers" };
const nm_table_t nm_duplicates_table = { NM_TABLE_ROLE + 6, false, "duplicates" };
const nm_table_t nm_facts_table = { NM_TABLE_ROLE + 7, true, "facts" };
const nm_table_t nm_moved_table = { NM_TABLE_ROLE + 10, false, "moved" };
const nm_table_t nm_copies_table = { NM_TABLE_ROLE + 11, true, "copies" };
const nm_table_t nm_copy_contents_table = { NM_TABLE_ROLE + 12, true, "copy_contents" };
const nm_table_t nm_copy_ends_table = { NM_TABLE_ROLE + 13, false, "copy_ends" };
const nm_table_t nm_awaited_table = { NM_TABLE_ROLE + 14, false, "awaited" };
const nm_table_t nm_recoveries_table = { NM_TABLE_ROLE + 15, false, "recoveries" };
const nm_table_t nm_suspects_table = { NM_TABLE_ROLE + 16, false, "suspects" };
const nm_table_t nm_spent_table = { NM_TABLE_ROLE + 17, false, "spent" };
const nm_table_t nm_received_table = { NM_TABLE_ROLE + 18, false, "received" };
const nm_table_t nm_by_user_table = { NM_TABLE_ROLE + 20, false, "by_user" };
const nm_table_t nm_journal_marks_table = { NM_TABLE_ROLE + 21, false, "journal_marks" };

const nm_table_t *const nm_gateway_tables[NM_GATEWAY_TABLE_COUNT] = {
    &nm_notes_table,    &nm_contents_table,      &nm_by_service_table, &nm_due_table,      &nm_journal_table,
    &nm_answers_table,  &nm_duplicates_table,    &nm_facts_table,      &nm_key_uses_table, &nm_moved_table,
    &nm_copies_table,   &nm_copy_contents_table, &nm_copy_ends_table,  &nm_awaited_table,  &nm_recoveries_table,
    &nm_suspects_table, &nm_spent_table,         &nm_received_table,   &nm_by_user_table,  &nm_journal_marks_table,
    &nm_lockouts_table,
};
