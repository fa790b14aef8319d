#include "actors/bridge/settings.h"

#include <arpa/inet.h>

static const char *const NAMES[] = { "connections", "per_address", "bodies", "idle", "proxies", "origins", "tls" };
static const char *const TLS_NAMES[] = { "cert", "key" };

enum { CONNECTIONS_MAX = 1000000, CONNECTIONS = 12000, PER_ADDRESS = 256, IDLE_MS = 60000, IDLE_MAX_MS = 3600000 };

static const uint64_t BODIES_SIZE = UINT64_C(256) << 20, BODIES_MOST_SIZE = UINT64_C(1) << 40;

bool
nm_bridge_settings_is_local(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

bool
nm_bridge_words_have(const nm_bridge_words_t *self, nm_bytes_t word)
{
    for (size_t i = 0; i < self->count; i++)
        if (nm_bytes_equal(self->words[i], word))
            return true;
    return false;
}

//  Takes the last of a list with commas off it.
static nm_bytes_t
s_last(nm_bytes_t *list)
{
    const uint8_t *comma = list->size ? memrchr(list->at, ',', list->size) : NULL;
    size_t before = comma ? (size_t) (comma - list->at) : 0;
    nm_bytes_t last = comma ? nm_bytes(comma + 1, list->size - before - 1) : *list;
    list->size = before;
    while (last.size && (last.at[0] == ' ' || last.at[0] == '\t'))
        last = nm_bytes(last.at + 1, last.size - 1);
    while (last.size && (last.at[last.size - 1] == ' ' || last.at[last.size - 1] == '\t'))
        last.size--;
    return last;
}

void
nm_bridge_settings_client(const nm_bridge_settings_t *self, nm_bytes_t forwarded, char address[NM_BRIDGE_ADDRESS_SIZE])
{
    struct in6_addr parsed;
    char text[NM_BRIDGE_ADDRESS_SIZE];
    while (forwarded.size && nm_bridge_words_have(&self->proxies, nm_text(address))) {
        nm_bytes_to_text(s_last(&forwarded), text, sizeof text);
        if (inet_pton(AF_INET, text, &parsed) != 1 && inet_pton(AF_INET6, text, &parsed) != 1)
            return;
        snprintf(address, NM_BRIDGE_ADDRESS_SIZE, "%s", text);
    }
}

static nm_rc_t
s_read_words(const nm_zpl_t *part, const char *name, nm_bridge_words_t *words, nm_error_t *error)
{
    const char *text = "";
    nm_rc_t rc = nm_zpl_text(part, name, "", &text, error);
    if (rc != NM_OK)
        return rc;
    char *rest = words->text = strdup(text), *word;
    while ((word = strtok_r(rest, " ,", &rest))) {
        if (words->count == NM_BRIDGE_WORDS_MAX)
            return nm_zpl_fail(nm_zpl_find(part, name), error, "%s takes %d at most", name, NM_BRIDGE_WORDS_MAX);
        words->words[words->count++] = nm_text(word);
    }
    return NM_OK;
}

static nm_rc_t
s_read_tls(nm_bridge_settings_t *self, const nm_mesh_t *mesh, const nm_zpl_t *tls, nm_error_t *error)
{
    const char *cert = NULL, *key = NULL;
    nm_rc_t rc = nm_zpl_only(tls, TLS_NAMES, NM_COUNT(TLS_NAMES), error);
    if (rc == NM_OK)
        rc = nm_zpl_text(tls, "cert", NULL, &cert, error);
    if (rc == NM_OK)
        rc = nm_zpl_text(tls, "key", NULL, &key, error);
    if (rc == NM_OK && (!cert || !key))
        rc = nm_zpl_fail(tls, error, "tls wants cert and key, the paths of two files");
    if (rc != NM_OK)
        return rc;
    nm_mesh_path(mesh, cert, self->tls_cert, sizeof self->tls_cert);
    nm_mesh_path(mesh, key, self->tls_key, sizeof self->tls_key);
    return NM_OK;
}

//  ADDRESS:PORT, an IPv6 address in brackets.
static void
s_split_place(nm_bridge_settings_t *self, const char *endpoint)
{
    const char *host = endpoint + strlen("tcp://");
    const char *colon = strrchr(host, ':');
    size_t size = (size_t) (colon - host);
    if (host[0] == '[' && size > 2 && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    nm_bytes_to_text(nm_bytes(host, size), self->host, sizeof self->host);
    nm_bytes_to_text(nm_text(colon + 1), self->port, sizeof self->port);
}

nm_rc_t
nm_bridge_settings_read(nm_bridge_settings_t *self, const nm_mesh_t *mesh, const nm_mesh_actor_t *actor,
                        nm_error_t *error)
{
    const nm_zpl_t *part = nm_mesh_part(mesh, "http");
    const nm_zpl_t *tls = part ? nm_zpl_find(part, "tls") : NULL;
    *self = (nm_bridge_settings_t){ .connections = 0 };
    s_split_place(self, actor->http);
    uint64_t per_address = nm_bridge_settings_is_local(self->host) ? 0 : PER_ADDRESS;
    nm_rc_t rc = part ? nm_zpl_only(part, NAMES, NM_COUNT(NAMES), error) : NM_OK;
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "connections", 1, CONNECTIONS_MAX, CONNECTIONS, &self->connections, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(part, "per_address", 0, CONNECTIONS_MAX, per_address, &self->per_address, error);
    if (rc == NM_OK)
        rc = nm_zpl_size(part, "bodies", BODIES_MOST_SIZE, BODIES_SIZE, &self->bodies_size, error);
    if (rc == NM_OK)
        rc = nm_zpl_duration(part, "idle", IDLE_MAX_MS, IDLE_MS, &self->idle_ms, error);
    if (rc == NM_OK)
        rc = s_read_words(part, "proxies", &self->proxies, error);
    if (rc == NM_OK)
        rc = s_read_words(part, "origins", &self->origins, error);
    return rc == NM_OK && tls ? s_read_tls(self, mesh, tls, error) : rc;
}

void
nm_bridge_settings_free(nm_bridge_settings_t *self)
{
    free(self->proxies.text);
    free(self->origins.text);
    *self = (nm_bridge_settings_t){ .connections = 0 };
}
