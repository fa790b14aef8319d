//  openapi_schemas - the values that operations take and give, as JSON Schema.

#include "wire/openapi_private.h"

enum { SCHEMA_MAX = 128, NAME_SIZE = 64, TEXT_SIZE = 512 };

//  -- What tables do not say

static const struct {
    const char *shape;
    const char *description;
} DESCRIPTIONS[] = {
    { "request",
      "Exactly one of `channel` and `channels`. With `channel` exactly one of `user_id` and `recipient`; with "
      "`channels` exactly one of `user_id` and `recipients`, which must have an address for each channel. "
      "Content is given as `template` with `variables`, or as `subject`, `content` and `html`: an e-mail wants "
      "`content` or `html`, an SMS or a WhatsApp message `content` of at most 1,600 characters, a push "
      "`content`, `subject` or `push`." },
    { "batch", "Each item is taken or refused by itself; what is taken is on disk before the answer." },
    { "problem", "RFC 9457." },
    { "event_data", "The data of a server-sent event." },
};

//  What a value of this name looks like.
static const struct {
    const char *field;
    const char *example;
} EXAMPLES[] = {
    { "channel", "email" },
    { "recipient", "ada@example.com" },
    { "email", "ada@example.com" },
    { "phone", "+4930123456" },
    { "subject", "Your order has shipped" },
    { "content", "It will be with you on Thursday." },
    { "html", "<p>It will be with you on <b>Thursday</b>.</p>" },
    { "language", "en" },
    { "template", "order-shipped" },
    { "provider", "smtp-main" },
    { "correlation_id", "order-4711" },
    { "request_id", "order-4711-shipped" },
    { "filename", "invoice.pdf" },
    { "content_type", "application/pdf" },
    { "content_base64", "JVBERi0xLjcK" },
    { "self", "/v1/notifications/0199b2c4-5d6e-7f80-8123-456789abcdef" },
    { "kind", "smtp" },
    { "name", "shop" },
    { "key", "0199b2c45d6e7f808123456789abcdef-00112233445566778899aabbccddeeff" },
};

static const char ID_EXAMPLE[] = "0199b2c4-5d6e-7f80-8123-456789abcdef";
static const char TIME_EXAMPLE[] = "2026-11-21T03:59:51.123Z";
static const char LINE_PATTERN[] = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$";

const char *
nm_openapi_example(const char *field)
{
    for (size_t i = 0; i < NM_COUNT(EXAMPLES); i++)
        if (strcmp(EXAMPLES[i].field, field) == 0)
            return EXAMPLES[i].example;
    return NULL;
}

//  -- Names

//  shown_service is Service.
static const char *
s_name(const char *name, char out[NAME_SIZE])
{
    static const char SHOWN[] = "shown_";
    size_t used = 0;
    bool capital = true;
    if (strncmp(name, SHOWN, sizeof SHOWN - 1) == 0)
        name += sizeof SHOWN - 1;
    for (; *name && used < NAME_SIZE - 1; name++) {
        if (*name != '_')
            out[used++] = (char) (capital && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
        capital = *name == '_';
    }
    out[used] = 0;
    return out;
}

void
nm_openapi_ref(nm_buf_t *out, const char *kind, const char *name)
{
    char ref[NAME_SIZE * 2];
    snprintf(ref, sizeof ref, "#/components/%s/%s", kind, name);
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "$ref", ref);
}

void
nm_openapi_ref_shape(nm_buf_t *out, const nm_shape_t *shape)
{
    char name[NAME_SIZE];
    nm_openapi_ref(out, "schemas", s_name(shape->name, name));
}

static void
s_ref_words(nm_buf_t *out, const nm_words_t *words)
{
    char name[NAME_SIZE];
    nm_openapi_ref(out, "schemas", s_name(words->name, name));
}

//  As one pair among others, which say more about it.
static void
s_refer(nm_pairs_t *schema, const char *named)
{
    char name[NAME_SIZE], ref[NAME_SIZE * 2];
    snprintf(ref, sizeof ref, "#/components/schemas/%s", s_name(named, name));
    nm_pairs_text(schema, "$ref", ref);
}

//  -- Fields

static void
s_type(nm_pairs_t *schema, const char *type, bool nulls)
{
    if (!nulls) {
        nm_pairs_text(schema, "type", type);
        return;
    }
    nm_pairs_name(schema, "type");
    nm_writer_list(schema->out, 2);
    nm_writer_text(schema->out, type);
    nm_writer_text(schema->out, "null");
}

