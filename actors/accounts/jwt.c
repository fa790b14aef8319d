#include "actors/accounts/jwt.h"

#include <sodium.h>

#include "wire/id.h"

enum { B64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING, MEMBER_MAX = 16 };
static const int64_t LEEWAY_S = 60;  //  Clocks of two machines may be so far apart

static const char ISSUER[] = "nmesh";

//  -- Reading: a flat JSON object

typedef enum { VALUE_TEXT, VALUE_NUMBER, VALUE_LIST } value_kind_t;

typedef struct {
    nm_bytes_t name;
    value_kind_t kind;
    nm_bytes_t text;  //  Of a text; what is between the brackets of a list
    int64_t number;
} member_t;

typedef struct {
    member_t members[MEMBER_MAX];
    size_t count;
} object_t;

typedef struct {
    const uint8_t *at, *end;
} scanner_t;

static void
s_skip_space(scanner_t *self)
{
    while (self->at < self->end && (*self->at == ' ' || *self->at == '\t' || *self->at == '\n' || *self->at == '\r'))
        self->at++;
}

//  Takes one character, after white space.
static bool
s_take(scanner_t *self, char c)
{
    s_skip_space(self);
    if (self->at == self->end || *self->at != (uint8_t) c)
        return false;
    self->at++;
    return true;
}

//  A text without escapes: nothing of ours needs them, and one text then has one spelling.
static bool
s_scan_text(scanner_t *self, nm_bytes_t *text)
{
    if (!s_take(self, '"'))
        return false;
    const uint8_t *start = self->at;
    while (self->at < self->end && *self->at != '"') {
        if (*self->at < ' ' || *self->at == '\\')
            return false;
        self->at++;
    }
    *text = nm_bytes(start, (size_t) (self->at - start));
    return s_take(self, '"');
}

//  A whole number from 0 on, of at most 15 digits.
static bool
s_scan_number(scanner_t *self, int64_t *number)
{
    const uint8_t *start = self->at;
    *number = 0;
    while (self->at < self->end && *self->at >= '0' && *self->at <= '9' && self->at - start < 15)
        *number = *number * 10 + (*self->at++ - '0');
    return self->at > start && (*start != '0' || self->at - start == 1);
}

static bool
s_scan_list(scanner_t *self, nm_bytes_t *inside)
{
    nm_bytes_t item;
    if (!s_take(self, '['))
        return false;
    const uint8_t *start = self->at;
    bool first = true;
    while (!s_take(self, ']')) {
        if ((!first && !s_take(self, ',')) || !s_scan_text(self, &item))
            return false;
        first = false;
    }
    *inside = nm_bytes(start, (size_t) (self->at - 1 - start));
    return true;
}

static bool
s_scan_value(scanner_t *self, member_t *member)
{
    s_skip_space(self);
    if (self->at == self->end)
        return false;
    if (*self->at == '"') {
        member->kind = VALUE_TEXT;
        return s_scan_text(self, &member->text);
    }
    if (*self->at == '[') {
        member->kind = VALUE_LIST;
        return s_scan_list(self, &member->text);
    }
    member->kind = VALUE_NUMBER;
    return s_scan_number(self, &member->number);
}

static const member_t *
s_find(const object_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (nm_bytes_is(self->members[i].name, name))
            return &self->members[i];
    return NULL;
}

static bool
s_has(const object_t *self, nm_bytes_t name)
{
    for (size_t i = 0; i < self->count; i++)
        if (nm_bytes_equal(self->members[i].name, name))
            return true;
    return false;
}

static bool
s_scan_object(nm_bytes_t json, object_t *object)
{
    scanner_t scanner = { json.at, json.at + json.size };
    object->count = 0;
    if (!s_take(&scanner, '{'))
        return false;
    bool first = true;
    while (!s_take(&scanner, '}')) {
        member_t member = { .number = 0 };
        if ((!first && !s_take(&scanner, ',')) || object->count == MEMBER_MAX || !s_scan_text(&scanner, &member.name) ||
            !s_take(&scanner, ':') || s_has(object, member.name) || !s_scan_value(&scanner, &member))
            return false;
        object->members[object->count++] = member;
        first = false;
    }
    s_skip_space(&scanner);
    return scanner.at == scanner.end;
}

static bool
s_text_is(const object_t *object, const char *name, const char *text)
{
    const member_t *member = s_find(object, name);
    return member && member->kind == VALUE_TEXT && nm_bytes_is(member->text, text);
}

