#include "broker/ways.h"

enum {
    RECONNECT_MS = 10000,    //  A peer silent for so long gets a new post: libzmq gives up on refused ones
    FAILING_MS = 1500,       //  ... and at once one that speaks to us while we cannot speak to it for so long
    DEALER_IDLE_MS = 10000,  //  A dealer that nobody uses is given up
    DEALER_DEAF_MS = 2000,   //  ... and one over which asks found no answer
    LOOK_MS = 500,           //  Between two looks at dealers
};

typedef struct {
    const nm_peer_t *peer;
    void *post;          //  PUSH to its mailbox; NULL if no mail goes between us
    void *dealer;        //  To its desk; made at the first ask
    int64_t changed_ms;  //  When it was last heard, or post was made
    int64_t heard_ms;
    int64_t failing_ms;  //  Since when post takes nothing; 0: it does
    int64_t used_ms;     //  When dealer last carried something
    int64_t asked_ms;    //  Since when asks over dealer wait for any answer; 0: they do not
    bool linked;         //  Mail goes between us, and it may be connected to

    //  What the sockets were made for: another place or key of the peer wants new ones.
    char mailbox[NM_ENDPOINT_MAX];
    char desk[NM_ENDPOINT_MAX];
    uint8_t key[NM_CURVE_KEY_SIZE];
} way_t;

struct nm_ways {
    nm_ways_config_t config;
    way_t *items;  //  By the peer's place in the directory; without peer where it has no actor
    size_t count;
    uint64_t version;  //  Of the directory, as of which the peers were taken from it
    int64_t look_at_ms;
};

nm_ways_t *
nm_ways_new(const nm_ways_config_t *config)
{
    nm_ways_t *self = nm_alloc(sizeof *self);
    self->config = *config;
    return self;
}

void
nm_ways_destroy(nm_ways_t **self_p)
{
    nm_ways_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        nm_net_close(self->config.net, &self->items[i].post);
        nm_net_close(self->config.net, &self->items[i].dealer);
    }
    free(self->items);
    free(self);
    *self_p = NULL;
}

//  NULL for one that has come since the directory was looked at.
static way_t *
s_find(nm_ways_t *self, const nm_peer_t *peer)
{
    way_t *way = peer && peer->place < self->count ? &self->items[peer->place] : NULL;
    return way && way->peer ? way : NULL;
}

static way_t *
s_make(nm_ways_t *self, const nm_peer_t *peer)
{
    if (peer->place >= self->count) {
        self->items = nm_realloc(self->items, (peer->place + 1) * sizeof *self->items);
        memset(self->items + self->count, 0, (peer->place + 1 - self->count) * sizeof *self->items);
        self->count = peer->place + 1;
    }
    self->items[peer->place].peer = peer;
    return &self->items[peer->place];
}

//  -- Following the directory

static nm_rc_t
s_connect_post(nm_ways_t *self, way_t *way, int64_t now_ms, nm_error_t *error)
{
    const nm_peer_t *peer = way->peer;
    nm_net_close(self->config.net, &way->post);
    way->post = nm_net_connect(self->config.net, NM_NET_POST, peer->actor.mailbox, peer->cert.public_key, error);
    way->changed_ms = now_ms;
    way->failing_ms = 0;
    return way->post ? NM_OK : NM_ERR_IO;
}

static bool
s_is_placed_as_before(const way_t *way)
{
    const nm_peer_t *peer = way->peer;
    return strcmp(way->mailbox, peer->actor.mailbox) == 0 && strcmp(way->desk, peer->actor.desk) == 0 &&
           memcmp(way->key, peer->cert.public_key, sizeof way->key) == 0;
}

static bool
s_is_linked(const nm_ways_t *self, const nm_peer_t *peer)
{
    return peer->certified && strcmp(peer->actor.name, self->config.name) != 0 &&
           nm_roles_link(self->config.role, peer->actor.role);
}

static nm_rc_t
s_place(nm_ways_t *self, way_t *way, int64_t now_ms, nm_error_t *error)
{
    const nm_peer_t *peer = way->peer;
    bool linked = s_is_linked(self, peer);
    if (linked == way->linked && s_is_placed_as_before(way))
        return NM_OK;
    nm_net_close(self->config.net, &way->post);
    nm_net_close(self->config.net, &way->dealer);
    memcpy(way->mailbox, peer->actor.mailbox, sizeof way->mailbox);
    memcpy(way->desk, peer->actor.desk, sizeof way->desk);
    memcpy(way->key, peer->cert.public_key, sizeof way->key);
    way->linked = linked;
    return linked ? s_connect_post(self, way, now_ms, error) : NM_OK;
}

