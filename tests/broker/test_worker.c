#include "tests/broker/check.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include "broker/worker.h"

//  A job that ends when it is told to.
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned started;
    bool open;
} gate_t;

static gate_t s_gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false };

static void
s_wait_at_gate(void *arg, nm_result_t *result)
{
    (void) result;
    gate_t *gate = arg;
    pthread_mutex_lock(&gate->lock);
    gate->started++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void
s_wait_for_started(gate_t *gate, unsigned count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->started < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void
s_set_gate(gate_t *gate, bool open)
{
    pthread_mutex_lock(&gate->lock);
    gate->started = 0;
    gate->open = open;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void
s_double(void *arg, nm_result_t *result)
{
    result->code = *(unsigned *) arg * 2;
    nm_buf_format(&result->body, "was %u", *(unsigned *) arg);
}

static nm_effect_t *
s_job(nm_work_fn *work, uint64_t token, void *arg, void (*work_free)(void *))
{
    nm_id_t about = { { (uint8_t) token, 5 } };
    nm_effect_t *effect = nm_effect_new(NM_EFFECT_WORK, token, &about);
    effect->work = work;
    effect->work_arg = arg;
    effect->work_free = work_free;
    return effect;
}

static nm_effect_t *
s_doubling(unsigned number)
{
    unsigned *arg = nm_alloc(sizeof *arg);
    *arg = number;
    return s_job(s_double, number + 1000, arg, free);
}

//  Waits until a result can be taken, at most ten seconds. A wake may come for one that was taken.
static void
s_take(nm_worker_t *worker, nm_result_t *result)
{
    struct pollfd fd = { .fd = nm_worker_fd(worker), .events = POLLIN };
    while (!nm_worker_take(worker, result))
        assert_int_equal(poll(&fd, 1, 10000), 1);
}

static void
results_come_in_the_order_of_the_jobs(void **state)
{
    (void) state;
    nm_worker_t *worker = nm_worker_new(1);
    nm_result_t result;
    assert_false(nm_worker_take(worker, &result));
    for (unsigned i = 0; i < 100; i++)
        nm_worker_start(worker, s_doubling(i));
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(nm_worker_running(worker), 100 - i);
        s_take(worker, &result);
        assert_int_equal(result.token, i + 1000);
        assert_int_equal(result.about.at[0], (uint8_t) (i + 1000));
        assert_int_equal(result.call, NM_CALL_ANSWERED);
        assert_int_equal(result.code, 2 * i);
        assert_int_equal(result.retry_after_ms, -1);
        char expected[16];
        snprintf(expected, sizeof expected, "was %u", i);
        assert_true(nm_bytes_is(nm_buf_bytes(&result.body), expected));
        nm_result_free(&result);
    }
    assert_false(nm_worker_take(worker, &result));
    assert_int_equal(nm_worker_running(worker), 0);
    nm_worker_destroy(&worker);
    assert_null(worker);
}

static void
as_many_jobs_run_side_by_side_as_there_are_threads(void **state)
{
    (void) state;
    s_set_gate(&s_gate, false);
    nm_worker_t *worker = nm_worker_new(3);
    for (uint64_t i = 0; i < 3; i++)
        nm_worker_start(worker, s_job(s_wait_at_gate, i, &s_gate, NULL));
    //  It would never come back if they ran one after the other
    s_wait_for_started(&s_gate, 3);
    s_set_gate(&s_gate, true);
    nm_result_t result;
    for (int i = 0; i < 3; i++)
        s_take(worker, &result);
    nm_worker_destroy(&worker);
}

static void
destroy_waits_for_the_job_under_way_and_drops_the_rest(void **state)
{
    (void) state;
    s_set_gate(&s_gate, false);
    nm_worker_t *worker = nm_worker_new(1);
    nm_worker_start(worker, s_job(s_wait_at_gate, 1, &s_gate, NULL));
    s_wait_for_started(&s_gate, 1);
    for (unsigned i = 0; i < 10; i++)
        nm_worker_start(worker, s_doubling(i));
    s_set_gate(&s_gate, true);
    //  What is dropped is freed too: the address sanitizer counts
    nm_worker_destroy(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_come_in_the_order_of_the_jobs),
        cmocka_unit_test(as_many_jobs_run_side_by_side_as_there_are_threads),
        cmocka_unit_test(destroy_waits_for_the_job_under_way_and_drops_the_rest),
    };
    return cmocka_run_group_tests_name("broker/worker", tests, NULL, NULL);
}
