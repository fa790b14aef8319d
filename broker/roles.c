#include "broker/roles.h"

#include "wire/api.h"
#include "wire/records.h"

static const char *const TEXTS[NM_ROLE_COUNT] = {
    [NM_ROLE_NONE] = "none",         [NM_ROLE_GATEWAY] = "gateway",
    [NM_ROLE_ROUTER] = "router",     [NM_ROLE_USER] = "user",
    [NM_ROLE_TEMPLATE] = "template", [NM_ROLE_EMAIL] = "email",
    [NM_ROLE_PUSH] = "push",         [NM_ROLE_SMS] = "sms",
    [NM_ROLE_WEBHOOK] = "webhook",   [NM_ROLE_DEADLETTER] = "deadletter",
    [NM_ROLE_BRIDGE] = "bridge",     [NM_ROLE_OPERATOR] = "operator",
    [NM_ROLE_CLIENT] = "client",
};

//  Who may mail what to whom. A link is kept by two roles that stand in one row.
static const struct {
    nm_role_id_t from;
    nm_role_id_t to;
    nm_mail_kind_t kind;
} MAIL_RIGHTS[] = {
    { NM_ROLE_GATEWAY, NM_ROLE_ROUTER, NM_MAIL_WORK },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, NM_MAIL_COPY },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_ROUTER, NM_ROLE_EMAIL, NM_MAIL_DELIVERY },
    { NM_ROLE_ROUTER, NM_ROLE_PUSH, NM_MAIL_DELIVERY },
    { NM_ROLE_ROUTER, NM_ROLE_SMS, NM_MAIL_DELIVERY },
    { NM_ROLE_ROUTER, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_EMAIL, NM_ROLE_ROUTER, NM_MAIL_RETURN },
    { NM_ROLE_PUSH, NM_ROLE_ROUTER, NM_MAIL_RETURN },
    { NM_ROLE_SMS, NM_ROLE_ROUTER, NM_MAIL_RETURN },
    { NM_ROLE_EMAIL, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_PUSH, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_SMS, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_DEADLETTER, NM_ROLE_GATEWAY, NM_MAIL_EVENT },
    { NM_ROLE_ROUTER, NM_ROLE_DEADLETTER, NM_MAIL_DEAD_LETTER },
    { NM_ROLE_EMAIL, NM_ROLE_DEADLETTER, NM_MAIL_DEAD_LETTER },
    { NM_ROLE_PUSH, NM_ROLE_DEADLETTER, NM_MAIL_DEAD_LETTER },
    { NM_ROLE_SMS, NM_ROLE_DEADLETTER, NM_MAIL_DEAD_LETTER },
    { NM_ROLE_DEADLETTER, NM_ROLE_ROUTER, NM_MAIL_REPLAY },
};

//  Roles that exchange no mail and keep a link all the same, so that each knows whether the other is there.
static const struct {
    nm_role_id_t a;
    nm_role_id_t b;
} BARE_LINKS[] = { { NM_ROLE_BRIDGE, NM_ROLE_GATEWAY },
                   { NM_ROLE_GATEWAY, NM_ROLE_USER },
                   { NM_ROLE_ROUTER, NM_ROLE_USER } };

//  Who may ask what of whom, beside what s_may_ask_anywhere says. A dot at the end of
//  op stands for everything below it. Gateways from before there were user actors ask each other for
//  changes of books, and are answered 503.
static const struct {
    nm_role_id_t from;
    nm_role_id_t to;
    const char *op;
} ASK_RIGHTS[] = {
    { NM_ROLE_GATEWAY, NM_ROLE_DEADLETTER, "dead_letters." },
    { NM_ROLE_GATEWAY, NM_ROLE_ROUTER, "deliveries.cancel" },
    { NM_ROLE_GATEWAY, NM_ROLE_EMAIL, "deliveries.cancel" },
    { NM_ROLE_GATEWAY, NM_ROLE_PUSH, "deliveries.cancel" },
    { NM_ROLE_GATEWAY, NM_ROLE_SMS, "deliveries.cancel" },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "notifications." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "events." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "idempotency.find." },
    { NM_ROLE_GATEWAY, NM_ROLE_ROUTER, "custody.holds" },
    { NM_ROLE_GATEWAY, NM_ROLE_EMAIL, "custody.holds" },
    { NM_ROLE_GATEWAY, NM_ROLE_PUSH, "custody.holds" },
    { NM_ROLE_GATEWAY, NM_ROLE_SMS, "custody.holds" },
    { NM_ROLE_BRIDGE, NM_ROLE_GATEWAY, "metrics" },  //  Which it shows by itself, but not to everybody
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "users." },
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "auth." },
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "signing." },
    { NM_ROLE_ROUTER, NM_ROLE_USER, "users.reach" },
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "services." },
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "keys." },
    { NM_ROLE_GATEWAY, NM_ROLE_USER, "providers." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "services." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "keys." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "providers." },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "limits.lend" },
    { NM_ROLE_GATEWAY, NM_ROLE_GATEWAY, "guesses.count" },
};

#define BIT(role) (UINT32_C(1) << (role))

