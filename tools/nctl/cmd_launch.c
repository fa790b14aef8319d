#include "tools/nctl/complaint.h"
#include "tools/nctl/files.h"
#include "tools/nctl/json.h"
#include "tools/nctl/nctl.h"
#include "tools/nctl/plan.h"
#include "tools/nctl/reach.h"
#include "tools/nctl/supervisor.h"
#include "tools/nctl/when.h"
#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>

// clang-format off
const nm_option_t nm_launch_options[] = {
    { "count", 0, "N", "How many (1)" },
    { "on", 0, "HOST", "For another machine: prepares a folder and prints the two commands that take it there" },
    { "host-address", 0, "ADDR", "Address of the end points (that of the actors here; with --on: HOST)" },
    { "base-port", 0, "N", "First port of the end points (free ones are looked for; with --on: 7851, or after those in use there)" },
    { "http", 0, "ADDR:PORT", "Of a bridge: where it listens for HTTP (127.0.0.1 and a free port)" },
    { "host", 0, "LABEL", "What the machine is called in lists (the address)" },
    { "days", 0, "N", "How long the certificates are valid (365)" },
    { NULL, 0, NULL, NULL }
};
// clang-format on

enum { S_COUNT_MAX = 64, S_REMOTE_PORT = 7851, S_PATIENCE_MS = 15000 };

//  What is launched, and into which folder.
typedef struct {
    nm_role_id_t role;
    uint64_t count;
    uint64_t days;
    uint64_t port;
    const char *address;  //  NULL: not given
    const char *label;    //  NULL: the address
    const char *on;       //  NULL: this machine
    const char *http;     //  Of a bridge: where it listens
    char folder[NM_PATH_MAX];
    char found[NM_ENDPOINT_MAX];  //  The address where none is given
    char names[S_COUNT_MAX][NM_NAME_MAX + 1];
} s_launch_t;

static nm_rc_t
s_read_options(const nm_nctl_t *self, s_launch_t *launch, nm_error_t *error)
{
    const nm_options_t *options = &self->options;
    char program[NM_PATH_MAX];
    launch->on = nm_options_text(options, "on", NULL);
    launch->address = nm_options_text(options, "host-address", launch->on);
    launch->label = nm_options_text(options, "host", NULL);
    launch->http = nm_options_text(options, "http", "127.0.0.1:0");
    launch->role = nm_role_find(nm_text(options->args[0]));
    if (!nm_role_is_actor(launch->role))
        return nm_fail(error, NM_ERR_MALFORMED, "\"%s\" is not a role of actors", options->args[0]);
    if (nm_supervisor_program(launch->role, program, sizeof program, error) != NM_OK)
        return NM_ERR_MISSING;
    if (launch->role != NM_ROLE_BRIDGE && nm_options_has(options, "http"))
        return nm_fail(error, NM_ERR_MALFORMED, "only a bridge listens for HTTP");
    const char *const words[] = { launch->address ? launch->address : "-", launch->label ? launch->label : "-",
                                  launch->on ? launch->on : "-", launch->http };
    for (size_t i = 0; i < NM_COUNT(words); i++)
        if (!words[i][0] || strpbrk(words[i], "\" \t\r\n/'"))
            return nm_fail(error, NM_ERR_MALFORMED, "\"%s\" cannot be an address or a label", words[i]);
    nm_rc_t rc = nm_options_number(options, "count", 1, S_COUNT_MAX, 1, &launch->count, error);
    if (rc == NM_OK)
        rc = nm_options_number(options, "days", 1, 36500, 365, &launch->days, error);
    if (rc == NM_OK)
        rc = nm_options_number(options, "base-port", 0, 65000, 0, &launch->port, error);
    return rc;
}

//  -- Addresses and ports

