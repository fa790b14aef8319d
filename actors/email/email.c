#include "actors/email/email.h"

#include "actors/channel/channel.h"
#include "actors/providers/provider.h"

static nm_rc_t
s_open(void **state, const nm_setup_t *setup, nm_error_t *error)
{
    static const nm_channel_kind_t KIND = { .part = "email", .channels = NM_CHANNEL_BIT(NM_CHANNEL_EMAIL) };
    return nm_channel_open(state, setup, &KIND, error);
}

const nm_role_t nm_email_role = {
    .name = "email",
    .id = NM_ROLE_EMAIL,
    .tables = nm_channel_tables,
    .table_count = NM_CHANNEL_TABLE_COUNT,
    .books = nm_channel_books,
    .book_count = NM_CHANNEL_BOOK_COUNT,
    .pace_ms = 2,
    .open = s_open,
    .close = nm_channel_close,
    .load = nm_channel_load,
    .mail = nm_channel_mail,
    .ask = nm_channel_ask,
    .result = nm_channel_result,
    .doubted = nm_channel_doubted,
    .due = nm_channel_due,
    .every_turn = true,
    .committed = nm_channel_committed,
    .room = nm_channel_room,
    .backlog = nm_channel_backlog,
    .figures = nm_channel_figures,
    .status = nm_channel_status,
};
