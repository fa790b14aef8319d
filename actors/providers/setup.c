#include "actors/providers/setup.h"

#include <sodium.h>

#include "wire/id.h"

enum { KEYS_MAX = 64 };

//  What every provider may say; its driver adds its own.
static const char *const COMMON[] = { "kind", "channels", "priority", "active", "services" };

bool
nm_provider_is_common(const char *name)
{
    for (size_t i = 0; i < NM_COUNT(COMMON); i++)
        if (strcmp(name, COMMON[i]) == 0)
            return true;
    return false;
}

static nm_rc_t
s_check_keys(const nm_zpl_t *node, const nm_driver_t *driver, nm_error_t *error)
{
    const char *keys[KEYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < NM_COUNT(COMMON); i++)
        keys[count++] = COMMON[i];
    for (size_t i = 0; i < driver->key_count && count < KEYS_MAX; i++)
        keys[count++] = driver->keys[i];
    return nm_zpl_only(node, keys, count, error);
}

//  Takes the next of some words that are separated by spaces or commas; empty at the end.
static nm_bytes_t
s_next_word(const char **text)
{
    *text += strspn(*text, " ,");
    nm_bytes_t word = nm_bytes(*text, strcspn(*text, " ,"));
    *text += word.size;
    return word;
}

//  Reads "email push".
static nm_rc_t
s_open_channels(nm_provider_setup_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    const char *text = NULL;
    nm_bytes_t word;
    nm_rc_t rc = nm_zpl_text(node, "channels", NULL, &text, error);
    if (rc != NM_OK)
        return rc;
    self->channels = text ? 0 : self->driver->channels;
    while (text && (word = s_next_word(&text)).size) {
        int channel = nm_words_find(&nm_channel_words, word);
        if (channel < 0 || !(self->driver->channels & NM_CHANNEL_BIT(channel)))
            return nm_zpl_fail(nm_zpl_find(node, "channels"), error,
                               "a provider of kind %s does not send over \"%.*s\"", self->driver->kind, NM_PRINT(word));
        self->channels |= NM_CHANNEL_BIT(channel);
    }
    return NM_OK;
}

static nm_rc_t
s_open_services(nm_provider_setup_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    const char *text = NULL;
    nm_bytes_t word;
    nm_rc_t rc = nm_zpl_text(node, "services", NULL, &text, error);
    while (rc == NM_OK && text && (word = s_next_word(&text)).size) {
        self->services = nm_realloc(self->services, (self->service_count + 1) * sizeof *self->services);
        if (nm_id_from_text(word, &self->services[self->service_count++]) != NM_OK)
            rc = nm_zpl_fail(nm_zpl_find(node, "services"), error, "\"%.*s\" is not the id of a service",
                             NM_PRINT(word));
    }
    return rc;
}

//  Names and values of the driver's settings, in their order by name, each ended by a NUL.
static void
s_hash(nm_provider_setup_t *self, const nm_zpl_t *node)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, NM_PROVIDER_HASH_SIZE);
    crypto_generichash_update(&state, (const uint8_t *) self->driver->kind, strlen(self->driver->kind) + 1);
    for (size_t i = 0; i < self->driver->key_count; i++) {
        const nm_zpl_t *child = nm_zpl_find(node, self->driver->keys[i]);
        if (!child || nm_provider_is_common(child->name))
            continue;
        const char *value = child->value ? child->value : "";
        crypto_generichash_update(&state, (const uint8_t *) child->name, strlen(child->name) + 1);
        crypto_generichash_update(&state, (const uint8_t *) value, strlen(value) + 1);
    }
    crypto_generichash_final(&state, self->hash, NM_PROVIDER_HASH_SIZE);
}

static nm_rc_t
s_open_driver(nm_provider_setup_t *self, const nm_zpl_t *node, nm_error_t *error)
{
    const char *kind = NULL;
    nm_rc_t rc = nm_zpl_text(node, "kind", NULL, &kind, error);
    if (rc != NM_OK)
        return rc;
    self->driver = kind ? nm_driver_find(kind) : NULL;
    if (self->driver)
        return s_check_keys(node, self->driver, error);
    char kinds[256];
    nm_driver_list(kinds, sizeof kinds);
    const nm_zpl_t *given = nm_zpl_find(node, "kind");
    return nm_zpl_fail(given ? given : node, error, "provider %s needs a kind: %s", self->name, kinds);
}

nm_rc_t
nm_provider_setup_open(nm_provider_setup_t *self, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    *self = (nm_provider_setup_t){ .driver = NULL };
    if (strlen(node->name) > NM_NAME_MAX)
        return nm_zpl_fail(node, error, "the name of a provider has at most %d bytes", NM_NAME_MAX);
    snprintf(self->name, sizeof self->name, "%s", node->name);
    nm_rc_t rc = s_open_driver(self, node, error);
    if (rc == NM_OK)
        rc = s_open_channels(self, node, error);
    if (rc == NM_OK)
        rc = nm_zpl_number(node, "priority", 0, NM_PROVIDER_PRIORITY_MAX, NM_PROVIDER_PRIORITY, &self->priority, error);
    if (rc == NM_OK)
        rc = nm_zpl_bool(node, "active", true, &self->active, error);
    if (rc == NM_OK)
        rc = s_open_services(self, node, error);
    if (rc == NM_OK)
        rc = self->driver->open(&self->config, node, mesh, error);
    if (rc == NM_OK)
        s_hash(self, node);
    else
        free(self->services);
    return rc;
}

void
nm_provider_setup_close(nm_provider_setup_t *self)
{
    if (self->driver)
        self->driver->close(self->config);
    free(self->services);
    *self = (nm_provider_setup_t){ .driver = NULL };
}

bool
nm_provider_setup_serves(const nm_provider_setup_t *self, const nm_id_t *service)
{
    for (size_t i = 0; i < self->service_count; i++)
        if (nm_id_equal(&self->services[i], service))
            return true;
    return self->service_count == 0;
}
