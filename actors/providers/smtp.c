#include "actors/providers/smtp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/providers/mime.h"
#include "actors/providers/sender.h"
#include "actors/providers/smtp_reply.h"
#include "wire/address.h"

enum { PASSWORD_MAX = 1024, URL_MAX = 300 };

typedef struct {
    char url[URL_MAX];
    nm_tls_t tls;
    char *user;
    char *password;
    char from[NM_ADDRESS_MAX + 1];
    char domain[256];
    char *ca_file;
    bool insecure;
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    unsigned connections;
} smtp_t;

static void
s_close(void *config)
{
    smtp_t *self = config;
    if (!self)
        return;
    if (self->password)
        explicit_bzero(self->password, strlen(self->password));
    free(self->password);
    free(self->user);
    free(self->ca_file);
    free(self);
}

static bool
s_is_host(const char *text)
{
    size_t size = strlen(text);
    if (!size || size > 255)
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_") == size;
}

static nm_rc_t
s_open_tls(smtp_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    static const char *const WORDS[] = { "none", "starttls", "tls" };
    static const nm_tls_t VALUES[] = { NM_TLS_NONE, NM_TLS_STARTTLS, NM_TLS_DIRECT };
    const char *text;
    nm_rc_t rc = nm_zpl_text(node, "tls", "none", &text, error);
    if (rc != NM_OK)
        return rc;
    for (size_t i = 0; i < NM_COUNT(WORDS); i++) {
        if (strcmp(text, WORDS[i]) != 0)
            continue;
        self->tls = VALUES[i];
        return NM_OK;
    }
    return nm_zpl_fail(nm_zpl_find(node, "tls"), error, "tls is none, starttls or tls, not \"%.40s\"", text);
}

