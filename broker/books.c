#include "broker/books.h"

#include <assert.h>

#include "broker/actor_private.h"
#include "broker/book_page.h"
#include "broker/log.h"

enum {
    ASK_MS = 1000,    //  How long an answer is waited for
    PULL_MS = 1000,   //  Between two asks for changes
    SPREAD_MS = 10,   //  ... and more where there are many: an owner gets at most a hundred asks a second
    CHECK_MS = 2000,  //  Between two looks of an owner at those who might own
};

//  What an answer is to, in the first byte of a token; then which copy asked, and the serial of its state.
enum { TOKEN_CHANGES = 1, TOKEN_NEWS = 2 };

static uint64_t
s_token(const nm_actor_t *actor, unsigned kind, const nm_book_copy_t *copy)
{
    return (uint64_t) kind << 56 | (uint64_t) (copy - actor->books) << 32 | copy->serial;
}

static const char *
s_own_name(const nm_actor_t *actor)
{
    return actor->setup.self->name;
}

static nm_book_title_t
s_title(const nm_actor_t *actor, const nm_book_copy_t *copy)
{
    return nm_book_title(&copy->head, s_own_name(actor), nm_store_id(actor->store), nm_store_epoch(actor->store));
}

const char *
nm_books_owner(const nm_book_copy_t *copy)
{
    const char *owner = nm_book_owner(&copy->head);
    return owner ? owner : copy->founder;
}

nm_book_copy_t *
nm_books_find(nm_actor_t *actor, nm_bytes_t book)
{
    for (size_t i = 0; i < actor->role->book_count; i++)
        if (nm_bytes_is(book, actor->books[i].use->name))
            return &actor->books[i];
    return NULL;
}

nm_rc_t
nm_books_changed(nm_actor_t *actor, const nm_book_copy_t *copy, nm_bytes_t key)
{
    return copy->use->changed ? copy->use->changed(actor->state, &actor->turn, key) : NM_OK;
}

//  -- Others

//  The n-th other actor of one of these roles; NULL past the end.
static const nm_peer_t *
s_other(const nm_actor_t *actor, uint32_t roles, size_t n)
{
    for (size_t i = 0; i < actor->peer_count; i++) {
        const nm_mesh_actor_t *peer = &actor->peers[i]->actor;
        if (nm_roles_has(roles, peer->role) && strcmp(peer->name, s_own_name(actor)) != 0 && n-- == 0)
            return actor->peers[i];
    }
    return NULL;
}

static size_t
s_count_others(const nm_actor_t *actor, uint32_t roles)
{
    size_t count = 0;
    while (s_other(actor, roles, count))
        count++;
    return count;
}

static void
s_ask(nm_actor_t *actor, const nm_book_copy_t *copy, const char *peer, unsigned kind)
{
    const nm_stage_t *stage = &copy->stage;
    nm_buf_t body = { 0 };
    nm_book_question_t question = { .book = copy->use->name, .head = &copy->head };
    if (kind == TOKEN_CHANGES && stage->open && stage->full) {
        question.head = &stage->head;
    } else if (kind == TOKEN_CHANGES && stage->open) {
        question.whole = true;
        question.from = nm_stage_last(stage);
    }
    nm_book_pack_question(&question, &body);
    nm_ask_out_t ask = { .op = kind == TOKEN_NEWS ? "book.news" : "book.changes",
                         .body = nm_buf_bytes(&body),
                         .timeout_ms = ASK_MS,
                         .token = s_token(actor, kind, copy) };
    nm_desk_ask(actor, nm_directory_find(actor->setup.directory, peer), &ask, NM_ASKER_BOOK);
    nm_buf_free(&body);
}

//  Says where the copy stands to all of these roles; returns to how many.
static size_t
s_tell(nm_actor_t *actor, const nm_book_copy_t *copy, uint32_t roles)
{
    size_t count = 0;
    for (const nm_peer_t *peer; (peer = s_other(actor, roles, count)); count++)
        s_ask(actor, copy, peer->actor.name, TOKEN_NEWS);
    return count;
}

