#include "tools/nctl/files.h"
#include "tools/nctl/when.h"
#include "tools/nctl/init.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/plan.h"
#include "wire/id.h"
#include "wire/records.h"
#include <sodium.h>

// clang-format off
const nm_option_t nm_init_options[] = {
    { "name", 0, "NAME", "Name of the mesh (nmesh)" },
    { "base-port", 0, "N", "First port of the end points (7751); 0 looks for free ones" },
    { "host", 0, "ADDR", "Address of the end points (127.0.0.1)" },
    { "gateways", 0, "N", "How many gateways (1)" },
    { "routers", 0, "N", "How many routers (1)" },
    { "emails", 0, "N", "How many e-mail actors (1)" },
    { "http", 0, "ADDR:PORT", "Where the bridge listens for HTTP (127.0.0.1:8080; with --base-port 0 a free one); none: no bridge" },
    { "domain", 0, "DOMAIN", "Right of the @ in Message-IDs (nmesh.local)" },
    { "smtp", 0, "HOST:PORT[,...]", "A mail server, with tls=none|starttls|tls, user=, password-file=, from=, connections=; "
      "may be repeated; without one mail goes to a maildir" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_CERT_DAYS = 3650 };

//  The secrets of a mesh in the making.
typedef struct {
    uint8_t authority_public[NM_SIGN_PUBLIC_SIZE];
    uint8_t authority[NM_SIGN_SECRET_SIZE];
    char api_key[66];
} s_secrets_t;

static void
s_make_secrets(s_secrets_t *secrets, nm_plan_t *plan)
{
    uint8_t raw[16], hash[32];
    char secret[33], service[33];
    nm_id_t id;
    crypto_sign_keypair(secrets->authority_public, secrets->authority);
    sodium_bin2hex(plan->authority, sizeof plan->authority, secrets->authority_public, NM_SIGN_PUBLIC_SIZE);

    randombytes_buf(raw, sizeof raw);
    sodium_bin2hex(secret, sizeof secret, raw, sizeof raw);
    nm_id_from_text(nm_text(NM_ADMIN_SERVICE_TEXT), &id);
    sodium_bin2hex(service, sizeof service, id.at, sizeof id.at);
    snprintf(secrets->api_key, sizeof secrets->api_key, "%s-%s", service, secret);

    crypto_generichash(hash, sizeof hash, (const uint8_t *) secret, 32, NULL, 0);
    sodium_bin2hex(plan->admin_key_hash, sizeof plan->admin_key_hash, hash, sizeof hash);
    sodium_memzero(secret, sizeof secret);
}

static nm_rc_t
s_write_secrets(const char *folder, const s_secrets_t *secrets, nm_error_t *error)
{
    char text[2 * NM_SIGN_SECRET_SIZE + 2] = { 0 };
    uint8_t raw[32];
    sodium_bin2hex(text, sizeof text, secrets->authority, NM_SIGN_SECRET_SIZE);
    text[2 * NM_SIGN_SECRET_SIZE] = '\n';
    nm_rc_t rc = nm_files_write(folder, "authority.key", 0600, nm_bytes(text, 2 * NM_SIGN_SECRET_SIZE + 1), error);

    randombytes_buf(raw, sizeof raw);
    snprintf(text, sizeof text, "1 ");
    sodium_bin2hex(text + 2, 65, raw, sizeof raw);
    text[66] = '\n';
    if (rc == NM_OK)
        rc = nm_files_write(folder, "store.key", 0600, nm_bytes(text, 67), error);

    snprintf(text, sizeof text, "%s\n", secrets->api_key);
    if (rc == NM_OK)
        rc = nm_files_write(folder, "admin.key", 0600, nm_text(text), error);
    sodium_memzero(text, sizeof text);
    sodium_memzero(raw, sizeof raw);
    return rc;
}

typedef struct {
    const char *folder;
    const s_secrets_t *secrets;
    int64_t now_ms;  //  The same for all: they are founded together
    nm_error_t *error;
} s_certifying_t;

static nm_rc_t
s_certify(void *arg, const char *name, nm_role_id_t role, unsigned number)
{
    (void) number;
    s_certifying_t *self = arg;
    return nm_files_certify(self->folder, name, role, self->now_ms, S_CERT_DAYS, self->secrets->authority, self->error);
}

//  The mesh file comes last: a folder with one is a whole mesh.
static nm_rc_t
s_write_mesh(const char *folder, const nm_plan_t *plan, const s_secrets_t *secrets, nm_error_t *error)
{
    static const char *const FOLDERS[] = { "certs", "keys", "stores", "log", "run" };
    nm_buf_t text = { 0 };
    nm_rc_t rc = nm_files_folder(folder, error);
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(FOLDERS); i++) {
        char path[NM_PATH_MAX];
        nm_files_join(path, folder, FOLDERS[i]);
        rc = nm_files_folder(path, error);
    }
    if (rc == NM_OK)
        rc = s_write_secrets(folder, secrets, error);
    s_certifying_t certifying = { .folder = folder, .secrets = secrets, .now_ms = nm_when_now(), .error = error };
    if (rc == NM_OK)
        rc = nm_plan_each(plan, s_certify, &certifying);
    if (rc == NM_OK)
        rc = s_certify(&certifying, "operator", NM_ROLE_OPERATOR, 0);
    nm_plan_write(plan, &text);
    if (rc == NM_OK)
        rc = nm_files_write(folder, "mesh.zpl", 0644, nm_buf_bytes(&text), error);
    nm_buf_free(&text);
    return rc;
}