static nm_rc_t
s_open_url(smtp_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    static const uint64_t PORTS[] = { [NM_TLS_NONE] = 25, [NM_TLS_STARTTLS] = 587, [NM_TLS_DIRECT] = 465 };
    const char *host = NULL;
    uint64_t port = 0;
    nm_rc_t rc = nm_zpl_text(node, "host", NULL, &host, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(node, "port", 1, 65535, PORTS[self->tls], &port, error);
    if (rc != NM_OK)
        return rc;
    if (!host)
        return nm_zpl_fail(node, error, "an smtp provider needs a host");
    if (!s_is_host(host))
        return nm_zpl_fail(nm_zpl_find(node, "host"), error, "\"%.80s\" is not the name or address of a host", host);
    bool v6 = strchr(host, ':') != NULL;
    snprintf(self->url, sizeof self->url, "%s://%s%s%s:%u", self->tls == NM_TLS_DIRECT ? "smtps" : "smtp",
             v6 ? "[" : "", host, v6 ? "]" : "", (unsigned) port);
    return NM_OK;
}

//  The first line of a file that nobody else may read.
static nm_rc_t
s_read_password(const char *path, const nm_zpl_t *node, char **password, nm_error_t *error)
{
    nm_rc_t rc = NM_ERR_MALFORMED;
    char text[PASSWORD_MAX + 2];
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1 || fstat(fd, &stat) == -1) {
        nm_zpl_fail(node, error, "%.200s cannot be read: %s", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(stat.st_mode) || (stat.st_mode & 077)) {
        nm_zpl_fail(node, error, "%.200s must be a file of mode 0600", path);
        goto done;
    }
    ssize_t size = read(fd, text, sizeof text - 1);
    if (size < 1 || size > PASSWORD_MAX) {
        nm_zpl_fail(node, error, "%.200s must hold a password of at most %d bytes", path, PASSWORD_MAX);
        goto done;
    }
    text[size] = 0;
    text[strcspn(text, "\r\n")] = 0;
    nm_effect_set(password, text);
    rc = NM_OK;

done:
    explicit_bzero(text, sizeof text);
    if (fd != -1)
        close(fd);
    return rc;
}

static nm_rc_t
s_open_login(smtp_t *self, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    const nm_zpl_t *given = nm_zpl_find(node, "password");
    if (given && given->line)
        return nm_zpl_fail(given, error, "a mesh file holds no secrets: name a password_file instead");

    const char *user = NULL, *file = NULL, *password = NULL;
    nm_rc_t rc = nm_zpl_text(node, "user", NULL, &user, error);
    if (rc == NM_OK)
        rc = nm_zpl_text(node, "password_file", NULL, &file, error);
    if (rc == NM_OK)
        rc = nm_zpl_text(node, "password", NULL, &password, error);
    if (rc != NM_OK)
        return rc;
    if (file && password)
        return nm_zpl_fail(given, error, "there is a password_file already");
    if (!user != (!file && !password))
        return nm_zpl_fail(node, error, "user and %s come together", node->line ? "password_file" : "password");
    if (password && strlen(password) > PASSWORD_MAX)
        return nm_zpl_fail(given, error, "a password has at most %d bytes", PASSWORD_MAX);
    if (!user)
        return NM_OK;
    nm_effect_set(&self->user, user);
    if (password) {
        nm_effect_set(&self->password, password);
        return NM_OK;
    }
    char path[NM_MESH_PATH_MAX];
    nm_mesh_path(mesh, file, path, sizeof path);
    return s_read_password(path, nm_zpl_find(node, "password_file"), &self->password, error);
}

static nm_rc_t
s_open_limits(smtp_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    uint64_t connections;
    nm_rc_t rc = nm_zpl_duration(node, "timeout_ms", 3600000, 600000, &self->timeout_ms, error);
    if (rc == NM_OK)
        rc = nm_zpl_duration(node, "connect_timeout_ms", 600000, 30000, &self->connect_timeout_ms, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(node, "max_connections", 1, 1000, 16, &connections, error);
    if (rc == NM_OK)
        rc = nm_zpl_bool(node, "insecure", false, &self->insecure, error);
    if (rc != NM_OK)
        return rc;
    if (self->connect_timeout_ms > self->timeout_ms)
        self->connect_timeout_ms = self->timeout_ms;
    self->connections = (unsigned) connections;
    return NM_OK;
}

static nm_rc_t
s_open(void **config, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    smtp_t *self = nm_alloc(sizeof *self);
    const char *ca_file = NULL;
    snprintf(self->domain, sizeof self->domain, "%s", mesh->public_domain);
    nm_rc_t rc = s_open_tls(self, node, error);
    if (rc == NM_OK)
        rc = s_open_url(self, node, error);
    if (rc == NM_OK)
        rc = s_open_login(self, node, mesh, error);
    if (rc == NM_OK)
        rc = s_open_limits(self, node, error);
    if (rc == NM_OK)
        rc = nm_sender_open(node, mesh, self->from, sizeof self->from, error);
    if (rc == NM_OK)
        rc = nm_zpl_text(node, "ca_file", NULL, &ca_file, error);
    if (rc == NM_OK && ca_file) {
        char path[NM_MESH_PATH_MAX];
        nm_mesh_path(mesh, ca_file, path, sizeof path);
        nm_effect_set(&self->ca_file, path);
    }
    if (rc == NM_OK)
        *config = self;
    else
        s_close(self);
    return rc;
}

static nm_rc_t
s_prepare(const void *config, const nm_order_t *order, nm_effect_t **effect, nm_error_t *error)
{
    const smtp_t *self = config;
    const nm_delivery_t *delivery = order->delivery;
    if (!nm_address_is_email(delivery->recipient))
        return nm_fail(error, NM_ERR_REFUSED, "the recipient is not an e-mail address");

    nm_effect_t *call = nm_effect_new(NM_EFFECT_SMTP, order->token, &delivery->notification);
    nm_mime_t mime = { delivery, self->from, self->domain, order->first_ms };
    nm_rc_t rc = nm_mime_build(&mime, &call->body, error);
    if (rc != NM_OK) {
        nm_effect_destroy(&call);
        return rc;
    }
    nm_effect_set(&call->url, self->url);
    nm_effect_set(&call->user, self->user);
    nm_effect_set(&call->password, self->password);
    nm_effect_set(&call->ca_file, self->ca_file);
    nm_effect_set(&call->sender, self->from);
    nm_effect_set_bytes(&call->recipient, delivery->recipient);
    call->tls = self->tls;
    call->insecure = self->insecure;
    call->timeout_ms = self->timeout_ms;
    call->connect_timeout_ms = self->connect_timeout_ms;
    call->connections = self->connections;
    *effect = call;
    return NM_OK;
}

static void
s_classify(const nm_result_t *result, nm_verdict_t *verdict)
{
    *verdict = (nm_verdict_t){
        .code = result->code,
        .detail = nm_text(result->text),
        .retry_after_ms = result->retry_after_ms,
    };
    switch (result->call) {
    case NM_CALL_ANSWERED: nm_smtp_reply_classify(result->code, verdict->detail, verdict); return;
    case NM_CALL_UNREACHED:
    case NM_CALL_BROKEN:
        verdict->outcome = NM_OUTCOME_LATER;
        verdict->counts = true;
        return;
    case NM_CALL_UNKNOWN:
        verdict->outcome = NM_OUTCOME_UNCERTAIN;
        verdict->counts = true;
        return;
    case NM_CALL_FORBIDDEN: verdict->outcome = NM_OUTCOME_REFUSED; return;
    }
    verdict->outcome = NM_OUTCOME_UNCERTAIN;
}

static const char *const KEYS[] = {
    "host",     "port",     "tls",           "user",
    "password", "from",     "password_file", "max_connections",
    "ca_file",  "insecure", "timeout_ms",    "connect_timeout_ms",
};

static const char *const SECRETS[] = { "password" };

const nm_driver_t nm_smtp_driver = {
    .kind = "smtp",
    .channels = NM_CHANNEL_BIT(NM_CHANNEL_EMAIL),
    .keys = KEYS,
    .key_count = NM_COUNT(KEYS),
    .secrets = SECRETS,
    .secret_count = NM_COUNT(SECRETS),
    .open = s_open,
    .close = s_close,
    .prepare = s_prepare,
    .classify = s_classify,
};