//  -- States

static void
s_enter(nm_actor_t *actor, nm_book_copy_t *copy, nm_book_state_t state)
{
    copy->state = state;
    copy->serial++;
    copy->awaited = 0;
    copy->asking = copy->owner_away = false;
    copy->source[0] = 0;
    copy->ask_at_ms = actor->turn.now.mono_ms;
    nm_stage_close(&copy->stage);
}

static nm_rc_t
s_save(nm_actor_t *actor, const nm_book_copy_t *copy)
{
    return nm_book_save(actor->turn.txn, copy->use->name, &copy->head);
}

nm_rc_t
nm_books_begin(nm_actor_t *actor, nm_book_copy_t *copy)
{
    nm_book_begin(&copy->head, s_own_name(actor), nm_store_id(actor->store), nm_store_epoch(actor->store));
    s_enter(actor, copy, NM_BOOK_OWNING);
    copy->news = true;
    nm_log(NM_LOG_INFO, "book_begun", "Round %u of the book %s is this actor's, from change %llu on.",
           nm_book_term(&copy->head)->round, copy->use->name, (unsigned long long) copy->head.number + 1);
    return s_save(actor, copy);
}

//  Nobody who answered is ahead: what is mine is mine.
static nm_rc_t
s_settle(nm_actor_t *actor, nm_book_copy_t *copy)
{
    bool caught = copy->state == NM_BOOK_CATCHING;
    switch (s_title(actor, copy)) {
    case NM_BOOK_NOBODYS:
        if (strcmp(copy->founder, s_own_name(actor)) == 0)
            return nm_books_begin(actor, copy);
        break;
    case NM_BOOK_AGAIN: return nm_books_begin(actor, copy);
    case NM_BOOK_MINE:
        if (caught) {
            nm_log(NM_LOG_WARNING, "book_recovered", "This actor had lost changes of the book %s that others had.",
                   copy->use->name);
            return nm_books_begin(actor, copy);
        }
        s_enter(actor, copy, NM_BOOK_OWNING);
        return NM_OK;
    case NM_BOOK_OTHERS: break;
    }
    s_enter(actor, copy, NM_BOOK_FOLLOWING);
    return NM_OK;
}

static nm_rc_t
s_look(nm_actor_t *actor, nm_book_copy_t *copy)
{
    s_enter(actor, copy, NM_BOOK_LOOKING);
    copy->best = copy->head;
    copy->awaited = s_tell(actor, copy, copy->rule->holders);
    return copy->awaited ? NM_OK : s_settle(actor, copy);
}

static bool
s_would_own(const nm_actor_t *actor, const nm_book_copy_t *copy)
{
    nm_book_title_t title = s_title(actor, copy);
    return title == NM_BOOK_MINE || title == NM_BOOK_AGAIN ||
           (title == NM_BOOK_NOBODYS && strcmp(copy->founder, s_own_name(actor)) == 0);
}

//  What was heard or taken in may have changed whose the book is. place is mine beside whoever was heard: an owner that
//  is behind in its own term has begun anew, with an empty disk, what others still have.
static nm_rc_t
s_review(nm_actor_t *actor, nm_book_copy_t *copy, nm_book_place_t place)
{
    bool owns = copy->state == NM_BOOK_OWNING;
    if (copy->state == NM_BOOK_LOOKING || copy->state == NM_BOOK_CATCHING)
        return NM_OK;
    if (owns && s_title(actor, copy) == NM_BOOK_MINE)
        return place == NM_BOOK_BEHIND ? s_look(actor, copy) : NM_OK;
    if (owns)
        nm_log(NM_LOG_WARNING, "book_passed_on", "The book %s is %s's now; this actor follows.", copy->use->name,
               nm_books_owner(copy));
    if (s_would_own(actor, copy))
        return s_look(actor, copy);
    if (owns)
        s_enter(actor, copy, NM_BOOK_FOLLOWING);
    return NM_OK;
}

