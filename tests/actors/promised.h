/*  promised - an answer is held against what wire/api.h says of its operation; one that is otherwise aborts.
 */
#ifndef NM_TEST_PROMISED_H
#define NM_TEST_PROMISED_H

#include "wire/api.h"
#include "wire/reader.h"

__attribute__((noreturn, format(printf, 1, 2))) static void
s_promise_broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static bool
s_is_of_shape(const nm_shape_t *shape, nm_bytes_t item, nm_faults_t *faults)
{
    uint64_t room[256];
    if (shape->size > sizeof room)
        s_promise_broken("%s is larger than the room of this test", shape->name);
    for (size_t i = 0; shape->choices && shape->choices[i]; i++)
        if (s_is_of_shape(shape->choices[i], item, faults))
            return true;
    return !shape->choices && nm_record_decode(shape, room, item, faults, "") == NM_OK;
}

static void
s_check_shape(const char *op, const nm_shape_t *shape, nm_bytes_t body)
{
    static nm_faults_t faults;
    faults.count = faults.missed = 0;
    if (!s_is_of_shape(shape, body, &faults))
        s_promise_broken("%s does not answer with %s: %s %s", op, shape->name, faults.items[0].pointer,
                         faults.items[0].detail);
}

//  The items of a list of records, which the decoder leaves to whoever opens it.
static void
s_check_items(const char *op, const nm_field_t *field, nm_bytes_t body)
{
    nm_bytes_t raw, item;
    nm_list_t list;
    if (nm_reader_find(body, field->name, &raw) != NM_OK || nm_list_open(&list, raw) != NM_OK)
        s_promise_broken("%s does not answer with a list %s", op, field->name);
    while (nm_list_next(&list, &item) == NM_OK)
        s_check_shape(op, field->more, item);
}

//  Answers that tell of something have the shape of their row, problems that of problems.
static void
s_check_promised(const char *op, unsigned status, nm_bytes_t body)
{
    const nm_api_t *row = nm_api_find(nm_text(op));
    bool problem = status >= 400 && !(row && row->flags & NM_API_STATE && status == 503);
    const nm_shape_t *shape = problem ? &nm_problem_shape : row && !(row->flags & NM_API_EVENTS) ? row->answer : NULL;
    if (!shape)
        return;
    s_check_shape(op, shape, body);
    for (size_t i = 0; i < shape->field_count; i++)
        if (shape->fields[i].type == NM_FIELD_LIST && shape->fields[i].more)
            s_check_items(op, &shape->fields[i], body);
}

#endif
