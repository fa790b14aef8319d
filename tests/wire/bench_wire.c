//  bench_wire - what one record costs: prints nanoseconds, tests nothing.
#include "check.h"

#include <time.h>

enum { ROUNDS = 200000, ARENA_SIZE = 1 << 20 };

static double
s_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

//  Encodes and decodes one record over and over.
static void
s_measure(const char *name, const nm_shape_t *shape, const any_record_t *record, nm_keys_t keys)
{
    nm_buf_t out = { 0 };
    any_record_t back;
    double start = s_now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        nm_buf_clear(&out);
        nm_record_encode(shape, record, keys, &out);
    }
    double encoded = s_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        if (nm_record_decode(shape, &back, nm_buf_bytes(&out), NULL, "") != NM_OK)
            abort();
    double decoded = s_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        if (nm_reader_check(nm_buf_bytes(&out)) != NM_OK)
            abort();
    double checked = s_now_ns();
    printf("%-10s %-8s %2d fields %5zu bytes   encode %5.0f ns   decode %5.0f ns   check alone %5.0f ns\n", name,
           keys == NM_BY_TAG ? "by tag" : "by name", __builtin_popcountll(record->has), out.size,
           (encoded - start) / ROUNDS, (decoded - encoded) / ROUNDS, (checked - decoded) / ROUNDS);
    nm_buf_free(&out);
}

//  An ordinary e-mail, as most notifications are.
static void
s_measure_delivery(void)
{
    any_record_t room = { 0 };
    nm_delivery_t *it = (nm_delivery_t *) room.room;
    char content[301];
    memset(content, 'x', sizeof content - 1);
    content[300] = 0;
    nm_id_t id = { { 1, 2, 3 } };
    NM_PUT(it, delivery, notification, id);
    NM_PUT(it, delivery, service, id);
    NM_PUT(it, delivery, number, 1);
    NM_PUT(it, delivery, generation, 0);
    NM_PUT(it, delivery, channel, NM_CHANNEL_EMAIL);
    NM_PUT(it, delivery, recipient, nm_text("ada.king@example.com"));
    NM_PUT(it, delivery, priority, NM_PRIORITY_NORMAL);
    NM_PUT(it, delivery, created_at, 1795233591123);
    NM_PUT(it, delivery, provider, nm_text("smtp-1"));
    NM_PUT(it, delivery, subject, nm_text("Your order has been sent"));
    NM_PUT(it, delivery, content, nm_text(content));
    NM_PUT(it, delivery, correlation_id, nm_text("0199bb11-4321-7abc-9def-a1b2c3d4e5f6"));
    s_measure("delivery", &nm_delivery_shape, &room, NM_BY_TAG);
    s_measure("delivery", &nm_delivery_shape, &room, NM_BY_NAME);
}

static void
s_measure_request(void)
{
    any_record_t room = { 0 };
    nm_request_t *it = (nm_request_t *) room.room;
    NM_PUT(it, request, channel, NM_CHANNEL_EMAIL);
    NM_PUT(it, request, recipient, nm_text("ada.king@example.com"));
    NM_PUT(it, request, subject, nm_text("Your order has been sent"));
    NM_PUT(it, request, content, nm_text("It left our house today and should be with you on Friday."));
    NM_PUT(it, request, priority, NM_PRIORITY_HIGH);
    s_measure("request", &nm_request_shape, &room, NM_BY_NAME);

    static nm_faults_t faults;
    double start = s_now_ns();
    for (int i = 0; i < ROUNDS; i++)
        if (nm_request_check(it, 0, &faults, "") != NM_OK)
            abort();
    printf("%-10s check of the rules %5.0f ns\n", "request", (s_now_ns() - start) / ROUNDS);
}

static void
s_measure_full(const nm_shape_t *shape)
{
    nm_buf_t arena = { 0 };
    any_record_t record;
    unsigned salt = 1;
    nm_buf_reserve(&arena, ARENA_SIZE);
    s_fill(shape, &record, NM_BY_TAG, &salt, &arena);
    s_measure(shape->name, shape, &record, NM_BY_TAG);
    nm_buf_free(&arena);
}

int
main(void)
{
    s_measure_delivery();
    s_measure_request();
    s_measure_full(&nm_event_shape);
    s_measure_full(&nm_receipt_shape);
    s_measure_full(&nm_work_shape);
    return 0;
}