//  "tcp://ADDRESS:PORT", an IPv6 address in brackets. Its port; 0: it is no end point.
static unsigned
s_split(const char *endpoint, char address[NM_ENDPOINT_MAX])
{
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon || colon < endpoint + 6)
        return 0;
    nm_bytes_t host = nm_bytes(endpoint + 6, (size_t) (colon - endpoint) - 6);
    if (host.size > 2 && host.at[0] == '[')
        host = nm_bytes(host.at + 1, host.size - 2);
    nm_bytes_to_text(host, address, NM_ENDPOINT_MAX);
    return (unsigned) strtoul(colon + 1, NULL, 10);
}

//  Others have to reach it where they reach those of the mesh file that run here.
static void
s_find_address(const nm_mesh_t *mesh, s_launch_t *launch)
{
    snprintf(launch->found, sizeof launch->found, "127.0.0.1");
    for (size_t i = mesh->actor_count; i-- > 0;)
        if (!mesh->actors[i].local && nm_files_is_here(mesh->folder, mesh->actors[i].name))
            s_split(mesh->actors[i].mailbox, launch->found);
    launch->address = launch->found;
}

//  Moves the port beyond an end point at the same address.
static void
s_pass(s_launch_t *launch, const char *endpoint)
{
    char address[NM_ENDPOINT_MAX];
    unsigned port = s_split(endpoint, address);
    if (port >= launch->port && strcmp(address, launch->address) == 0)
        launch->port = port + 1;
}

//  On another machine nobody can look which ports are free; but those of the actors that are known to be there are not,
//  nor those of who was prepared for it and has not come yet.
static nm_rc_t
s_find_remote_port(const nm_mesh_t *mesh, const json_t *members, s_launch_t *launch, nm_error_t *error)
{
    static const char *const PLACES[] = { "mailbox", "desk", "door", "lobby" };
    nm_mesh_t *prepared = nm_mesh_load(launch->folder, error);
    const nm_mesh_t *const meshes[] = { mesh, prepared };
    size_t i;
    json_t *member;
    if (!prepared)
        return NM_ERR_MALFORMED;
    launch->port = S_REMOTE_PORT;
    json_array_foreach(members, i, member)
    {
        for (size_t k = 0; k < NM_COUNT(PLACES); k++)
            s_pass(launch, nm_json_text(member, PLACES[k]));
    }
    for (size_t m = 0; m < NM_COUNT(meshes); m++) {
        for (size_t a = 0; a < meshes[m]->actor_count; a++) {
            const nm_mesh_actor_t *actor = &meshes[m]->actors[a];
            const char *const places[] = { actor->mailbox, actor->desk, actor->door, actor->lobby };
            for (size_t k = 0; k < NM_COUNT(places); k++)
                s_pass(launch, places[k]);
        }
    }
    nm_mesh_destroy(&prepared);
    return NM_OK;
}

//  -- Names and numbers that nobody has

static bool
s_is_member(const json_t *members, const char *name)
{
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member) if (strcmp(nm_json_text(member, "name"), name) == 0) return true;
    return false;
}

static bool
s_is_taken(const nm_mesh_t *mesh, const json_t *members, const char *name)
{
    char key[NM_NAME_MAX + 16], cert[NM_NAME_MAX + 16];
    snprintf(key, sizeof key, "keys/%s.key", name);
    snprintf(cert, sizeof cert, "certs/%s.cert", name);
    return nm_mesh_find(mesh, name) || s_is_member(members, name) || nm_files_exists(mesh->folder, key) ||
           nm_files_exists(mesh->folder, cert);
}

static void
s_name(const nm_mesh_t *mesh, const json_t *members, s_launch_t *launch)
{
    unsigned number = 1;
    for (size_t i = 0; i < launch->count; number++) {
        char *name = launch->names[i];
        snprintf(name, sizeof launch->names[i], "%s-%u", nm_role_text(launch->role), number);
        i += !s_is_taken(mesh, members, name);
    }
}