//  Takes note of where another copy stands, and of the terms it has heard of. The place is mine.
static nm_rc_t
s_note(nm_actor_t *actor, nm_book_copy_t *copy, const char *peer, const nm_book_head_t *theirs, nm_book_place_t *place)
{
    const nm_term_t *term = nm_book_term(theirs);
    *place = nm_book_compare(&copy->head, theirs).place;
    bool heard = *place == NM_BOOK_BEHIND && nm_book_hear(&copy->head, term);
    if (theirs->heard.round)
        heard |= nm_book_hear(&copy->head, &theirs->heard);
    if (*place == NM_BOOK_AT_ODDS && strcmp(copy->at_odds, peer) != 0) {
        nm_bytes_to_text(nm_text(peer), copy->at_odds, sizeof copy->at_odds);
        nm_log(
            NM_LOG_CRITICAL, "book_at_odds",
            "The book %s was begun twice: %s has another one, by %s, than this actor. Neither goes on from the other "
            "until an operator says whose it is: nctl book promote %s ACTOR.",
            copy->use->name, peer, term->owner, copy->use->name);
    } else if (*place != NM_BOOK_AT_ODDS && strcmp(copy->at_odds, peer) == 0) {
        copy->at_odds[0] = 0;
    }
    return heard ? s_save(actor, copy) : NM_OK;
}

//  A follower has more of the owner's own term than the owner: its store went back in time.
static void
s_stop_if_rolled(nm_actor_t *actor, const nm_book_copy_t *copy, const char *peer, const nm_book_head_t *theirs)
{
    const nm_term_t *mine = nm_book_term(&copy->head), *term = nm_book_term(theirs);
    if (copy->state != NM_BOOK_OWNING || !mine || !term || !nm_term_same(mine, term))
        return;
    nm_log(NM_LOG_CRITICAL, "book_rolled_back",
           "%s has change %llu of the book %s, which this actor made and does not have: its store went back in time. "
           "Restore it with nctl restore.",
           peer, (unsigned long long) theirs->number, copy->use->name);
    actor->exit_code = NM_ACTOR_EXIT_ROLLED;
}

//  Somebody is ahead: ask it for changes, now.
static void
s_turn_to(nm_actor_t *actor, nm_book_copy_t *copy, const char *peer)
{
    nm_bytes_to_text(nm_text(peer), copy->source, sizeof copy->source);
    copy->ask_at_ms = actor->turn.now.mono_ms;
}

//  -- Asks in

static nm_rc_t
s_take_news(nm_actor_t *actor, nm_book_copy_t *copy, const nm_ask_in_t *ask, const nm_book_head_t *theirs)
{
    nm_book_place_t place;
    nm_rc_t rc = s_note(actor, copy, ask->peer, theirs, &place);
    if (rc == NM_OK && place == NM_BOOK_BEHIND)
        s_stop_if_rolled(actor, copy, ask->peer, theirs);
    if (rc == NM_OK)
        rc = s_review(actor, copy, place);
    if (rc == NM_OK && place == NM_BOOK_BEHIND && copy->state == NM_BOOK_FOLLOWING)
        s_turn_to(actor, copy, ask->peer);
    return rc;
}

//  book.changes and book.news.
static nm_rc_t
s_take_question(nm_actor_t *actor, const nm_ask_in_t *ask)
{
    nm_book_ask_t question;
    nm_book_head_t theirs;
    if (nm_book_read_ask(ask->body, &question, &theirs) != NM_OK)
        return nm_books_refuse(actor, ask, 400, "This is not where a copy of a book can stand.");
    nm_book_copy_t *copy = nm_books_find(actor, question.book);
    if (!copy || !nm_roles_has(copy->rule->holders, ask->role))
        return nm_books_refuse(actor, ask, 403, "The two do not share this book.");
    if (strcmp(ask->peer, nm_books_owner(copy)) == 0) {
        copy->owner_away = false;
        copy->heard_ms = actor->turn.now.mono_ms;
    }
    nm_rc_t rc = s_take_news(actor, copy, ask, &theirs);
    nm_buf_t body = { 0 };
    if (rc == NM_OK && nm_bytes_is(ask->op, "book.news"))
        nm_book_pack_place(&copy->head, &body);
    else if (rc == NM_OK)
        rc = nm_book_pack_page(actor->turn.txn, copy->use->name, &copy->head, &theirs, &question, &body);
    if (rc == NM_OK)
        nm_turn_reply(&actor->turn, &ask->caller, 200, nm_bytes(NULL, 0), nm_buf_bytes(&body));
    nm_buf_free(&body);
    return rc;
}

