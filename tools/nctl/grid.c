#include "tools/nctl/grid.h"
#include "tools/nctl/screen.h"

struct nm_grid {
    char *titles[NM_GRID_COLUMN_MAX];
    bool right[NM_GRID_COLUMN_MAX];
    size_t width[NM_GRID_COLUMN_MAX];
    size_t column_count;
    char **cells;
    size_t cell_count;
    size_t cell_room;
};

//  Characters, not bytes: continuation bytes take no place on the screen.
static size_t
s_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char) *text & 0xC0) != 0x80;
    return width;
}

nm_grid_t *
nm_grid_new(const char *titles)
{
    nm_grid_t *self = nm_alloc(sizeof *self);
    for (;;) {
        size_t size = strcspn(titles, "|");
        size_t column = self->column_count++;
        self->right[column] = *titles == '>';
        self->titles[column] = nm_screen_text(titles + self->right[column], size - self->right[column]);
        self->width[column] = s_width(self->titles[column]);
        if (!titles[size] || self->column_count == NM_GRID_COLUMN_MAX)
            return self;
        titles += size + 1;
    }
}

void
nm_grid_destroy(nm_grid_t **self_p)
{
    nm_grid_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->column_count; i++)
        free(self->titles[i]);
    for (size_t i = 0; i < self->cell_count; i++)
        free(self->cells[i]);
    free(self->cells);
    free(self);
    *self_p = NULL;
}

void
nm_grid_text(nm_grid_t *self, const char *text)
{
    text = text && *text ? text : "-";
    if (self->cell_count == self->cell_room) {
        self->cell_room = self->cell_room ? self->cell_room * 2 : 64;
        self->cells = nm_realloc(self->cells, self->cell_room * sizeof *self->cells);
    }
    size_t column = self->cell_count % self->column_count;
    char *cell = nm_screen_text(text, strlen(text));
    size_t width = s_width(cell);
    if (width > self->width[column])
        self->width[column] = width;
    self->cells[self->cell_count++] = cell;
}

void
nm_grid_add(nm_grid_t *self, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nm_grid_text(self, text);
}

static void
s_pad(nm_buf_t *out, size_t count)
{
    while (count-- > 0)
        nm_buf_add(out, " ", 1);
}

static void
s_row(const nm_grid_t *self, char *const *cells, nm_buf_t *out)
{
    for (size_t i = 0; i < self->column_count; i++) {
        size_t padding = self->width[i] - s_width(cells[i]);
        if (self->right[i])
            s_pad(out, padding);
        nm_buf_add_text(out, cells[i]);
        if (i + 1 < self->column_count)
            s_pad(out, (self->right[i] ? 0 : padding) + 2);
    }
    nm_buf_add(out, "\n", 1);
}

void
nm_grid_write(const nm_grid_t *self, nm_buf_t *out)
{
    s_row(self, self->titles, out);
    for (size_t i = 0; i + self->column_count <= self->cell_count; i += self->column_count)
        s_row(self, self->cells + i, out);
}

void
nm_grid_print(const nm_grid_t *self, FILE *out)
{
    nm_buf_t text = { 0 };
    nm_grid_write(self, &text);
    fwrite(text.at, 1, text.size, out);
    nm_buf_free(&text);
}

static void
s_scaled(double value, double step, const char *const *units, size_t unit_count, char out[16])
{
    size_t unit = 0;
    for (; value >= step && unit + 1 < unit_count; unit++)
        value /= step;
    snprintf(out, 16, unit && value < 100 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

void
nm_grid_count(uint64_t count, char out[16])
{
    static const char *const UNITS[] = { "", "k", "M", "G", "T" };
    s_scaled((double) count, 1000, UNITS, NM_COUNT(UNITS), out);
}

void
nm_grid_bytes(uint64_t size, char out[16])
{
    static const char *const UNITS[] = { " B", " KiB", " MiB", " GiB", " TiB" };
    s_scaled((double) size, 1024, UNITS, NM_COUNT(UNITS), out);
}

void
nm_grid_span(int64_t span_ms, char out[16])
{
    if (span_ms < 1000)
        snprintf(out, 16, "%dms", (int) (span_ms < 0 ? 0 : span_ms));
    else if (span_ms < 120 * 1000)
        snprintf(out, 16, "%ds", (int) (span_ms / 1000));
    else if (span_ms < 120 * 60 * 1000)
        snprintf(out, 16, "%dm", (int) (span_ms / 60000));
    else if (span_ms < INT64_C(48) * 3600 * 1000)
        snprintf(out, 16, "%dh", (int) (span_ms / 3600000));
    else
        snprintf(out, 16, "%dd", (int) (span_ms / 86400000));
}
