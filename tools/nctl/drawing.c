#include "tools/nctl/drawing.h"
#include "tools/nctl/grid.h"
#include "tools/nctl/json.h"
#include "tools/nctl/picture.h"

static const struct {
    const char *role;
    const char *shape;
    const char *colour;
} LOOKS[] = {
    { "gateway", "house", "#cfe2f3" }, { "router", "diamond", "#d9ead3" },   { "email", "box", "#fff2cc" },
    { "push", "box", "#fce5cd" },      { "sms", "box", "#ead1dc" },          { "webhook", "box", "#d0e0e3" },
    { "user", "ellipse", "#d9d2e9" },  { "template", "ellipse", "#e6e6e6" }, { "deadletter", "folder", "#d9d9d9" },
    { "bridge", "house", "#c9daf8" },
};

//  A text in quotes. Backslashes and quotes are escaped, control characters are shown as '?'.
static void
s_quote(const char *text, nm_buf_t *out)
{
    nm_buf_add(out, "\"", 1);
    for (; *text; text++) {
        char shown = (unsigned char) *text < 0x20 || *text == 0x7F ? '?' : *text;
        if (shown == '"' || shown == '\\')
            nm_buf_add(out, "\\", 1);
        nm_buf_add(out, &shown, 1);
    }
    nm_buf_add(out, "\"", 1);
}

static void
s_attribute(const char *name, const char *value, nm_buf_t *out)
{
    nm_buf_format(out, " %s=", name);
    s_quote(value, out);
}

//  -- Actors

static const char *
s_state_colour(const json_t *actor)
{
    const char *state = nm_json_text(actor, "state");
    if (nm_picture_misses(actor))
        return "#cc0000";
    return strcmp(state, "up") == 0 ? "#444444" : "#e69138";
}

//  Two lines: the name, and how it is. The break is Graphviz' own escape, so it stands outside of s_quote.
static void
s_label(const json_t *actor, nm_buf_t *out)
{
    char count[16], span[16];
    nm_buf_t name = { 0 };
    s_quote(nm_json_text(actor, "name"), &name);
    nm_buf_add_text(out, " label=");
    nm_buf_add(out, name.at, name.size - 1);
    nm_buf_free(&name);
    if (json_is_true(json_object_get(actor, "silent"))) {
        nm_buf_format(out, "\\n%s\"", nm_json_text(actor, "state"));
        return;
    }
    int64_t oldest_ms = nm_json_number(actor, "oldest_ms");
    bool up = strcmp(nm_json_text(actor, "state"), "up") == 0;
    nm_grid_count((uint64_t) nm_json_number(actor, "backlog"), count);
    nm_grid_span(oldest_ms, span);
    nm_buf_format(out, "\\n%s%sholds %s", up ? "" : nm_json_text(actor, "state"), up ? "" : ", ", count);
    if (oldest_ms)
        nm_buf_format(out, ", oldest %s", span);
    nm_buf_add(out, "\"", 1);
}

static void
s_write_actor(const json_t *actor, nm_buf_t *out)
{
    const char *shape = "box", *fill = "#ffffff";
    for (size_t i = 0; i < NM_COUNT(LOOKS); i++)
        if (strcmp(LOOKS[i].role, nm_json_text(actor, "role")) == 0) {
            shape = LOOKS[i].shape;
            fill = LOOKS[i].colour;
        }
    bool misses = nm_picture_misses(actor);
    nm_buf_add_text(out, "        ");
    s_quote(nm_json_text(actor, "name"), out);
    nm_buf_add_text(out, " [");
    s_label(actor, out);
    s_attribute("shape", shape, out);
    s_attribute("fillcolor", misses ? "#f4cccc" : fill, out);
    s_attribute("color", s_state_colour(actor), out);
    s_attribute("penwidth", strcmp(s_state_colour(actor), "#444444") ? "2.5" : "1", out);
    nm_buf_add_text(out, " ];\n");
}