static uint16_t
s_free_number(const nm_mesh_t *mesh, const json_t *members, uint16_t least)
{
    size_t i;
    json_t *member;
    uint16_t number = least;
    for (size_t j = 0; j < mesh->actor_count; j++)
        if (mesh->actors[j].number >= number)
            number = mesh->actors[j].number + 1;
    json_array_foreach(members, i, member)
    {
        if (nm_json_number(member, "number") >= number)
            number = (uint16_t) (nm_json_number(member, "number") + 1);
    }
    return number;
}

//  -- Files

static nm_rc_t
s_write_entry(const s_launch_t *launch, const char *name, uint16_t number, unsigned port, nm_error_t *error)
{
    char folder[NM_PATH_MAX + 8], file[NM_NAME_MAX + 8];
    bool v6 = strchr(launch->address, ':') != NULL;
    const char *left = v6 ? "[" : "", *right = v6 ? "]" : "";
    nm_buf_t text = { 0 };
    snprintf(folder, sizeof folder, "%s/actors", launch->folder);
    snprintf(file, sizeof file, "%s.zpl", name);
    nm_buf_format(&text, "#   %s, launched later: the mesh file does not have it.\nrole = \"%s\"\n", name,
                  nm_role_text(launch->role));
    if (launch->label)
        nm_buf_format(&text, "host = \"%s\"\n", launch->label);
    nm_buf_format(&text, "mailbox = \"tcp://%s%s%s:%u\"\n", left, launch->address, right, port);
    nm_buf_format(&text, "desk = \"tcp://%s%s%s:%u\"\n", left, launch->address, right, port + 1);
    if (number)
        nm_buf_format(&text, "number = %u\ndoor = \"tcp://%s%s%s:%u\"\n", number, left, launch->address, right,
                      port + 2);
    if (launch->role == NM_ROLE_BRIDGE)
        nm_buf_format(&text, "http = \"tcp://%s\"\n", launch->http);
    nm_rc_t rc = nm_files_folder(folder, error);
    if (rc == NM_OK)
        rc = nm_files_write(folder, file, 0644, nm_buf_bytes(&text), error);
    nm_buf_free(&text);
    return rc;
}

static unsigned
s_port_count(nm_role_id_t role)
{
    return role == NM_ROLE_GATEWAY ? 3 : 2;
}

//  Of "gateway-3".
static uint16_t
s_name_number(const char *name)
{
    return (uint16_t) strtoul(strrchr(name, '-') + 1, NULL, 10);
}

static nm_rc_t
s_make_actors(const nm_mesh_t *mesh, const json_t *members, s_launch_t *launch, nm_error_t *error)
{
    uint8_t authority[NM_SIGN_SECRET_SIZE];
    const unsigned ports = s_port_count(launch->role);
    unsigned port = (unsigned) launch->port;
    uint16_t number = launch->role == NM_ROLE_GATEWAY ? s_free_number(mesh, members, 1) : 0;
    nm_rc_t rc = nm_files_authority(mesh->folder, authority, error);
    if (rc == NM_OK && !port)
        rc = nm_plan_free_ports(launch->address, ports * (unsigned) launch->count, &port, error);
    for (size_t i = 0; i < launch->count && rc == NM_OK; i++) {
        //  One that was prepared and has not come yet is known by its name alone: numbers do not fall behind names.
        if (number && number < s_name_number(launch->names[i]))
            number = s_name_number(launch->names[i]);
        rc = s_write_entry(launch, launch->names[i], number, port, error);
        if (rc == NM_OK)
            rc = nm_files_certify(launch->folder, launch->names[i], launch->role, nm_when_now(),
                                  (unsigned) launch->days, authority, error);
        port += ports;
        number += number != 0;
    }
    sodium_memzero(authority, sizeof authority);
    return rc;
}

//  -- Another machine: a folder with all that it needs and nothing that it does not