nm_rc_t
nm_ways_follow(nm_ways_t *self, int64_t now_ms, nm_error_t *error)
{
    uint64_t version = nm_directory_version(self->config.directory);
    if (version == self->version)
        return NM_OK;
    size_t count = nm_directory_list(self->config.directory, NM_ROLE_NONE, NULL, 0);
    const nm_peer_t **peers = nm_alloc(count * sizeof *peers);
    nm_rc_t rc = NM_OK;
    nm_directory_list(self->config.directory, NM_ROLE_NONE, peers, count);
    for (size_t i = 0; i < count; i++)
        if (s_place(self, s_make(self, peers[i]), now_ms, error) != NM_OK)
            rc = NM_ERR_IO;  //  The others are placed all the same
    self->version = version;
    free(peers);
    return rc;
}

void
nm_ways_call_anew(nm_ways_t *self, int64_t now_ms)
{
    nm_error_t error;
    for (size_t i = 0; i < self->count; i++) {
        nm_net_close(self->config.net, &self->items[i].dealer);
        if (self->items[i].linked)
            s_connect_post(self, &self->items[i], now_ms, &error);
    }
}

//  -- Ways that lead nowhere

void
nm_ways_welcomed(nm_ways_t *self, int64_t now_ms)
{
    nm_error_t error;
    for (size_t i = 0; i < self->count; i++) {
        way_t *way = &self->items[i];
        if (way->asked_ms)
            nm_net_close(self->config.net, &way->dealer);
        way->asked_ms = 0;
        if (way->linked && way->failing_ms)
            s_connect_post(self, way, now_ms, &error);
    }
}

void
nm_ways_heard(nm_ways_t *self, const char *name, int64_t now_ms)
{
    way_t *way = s_find(self, nm_directory_find(self->config.directory, name));
    if (way)
        way->changed_ms = way->heard_ms = now_ms;
}

//  One that speaks while we cannot gets a new post soon: it has let us in by now.
static bool
s_needs_post(const way_t *way, int64_t now_ms)
{
    if (!way->linked)
        return false;
    if (now_ms - way->changed_ms > RECONNECT_MS)
        return true;
    return way->failing_ms && now_ms - way->failing_ms > FAILING_MS && now_ms - way->heard_ms < FAILING_MS;
}

//  One that was refused, or leads nowhere, is made anew at the next ask.
static void
s_tend_dealer(nm_ways_t *self, way_t *way, int64_t now_ms)
{
    bool idle = now_ms - way->used_ms > DEALER_IDLE_MS;
    bool deaf = way->asked_ms && now_ms - way->asked_ms > DEALER_DEAF_MS;
    if (!way->dealer || !(idle || deaf) || nm_actor_awaits(self->config.actor, way->peer))
        return;
    nm_net_close(self->config.net, &way->dealer);
    way->asked_ms = 0;
}

void
nm_ways_tend(nm_ways_t *self, int64_t now_ms)
{
    nm_error_t error;
    for (size_t i = 0; i < self->count; i++)
        if (s_needs_post(&self->items[i], now_ms))
            s_connect_post(self, &self->items[i], now_ms, &error);
    if (now_ms < self->look_at_ms)
        return;
    self->look_at_ms = now_ms + LOOK_MS;
    for (size_t i = 0; i < self->count; i++)
        s_tend_dealer(self, &self->items[i], now_ms);
}

//  -- Sending

void
nm_ways_post(nm_ways_t *self, const nm_peer_t *peer, nm_buf_t *frame, int64_t now_ms)
{
    way_t *way = s_find(self, peer);
    if (nm_net_send(way ? way->post : NULL, frame))
        way->failing_ms = 0;
    else if (way && !way->failing_ms)
        way->failing_ms = now_ms;
}

void
nm_ways_ask(nm_ways_t *self, const nm_peer_t *peer, nm_buf_t *frame, int64_t now_ms)
{
    nm_error_t error;
    way_t *way = s_find(self, peer);
    if (way && !way->dealer && peer->certified)
        way->dealer = nm_net_connect(self->config.net, NM_NET_DEALER, peer->actor.desk, peer->cert.public_key, &error);
    nm_net_send(way ? way->dealer : NULL, frame);
    if (!way)
        return;
    way->used_ms = now_ms;
    if (!way->asked_ms)
        way->asked_ms = now_ms;
}

//  -- Polling

size_t
nm_ways_count(const nm_ways_t *self)
{
    return self->count;
}

void *
nm_ways_dealer(const nm_ways_t *self, size_t place)
{
    return self->items[place].dealer;
}

const nm_peer_t *
nm_ways_answered(nm_ways_t *self, size_t place, int64_t now_ms)
{
    way_t *way = &self->items[place];
    way->used_ms = now_ms;
    way->asked_ms = 0;
    return way->peer;
}
