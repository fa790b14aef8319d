#include "broker/actor_private.h"

#include "broker/log.h"
#include "wire/reader.h"
#include "wire/writer.h"

//  -- From inside: a newcomer knocks

static void
s_welcome(nm_actor_t *self, const nm_input_t *input, unsigned status, const char *detail, const char *name)
{
    nm_welcome_t welcome = { 0 };
    nm_buf_t own = { 0 }, statements = { 0 };
    nm_gossip_t *gossip = nm_directory_gossip(self->exchange.directory);
    NM_PUT(&welcome, welcome, status, status);
    if (detail)
        NM_PUT(&welcome, welcome, detail, nm_text(detail));
    if (status == 200 && nm_gossip_write_own(gossip, &own) == NM_OK)
        NM_PUT(&welcome, welcome, member, nm_buf_bytes(&own));
    size_t mark = nm_writer_list_open(&statements);
    size_t count = name ? nm_statements_write_of(nm_gossip_statements(gossip), name, 8, &statements) : 0;
    nm_writer_list_close(&statements, mark, count);
    if (count)
        NM_PUT(&welcome, welcome, statements, nm_buf_bytes(&statements));
    nm_output_t *output = nm_actor_output(self, NM_OUT_REPLY);
    output->caller = input->caller;
    nm_record_encode(&nm_welcome_shape, &welcome, NM_BY_TAG, &output->bytes);
    nm_buf_free(&own);
    nm_buf_free(&statements);
}

//  Takes the knock apart. The certificate inside must hold the key under which the session runs: so nobody
//  comes in with what another said.
static nm_rc_t
s_open_knock(const nm_input_t *input, nm_signed_t *from, char name[NM_NAME_MAX + 1])
{
    nm_knock_t knock;
    nm_member_t member;
    nm_certificate_t certificate;
    if (input->bytes.size > NM_LOBBY_FRAME_MAX || nm_reader_check(input->bytes) != NM_OK ||
        nm_record_decode(&nm_knock_shape, &knock, input->bytes, NULL, "") != NM_OK ||
        nm_record_decode(&nm_signed_shape, from, knock.member, NULL, "") != NM_OK ||
        nm_record_decode(&nm_member_shape, &member, from->body, NULL, "") != NM_OK ||
        nm_record_decode(&nm_certificate_shape, &certificate, member.certificate, NULL, "") != NM_OK)
        return NM_ERR_MALFORMED;
    nm_bytes_to_text(certificate.name, name, NM_NAME_MAX + 1);
    return nm_bytes_equal(certificate.public_key, nm_bytes(input->client_key, NM_CURVE_KEY_SIZE)) ? NM_OK
                                                                                                  : NM_ERR_REFUSED;
}

void
nm_lobby_take_knock(nm_actor_t *self, const nm_input_t *input)
{
    nm_signed_t from;
    nm_error_t error = { "" };
    char name[NM_NAME_MAX + 1] = "", fingerprint[17];
    nm_directory_t *directory = self->exchange.directory;
    nm_rc_t rc = directory ? s_open_knock(input, &from, name) : NM_ERR_MALFORMED;
    if (rc == NM_ERR_MALFORMED) {
        nm_metric_add(self->metric.bad_frames, 1);
        return;
    }
    if (rc == NM_ERR_REFUSED)
        nm_fail(&error, rc, "the certificate is not of the key that knocks");
    else
        rc = nm_directory_learn(directory, &from, self->turn.now, &error);
    if (rc == NM_ERR_BUSY)
        return;  //  It will knock again
    if (rc == NM_ERR_DUPLICATE && nm_directory_admit(directory, input->client_key, self->turn.now.wall_ms, &error))
        rc = NM_OK;
    if (rc == NM_OK) {
        nm_log(NM_LOG_INFO, "newcomer", "%s knocked at the lobby and is in.", name);
        s_welcome(self, input, 200, NULL, NULL);
        return;
    }
    nm_metric_add(self->metric.refused, 1);
    nm_cert_fingerprint(input->client_key, fingerprint);
    nm_log(NM_LOG_WARNING, "newcomer_refused", "Refused at the lobby: %s (key %s).", error.text, fingerprint);
    s_welcome(self, input, 403, error.text, name);
}

//  -- From outside: this actor is the newcomer

//  One that was leaving when it was last heard may be back: who finds nobody is the last to hear of that.
static bool
s_is_seed(const nm_actor_t *self, const nm_peer_t *peer)
{
    return peer->actor.lobby[0] && peer->certified && !peer->forgotten &&
           strcmp(peer->actor.name, self->setup.self->name) != 0;
}

//  The next actor with a lobby, in turn.
static const nm_peer_t *
s_next_seed(nm_actor_t *self)
{
    for (size_t i = 0; i < self->peer_count; i++) {
        const nm_peer_t *peer = self->peers[self->exchange.seed++ % self->peer_count];
        if (s_is_seed(self, peer))
            return peer;
    }
    return NULL;
}

void
nm_lobby_knock(nm_actor_t *self)
{
    nm_knock_t knock = { 0 };
    nm_buf_t own = { 0 };
    const nm_peer_t *seed = s_next_seed(self);
    if (seed && nm_gossip_write_own(nm_directory_gossip(self->exchange.directory), &own) == NM_OK) {
        NM_PUT(&knock, knock, member, nm_buf_bytes(&own));
        nm_output_t *output = nm_actor_output(self, NM_OUT_KNOCK);
        output->peer = seed;
        nm_record_encode(&nm_knock_shape, &knock, NM_BY_TAG, &output->bytes);
    }
    nm_buf_free(&own);
}

void
nm_lobby_take_welcome(nm_actor_t *self, const nm_input_t *input)
{
    nm_welcome_t welcome;
    nm_signed_t seed;
    nm_updates_t news = { 0 };
    if (!self->exchange.directory || nm_reader_check(input->bytes) != NM_OK ||
        nm_record_decode(&nm_welcome_shape, &welcome, input->bytes, NULL, "") != NM_OK) {
        nm_metric_add(self->metric.bad_frames, 1);
        return;
    }
    if (NM_HAS(&welcome, welcome, statements))
        NM_PUT(&news, updates, statements, welcome.statements);
    nm_exchange_take_news(self, &news, NULL);
    if (welcome.status != 200) {
        nm_log(NM_LOG_ERROR, "not_welcome", "%s does not let this actor in: %.*s.", input->peer,
               NM_PRINT(NM_HAS(&welcome, welcome, detail) ? welcome.detail : nm_text("it does not say why")));
        return;
    }
    nm_log(NM_LOG_INFO, "welcome", "%s has let this actor in.", input->peer);
    if (NM_HAS(&welcome, welcome, member) &&
        nm_record_decode(&nm_signed_shape, &seed, welcome.member, NULL, "") == NM_OK)
        nm_directory_learn(self->exchange.directory, &seed, self->turn.now, NULL);
    self->exchange.knock_pause_ms = NM_KNOCK_PAUSE_MS;
    self->exchange.answered_ms = self->turn.now.mono_ms;
    nm_exchange_sync_with(self, nm_directory_find(self->exchange.directory, input->peer));
}