static nm_rc_t
s_copy(const char *from, const char *to, const char *name, unsigned mode, nm_error_t *error)
{
    nm_buf_t text = { 0 };
    nm_rc_t rc = nm_files_read(from, name, &text, error);
    if (rc == NM_OK)
        rc = nm_files_write(to, name, mode, nm_buf_bytes(&text), error);
    if (text.at)
        sodium_memzero(text.at, text.room);
    nm_buf_free(&text);
    return rc == NM_ERR_DUPLICATE ? NM_OK : rc;
}

static nm_rc_t
s_copy_certs(const nm_mesh_t *mesh, const char *to, nm_error_t *error)
{
    char folder[NM_PATH_MAX], name[300];
    const struct dirent *entry;
    nm_rc_t rc = NM_OK;
    nm_files_join(folder, mesh->folder, "certs");
    DIR *certs = opendir(folder);
    while (certs && rc == NM_OK && (entry = readdir(certs))) {
        const char *dot = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".cert") != 0)
            continue;
        snprintf(name, sizeof name, "certs/%s", entry->d_name);
        rc = s_copy(mesh->folder, to, name, 0644, error);
    }
    if (certs)
        closedir(certs);
    return rc;
}

//  Certificates are kept here too: the names are taken, and can be revoked, before those actors have been heard of.
static nm_rc_t
s_keep_certs(const nm_mesh_t *mesh, const s_launch_t *launch, nm_error_t *error)
{
    char name[NM_NAME_MAX + 16];
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; i < launch->count && rc == NM_OK; i++) {
        snprintf(name, sizeof name, "certs/%s.cert", launch->names[i]);
        rc = s_copy(launch->folder, mesh->folder, name, 0644, error);
    }
    return rc;
}

static nm_rc_t
s_prepare_folder(const nm_mesh_t *mesh, const char *folder, nm_error_t *error)
{
    static const char *const FOLDERS[] = { "certs", "keys", "stores", "log", "run" };
    nm_rc_t rc = nm_files_folder(folder, error);
    for (size_t i = 0; i < NM_COUNT(FOLDERS) && rc == NM_OK; i++) {
        char path[NM_PATH_MAX + 16];
        snprintf(path, sizeof path, "%s/%s", folder, FOLDERS[i]);
        rc = nm_files_folder(path, error);
    }
    if (rc == NM_OK)
        rc = s_copy(mesh->folder, folder, "mesh.zpl", 0644, error);
    if (rc == NM_OK)
        rc = s_copy(mesh->folder, folder, "store.key", 0600, error);
    return rc == NM_OK ? s_copy_certs(mesh, folder, error) : rc;
}

//  Without a lobby in the mesh file a machine that the others do not know can never get in.
static bool
s_has_lobby(const nm_mesh_t *mesh)
{
    for (size_t i = 0; i < mesh->actor_count; i++)
        if (mesh->actors[i].lobby[0] && !mesh->actors[i].local)
            return true;
    return false;
}

//  Is there one that another machine can reach?
static bool
s_is_far_lobby(const nm_mesh_t *mesh)
{
    for (size_t i = 0; i < mesh->actor_count; i++)
        if (mesh->actors[i].lobby[0] && strncmp(mesh->actors[i].lobby, "tcp://127.", 10) != 0)
            return true;
    return false;
}

static int
s_print_commands(const nm_mesh_t *mesh, const s_launch_t *launch)
{
    if (s_has_lobby(mesh) && !s_is_far_lobby(mesh))
        nm_nctl_say(
            "The actors of this mesh listen at 127.0.0.1, where no other machine reaches them. A mesh of several "
            "machines is made with: nctl init --host ADDRESS");
    printf("scp -rp %s/. %s:/var/lib/nmesh\n", launch->folder, launch->on);
    printf("ssh %s nctl up -d -C /var/lib/nmesh\n", launch->on);
    nm_nctl_say("%s holds secret keys: remove it when it has arrived.", launch->folder);
    return NM_DONE;
}

//  -- This machine

