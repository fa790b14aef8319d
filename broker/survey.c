//  The mesh as one, seen from this actor: on an operator's `mesh.status` it asks every peer how it is, and puts the
//  answers together, page by page. Its own role may want the same, for the figures of all, and gets them in one piece. The
//  asks end by themselves at the desk, so a survey needs no clock of its own.
#include "broker/actor_private.h"

#include "wire/reader.h"
#include "wire/writer.h"

enum {
    S_VIEW_COUNT = 64,     //  Actors that one page asks
    S_FIGURES_COUNT = 20,  //  ... when each has much to say
    S_PAGE_SIZE = 190000,  //  A value takes a byte at least, so a page has less than NM_NODE_MAX of them
    S_PLACE_BITS = 32,     //  A token has the place of the survey above that of the view
};

//  What came of asking one actor.
typedef struct {
    const nm_peer_t *peer;
    nm_buf_t status;      //  Empty: it is silent
    int64_t answered_ms;  //  Wall clock
    int64_t took_ms;
} s_view_t;

struct nm_survey {
    nm_caller_t caller;
    bool for_role;  //  ... which is told by reply, under this token
    uint64_t token;
    int64_t began_ms;   //  Monotonic
    size_t open_count;  //  Asks that have not ended; 0: this place is free
    bool more;          //  There are actors beyond this page
    size_t view_count;
    size_t view_room;
    s_view_t *views;  //  In the order of names
};

static int
s_by_name(const void *a, const void *b)
{
    return strcmp((*(const nm_peer_t *const *) a)->actor.name, (*(const nm_peer_t *const *) b)->actor.name);
}

static void
s_add_view(nm_survey_t *survey, const nm_peer_t *peer)
{
    if (survey->view_count == survey->view_room) {
        survey->view_room = survey->view_room ? survey->view_room * 2 : S_VIEW_COUNT;
        survey->views = nm_realloc(survey->views, survey->view_room * sizeof *survey->views);
    }
    survey->views[survey->view_count++] = (s_view_t){ .peer = peer };
}

//  Those whose name comes after that one, at most so many.
static void
s_choose(const nm_actor_t *self, nm_bytes_t after, size_t most, nm_survey_t *survey)
{
    char least[NM_NAME_MAX + 1];
    const nm_peer_t **peers = nm_alloc((self->peer_count + 1) * sizeof *peers);
    memcpy(peers, self->peers, self->peer_count * sizeof *peers);
    qsort(peers, self->peer_count, sizeof *peers, s_by_name);
    nm_bytes_to_text(after, least, sizeof least);
    for (size_t i = 0; i < self->peer_count && !survey->more; i++) {
        if (strcmp(peers[i]->actor.name, least) <= 0)
            continue;
        survey->more = survey->view_count == most;
        if (!survey->more)
            s_add_view(survey, peers[i]);
    }
    free(peers);
}

//  -- The answer

static void
s_write_view(nm_actor_t *self, const s_view_t *view, nm_buf_t *out)
{
    const nm_peer_t *peer = view->peer;
    const nm_link_t *link = nm_actor_link(self, peer->actor.name);
    size_t mark = nm_writer_map_open(out), count = 9;
    nm_writer_pair_text(out, "name", peer->actor.name);
    nm_writer_pair_text(out, "role", nm_role_text(peer->actor.role));
    nm_writer_pair_uint(out, "number", peer->actor.number);
    nm_writer_pair_text(out, "host", peer->actor.host);
    nm_writer_pair_text(out, "version", peer->version);
    nm_writer_pair_text(out, "life", !peer->heard ? "unheard" : nm_life_text(peer->life));
    nm_writer_pair_text(out, "membership", nm_exchange_membership(peer));
    nm_writer_pair_uint(out, "not_after_ms", peer->certified ? (uint64_t) peer->cert.not_after_ms : 0);
    nm_writer_pair_bool(out, "silent", !view->status.size);
    if (link && link->heard_ms) {
        nm_writer_pair_uint(out, "last_heard_ms", (uint64_t) (self->turn.now.mono_ms - link->heard_ms));
        count++;
    }
    if (view->status.size) {
        nm_writer_pair_uint(out, "answered_ms", (uint64_t) view->answered_ms);
        nm_writer_pair_uint(out, "took_ms", (uint64_t) view->took_ms);
        nm_writer_pair_raw(out, "status", nm_buf_bytes(&view->status));
        count += 3;
    }
    nm_writer_map_close(out, mark, count);
}

//  As many as go into a page, one at least; all of them for the role, which has them without a frame.
static size_t
s_write_views(nm_actor_t *self, const nm_survey_t *survey, nm_buf_t *out)
{
    size_t mark = nm_writer_list_open(out), start = out->size, count = 0;
    while (count < survey->view_count) {
        const s_view_t *view = &survey->views[count];
        if (!survey->for_role && count && out->size - start + view->status.size > S_PAGE_SIZE)
            break;
        s_write_view(self, view, out);
        count++;
    }
    nm_writer_list_close(out, mark, count);
    return count;
}

static nm_rc_t
s_tell(nm_actor_t *self, const nm_survey_t *survey, nm_bytes_t body)
{
    if (!survey->for_role) {
        nm_turn_reply(&self->turn, &survey->caller, 200, nm_bytes(NULL, 0), body);
        return NM_OK;
    }
    nm_reply_in_t reply = { .token = survey->token, .peer = self->setup.self->name, .status = 200, .body = body };
    return self->role->reply(self->state, &self->turn, &reply);
}

