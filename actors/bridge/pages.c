#include "actors/bridge/pages.h"

#include "actors/bridge/state.h"

//  It lives, or it could not say so; gateways may be away.
static nm_rc_t
s_open_health(void *bridge, nm_turn_t *turn, const struct nm_front_request *request)
{
    static const char BODY[] = "{\"status\":\"ok\"}";
    nm_front_answer_t answer;
    nm_answers_page(request, 200, "application/json", nm_text(BODY), &answer);
    nm_bridge_count(bridge, request->api, 200);
    nm_turn_answer(turn, &answer);
    return NM_OK;
}

//  -- Documents

static nm_rc_t
s_show(nm_bridge_t *self, nm_turn_t *turn, const struct nm_front_request *request, const nm_document_t *document,
       const char *type)
{
    nm_front_answer_t answer;
    unsigned status = nm_document_is_known(document, request->if_none_match) ? 304 : 200;
    nm_answers_page(request, status, type, nm_bytes(NULL, 0), &answer);
    nm_answers_field(&answer, "ETag", nm_text(document->tag));
    if (document->policy[0])
        nm_answers_field(&answer, "Content-Security-Policy", nm_text(document->policy));
    if (status == 200)
        answer.lasting = document->body;
    nm_bridge_count(self, request->api, status);
    nm_turn_answer(turn, &answer);
    return NM_OK;
}

static nm_rc_t
s_openapi(void *state, nm_turn_t *turn, const struct nm_front_request *request)
{
    nm_bridge_t *self = state;
    return s_show(self, turn, request, &self->documents.openapi, "application/json");
}

static nm_rc_t
s_docs(void *state, nm_turn_t *turn, const struct nm_front_request *request)
{
    nm_bridge_t *self = state;
    return s_show(self, turn, request, &self->documents.docs, "text/html; charset=utf-8");
}

static const nm_page_t PAGES[] = {
    { "health", s_open_health, NULL },
    { "metrics", nm_scrape_open, nm_scrape_reply },
    { "openapi", s_openapi, NULL },
    { "docs", s_docs, NULL },
};

static const uint64_t NUMBER_MASK = (UINT64_C(1) << 48) - 1;

const nm_page_t *
nm_pages_find(const nm_api_t *api)
{
    for (size_t i = 0; i < NM_COUNT(PAGES); i++)
        if (strcmp(PAGES[i].op, api->op) == 0)
            return &PAGES[i];
    return NULL;
}

uint64_t
nm_pages_token(const nm_page_t *page, uint64_t number)
{
    return (uint64_t) NM_BRIDGE_TOKEN_PAGE << 56 | (uint64_t) (page - PAGES) << 48 | (number & NUMBER_MASK);
}

uint64_t
nm_pages_number(uint64_t token)
{
    return token & NUMBER_MASK;
}

const nm_page_t *
nm_pages_of(uint64_t token)
{
    size_t at = (size_t) (token >> 48 & 0xff);
    return at < NM_COUNT(PAGES) && PAGES[at].reply ? &PAGES[at] : NULL;
}
