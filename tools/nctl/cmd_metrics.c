#include "broker/exposition.h"
#include "broker/families.h"
#include "tools/nctl/json.h"
#include "tools/nctl/look.h"
#include "tools/nctl/nctl.h"

// clang-format off
const nm_option_t nm_metrics_options[] = {
    { "from", 0, "ACTOR", "As this actor sees it, instead of the first that answers" },
    { "families", 0, NULL, "Prints which figures there are, as a Markdown table, and asks nobody" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

static void
s_print_labels(const nm_family_t *family)
{
    for (size_t i = 0; i < NM_FAMILY_LABEL_COUNT && family->labels[i]; i++)
        printf("%s`%s`", i ? ", " : "", family->labels[i]);
}

static int
s_print_families(void)
{
    printf("| figure | kind | labels | what it says |\n|---|---|---|---|\n");
    for (size_t i = 0; i < NM_FAMILY_COUNT; i++) {
        printf("| `%s` | %s | ", nm_families[i].name, nm_metric_kind_texts[nm_families[i].kind]);
        s_print_labels(&nm_families[i]);
        printf(" | %s |\n", nm_families[i].help);
    }
    return NM_DONE;
}

static void
s_print_text(nm_bytes_t page)
{
    nm_buf_t text = { 0 };
    nm_exposition_t *exposition = nm_exposition_new();
    nm_exposition_add(exposition, page);
    nm_exposition_write(exposition, &text);
    fwrite(text.at, 1, text.size, stdout);
    nm_exposition_destroy(&exposition);
    nm_buf_free(&text);
}

//  The text for programs and people alike: --json would be what nctl ps --json shows.
int
nm_cmd_metrics(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    nm_buf_t page = { 0 };
    if (nm_options_has(&self->options, "families"))
        return s_print_families();
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    json_t *views = reach ? nm_look_figures(reach, nm_options_text(&self->options, "from", NULL), &error) : NULL;
    json_t *whole = views ? json_pack("{s:O}", "actors", views) : NULL;
    bool done = whole && nm_json_pack(whole, &page) == NM_OK;
    if (done)
        s_print_text(nm_buf_bytes(&page));
    else
        nm_nctl_fail("%s", error.text);
    nm_buf_free(&page);
    json_decref(whole);
    json_decref(views);
    nm_reach_destroy(&reach);
    return done ? NM_DONE : NM_FAILED;
}