bool
nm_books_ask(nm_actor_t *actor, const nm_ask_in_t *ask, nm_rc_t *rc)
{
    if (nm_bytes_is(ask->op, "book.changes") || nm_bytes_is(ask->op, "book.news"))
        *rc = s_take_question(actor, ask);
    else if (nm_bytes_is(ask->op, "book.promote") || nm_bytes_is(ask->op, "book.aside"))
        *rc = nm_books_take_order(actor, ask);
    else
        return false;
    return true;
}

//  -- Answers

//  Calls the role for a change.
typedef struct {
    nm_actor_t *actor;
    const nm_book_copy_t *copy;
} s_follow_t;

static nm_rc_t
s_changed(void *arg, nm_bytes_t key)
{
    const s_follow_t *follow = arg;
    return nm_books_changed(follow->actor, follow->copy, key);
}

static nm_rc_t
s_take_stage(nm_actor_t *actor, nm_book_copy_t *copy)
{
    size_t aside = 0;
    s_follow_t follow = { actor, copy };
    uint64_t common = nm_book_compare(&copy->head, &copy->stage.head).common;
    nm_rc_t rc =
        nm_stage_apply(&copy->stage, actor->turn.txn, copy->use->name, &copy->head, common, s_changed, &follow, &aside);
    nm_stage_close(&copy->stage);
    copy->aside_count += aside;
    if (rc == NM_OK)
        nm_log(NM_LOG_INFO, "book_copied", "The whole book %s was copied from %s: %u entries, up to change %llu.",
               copy->use->name, copy->asked, copy->head.entry_count, (unsigned long long) copy->head.number);
    return rc;
}

//  An answer with items, being taken in.
typedef struct {
    nm_book_reply_t reply;
    nm_book_head_t theirs;
} s_page_t;

//  Adds the page to the stage, and takes the stage over when that was the last.
static nm_rc_t
s_stage_page(nm_actor_t *actor, nm_book_copy_t *copy, const s_page_t *page)
{
    nm_list_t list;
    nm_bytes_t raw;
    nm_stage_t *stage = &copy->stage;
    bool first = !stage->open || (page->reply.whole && stage->full);
    if (first)
        nm_stage_open(stage, &page->theirs);
    nm_rc_t rc = nm_list_open(&list, page->reply.items);
    while (rc == NM_OK && nm_list_next(&list, &raw) == NM_OK) {
        nm_book_item_t item;
        rc = nm_record_decode(&nm_book_item_shape, &item, raw, NULL, "");
        bool gone = !NM_HAS(&item, book_item, value);
        if (rc == NM_OK)
            rc = nm_stage_add(stage, &(nm_book_change_t){ item.key, item.value, gone });
    }
    if (rc != NM_OK)
        return rc;
    if (page->reply.more)
        return NM_OK;
    bool done = stage->full || (first && stage->head.number == page->theirs.number);
    stage->full = true;
    if (!done)
        return NM_OK;
    memcpy(stage->head.terms, page->theirs.terms, sizeof stage->head.terms);
    stage->head.term_count = page->theirs.term_count;
    return s_take_stage(actor, copy);
}