static nm_rc_t
s_finish(nm_actor_t *self, nm_survey_t *survey)
{
    nm_buf_t body = { 0 };
    size_t mark = nm_writer_map_open(&body);
    nm_writer_pair_text(&body, "from", self->setup.self->name);
    nm_writer_text(&body, "actors");
    size_t count = s_write_views(self, survey, &body);
    bool more = survey->more || count < survey->view_count;
    if (more)
        nm_writer_pair_text(&body, "next", survey->views[count - 1].peer->actor.name);
    nm_writer_map_close(&body, mark, more ? 3 : 2);
    for (size_t i = 0; i < survey->view_count; i++)
        nm_buf_free(&survey->views[i].status);
    nm_rc_t rc = s_tell(self, survey, nm_buf_bytes(&body));
    nm_buf_free(&body);
    return rc;
}

//  -- The questions

static void
s_see_self(nm_actor_t *self, s_view_t *view, nm_status_part_t part)
{
    nm_status_write(self, part, &view->status);
    view->answered_ms = self->turn.now.wall_ms;
}

static void
s_ask(nm_actor_t *self, nm_survey_t *survey, const nm_peer_t *peer, const nm_ask_out_t *ask)
{
    nm_desk_ask(self, peer, ask, NM_ASKER_SURVEY);
    survey->open_count++;
}

static void
s_begin(nm_actor_t *self, size_t place, nm_status_part_t part)
{
    nm_survey_t *survey = self->surveys[place];
    nm_buf_t body = { 0 };
    nm_writer_map(&body, 2);
    nm_writer_pair_bool(&body, "brief", part == NM_STATUS_BRIEF);
    nm_writer_pair_bool(&body, "figures", part == NM_STATUS_FIGURES);
    for (size_t i = 0; i < survey->view_count; i++) {
        s_view_t *view = &survey->views[i];
        const nm_ask_out_t ask = { .op = "status",
                                   .body = nm_buf_bytes(&body),
                                   .timeout_ms = survey->for_role ? NM_SURVEY_HASTE_MS : NM_SURVEY_PATIENCE_MS,
                                   .token = (uint64_t) place << S_PLACE_BITS | i };
        bool own = strcmp(view->peer->actor.name, self->setup.self->name) == 0;
        if (own)
            s_see_self(self, view, part);
        if (own && survey->for_role)
            s_ask(self, survey, NULL, &ask);  //  Ends at once: the role is not told before it has ended its own input
        else if (!own && nm_exchange_is_partner(self, view->peer))
            s_ask(self, survey, view->peer, &ask);
    }
    nm_buf_free(&body);
}

//  A place for one more survey, empty; NM_SURVEY_COUNT if all are taken.
static size_t
s_take_place(nm_actor_t *self)
{
    size_t place = 0;
    while (place < NM_SURVEY_COUNT && self->surveys[place] && self->surveys[place]->open_count)
        place++;
    if (place == NM_SURVEY_COUNT)
        return place;
    if (!self->surveys[place])
        self->surveys[place] = nm_alloc(sizeof *self->surveys[place]);
    nm_survey_t *survey = self->surveys[place];
    *survey =
        (nm_survey_t){ .began_ms = self->turn.now.mono_ms, .views = survey->views, .view_room = survey->view_room };
    return place;
}

nm_rc_t
nm_survey_start(nm_actor_t *self, const nm_ask_in_t *ask)
{
    nm_status_part_t part = nm_status_part(ask->body);
    size_t place = s_take_place(self);
    if (place == NM_SURVEY_COUNT) {
        nm_turn_problem(&self->turn, &ask->caller, 503, nm_bytes(NULL, 0), NULL,
                        "Others are asking for the mesh here already; ask again in a moment.");
        return NM_OK;
    }
    nm_survey_t *survey = self->surveys[place];
    survey->caller = ask->caller;
    s_choose(self, nm_reader_find_text(ask->body, "after"), part == NM_STATUS_FIGURES ? S_FIGURES_COUNT : S_VIEW_COUNT,
             survey);
    s_begin(self, place, part);
    return survey->open_count ? NM_OK : s_finish(self, survey);
}

void
nm_turn_survey(nm_turn_t *turn, uint64_t token)
{
    nm_actor_t *self = turn->actor;
    size_t place = s_take_place(self);
    if (place == NM_SURVEY_COUNT) {
        nm_desk_ask(self, NULL, &(nm_ask_out_t){ .token = token }, NM_ASKER_ROLE);
        return;
    }
    self->surveys[place]->for_role = true;
    self->surveys[place]->token = token;
    s_choose(self, nm_bytes(NULL, 0), SIZE_MAX, self->surveys[place]);
    s_begin(self, place, NM_STATUS_FIGURES);
}

nm_rc_t
nm_survey_reply(nm_actor_t *self, const nm_reply_in_t *reply)
{
    nm_survey_t *survey = self->surveys[reply->token >> S_PLACE_BITS];
    s_view_t *view = &survey->views[reply->token & ((UINT64_C(1) << S_PLACE_BITS) - 1)];
    //  An answer of more values than a whole page may have would spoil it
    if (reply->status == 200 && reply->body.size <= S_PAGE_SIZE) {
        nm_buf_add(&view->status, reply->body.at, reply->body.size);
        view->answered_ms = self->turn.now.wall_ms;
        view->took_ms = self->turn.now.mono_ms - survey->began_ms;
    }
    return --survey->open_count ? NM_OK : s_finish(self, survey);
}

void
nm_survey_close(nm_actor_t *self)
{
    for (size_t place = 0; place < NM_SURVEY_COUNT; place++) {
        nm_survey_t *survey = self->surveys[place];
        for (size_t i = 0; survey && survey->open_count && i < survey->view_count; i++)
            nm_buf_free(&survey->views[i].status);
        if (survey)
            free(survey->views);
        free(survey);
    }
}
