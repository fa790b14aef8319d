#include "tests/broker/check.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actors/bridge/clients.h"

enum { PAGE_SIZE = 4096, PAGE_COUNT = 9, START_MS = 1000000 };

//  A client, and the other end of its connection.
typedef struct {
    nm_clients_t clients;
    nm_client_t *client;
    int far;
    int near;
    int64_t now_ms;
} fixture_t;

static int
s_make(void **state)
{
    int ends[2];
    fixture_t *it = nm_alloc(sizeof *it);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    it->near = ends[0];
    it->far = ends[1];
    it->now_ms = START_MS;
    it->clients.idle_ms = 60000;
    it->clients.pool_size = PAGE_COUNT * PAGE_SIZE;
    it->client = nm_clients_add(&it->clients, it->near, it->now_ms);
    *state = it;
    return 0;
}

static int
s_free(void **state)
{
    fixture_t *it = *state;
    nm_clients_remove(&it->clients, &it->client);
    nm_clients_close(&it->clients);
    close(it->near);
    close(it->far);
    free(it);
    return 0;
}

static void
s_wait(fixture_t *it, int64_t ms)
{
    it->now_ms += ms;
    nm_clients_look(&it->clients, it->now_ms);
}

//  Is it cut off after so long, and not a look before?
static void
s_assert_patience(fixture_t *it, nm_client_phase_t phase, uint64_t size, int64_t ms)
{
    char byte;
    nm_clients_enter(it->client, phase, size, it->now_ms);
    s_wait(it, ms - NM_CLIENTS_LOOK_MS);
    assert_int_equal(recv(it->far, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_false(it->client->cut);
    s_wait(it, 2 * NM_CLIENTS_LOOK_MS);
    assert_true(it->client->cut);
    assert_int_equal(recv(it->far, &byte, 1, 0), 0);
    assert_int_equal(it->clients.cut_count, 1);
}

static void
a_head_has_five_seconds(void **state)
{
    s_assert_patience(*state, NM_CLIENT_HEAD, 0, 5000);
}

static void
a_body_has_a_second_more_for_each_16_kib(void **state)
{
    s_assert_patience(*state, NM_CLIENT_BODY, 3 * 16384, 8000);
}

static void
an_answer_has_so_too(void **state)
{
    s_assert_patience(*state, NM_CLIENT_ANSWER, 1 << 20, 69000);
}

static void
a_resting_one_has_as_long_as_is_set(void **state)
{
    s_assert_patience(*state, NM_CLIENT_REST, 0, 60000);
}

static void
one_that_waits_for_its_answer_is_left_alone(void **state)
{
    fixture_t *it = *state;
    nm_clients_enter(it->client, NM_CLIENT_WAIT, 0, it->now_ms);
    s_wait(it, 3600 * 1000);
    assert_false(it->client->cut);
}

static void
one_that_is_sent_a_stream_is_left_alone_too(void **state)
{
    fixture_t *it = *state;
    nm_clients_pace(it->client);
    s_wait(it, 3600 * 1000);
    assert_false(it->client->cut);
}

static void
nobody_is_looked_at_before_it_is_due(void **state)
{
    fixture_t *it = *state;
    assert_int_equal(nm_clients_timeout(&it->clients, it->now_ms), NM_CLIENTS_LOOK_MS);
    it->client->since_ms -= 60000;
    s_wait(it, NM_CLIENTS_LOOK_MS - 1);
    assert_false(it->client->cut);
    s_wait(it, 1);
    assert_true(it->client->cut);
    nm_clients_remove(&it->clients, &it->client);
    assert_int_equal(nm_clients_timeout(&it->clients, it->now_ms), -1);
}

//  How many pages of the pool are resident.
static size_t
s_resident(uint8_t *pool)
{
    unsigned char pages[PAGE_COUNT];
    size_t count = 0;
    assert_int_equal(mincore(pool, PAGE_COUNT * PAGE_SIZE, pages), 0);
    for (size_t i = 0; i < PAGE_COUNT; i++)
        count += pages[i] & 1;
    return count;
}

static void
pages_of_zeros_are_given_back_and_others_kept(void **state)
{
    fixture_t *it = *state;
    uint8_t *pool = mmap(NULL, PAGE_COUNT * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pool, MAP_FAILED);
    memset(pool, 1, PAGE_COUNT * PAGE_SIZE);
    memset(pool, 0, PAGE_COUNT * PAGE_SIZE);
    pool[4 * PAGE_SIZE - 1] = 7;  //  The start of a request that has not come whole, say
    it->client->pool = pool;
    assert_int_equal(s_resident(pool), PAGE_COUNT);
    nm_clients_enter(it->client, NM_CLIENT_REST, 0, it->now_ms);
    s_wait(it, NM_CLIENTS_TRIM_MS);
    assert_int_equal(s_resident(pool), PAGE_COUNT);
    s_wait(it, NM_CLIENTS_LOOK_MS);
    assert_int_equal(s_resident(pool), 1);
    assert_int_equal(pool[4 * PAGE_SIZE - 1], 7);
    for (size_t i = 0; i < PAGE_COUNT * PAGE_SIZE; i++)
        assert_true(pool[i] == 0 || i == 4 * PAGE_SIZE - 1);
    munmap(pool, PAGE_COUNT * PAGE_SIZE);
}

//  A client can shift where its request begins by empty lines before it.
static void
what_is_no_pool_is_left_alone(void **state)
{
    fixture_t *it = *state;
    uint8_t *pool = mmap(NULL, 2 * PAGE_COUNT * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pool, 0, PAGE_COUNT * PAGE_SIZE);
    munmap(pool + PAGE_COUNT * PAGE_SIZE, PAGE_COUNT * PAGE_SIZE);
    const uint8_t *const STARTS[] = { NULL, pool + 2, pool + PAGE_SIZE };
    for (size_t i = 0; i < NM_COUNT(STARTS); i++) {
        it->client->pool = STARTS[i];
        nm_clients_enter(it->client, NM_CLIENT_REST, 0, it->now_ms);
        s_wait(it, 2 * NM_CLIENTS_TRIM_MS);
        assert_true(it->client->trimmed);
    }
    munmap(pool, PAGE_COUNT * PAGE_SIZE);
}

//  What its client still sends is read, so that the kernel has no reason to tear the connection down.
static void
a_closed_connection_lingers_while_its_client_sends(void **state)
{
    fixture_t *it = *state;
    static char much[16384];
    nm_clients_linger(&it->clients, it->client, it->now_ms);
    shutdown(it->near, SHUT_WR);
    close(it->near);
    it->near = -1;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(send(it->far, much, sizeof much, MSG_NOSIGNAL), sizeof much);
        s_wait(it, NM_CLIENTS_LOOK_MS);
    }
    s_wait(it, NM_CLIENTS_LINGER_MS);
    assert_int_equal(it->clients.lingerer_count, 0);
    assert_int_equal(send(it->far, much, sizeof much, MSG_NOSIGNAL), -1);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, s_make, s_free)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_head_has_five_seconds),
        TEST(a_body_has_a_second_more_for_each_16_kib),
        TEST(an_answer_has_so_too),
        TEST(a_resting_one_has_as_long_as_is_set),
        TEST(one_that_waits_for_its_answer_is_left_alone),
        TEST(one_that_is_sent_a_stream_is_left_alone_too),
        TEST(nobody_is_looked_at_before_it_is_due),
        TEST(pages_of_zeros_are_given_back_and_others_kept),
        TEST(what_is_no_pool_is_left_alone),
        TEST(a_closed_connection_lingers_while_its_client_sends),
    };
    return cmocka_run_group_tests_name("bridge/clients", tests, NULL, NULL);
}