static nm_rc_t
s_take_changes(nm_actor_t *actor, nm_book_copy_t *copy, const s_page_t *page)
{
    nm_list_t list;
    nm_bytes_t raw;
    const char *book = copy->use->name;
    if (nm_book_compare(&copy->head, &page->theirs).common != copy->head.number)
        return NM_ERR_MALFORMED;  //  Changes that do not follow mine
    nm_rc_t rc = nm_list_open(&list, page->reply.items);
    if (rc == NM_OK && list.count > page->theirs.number - copy->head.number)
        return NM_ERR_MALFORMED;
    while (rc == NM_OK && nm_list_next(&list, &raw) == NM_OK) {
        nm_book_item_t item;
        rc = nm_record_decode(&nm_book_item_shape, &item, raw, NULL, "");
        if (rc != NM_OK)
            return NM_ERR_MALFORMED;
        nm_book_change_t change = { item.key, item.value, !NM_HAS(&item, book_item, value) };
        rc = nm_book_apply(actor->turn.txn, book, &copy->head, &change);
        if (rc == NM_OK)
            rc = nm_books_changed(actor, copy, change.key);
    }
    if (rc != NM_OK)
        return rc;
    nm_book_adopt(&copy->head, &page->theirs);
    return s_save(actor, copy);
}

//  The answer did not come, or is none: somebody else is asked next.
static nm_rc_t
s_go_on(nm_actor_t *actor, nm_book_copy_t *copy)
{
    nm_stage_close(&copy->stage);
    copy->source[0] = 0;
    if (copy->state == NM_BOOK_CATCHING)
        return s_look(actor, copy);
    if (strcmp(copy->asked, nm_books_owner(copy)) != 0)
        return NM_OK;  //  The owner again: it may be back
    if (copy->heard_ms > copy->asked_ms) {
        copy->ask_at_ms = actor->turn.now.mono_ms;
        return NM_OK;  //  It has started since
    }
    copy->owner_away = true;
    const nm_peer_t *peer = s_other(actor, copy->rule->holders, copy->turn++);
    if (peer)
        nm_bytes_to_text(nm_text(peer->actor.name), copy->source, sizeof copy->source);
    else
        copy->turn = 0;
    return NM_OK;
}

//  Everything of the other copy is here, or it has nothing for us.
static nm_rc_t
s_level(nm_actor_t *actor, nm_book_copy_t *copy)
{
    copy->source[0] = 0;
    return copy->state == NM_BOOK_CATCHING ? s_settle(actor, copy) : s_review(actor, copy, NM_BOOK_LEVEL);
}

static nm_rc_t
s_take_page(nm_actor_t *actor, nm_book_copy_t *copy, const s_page_t *page)
{
    nm_book_place_t place;
    nm_rc_t rc = s_note(actor, copy, copy->asked, &page->theirs, &place);
    if (rc != NM_OK)
        return rc;
    if (place != NM_BOOK_BEHIND || !NM_HAS(&page->reply, book_reply, items))
        return s_level(actor, copy);
    bool stages = page->reply.whole || copy->stage.open;
    rc = stages ? s_stage_page(actor, copy, page) : s_take_changes(actor, copy, page);
    if (rc == NM_ERR_MALFORMED)
        return s_go_on(actor, copy);
    if (rc != NM_OK)
        return rc;
    if (copy->stage.open || nm_book_compare(&copy->head, &page->theirs).place == NM_BOOK_BEHIND) {
        s_turn_to(actor, copy, copy->asked);  //  There is more
        return NM_OK;
    }
    return s_level(actor, copy);
}

static nm_rc_t
s_take_changes_reply(nm_actor_t *actor, nm_book_copy_t *copy, const nm_reply_in_t *reply)
{
    s_page_t *page = nm_txn_alloc(actor->turn.txn, sizeof *page);
    copy->asking = false;
    if (reply->status != 200 || nm_book_read_reply(reply->body, &page->reply, &page->theirs) != NM_OK)
        return s_go_on(actor, copy);
    if (strcmp(copy->asked, nm_books_owner(copy)) == 0)
        copy->owner_away = false;
    return s_take_page(actor, copy, page);
}

