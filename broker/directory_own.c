#include "broker/directory_private.h"

#include <sys/stat.h>
#include "broker/log.h"

nm_rc_t
nm_directory_enter(nm_directory_t *self, const nm_directory_own_t *own)
{
    self->own.as = *own;
    self->own.cert = *own->cert;
    self->own.as.cert = &self->own.cert;
    self->own.speaks = nm_cert_sign_secret(own->cert, self->own.secret) == NM_OK;
    self->own.beat_at_ms = self->own.speaks ? INT64_MIN : INT64_MAX;
    return self->own.speaks ? NM_OK : NM_ERR_MISSING;
}

const nm_cert_t *
nm_directory_own(const nm_directory_t *self)
{
    return self->own.as.actor ? &self->own.cert : NULL;
}

static void
s_say(nm_directory_t *self, nm_now_t now)
{
    const nm_mesh_actor_t *actor = self->own.as.actor;
    nm_member_t member = { 0 };
    nm_buf_t certificate = { 0 };
    bool news;
    nm_cert_to_record(&self->own.cert, &certificate);
    NM_PUT(&member, member, certificate, nm_buf_bytes(&certificate));
    NM_PUT(&member, member, expires_at, self->expiry_ms);
    NM_PUT(&member, member, host, nm_text(actor->host));
    NM_PUT(&member, member, mailbox, nm_text(actor->mailbox));
    NM_PUT(&member, member, desk, nm_text(actor->desk));
    if (actor->number)
        NM_PUT(&member, member, number, actor->number);
    if (actor->door[0])
        NM_PUT(&member, member, door, nm_text(actor->door));
    if (actor->lobby[0])
        NM_PUT(&member, member, lobby, nm_text(actor->lobby));
    NM_PUT(&member, member, store, self->own.as.store);
    NM_PUT(&member, member, epoch, self->own.as.epoch);
    NM_PUT(&member, member, version, nm_text(NM_VERSION_TEXT));
    if (self->own.draining)
        NM_PUT(&member, member, draining, true);
    if (self->own.leaving)
        NM_PUT(&member, member, leaving, true);
    nm_gossip_say(self->gossip, &member, self->own.secret, now, &news);
    nm_buf_free(&certificate);
    if (news && nm_directory_follow(self, actor->name))
        nm_directory_index(self, now.wall_ms);
}

int64_t
nm_directory_beat(nm_directory_t *self, nm_now_t now)
{
    if (self->own.speaks && (now.mono_ms >= self->own.beat_at_ms || nm_gossip_outdated(self->gossip))) {
        s_say(self, now);
        self->own.beat_at_ms = now.mono_ms + self->beat_ms;
    }
    return self->own.beat_at_ms;
}

static void
s_say_soon(nm_directory_t *self)
{
    if (self->own.speaks)
        self->own.beat_at_ms = INT64_MIN;
}

void
nm_directory_drain(nm_directory_t *self)
{
    self->own.draining = true;
    s_say_soon(self);
}

void
nm_directory_leave(nm_directory_t *self)
{
    self->own.leaving = true;
    s_say_soon(self);
}

//  The file of the new pair while it is being changed, else the one that there always is.
static nm_rc_t
s_load_renewed(const nm_directory_t *self, nm_cert_t *cert, nm_error_t *error)
{
    char relative[NM_NAME_MAX + 24], path[NM_MESH_PATH_MAX + sizeof relative];
    struct stat status;
    snprintf(relative, sizeof relative, "keys/%s.next.key", self->own.as.actor->name);
    nm_mesh_path(self->mesh, relative, path, sizeof path);
    if (stat(path, &status) != 0) {
        snprintf(relative, sizeof relative, "keys/%s.key", self->own.as.actor->name);
        nm_mesh_path(self->mesh, relative, path, sizeof path);
    }
    return nm_cert_load(path, cert, error);
}

static nm_rc_t
s_check_renewed(const nm_directory_t *self, const nm_cert_t *cert, nm_now_t now, nm_error_t *error)
{
    const nm_cert_t *old = &self->own.cert;
    nm_rc_t rc = nm_cert_verify(cert, self->mesh->authority, now.wall_ms, error);
    if (rc != NM_OK)
        return rc;
    if (strcmp(cert->name, old->name) != 0 || cert->role != old->role)
        return nm_fail(error, NM_ERR_REFUSED, "the new key is of %s (%s), not of %s (%s)", cert->name,
                       nm_role_text(cert->role), old->name, nm_role_text(old->role));
    if (!cert->signs || !cert->secret_text[0])
        return nm_fail(error, NM_ERR_REFUSED, "the new key of %s has no secret or no sign key", cert->name);
    if (nm_statements_kill(nm_gossip_statements(self->gossip), cert, error))
        return NM_ERR_REFUSED;
    if (strcmp(cert->serial, old->serial) == 0)
        return nm_fail(error, NM_ERR_DUPLICATE, "%s goes by that certificate already", cert->name);
    return NM_OK;
}

nm_rc_t
nm_directory_renew(nm_directory_t *self, nm_now_t now, nm_error_t *error)
{
    nm_cert_t cert = { .name = "" };
    nm_rc_t rc = s_load_renewed(self, &cert, error);
    if (rc == NM_OK)
        rc = s_check_renewed(self, &cert, now, error);
    if (rc == NM_OK) {
        self->own.cert = cert;
        self->own.speaks = nm_cert_sign_secret(&cert, self->own.secret) == NM_OK;
        s_say_soon(self);
        nm_log(NM_LOG_INFO, "renewed", "This actor goes by the certificate %s now.", cert.serial);
    }
    nm_cert_wipe(&cert);
    return rc;
}

bool
nm_directory_is_out(const nm_directory_t *self, nm_error_t *error)
{
    return self->own.as.actor && nm_statements_kill(nm_gossip_statements(self->gossip), &self->own.cert, error);
}
