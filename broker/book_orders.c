//  book_orders - what operators ask about books, and what is shown of them.

#include "broker/actor_private.h"
#include "wire/writer.h"

nm_rc_t
nm_books_refuse(nm_actor_t *actor, const nm_ask_in_t *ask, unsigned status, const char *detail)
{
    nm_turn_problem(&actor->turn, &ask->caller, status, nm_bytes(NULL, 0), NULL, "%s", detail);
    return NM_OK;
}

static uint32_t
s_round(const nm_book_copy_t *copy)
{
    const nm_term_t *term = nm_book_term(&copy->head);
    uint32_t round = term ? term->round : 0;
    return round > copy->head.heard.round ? round : copy->head.heard.round;
}

static void
s_write_copy(const nm_actor_t *actor, const nm_book_copy_t *copy, nm_buf_t *out)
{
    static const char *const STATES[] = { "looking", "catching up", "owner", "follower" };
    nm_writer_map(out, 10);
    nm_writer_pair_text(out, "book", copy->use->name);
    nm_writer_pair_text(out, "actor", actor->setup.self->name);
    nm_writer_pair_text(out, "state", STATES[copy->state]);
    nm_writer_pair_text(out, "owner", nm_books_owner(copy));
    nm_writer_pair_bool(out, "owner_away", copy->owner_away);
    nm_writer_pair_uint(out, "round", s_round(copy));
    nm_writer_pair_uint(out, "number", copy->head.number);
    nm_writer_pair_uint(out, "entries", copy->head.entry_count);
    nm_writer_pair_uint(out, "aside", copy->aside_count);
    nm_writer_pair_text(out, "at_odds", copy->at_odds);
}

static nm_rc_t
s_answer_copy(nm_actor_t *actor, const nm_ask_in_t *ask, const nm_book_copy_t *copy)
{
    nm_buf_t body = { 0 };
    s_write_copy(actor, copy, &body);
    nm_turn_reply(&actor->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
    return NM_OK;
}

#define NM_BOOK_ORDER_FIELDS(F, R)                                                 \
    F(R, 1, book, LINE, NM_BOOK_WORD_MAX, MUST, NULL, "Which book")                \
    F(R, 2, round, UINT, UINT32_MAX, MAY, NULL, "promote: the round that is over") \
    F(R, 3, drop, BOOL, 0, MAY, NULL, "aside: forget what is kept aside")
NM_RECORD_DECLARE(book_order, NM_BOOK_ORDER_FIELDS);
NM_RECORD_DEFINE(book_order, NM_BOOK_ORDER_FIELDS, NULL, 0);

static nm_rc_t
s_promote(nm_actor_t *actor, const nm_ask_in_t *ask, nm_book_copy_t *copy, const nm_book_order_t *order)
{
    char detail[160];
    if (!nm_roles_has(copy->rule->owners, actor->role->id))
        return nm_books_refuse(actor, ask, 409, "An actor of this role cannot own the book.");
    if (!NM_HAS(order, book_order, round))
        return nm_books_refuse(actor, ask, 422, "round is missing: the round that is over.");
    if (copy->state == NM_BOOK_OWNING && order->round <= s_round(copy))
        return s_answer_copy(actor, ask, copy);  //  Asked again, or nothing to do
    if (order->round != s_round(copy)) {
        snprintf(detail, sizeof detail, "Round %llu is not the last one that this actor has heard of: that is %u.",
                 (unsigned long long) order->round, s_round(copy));
        return nm_books_refuse(actor, ask, 409, detail);
    }
    if (!copy->head.heard.round)
        copy->head.heard.round = 1;  //  An order is above every first term, also one that was not heard of
    nm_rc_t rc = nm_books_begin(actor, copy);
    return rc == NM_OK ? s_answer_copy(actor, ask, copy) : rc;
}

typedef struct {
    nm_buf_t *out;
    size_t count;
} s_aside_t;

static nm_rc_t
s_write_aside(void *arg, const nm_term_t *term, uint64_t number, const nm_book_change_t *change)
{
    s_aside_t *aside = arg;
    nm_writer_map(aside->out, 5);
    nm_writer_pair_uint(aside->out, "round", term->round);
    nm_writer_pair_text(aside->out, "owner", term->owner);
    nm_writer_pair_uint(aside->out, "number", number);
    nm_writer_pair_str(aside->out, "key", change->key);
    nm_writer_pair_text(aside->out, "change", change->gone ? "deleted" : "set");
    return ++aside->count < NM_BOOK_ITEM_COUNT ? NM_OK : NM_ERR_MISSING;
}

//  Names what is kept aside; values are secrets and stay.
static nm_rc_t
s_show_aside(nm_actor_t *actor, const nm_ask_in_t *ask, nm_book_copy_t *copy, bool drop)
{
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 1);
    nm_writer_text(&body, "items");
    size_t mark = nm_writer_list_open(&body);
    s_aside_t aside = { .out = &body };
    nm_rc_t rc = nm_book_each_aside(actor->turn.txn, copy->use->name, s_write_aside, &aside);
    nm_writer_list_close(&body, mark, aside.count);
    if (rc == NM_ERR_MISSING)
        rc = NM_OK;
    if (rc == NM_OK && drop) {
        rc = nm_book_drop_aside(actor->turn.txn, copy->use->name);
        copy->aside_count = 0;
    }
    if (rc == NM_OK)
        nm_turn_reply(&actor->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
    return rc;
}

nm_rc_t
nm_books_take_order(nm_actor_t *actor, const nm_ask_in_t *ask)
{
    nm_book_order_t order;
    if (nm_record_decode(&nm_book_order_shape, &order, ask->body, NULL, "") != NM_OK)
        return nm_books_refuse(actor, ask, 422,
                               "book is missing, or something is not known: {book, round} or {book, drop}.");
    nm_book_copy_t *copy = nm_books_find(actor, order.book);
    if (!copy)
        return nm_books_refuse(actor, ask, 404, "This actor has no such book.");
    if (nm_bytes_is(ask->op, "book.promote"))
        return s_promote(actor, ask, copy, &order);
    return s_show_aside(actor, ask, copy, NM_HAS(&order, book_order, drop) && order.drop);
}

void
nm_books_write(const nm_actor_t *actor, nm_buf_t *out)
{
    nm_writer_list(out, actor->role->book_count);
    for (size_t i = 0; i < actor->role->book_count; i++)
        s_write_copy(actor, &actor->books[i], out);
}