static bool
s_get_id(const object_t *object, const char *name, nm_id_t *id)
{
    const member_t *member = s_find(object, name);
    return member && member->kind == VALUE_TEXT && member->text.size == NM_ID_TEXT_SIZE &&
           nm_id_from_text(member->text, id) == NM_OK;
}

static bool
s_get_number(const object_t *object, const char *name, int64_t *number)
{
    const member_t *member = s_find(object, name);
    if (!member || member->kind != VALUE_NUMBER)
        return false;
    *number = member->number;
    return true;
}

//  Roles that are not known give nothing.
static bool
s_get_roles(const object_t *object, uint32_t *roles)
{
    const member_t *member = s_find(object, "roles");
    nm_bytes_t word;
    if (!member || member->kind != VALUE_LIST)
        return false;
    scanner_t scanner = { member->text.at, member->text.at + member->text.size };
    *roles = 0;
    while (s_scan_text(&scanner, &word)) {
        int role = nm_words_find(&nm_person_role_words, word);
        if (role >= 0)
            *roles |= 1u << role;
        s_take(&scanner, ',');
    }
    return true;
}

//  -- Checking

typedef struct {
    nm_bytes_t header, payload, signature;  //  In base64url
    nm_bytes_t signed_part;
} parts_t;

static bool
s_split(nm_bytes_t token, parts_t *parts)
{
    if (!token.size || token.size > NM_JWT_MAX)
        return false;
    const uint8_t *end = token.at + token.size;
    const uint8_t *first = memchr(token.at, '.', token.size);
    const uint8_t *second = first ? memchr(first + 1, '.', (size_t) (end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t) (end - second - 1)))
        return false;
    parts->header = nm_bytes(token.at, (size_t) (first - token.at));
    parts->payload = nm_bytes(first + 1, (size_t) (second - first - 1));
    parts->signature = nm_bytes(second + 1, (size_t) (end - second - 1));
    parts->signed_part = nm_bytes(token.at, (size_t) (second - token.at));
    return true;
}

static bool
s_decode(nm_bytes_t text, uint8_t *out, size_t room, nm_bytes_t *bytes)
{
    size_t size;
    const char *end;
    if (sodium_base642bin(out, room, (const char *) text.at, text.size, NULL, &size, &end, B64) != 0 ||
        end != (const char *) text.at + text.size)
        return false;
    *bytes = nm_bytes(out, size);
    return true;
}

//  The key that the header names, if the header asks for what that key does.
static const nm_jwt_key_t *
s_key_of(nm_bytes_t header, nm_jwt_find_fn *find, const void *arg)
{
    uint8_t room[NM_JWT_MAX];
    nm_bytes_t json;
    object_t object;
    nm_id_t id;
    if (!s_decode(header, room, sizeof room, &json) || !s_scan_object(json, &object) || object.count != 3 ||
        !s_text_is(&object, "typ", "JWT") || !s_get_id(&object, "kid", &id))
        return NULL;
    const nm_jwt_key_t *key = find(arg, &id);
    return key && s_text_is(&object, "alg", nm_words_text(&nm_jwt_algorithm_words, key->algorithm)) ? key : NULL;
}

static bool
s_is_signed(const nm_jwt_key_t *key, const parts_t *parts)
{
    uint8_t room[crypto_sign_BYTES];
    nm_bytes_t signature, text = parts->signed_part;
    if (!s_decode(parts->signature, room, sizeof room, &signature))
        return false;
    if (key->algorithm == NM_JWT_EDDSA)
        return signature.size == crypto_sign_BYTES &&
               crypto_sign_verify_detached(room, text.at, text.size, key->key) == 0;
    return signature.size == crypto_auth_hmacsha256_BYTES &&
           crypto_auth_hmacsha256_verify(room, text.at, text.size, key->key) == 0;
}