static void
s_example(nm_pairs_t *schema, const char *text)
{
    nm_pairs_name(schema, "examples");
    nm_writer_list(schema->out, 1);
    nm_writer_text(schema->out, text);
}

static void
s_text(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    s_type(schema, "string", nulls);
    if (field->limit)
        nm_pairs_uint(schema, "maxLength", field->limit);
    if (field->type == NM_FIELD_LINE)
        nm_pairs_text(schema, "pattern", LINE_PATTERN);
    const char *example = nm_openapi_example(field->name);
    if (example || field->type == NM_FIELD_LINE)  //  Renderers would make one up from the pattern
        s_example(schema, example ? example : field->name);
}

static void
s_format(nm_pairs_t *schema, const char *format, const char *example, bool nulls)
{
    s_type(schema, "string", nulls);
    nm_pairs_text(schema, "format", format);
    s_example(schema, example);
}

//  A bound above 2^53 is none in JSON.
static void
s_whole(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    static const uint64_t EXACT_MAX = UINT64_C(1) << 53;
    s_type(schema, "integer", nulls);
    nm_pairs_text(schema, "format", "int64");
    nm_pairs_name(schema, "minimum");
    nm_writer_int(schema->out, field->type == NM_FIELD_UINT || field->limit > EXACT_MAX ? 0 : -(int64_t) field->limit);
    if (field->limit <= EXACT_MAX)
        nm_pairs_uint(schema, "maximum", field->limit);
}

static void
s_null(nm_buf_t *out)
{
    nm_writer_map(out, 1);
    nm_writer_pair_text(out, "type", "null");
}

//  A word; a number too, where that is taken.
static void
s_enum(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    const nm_words_t *words = field->more;
    bool numbers = field->limit > 0;
    if (!numbers && !nulls) {
        s_refer(schema, words->name);
        return;
    }
    nm_pairs_name(schema, "anyOf");
    nm_writer_list(schema->out, 1u + numbers + nulls);
    s_ref_words(schema->out, words);
    if (numbers) {
        nm_writer_map(schema->out, 3);
        nm_writer_pair_text(schema->out, "type", "integer");
        nm_writer_pair_uint(schema->out, "minimum", 0);
        nm_writer_pair_uint(schema->out, "maximum", words->count - 1);
    }
    if (nulls)
        s_null(schema->out);
}

static void
s_record(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    const nm_shape_t *shape = field->more;
    if (!nulls) {
        s_refer(schema, shape->name);
        return;
    }
    nm_pairs_name(schema, "anyOf");
    nm_writer_list(schema->out, 2);
    nm_openapi_ref_shape(schema->out, shape);
    s_null(schema->out);
}

static void
s_line(nm_buf_t *out)
{
    nm_writer_map(out, 3);
    nm_writer_pair_text(out, "type", "string");
    nm_writer_pair_uint(out, "maxLength", NM_LINE_MAX);
    nm_writer_pair_text(out, "pattern", LINE_PATTERN);
}

static void
s_list(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    s_type(schema, "array", nulls);
    if (field->limit < UINT32_MAX)
        nm_pairs_uint(schema, "maxItems", field->limit);
    if (field->type == NM_FIELD_LIST && !field->more)
        return;
    nm_pairs_name(schema, "items");
    if (field->type != NM_FIELD_LINES)
        nm_openapi_ref_shape(schema->out, field->more);
    else if (field->more)
        s_ref_words(schema->out, field->more);
    else
        s_line(schema->out);
}

static void
s_base64(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    s_type(schema, "string", nulls);
    nm_pairs_text(schema, "contentEncoding", "base64");
    nm_pairs_uint(schema, "maxLength", (field->limit + 2) / 3 * 4);
}