//  LOOKING: all have answered, or will not.
static nm_rc_t
s_look_done(nm_actor_t *actor, nm_book_copy_t *copy)
{
    if (!copy->source[0])
        return s_settle(actor, copy);
    copy->state = NM_BOOK_CATCHING;
    copy->ask_at_ms = actor->turn.now.mono_ms;
    return NM_OK;
}

static nm_rc_t
s_take_place_reply(nm_actor_t *actor, nm_book_copy_t *copy, const nm_reply_in_t *reply)
{
    nm_book_reply_t record;
    nm_book_head_t theirs;
    nm_book_place_t place = NM_BOOK_LEVEL;
    nm_rc_t rc = NM_OK;
    bool looks = copy->state == NM_BOOK_LOOKING;
    if (reply->status == 200 && nm_book_read_reply(reply->body, &record, &theirs) == NM_OK)
        rc = s_note(actor, copy, reply->peer, &theirs, &place);
    if (rc != NM_OK)
        return rc;
    if (place == NM_BOOK_BEHIND && looks && nm_book_compare(&copy->best, &theirs).place == NM_BOOK_BEHIND) {
        copy->best = theirs;
        s_turn_to(actor, copy, reply->peer);
    }
    if (looks)
        return --copy->awaited ? NM_OK : s_look_done(actor, copy);
    if (place == NM_BOOK_BEHIND)
        s_stop_if_rolled(actor, copy, reply->peer, &theirs);
    rc = s_review(actor, copy, place);
    if (rc == NM_OK && place == NM_BOOK_BEHIND && copy->state == NM_BOOK_FOLLOWING)
        s_turn_to(actor, copy, reply->peer);
    return rc;
}

nm_rc_t
nm_books_reply(nm_actor_t *actor, const nm_reply_in_t *reply)
{
    nm_book_copy_t *copy = &actor->books[reply->token >> 32 & 0xffffff];
    if ((uint32_t) reply->token != copy->serial)
        return NM_OK;  //  To an ask of an earlier state
    return reply->token >> 56 == TOKEN_CHANGES ? s_take_changes_reply(actor, copy, reply)
                                               : s_take_place_reply(actor, copy, reply);
}

//  -- Time

static int64_t
s_pause_ms(const nm_actor_t *actor, const nm_book_copy_t *copy)
{
    if (copy->state == NM_BOOK_OWNING)
        return CHECK_MS;
    int64_t spread_ms = (int64_t) (s_count_others(actor, copy->rule->holders) * SPREAD_MS);
    return spread_ms > PULL_MS ? spread_ms : PULL_MS;
}

static void
s_ask_for_changes(nm_actor_t *actor, nm_book_copy_t *copy)
{
    const char *peer = copy->source[0] ? copy->source : nm_books_owner(copy);
    if (!*peer || strcmp(peer, s_own_name(actor)) == 0)
        return;
    nm_bytes_to_text(nm_text(peer), copy->asked, sizeof copy->asked);
    copy->asking = true;
    copy->asked_ms = actor->turn.now.mono_ms;
    s_ask(actor, copy, copy->asked, TOKEN_CHANGES);
}

static void
s_ask_due(nm_actor_t *actor)
{
    int64_t now_ms = actor->turn.now.mono_ms;
    for (size_t i = 0; i < actor->role->book_count; i++) {
        nm_book_copy_t *copy = &actor->books[i];
        if (copy->asking || copy->state == NM_BOOK_LOOKING || now_ms < copy->ask_at_ms)
            continue;
        copy->ask_at_ms = now_ms + s_pause_ms(actor, copy);
        if (copy->state == NM_BOOK_OWNING)
            s_tell(actor, copy, copy->rule->owners);
        else
            s_ask_for_changes(actor, copy);
    }
}

void
nm_books_finish(nm_actor_t *actor)
{
    s_ask_due(actor);
    for (size_t i = 0; i < actor->role->book_count; i++) {
        nm_book_copy_t *copy = &actor->books[i];
        if (copy->news)
            s_tell(actor, copy, copy->rule->holders);
        copy->news = false;
    }
}