//  They come host by host.
static void
s_write_hosts(const json_t *actors, nm_buf_t *out)
{
    const char *host = NULL;
    for (size_t i = 0; i < json_array_size(actors); i++) {
        const json_t *actor = json_array_get(actors, i);
        if (!host || strcmp(host, nm_json_text(actor, "host")) != 0) {
            nm_buf_format(out, "%s    subgraph cluster_%zu {\n       ", host ? "    }\n" : "", i);
            host = nm_json_text(actor, "host");
            s_attribute("label", host, out);
            nm_buf_add_text(out, " style=\"rounded\" color=\"#999999\";\n");
        }
        s_write_actor(actor, out);
    }
    if (host)
        nm_buf_add_text(out, "    }\n");
}

//  -- Links

static const json_t *
s_link_to(const json_t *actor, const char *peer)
{
    const json_t *links = json_object_get(actor, "links");
    for (size_t i = 0; i < json_array_size(links); i++)
        if (strcmp(nm_json_text(json_array_get(links, i), "peer"), peer) == 0)
            return json_array_get(links, i);
    return NULL;
}

static bool
s_is_up(const json_t *link)
{
    return strcmp(nm_json_text(link, "state"), "up") == 0;
}

static const char *
s_link_colour(const char *state)
{
    if (strcmp(state, "up") == 0)
        return "#888888";
    return strcmp(state, "left") == 0 || strcmp(state, "forgotten") == 0 ? "#cccccc" : "#cc0000";
}

//  Of the two ends of a link the worse one counts: the first that is not up.
static void
s_write_link(const json_t *actor, const json_t *peer, nm_buf_t *out)
{
    const json_t *there = s_link_to(actor, nm_json_text(peer, "name"));
    const json_t *back = s_link_to(peer, nm_json_text(actor, "name"));
    const json_t *worse = !there || (back && !s_is_up(back)) ? back : there;
    int64_t open = nm_json_number(there, "open") + nm_json_number(back, "open");
    double width = 1 + (open >= 1000 ? 4 : (double) open / 250);
    nm_buf_add_text(out, "    ");
    s_quote(nm_json_text(actor, "name"), out);
    nm_buf_add_text(out, " -- ");
    s_quote(nm_json_text(peer, "name"), out);
    nm_buf_add_text(out, " [");
    s_attribute("color", s_link_colour(nm_json_text(worse, "state")), out);
    s_attribute("style", s_is_up(worse) ? "solid" : "dashed", out);
    nm_buf_format(out, " penwidth=\"%.1f\"", width);
    if (open)
        nm_buf_format(out, " label=\"%lld open, credit %lld\"", (long long) open,
                      (long long) (nm_json_number(there, "credit") + nm_json_number(back, "credit")));
    else if (!s_is_up(worse) && !nm_picture_misses(actor) && !nm_picture_misses(peer))
        s_attribute("label", nm_json_text(worse, "state"), out);
    //  Hosts stand side by side: only links within one order its actors from top to bottom
    if (strcmp(nm_json_text(actor, "host"), nm_json_text(peer, "host")) != 0)
        nm_buf_add_text(out, " constraint=\"false\"");
    nm_buf_add_text(out, " ];\n");
}

static void
s_write_links(const json_t *actors, nm_buf_t *out)
{
    for (size_t i = 0; i < json_array_size(actors); i++)
        for (size_t k = i + 1; k < json_array_size(actors); k++) {
            const json_t *actor = json_array_get(actors, i), *peer = json_array_get(actors, k);
            if (s_link_to(actor, nm_json_text(peer, "name")) || s_link_to(peer, nm_json_text(actor, "name")))
                s_write_link(actor, peer, out);
        }
}

void
nm_drawing_write(const json_t *actors, const char *title, nm_buf_t *out)
{
    nm_buf_add_text(out, "graph mesh {\n   ");
    s_attribute("label", title, out);
    nm_buf_add_text(out, " labelloc=\"t\" fontname=\"sans-serif\" fontsize=\"14\" nodesep=\"0.4\" ranksep=\"1.0\";\n"
                         "    node [ style=\"filled\" fontname=\"sans-serif\" fontsize=\"11\" margin=\"0.12,0.06\" ];\n"
                         "    edge [ fontname=\"sans-serif\" fontsize=\"9\" ];\n");
    s_write_hosts(actors, out);
    s_write_links(actors, out);
    nm_buf_add_text(out, "}\n");
}