static void
s_value(nm_pairs_t *schema, const nm_field_t *field, bool nulls)
{
    switch ((nm_field_type_t) field->type) {
    case NM_FIELD_BOOL: s_type(schema, "boolean", nulls); break;
    case NM_FIELD_UINT:
    case NM_FIELD_INT: s_whole(schema, field, nulls); break;
    case NM_FIELD_TIME: s_format(schema, "date-time", TIME_EXAMPLE, nulls); break;
    case NM_FIELD_ID:
    case NM_FIELD_REF: s_format(schema, "uuid", ID_EXAMPLE, nulls); break;
    case NM_FIELD_ENUM: s_enum(schema, field, nulls); break;
    case NM_FIELD_STR:
    case NM_FIELD_LINE: s_text(schema, field, nulls); break;
    case NM_FIELD_BASE64: s_base64(schema, field, nulls); break;
    case NM_FIELD_MAP: s_type(schema, "object", nulls); break;
    case NM_FIELD_LIST:
    case NM_FIELD_LINES:
    case NM_FIELD_RECORDS: s_list(schema, field, nulls); break;
    case NM_FIELD_RECORD: s_record(schema, field, nulls); break;
    case NM_FIELD_BIN:  //  Clients have none
    case NM_FIELD_ANY: break;
    }
}

//  Where the limit is not one that JSON Schema has a word for, it stands here.
static void
s_describe(nm_pairs_t *schema, const nm_field_t *field)
{
    char text[TEXT_SIZE];
    bool bytes = field->type == NM_FIELD_STR || field->type == NM_FIELD_LINE || field->type == NM_FIELD_BASE64;
    if (field->type == NM_FIELD_MAP)
        snprintf(text, sizeof text, "%s. At most about %llu bytes.", field->doc, (unsigned long long) field->limit);
    else if (bytes && field->limit)
        snprintf(text, sizeof text, "%s. At most %llu bytes.", field->doc, (unsigned long long) field->limit);
    else
        snprintf(text, sizeof text, "%s.", field->doc);
    nm_pairs_text(schema, "description", text);
}

void
nm_openapi_field(nm_buf_t *out, const nm_field_t *field, bool nulls)
{
    nm_pairs_t schema = nm_pairs_open(out);
    s_value(&schema, field, nulls);
    s_describe(&schema, field);
    nm_pairs_close(&schema);
}

//  -- Records

//  One of the schemas to be written: a shape, or words. row: the fields are those of the body of this row's ask.
typedef struct {
    const nm_shape_t *shape;
    const nm_words_t *words;
    const nm_api_t *row;
    bool closed;  //  What else is given is refused
} schema_t;

typedef struct {
    schema_t items[SCHEMA_MAX];
    size_t count;
} schemas_t;

static bool
s_shows(const schema_t *self, size_t field)
{
    return self->row ? nm_openapi_is_in_body(self->row, field) : nm_shape_knows(self->shape, field);
}

static void
s_write_aliases(const schema_t *self, nm_pairs_t *properties, const nm_field_t *field)
{
    char text[TEXT_SIZE];
    for (size_t i = 0; i < self->shape->alias_count; i++) {
        const nm_alias_t *alias = &self->shape->aliases[i];
        if (alias->inner || strcmp(alias->name, field->name) != 0)
            continue;
        nm_pairs_name(properties, alias->alias);
        nm_pairs_t schema = nm_pairs_open(properties->out);
        s_value(&schema, field, false);
        snprintf(text, sizeof text, "An older name of %s.", alias->name);
        nm_pairs_text(&schema, "description", text);
        nm_pairs_bool(&schema, "deprecated", true);
        nm_pairs_close(&schema);
    }
}

//  null clears in a PATCH, and stands for nothing in an answer.
static bool
s_takes_null(const schema_t *self, const nm_field_t *field)
{
    bool clears = self->row && self->row->method == NM_HTTP_PATCH && field->need == NM_NEED_MAY;
    return clears || field->need == NM_NEED_NIL;
}

static void
s_write_properties(const schema_t *self, nm_pairs_t *schema)
{
    nm_pairs_name(schema, "properties");
    nm_pairs_t properties = nm_pairs_open(schema->out);
    for (size_t i = 0; i < self->shape->field_count; i++) {
        const nm_field_t *field = &self->shape->fields[i];
        if (!s_shows(self, i))
            continue;
        nm_pairs_name(&properties, field->name);
        nm_openapi_field(schema->out, field, s_takes_null(self, field));
        s_write_aliases(self, &properties, field);
    }
    nm_pairs_close(&properties);
}

static void
s_write_required(const schema_t *self, nm_pairs_t *schema)
{
    size_t count = 0;
    for (size_t i = 0; i < self->shape->field_count; i++)
        count += s_shows(self, i) && nm_shape_wants(self->shape, i);
    if (!count)
        return;
    nm_pairs_name(schema, "required");
    nm_writer_list(schema->out, count);
    for (size_t i = 0; i < self->shape->field_count; i++)
        if (s_shows(self, i) && nm_shape_wants(self->shape, i))
            nm_writer_text(schema->out, self->shape->fields[i].name);
}