int64_t
nm_books_wake(const nm_actor_t *actor)
{
    int64_t wake_ms = INT64_MAX;
    for (size_t i = 0; i < actor->role->book_count; i++) {
        const nm_book_copy_t *copy = &actor->books[i];
        if (!copy->asking && copy->state != NM_BOOK_LOOKING && copy->ask_at_ms < wake_ms)
            wake_ms = copy->ask_at_ms;
    }
    return wake_ms;
}

//  -- Life

//  Who begins the book: as the mesh file says, else its first actor that may.
static nm_rc_t
s_read_founder(const nm_actor_t *actor, nm_book_copy_t *copy, nm_error_t *error)
{
    const nm_mesh_t *mesh = actor->setup.mesh;
    const nm_zpl_t *part = nm_mesh_part(mesh, "books");
    const char *name = NULL;
    nm_rc_t rc = nm_zpl_text(part, copy->use->name, NULL, &name, error);
    if (rc != NM_OK)
        return rc;
    for (size_t i = 0; !name && i < mesh->actor_count; i++)
        if (nm_roles_has(copy->rule->owners, mesh->actors[i].role))
            name = mesh->actors[i].name;
    if (!name)
        return NM_OK;
    const nm_mesh_actor_t *founder = nm_mesh_find(mesh, name);
    if (!founder || !nm_roles_has(copy->rule->owners, founder->role))
        return nm_zpl_fail(nm_zpl_find(part, copy->use->name), error, "\"%.63s\" is no actor that can own the book",
                           name);
    nm_bytes_to_text(nm_text(name), copy->founder, sizeof copy->founder);
    return NM_OK;
}

nm_rc_t
nm_books_open(nm_actor_t *actor, nm_error_t *error)
{
    const nm_zpl_t *part = nm_mesh_part(actor->setup.mesh, "books");
    nm_rc_t rc = NM_OK;
    actor->books = nm_alloc(actor->role->book_count * sizeof *actor->books);
    for (const nm_zpl_t *node = part ? part->child : NULL; rc == NM_OK && node; node = node->next)
        if (!nm_roles_book(nm_text(node->name)))
            rc = nm_zpl_fail(node, error, "there is no book \"%s\"", node->name);
    for (size_t i = 0; rc == NM_OK && i < actor->role->book_count; i++) {
        nm_book_copy_t *copy = &actor->books[i];
        copy->use = &actor->role->books[i];
        copy->rule = nm_roles_book(nm_text(copy->use->name));
        assert(copy->rule && nm_roles_has(copy->rule->holders, actor->role->id));
        rc = s_read_founder(actor, copy, error);
    }
    return rc;
}

void
nm_books_close(nm_actor_t *actor)
{
    for (size_t i = 0; actor->books && i < actor->role->book_count; i++)
        nm_stage_free(&actor->books[i].stage);
    free(actor->books);
}

static nm_rc_t
s_count_aside(void *arg, const nm_term_t *term, uint64_t number, const nm_book_change_t *change)
{
    (void) term, (void) number, (void) change;
    ++*(uint64_t *) arg;
    return NM_OK;
}

nm_rc_t
nm_books_load(nm_actor_t *actor)
{
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < actor->role->book_count; i++) {
        nm_book_copy_t *copy = &actor->books[i];
        rc = nm_book_load(actor->turn.txn, copy->use->name, &copy->head);
        copy->aside_count = 0;
        copy->news = false;
        if (rc == NM_OK)
            rc = nm_book_each_aside(actor->turn.txn, copy->use->name, s_count_aside, &copy->aside_count);
        if (rc != NM_OK)
            break;
        if (copy->state == NM_BOOK_OWNING && s_title(actor, copy) == NM_BOOK_MINE)
            s_enter(actor, copy, NM_BOOK_OWNING);
        else if (s_would_own(actor, copy))
            rc = s_look(actor, copy);
        else
            s_enter(actor, copy, NM_BOOK_FOLLOWING);
    }
    return rc;
}