static int
s_await(const nm_nctl_t *self, const s_launch_t *launch, int64_t since_ms)
{
    nm_error_t error = { "" };
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    int code = reach ? NM_DONE : nm_nctl_fail("%s", error.text);
    int64_t end_ms = nm_when_mono() + S_PATIENCE_MS;
    for (size_t i = 0; i < launch->count && reach; i++) {
        const nm_mesh_actor_t *actor = nm_mesh_find(nm_reach_mesh(reach), launch->names[i]);
        nmesh_error_t problem;
        bool there = false;
        while (actor && !there && nm_when_mono() < end_ms) {
            nmesh_ask_t ask = { .op = "status", .timeout_ms = 250, .silence_ms = 250 };
            nmesh_t *client = nm_reach_desk(reach, actor, &error);
            there = client && nm_reach_ask_over(client, &ask, NULL, NULL, &problem) == 0;
            nmesh_close(&client);
        }
        if (there) {
            printf("%s\n", launch->names[i]);
        } else {
            nm_complaint_say(launch->folder, launch->names[i], since_ms);
            code = NM_FAILED;
        }
    }
    nm_reach_destroy(&reach);
    return code;
}

static int
s_start(const nm_nctl_t *self, const s_launch_t *launch)
{
    pid_t pid;
    int64_t since_ms = nm_when_now();
    if (nm_supervisor_find(self->mesh_folder, &pid) == NM_OK && kill(pid, SIGHUP) == 0)
        return s_await(self, launch, since_ms);
    for (size_t i = 0; i < launch->count; i++)
        printf("%s\n", launch->names[i]);
    nm_nctl_say(
        "Nothing supervises this mesh here now. \"nctl up\" starts what is on this machine; under systemd each of\n"
        "them is started by: systemctl enable --now nmesh@NAME");
    return NM_DONE;
}

static int
s_launch(const nm_nctl_t *self, nm_reach_t *reach, s_launch_t *launch)
{
    nm_error_t error = { "" };
    const nm_mesh_t *mesh = nm_reach_mesh(reach);
    json_t *members = nm_reach_members(reach);
    nm_rc_t rc = NM_OK;
    if (!launch->address)
        s_find_address(mesh, launch);
    if (launch->on) {
        snprintf(launch->folder, sizeof launch->folder, "%s/outbound/%s", mesh->folder, launch->on);
        rc = s_prepare_folder(mesh, launch->folder, &error);
    } else {
        snprintf(launch->folder, sizeof launch->folder, "%s", mesh->folder);
    }
    s_name(mesh, members, launch);
    if (rc == NM_OK && launch->on && !nm_options_has(&self->options, "base-port"))
        rc = s_find_remote_port(mesh, members, launch, &error);
    if (rc == NM_OK)
        rc = s_make_actors(mesh, members, launch, &error);
    if (rc == NM_OK && launch->on)
        rc = s_keep_certs(mesh, launch, &error);
    json_decref(members);
    if (rc != NM_OK)
        return nm_nctl_fail("%s", error.text);
    if (!s_has_lobby(mesh))
        nm_nctl_say(
            "No actor of the mesh file has a lobby, so others let a newcomer in only once its certificate is in "
            "their certs/.");
    return launch->on ? s_print_commands(mesh, launch) : s_start(self, launch);
}

int
nm_cmd_launch(nm_nctl_t *self)
{
    nm_error_t error = { "" };
    s_launch_t launch = { .count = 0 };
    nm_rc_t rc = s_read_options(self, &launch, &error);
    if (rc == NM_ERR_MISSING)
        return nm_nctl_fail("%s", error.text);
    if (rc != NM_OK)
        return nm_nctl_misused(self, "%s", error.text);
    nm_reach_t *reach = nm_reach_new(self->mesh_folder, &error);
    if (!reach)
        return nm_nctl_fail("%s", error.text);
    int code = s_launch(self, reach, &launch);
    nm_reach_destroy(&reach);
    return code;
}