static void
s_write_choice(const nm_shape_t *shape, nm_pairs_t *schema)
{
    size_t count = 0;
    while (shape->choices[count])
        count++;
    nm_pairs_name(schema, "oneOf");
    nm_writer_list(schema->out, count);
    for (size_t i = 0; i < count; i++)
        nm_openapi_ref_shape(schema->out, shape->choices[i]);
}

static void
s_write_words(const nm_words_t *words, nm_buf_t *out)
{
    nm_writer_map(out, 2);
    nm_writer_pair_text(out, "type", "string");
    nm_writer_text(out, "enum");
    nm_writer_list(out, words->count);
    for (size_t i = 0; i < words->count; i++)
        nm_writer_text(out, words->words[i]);
}

static void
s_write_schema(const schema_t *self, nm_buf_t *out)
{
    if (self->words) {
        s_write_words(self->words, out);
        return;
    }
    nm_pairs_t schema = nm_pairs_open(out);
    for (size_t i = 0; i < NM_COUNT(DESCRIPTIONS); i++)
        if (strcmp(DESCRIPTIONS[i].shape, self->shape->name) == 0)
            nm_pairs_text(&schema, "description", DESCRIPTIONS[i].description);
    if (self->shape->choices)
        s_write_choice(self->shape, &schema);
    else {
        nm_pairs_text(&schema, "type", "object");
        s_write_properties(self, &schema);
        s_write_required(self, &schema);
    }
    if (self->closed)
        nm_pairs_bool(&schema, "additionalProperties", false);
    nm_pairs_close(&schema);
}

//  -- Which there are

static const char *
s_schema_name(const schema_t *schema)
{
    return schema->words ? schema->words->name : schema->shape->name;
}

static void
s_add(schemas_t *self, schema_t schema)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(s_schema_name(&self->items[i]), s_schema_name(&schema)) == 0)
            return;
    if (self->count < SCHEMA_MAX)
        self->items[self->count++] = schema;
}

//  What the fields of one name. They come behind it, and so their turn comes too.
static void
s_add_inner(schemas_t *self, schema_t schema)
{
    for (size_t i = 0; schema.shape && i < schema.shape->field_count; i++) {
        const nm_field_t *field = &schema.shape->fields[i];
        if (!s_shows(&schema, i) || !field->more)
            continue;
        if (field->type == NM_FIELD_ENUM || field->type == NM_FIELD_LINES)
            s_add(self, (schema_t){ .words = field->more });
        else
            s_add(self, (schema_t){ .shape = field->more, .closed = schema.closed });
    }
    for (size_t i = 0; schema.shape && schema.shape->choices && schema.shape->choices[i]; i++)
        s_add(self, (schema_t){ .shape = schema.shape->choices[i], .closed = schema.closed });
}

//  Queries are parameters, but their words are schemas.
static void
s_add_row(schemas_t *self, const nm_api_t *row)
{
    if (!row->path)
        return;
    for (size_t i = 0; row->ask && !nm_api_has_body(row) && i < row->ask->field_count; i++)
        if (row->ask->fields[i].type == NM_FIELD_ENUM && nm_shape_knows(row->ask, i))
            s_add(self, (schema_t){ .words = row->ask->fields[i].more });
    if (nm_openapi_has_body(row))
        s_add(self, (schema_t){ .shape = row->ask, .row = row, .closed = true });
    if (row->answer)
        s_add(self, (schema_t){ .shape = row->answer });
}

void
nm_openapi_schemas(nm_buf_t *out)
{
    schemas_t schemas = { .count = 0 };
    char name[NAME_SIZE];
    for (size_t i = 0; i < nm_api_count; i++)
        s_add_row(&schemas, &nm_api[i]);
    s_add(&schemas, (schema_t){ .shape = &nm_problem_shape });
    for (size_t i = 0; i < schemas.count; i++)
        s_add_inner(&schemas, schemas.items[i]);

    nm_writer_text(out, "schemas");
    nm_pairs_t pairs = nm_pairs_open(out);
    for (size_t i = 0; i < schemas.count; i++) {
        nm_pairs_name(&pairs, s_name(s_schema_name(&schemas.items[i]), name));
        s_write_schema(&schemas.items[i], out);
    }
    nm_pairs_close(&pairs);
}
