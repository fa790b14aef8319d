#include "actors/bridge/scrape.h"

#include "actors/bridge/pages.h"
#include "actors/bridge/state.h"

enum { ASK_MS = 2000 };

//  The page itself, of which there is one; its asks are told apart by numbers, 0 being the survey.
static uint64_t
s_token(uint64_t number)
{
    return nm_pages_token(nm_pages_find(nm_api_find(nm_text("metrics"))), number);
}

//  -- Answers

static void
s_answer(nm_bridge_t *bridge, nm_turn_t *turn, nm_scraper_t *scraper, nm_front_answer_t *answer)
{
    nm_bridge_count(bridge, scraper->request->api, answer->status);
    scraper->done = true;
    nm_turn_answer(turn, answer);
}

static void
s_refuse(nm_bridge_t *bridge, nm_turn_t *turn, nm_scraper_t *scraper, const char *detail)
{
    nm_front_answer_t answer;
    nm_refusal_t refusal = { .status = 503 };
    nm_bytes_to_text(nm_text(detail), refusal.detail, sizeof refusal.detail);
    nm_answers_problem(scraper->request, &refusal, NULL, &answer);
    s_answer(bridge, turn, scraper, &answer);
}

static void
s_show(nm_bridge_t *bridge, nm_turn_t *turn, nm_scraper_t *scraper)
{
    nm_front_answer_t answer;
    nm_answers_page(scraper->request, 200, NM_EXPOSITION_TYPE, nm_buf_bytes(&bridge->scrape.text), &answer);
    s_answer(bridge, turn, scraper, &answer);
}

//  -- The figures

static bool
s_is_fresh(const nm_scrape_t *self, int64_t now_ms)
{
    return self->text_ms && now_ms >= self->text_ms && now_ms - self->text_ms < NM_SCRAPE_FRESH_MS;
}

static void
s_survey(nm_scrape_t *self, nm_turn_t *turn)
{
    self->surveying = true;
    nm_turn_survey(turn, s_token(0));
}

//  Who may see them gets them, now or when the actors have answered.
static void
s_serve(nm_bridge_t *bridge, nm_turn_t *turn, nm_scraper_t *scraper)
{
    scraper->asking = false;
    if (s_is_fresh(&bridge->scrape, nm_turn_now(turn)))
        s_show(bridge, turn, scraper);
    else if (!bridge->scrape.surveying)
        s_survey(&bridge->scrape, turn);
}

static void
s_take_survey(nm_bridge_t *bridge, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_scrape_t *self = &bridge->scrape;
    nm_exposition_t *exposition = nm_exposition_new();
    bool good = reply->status == 200 && nm_exposition_add(exposition, reply->body) == NM_OK;
    self->surveying = false;
    if (good) {
        nm_buf_clear(&self->text);
        nm_exposition_write(exposition, &self->text);
        self->text_ms = nm_turn_now(turn);
    }
    nm_exposition_destroy(&exposition);
    for (size_t i = 0; i < self->count; i++) {
        if (self->waiting[i].asking || self->waiting[i].done)
            continue;
        if (good)
            s_show(bridge, turn, &self->waiting[i]);
        else
            s_refuse(bridge, turn, &self->waiting[i], "Others are asking for the mesh here already; try again.");
    }
}

//  -- Who may see them

static void
s_ask(nm_turn_t *turn, nm_scraper_t *scraper)
{
    nm_ask_out_t ask = { .role = NM_ROLE_GATEWAY,
                         .op = scraper->request->api->op,
                         .headers = &scraper->request->headers,
                         .timeout_ms = ASK_MS,
                         .token = s_token(scraper->number) };
    scraper->asking = true;
    nm_turn_ask_with(turn, &ask);
}

static void
s_take_verdict(nm_bridge_t *bridge, nm_turn_t *turn, nm_scraper_t *scraper, const nm_reply_in_t *reply)
{
    nm_front_answer_t answer;
    if (reply->status == 200) {
        s_serve(bridge, turn, scraper);
    } else if (!reply->body.size) {
        s_refuse(bridge, turn, scraper, "No gateway is there to say who may see this; try again.");
    } else {
        nm_answers_reply(scraper->request, reply->status, reply->headers, reply->body, &answer);
        s_answer(bridge, turn, scraper, &answer);
    }
}

nm_rc_t
nm_scrape_reply(void *state, nm_turn_t *turn, const nm_reply_in_t *reply)
{
    nm_bridge_t *bridge = state;
    nm_scrape_t *self = &bridge->scrape;
    uint64_t number = nm_pages_number(reply->token);
    if (!number)
        s_take_survey(bridge, turn, reply);
    for (size_t i = 0; i < self->count; i++)
        if (number && self->waiting[i].number == number && self->waiting[i].asking && !self->waiting[i].done)
            s_take_verdict(bridge, turn, &self->waiting[i], reply);
    return NM_OK;
}

nm_rc_t
nm_scrape_open(void *state, nm_turn_t *turn, const struct nm_front_request *request)
{
    nm_bridge_t *bridge = state;
    nm_scrape_t *self = &bridge->scrape;
    nm_scraper_t scraper = { .request = request, .number = ++self->next, .fresh = true };
    if (self->count == NM_SCRAPE_MAX) {
        s_refuse(bridge, turn, &scraper, "Too many are asking for the figures; try again.");
        return NM_OK;
    }
    self->waiting[self->count] = scraper;
    if (request->local)
        s_serve(bridge, turn, &self->waiting[self->count++]);
    else
        s_ask(turn, &self->waiting[self->count++]);
    return NM_OK;
}

//  -- Turns

//  After a turn that was undone nobody may be asking for those who wait still.
void
nm_scrape_due(nm_scrape_t *self, nm_turn_t *turn)
{
    for (size_t i = 0; i < self->count && !self->surveying; i++)
        if (!self->waiting[i].asking && !self->waiting[i].done)
            s_survey(self, turn);
}

static void
s_keep(nm_scrape_t *self, bool undone)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        nm_scraper_t *scraper = &self->waiting[i];
        if (undone ? scraper->fresh : scraper->done)
            continue;
        scraper->fresh = scraper->done = false;
        self->waiting[kept++] = *scraper;
    }
    self->count = kept;
}

void
nm_scrape_commit(nm_scrape_t *self)
{
    s_keep(self, false);
}

void
nm_scrape_undo(nm_scrape_t *self)
{
    s_keep(self, true);
    self->surveying = false;
}

void
nm_scrape_free(nm_scrape_t *self)
{
    nm_buf_free(&self->text);
}