//  Services hold the hashes of keys, sessions what tokens are checked by: nobody but gateways sees them, and people
//  not even those. Providers go to whoever calls them.
static const nm_book_rule_t BOOKS[] = {
    { "services", BIT(NM_ROLE_USER), BIT(NM_ROLE_USER) | BIT(NM_ROLE_GATEWAY) },
    { "sessions", BIT(NM_ROLE_USER), BIT(NM_ROLE_USER) | BIT(NM_ROLE_GATEWAY) },
    { "people", BIT(NM_ROLE_USER), BIT(NM_ROLE_USER) },
    { "providers", BIT(NM_ROLE_USER),
      BIT(NM_ROLE_USER) | BIT(NM_ROLE_GATEWAY) | BIT(NM_ROLE_EMAIL) | BIT(NM_ROLE_PUSH) | BIT(NM_ROLE_SMS) },
};

const char *
nm_role_text(nm_role_id_t role)
{
    return (unsigned) role < NM_ROLE_COUNT ? TEXTS[role] : TEXTS[NM_ROLE_NONE];
}

nm_role_id_t
nm_role_find(nm_bytes_t text)
{
    for (unsigned role = NM_ROLE_NONE + 1; role < NM_ROLE_COUNT; role++)
        if (nm_bytes_is(text, TEXTS[role]))
            return (nm_role_id_t) role;
    return NM_ROLE_NONE;
}

bool
nm_role_is_actor(nm_role_id_t role)
{
    return role > NM_ROLE_NONE && role < NM_ROLE_OPERATOR;
}

bool
nm_role_is_name(nm_bytes_t text)
{
    if (!text.size || text.size > NM_NAME_MAX || text.at[0] == '-')
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

bool
nm_roles_may_mail(nm_role_id_t from, nm_role_id_t to, unsigned kind)
{
    for (size_t i = 0; i < NM_COUNT(MAIL_RIGHTS); i++)
        if (MAIL_RIGHTS[i].from == from && MAIL_RIGHTS[i].to == to && (unsigned) MAIL_RIGHTS[i].kind == kind)
            return true;
    return false;
}

//  Whatever else is so: an operator asks anything; how it goes, and who there is, may be asked by all.
static bool
s_may_ask_anywhere(nm_role_id_t from, nm_bytes_t op)
{
    static const char *const OPS[] = { "status", "directory.sync", "directory.push", "directory.list" };
    for (size_t i = 0; nm_role_is_actor(from) && i < NM_COUNT(OPS); i++)
        if (nm_bytes_is(op, OPS[i]))
            return true;
    return from == NM_ROLE_OPERATOR;
}

static bool
s_op_matches(nm_bytes_t op, const char *right)
{
    size_t size = strlen(right);
    if (right[size - 1] != '.')
        return nm_bytes_is(op, right);
    return op.size > size && memcmp(op.at, right, size) == 0;
}

const nm_book_rule_t *
nm_roles_book(nm_bytes_t name)
{
    for (size_t i = 0; i < NM_COUNT(BOOKS); i++)
        if (nm_bytes_is(name, BOOKS[i].name))
            return &BOOKS[i];
    return NULL;
}

//  Holders of one book ask each other; the desk then looks at which book it is.
static bool
s_share_a_book(nm_role_id_t from, nm_role_id_t to, nm_bytes_t op)
{
    if (!nm_bytes_is(op, "book.changes") && !nm_bytes_is(op, "book.news"))
        return false;
    for (size_t i = 0; i < NM_COUNT(BOOKS); i++)
        if (nm_roles_has(BOOKS[i].holders, from) && nm_roles_has(BOOKS[i].holders, to))
            return true;
    return false;
}

//  A bridge passes on what clients ask over HTTP, in their names.
static bool
s_has_path(nm_bytes_t op)
{
    for (size_t i = 0; i < nm_api_count; i++)
        if (nm_api[i].path && !(nm_api[i].flags & NM_API_EDGE) && nm_bytes_is(op, nm_api[i].op))
            return true;
    return false;
}

bool
nm_roles_may_ask(nm_role_id_t from, nm_role_id_t to, nm_bytes_t op)
{
    if (!nm_role_is_actor(to))
        return false;
    if (s_may_ask_anywhere(from, op) || s_share_a_book(from, to, op))
        return true;
    if (from == NM_ROLE_BRIDGE && to == NM_ROLE_GATEWAY && s_has_path(op))
        return true;
    for (size_t i = 0; i < NM_COUNT(ASK_RIGHTS); i++)
        if (ASK_RIGHTS[i].from == from && ASK_RIGHTS[i].to == to && s_op_matches(op, ASK_RIGHTS[i].op))
            return true;
    return false;
}

bool
nm_roles_link(nm_role_id_t a, nm_role_id_t b)
{
    for (size_t i = 0; i < NM_COUNT(MAIL_RIGHTS); i++) {
        if (MAIL_RIGHTS[i].from == a && MAIL_RIGHTS[i].to == b)
            return true;
        if (MAIL_RIGHTS[i].from == b && MAIL_RIGHTS[i].to == a)
            return true;
    }
    for (size_t i = 0; i < NM_COUNT(BARE_LINKS); i++)
        if ((BARE_LINKS[i].a == a && BARE_LINKS[i].b == b) || (BARE_LINKS[i].a == b && BARE_LINKS[i].b == a))
            return true;
    return false;
}