static nm_jwt_verdict_t
s_read_claims(nm_bytes_t payload, const char *audience, int64_t now_ms, nm_jwt_claims_t *claims)
{
    uint8_t room[NM_JWT_MAX];
    nm_bytes_t json;
    object_t object;
    nm_jwt_claims_t read;
    int64_t issued, not_before, expires, now = now_ms / 1000;
    if (!s_decode(payload, room, sizeof room, &json) || !s_scan_object(json, &object) ||
        !s_text_is(&object, "iss", ISSUER) || !s_text_is(&object, "aud", audience) ||
        !s_get_id(&object, "sub", &read.user) || !s_get_id(&object, "svc", &read.service) ||
        !s_get_id(&object, "jti", &read.token) || !s_get_roles(&object, &read.roles) ||
        !s_get_number(&object, "iat", &issued) || !s_get_number(&object, "nbf", &not_before) ||
        !s_get_number(&object, "exp", &expires))
        return NM_JWT_FORGED;
    if (expires <= issued || expires - issued > NM_JWT_LIFE_MS / 1000 || issued > now + LEEWAY_S ||
        not_before > now + LEEWAY_S)
        return NM_JWT_FORGED;
    read.issued_ms = issued * 1000;
    read.expires_ms = expires * 1000;
    *claims = read;
    return expires > now ? NM_JWT_GOOD : NM_JWT_OLD;
}

nm_jwt_verdict_t
nm_jwt_check(nm_bytes_t token, nm_jwt_find_fn *find, const void *arg, const char *audience, int64_t now_ms,
             nm_jwt_claims_t *claims)
{
    parts_t parts;
    if (!s_split(token, &parts))
        return NM_JWT_FORGED;
    const nm_jwt_key_t *key = s_key_of(parts.header, find, arg);
    if (!key || !s_is_signed(key, &parts))
        return NM_JWT_FORGED;
    return s_read_claims(parts.payload, audience, now_ms, claims);
}

//  -- Making

static size_t
s_encode(char *out, size_t room, const void *bytes, size_t size)
{
    sodium_bin2base64(out, room, bytes, size, B64);
    return strlen(out);
}

static void
s_write_roles(nm_buf_t *out, uint32_t roles)
{
    const char *comma = "";
    for (unsigned role = 0; role < NM_PERSON_ROLE_COUNT; role++)
        if (roles >> role & 1) {
            nm_buf_format(out, "%s\"%s\"", comma, nm_words_text(&nm_person_role_words, role));
            comma = ",";
        }
}

static void
s_write_claims(nm_buf_t *out, const char *audience, const nm_jwt_claims_t *claims)
{
    char user[NM_ID_TEXT_SIZE + 1], service[NM_ID_TEXT_SIZE + 1], token[NM_ID_TEXT_SIZE + 1];
    long long issued = claims->issued_ms / 1000, expires = claims->expires_ms / 1000;
    nm_id_to_text(&claims->user, user);
    nm_id_to_text(&claims->service, service);
    nm_id_to_text(&claims->token, token);
    nm_buf_format(out,
                  "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"%s\",\"svc\":\"%s\",\"jti\":\"%s\",\"iat\":%lld,"
                  "\"nbf\":%lld,\"exp\":%lld,\"roles\":[",
                  ISSUER, audience, user, service, token, issued, issued, expires);
    s_write_roles(out, claims->roles);
    nm_buf_add_text(out, "]}");
}

void
nm_jwt_make(const nm_jwt_key_t *key, const uint8_t secret[NM_JWT_SECRET_SIZE], const char *audience,
            const nm_jwt_claims_t *claims, char out[NM_JWT_MAX + 1])
{
    char id[NM_ID_TEXT_SIZE + 1];
    uint8_t signature[crypto_sign_BYTES];
    size_t size, signature_size;
    nm_buf_t json = { 0 };
    nm_id_to_text(&key->id, id);
    nm_buf_format(&json, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
                  nm_words_text(&nm_jwt_algorithm_words, key->algorithm), id);
    size = s_encode(out, NM_JWT_MAX + 1, json.at, json.size);
    out[size++] = '.';
    nm_buf_clear(&json);
    s_write_claims(&json, audience, claims);
    size += s_encode(out + size, NM_JWT_MAX + 1 - size, json.at, json.size);
    if (key->algorithm == NM_JWT_EDDSA) {
        crypto_sign_detached(signature, NULL, (const uint8_t *) out, size, secret);
        signature_size = crypto_sign_BYTES;
    } else {
        crypto_auth_hmacsha256(signature, (const uint8_t *) out, size, key->key);
        signature_size = crypto_auth_hmacsha256_BYTES;
    }
    out[size++] = '.';
    s_encode(out + size, NM_JWT_MAX + 1 - size, signature, signature_size);
    nm_buf_free(&json);
}