nm_rc_t
nm_init_mesh(const char *folder, nm_plan_t *plan, char api_key[66], nm_error_t *error)
{
    if (nm_files_exists(folder, "mesh.zpl"))
        return nm_fail(error, NM_ERR_DUPLICATE, "%s holds a mesh already; it was left as it is", folder);
    nm_rc_t rc = plan->base_port ? NM_OK : nm_plan_find_ports(plan, error);
    if (rc != NM_OK)
        return rc;
    s_secrets_t secrets;
    s_make_secrets(&secrets, plan);
    rc = s_write_mesh(folder, plan, &secrets, error);
    memcpy(api_key, secrets.api_key, sizeof secrets.api_key);
    sodium_memzero(&secrets, sizeof secrets);
    return rc;
}

static nm_rc_t
s_count(const nm_options_t *options, const char *name, unsigned *count, nm_error_t *error)
{
    uint64_t value;
    nm_rc_t rc = nm_options_number(options, name, 1, 64, 1, &value, error);
    *count = (unsigned) value;
    return rc;
}

//  A mesh that looks for free ports has one of those for HTTP too.
static nm_rc_t
s_read_http(const nm_options_t *options, nm_plan_t *plan, char room[128], nm_error_t *error)
{
    nm_rc_t rc = nm_plan_http(nm_options_text(options, "http", "127.0.0.1:8080"), plan, room, error);
    if (rc == NM_OK && !plan->base_port && !nm_options_has(options, "http"))
        plan->http_port = 0;
    return rc;
}

static nm_rc_t
s_read_plan(const nm_options_t *options, nm_plan_t *plan, char http_room[128], nm_error_t *error)
{
    uint64_t port;
    *plan = (nm_plan_t){ .name = nm_options_text(options, "name", "nmesh"),
                         .host = nm_options_text(options, "host", "127.0.0.1"),
                         .domain = nm_options_text(options, "domain", "nmesh.local") };
    nm_rc_t rc = s_count(options, "gateways", &plan->gateway_count, error);
    if (rc == NM_OK)
        rc = s_count(options, "routers", &plan->router_count, error);
    if (rc == NM_OK)
        rc = s_count(options, "emails", &plan->email_count, error);
    if (rc == NM_OK)
        rc = nm_options_number(options, "base-port", 0, 65535 - nm_plan_port_count(plan), 7751, &port, error);
    if (rc == NM_OK) {
        plan->base_port = (unsigned) port;
        rc = s_read_http(options, plan, http_room, error);
    }
    const char *smtp;
    while (rc == NM_OK && (smtp = nm_options_repeat(options, "smtp", plan->smtp_count))) {
        if (plan->smtp_count == NM_PLAN_PROVIDER_MAX)
            return nm_fail(error, NM_ERR_MALFORMED, "--smtp may be given %d times", NM_PLAN_PROVIDER_MAX);
        rc = nm_plan_smtp(smtp, &plan->smtps[plan->smtp_count++], error);
    }
    const char *const words[] = { plan->name, plan->host, plan->domain };
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(words); i++) {
        if (!words[i][0] || strpbrk(words[i], "\" \t\r\n"))
            rc = nm_fail(error, NM_ERR_MALFORMED, "\"%s\" cannot be a name or an address", words[i]);
    }
    if (rc == NM_OK && !nm_role_is_name(nm_text(plan->name)))
        rc = nm_fail(error, NM_ERR_MALFORMED, "--name \"%s\": lower-case letters, digits and dashes were expected",
                     plan->name);
    return rc;
}

//  A mail server's password is not in the mesh file, and actors do not start without it.
static void
s_name_passwords(const char *folder, const nm_plan_t *plan)
{
    for (size_t i = 0; i < plan->smtp_count; i++) {
        const char *file = plan->smtps[i].password_file;
        bool absolute = file[0] == '/';
        if (file[0] && !nm_files_exists(absolute ? "" : folder, absolute ? file + 1 : file))
            nm_nctl_say("Before the start, put the password for %s into %s%s%s (mode 0600).", plan->smtps[i].host,
                        absolute ? "" : folder, absolute ? "" : "/", file);
    }
}

int
nm_cmd_init(nm_nctl_t *self)
{
    nm_plan_t plan;
    nm_error_t error = { "" };
    char api_key[66], http_room[128];
    const char *folder = self->options.arg_count ? self->options.args[0] : self->mesh_folder;
    if (s_read_plan(&self->options, &plan, http_room, &error) != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    if (nm_init_mesh(folder, &plan, api_key, &error) != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (self->json) {
        json_t *json = json_pack("{ssssssss}", "folder", folder, "name", plan.name, "authority", plan.authority,
                                 "api_key", api_key);
        json_object_set_new(json, "base_port", json_integer(plan.base_port));
        nm_json_print(json, false, stdout);
        json_decref(json);
    } else {
        printf("The mesh \"%s\" is in %s: %u gateway(s), %u router(s), 1 user actor, %u e-mail actor(s), 1 dead-letter "
               "actor%s.\n"
               "API key of the service admin, shown this once (kept in %s/admin.key):\n%s\n"
               "Next: nctl up -C %s\n",
               plan.name, folder, plan.gateway_count, plan.router_count, plan.email_count,
               plan.http_host ? ", 1 bridge for HTTP" : "", folder, api_key, folder);
    }
    fflush(stdout);
    s_name_passwords(folder, &plan);
    sodium_memzero(api_key, sizeof api_key);
    return NM_DONE;
}
