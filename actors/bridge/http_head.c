#include <arpa/inet.h>
#include <sodium.h>

#include "actors/bridge/http_private.h"

static enum MHD_Result
s_take_field(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
             size_t value_size)
{
    nm_head_t *head = arg;
    (void) kind;
    if (head->field_count == NM_HEAD_FIELD_MAX) {
        head->field_count++;
        return MHD_NO;
    }
    head->fields[head->field_count++] =
        (nm_head_field_t){ nm_bytes(name, name_size), nm_bytes(value, value ? value_size : 0) };
    return MHD_YES;
}

//  libmicrohttpd takes line ends without CR, lines that go on in the next one, and several spaces in the request line; what stands
//  in front of it may read such a head in another way. It parses the head where it was received, putting NULs for
//  what separated the parts; so the head is plain if its parts stand exactly where they would in a plain one, from the
//  first byte to the last.
static bool
s_is_plain(const nm_http_request_t *request, const nm_head_t *head, const char *method, const char *version)
{
    const char *at = method + head->method.size + 1;
    if (at != request->target_at || version != at + head->target.size + 1)
        return false;
    at = version + strlen(version) + 2;
    for (size_t i = 0; i < head->field_count; i++) {
        const nm_head_field_t *field = &head->fields[i];
        const char *value = (const char *) field->value.at;
        if ((const char *) field->name.at != at || !value || value < at + field->name.size + 1)
            return false;
        for (const char *space = at + field->name.size + 1; space < value; space++)
            if (*space != ' ' && *space != '\t')
                return false;
        at = value + field->value.size + 2;
    }
    return at + 2 == method + head->size;
}

static void
s_set_address(nm_front_t *self, nm_http_request_t *request, nm_bytes_t forwarded)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info ? info->client_addr : NULL;
    const void *bytes = NULL;
    int family = AF_INET;
    if (peer && peer->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *) peer)->sin_addr;
    } else if (peer && peer->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *) peer)->sin6_addr;
        family = IN6_IS_ADDR_V4MAPPED(six) ? AF_INET : AF_INET6;
        bytes = family == AF_INET ? (const void *) &six->s6_addr[12] : six;
    }
    if (!bytes || !inet_ntop(family, bytes, request->address, sizeof request->address))
        snprintf(request->address, sizeof request->address, "?");
    nm_bridge_settings_client(&self->bridge->settings, forwarded, request->address);
    request->public.local = nm_bridge_settings_is_local(request->address);
    NM_PUT(&request->public.headers, ask_headers, client_address, nm_text(request->address));
}

static void
s_set_correlation(nm_http_request_t *request, nm_bytes_t given)
{
    uint8_t random[NM_HTTP_CORRELATION_SIZE / 2];
    if (!given.size) {
        randombytes_buf(random, sizeof random);
        sodium_bin2hex(request->correlation, sizeof request->correlation, random, sizeof random);
        given = nm_text(request->correlation);
    }
    NM_PUT(&request->public.headers, ask_headers, correlation_id, given);
}

void
nm_http_read_head(nm_front_t *self, nm_http_request_t *request, const char *method, const char *version,
                  nm_head_result_t *result)
{
    nm_head_t *head = &self->head;
    head->field_count = 0;
    head->method = nm_text(method);
    head->target = nm_text(request->target);
    head->version = nm_text(version);
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    head->size = size ? size->header_size : 0;
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, s_take_field, head);
    bool many = head->field_count > NM_HEAD_FIELD_MAX;
    if (many)
        head->field_count = NM_HEAD_FIELD_MAX;
    nm_head_judge(&self->rules, head, result, &request->public);
    s_set_correlation(request, result->correlation_id);
    s_set_address(self, request, result->forwarded);
    if (many)
        *result = (nm_head_result_t){ NM_HEAD_BREAK, { 431, "A request may have 100 header fields." } };
    else if (!s_is_plain(request, head, method, version))
        *result = (nm_head_result_t){ NM_HEAD_BREAK, { 400, "The head of the request is not well-formed." } };
}
