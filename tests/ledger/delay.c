/*  delay - holds packets back: a slow and uneven network where the kernel has no netem.
 *
 *      nm_delay QUEUE DELAY_MS JITTER_MS SEED
 *
 *  Takes the packets of an NFQUEUE (iptables -j NFQUEUE --queue-num QUEUE --queue-bypass) and lets each
 *  go after DELAY_MS and up to JITTER_MS more, chosen for each alone: so with jitter they also overtake
 *  each other. Says "ready" when it listens, ends with SIGTERM; what it holds then is lost, as
 *  packets are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { HELD_MAX = 65536, PACKET_MAX = 65536, SOCKET_SIZE = 8 * 1024 * 1024 };

typedef struct {
    uint32_t id;
    int64_t due_us;
} s_held_t;

//  A heap: the packet that is due first is at the top.
typedef struct {
    struct nfq_q_handle *queue;
    int64_t delay_us, jitter_us;
    s_held_t held[HELD_MAX];
    size_t count;
} s_delay_t;

static int64_t
s_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
s_let_go(s_delay_t *self, uint32_t id)
{
    nfq_set_verdict(self->queue, id, NF_ACCEPT, 0, NULL);
}

static void
s_hold(s_delay_t *self, s_held_t packet)
{
    size_t at = self->count++;
    while (at > 0 && self->held[(at - 1) / 2].due_us > packet.due_us) {
        self->held[at] = self->held[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->held[at] = packet;
}

static void
s_drop_top(s_delay_t *self)
{
    s_held_t last = self->held[--self->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < self->count && self->held[child + 1].due_us < self->held[child].due_us)
            child++;
        if (child >= self->count || self->held[child].due_us >= last.due_us)
            break;
        self->held[at] = self->held[child];
        at = child;
    }
    self->held[at] = last;
}

static int
s_on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *arg)
{
    (void) queue;
    (void) message;
    s_delay_t *self = arg;
    struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
    if (!header)
        return 0;
    uint32_t id = ntohl(header->packet_id);
    if (self->count == HELD_MAX) {
        s_let_go(self, id);
        return 0;
    }
    int64_t jitter_us = self->jitter_us ? random() % self->jitter_us : 0;
    s_hold(self, (s_held_t){ id, s_now_us() + self->delay_us + jitter_us });
    return 0;
}

static int
s_wait_ms(const s_delay_t *self)
{
    if (!self->count)
        return 1000;
    int64_t left_us = self->held[0].due_us - s_now_us();
    return left_us <= 0 ? 0 : (int) (left_us / 1000 + 1);
}

static int
s_run(s_delay_t *self, struct nfq_handle *handle)
{
    static char packet[PACKET_MAX];
    struct pollfd item = { .fd = nfq_fd(handle), .events = POLLIN };
    for (;;) {
        if (poll(&item, 1, s_wait_ms(self)) < 0 && errno != EINTR)
            return 1;
        ssize_t size;
        while ((size = recv(item.fd, packet, sizeof packet, MSG_DONTWAIT)) > 0)
            nfq_handle_packet(handle, packet, (int) size);
        if (size < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            return 1;
        while (self->count && self->held[0].due_us <= s_now_us()) {
            s_let_go(self, self->held[0].id);
            s_drop_top(self);
        }
    }
}

int
main(int argc, char **argv)
{
    static s_delay_t self;
    if (argc != 5) {
        fprintf(stderr, "usage: nm_delay QUEUE DELAY_MS JITTER_MS SEED\n");
        return 2;
    }
    self.delay_us = strtol(argv[2], NULL, 10) * 1000;
    self.jitter_us = strtol(argv[3], NULL, 10) * 1000;
    srandom((unsigned) strtoul(argv[4], NULL, 10));

    int code = 1;
    struct nfq_handle *handle = nfq_open();
    if (!handle)
        goto done;
    self.queue = nfq_create_queue(handle, (uint16_t) strtoul(argv[1], NULL, 10), s_on_packet, &self);
    if (!self.queue || nfq_set_mode(self.queue, NFQNL_COPY_META, 0) < 0 ||
        nfq_set_queue_maxlen(self.queue, HELD_MAX) < 0)
        goto done;
    nfnl_rcvbufsiz(nfq_nfnlh(handle), SOCKET_SIZE);
    puts("ready");
    fflush(stdout);
    code = s_run(&self, handle);

done:
    if (code)
        perror("nm_delay");
    if (self.queue)
        nfq_destroy_queue(self.queue);
    if (handle)
        nfq_close(handle);
    return code;
}
