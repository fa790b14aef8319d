#include "tests/sim/ground.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/deadletter/deadletter.h"
#include "actors/email/email.h"
#include "actors/gateway/gateway.h"
#include "actors/router/router.h"
#include "actors/user/people.h"
#include "actors/user/user.h"
#include "broker/bench.h"
#include "lmdb_store/book.h"
#include "tests/sim/ask.h"
#include "tests/sim/dice.h"
#include "wire/id.h"
#include "wire/writer.h"

static const struct {
    const char *name;
    const nm_role_t *role;
    unsigned number;
    bool lobby;
    bool newcomer;
} SEATS[] = {
    { "gateway-1", &nm_gateway_role, 1, true, false },
    { "gateway-2", &nm_gateway_role, 2, false, false },
    { "router-1", &nm_router_role, 0, true, false },
    { "router-2", &nm_router_role, 0, false, false },
    { "email-1", &nm_email_role, 0, false, false },
    { "email-2", &nm_email_role, 0, false, false },
    { "email-3", &nm_email_role, 0, false, false },
    { "deadletter-1", &nm_deadletter_role, 0, false, false },
    { "deadletter-2", &nm_deadletter_role, 0, false, false },
    { "user-1", &nm_user_role, 0, false, false },
    { "router-3", &nm_router_role, 0, false, true },
    { "email-4", &nm_email_role, 0, false, true },
    { "user-2", &nm_user_role, 0, false, true },
};
_Static_assert(NM_COUNT(SEATS) <= SIM_SEAT_MAX, "a seat for each");

//  Who begins the books.
#define OWNER "user-1"

//  Waits are short, so that a delivery comes to its end within a simulated minute.
static const char MESH[] = "mesh\n"
                           "    name = \"sim\"\n"
                           "    authority = \"%s\"\n"
                           "    admin_key_hash = \"" NM_BENCH_ADMIN_HASH "\"\n"
                           "    public_domain = \"sim.test\"\n"
                           "directory\n"
                           "    beat = \"2s\"\n"
                           "    expiry = \"7s\"\n"
                           "providers\n"
                           "    first\n"
                           "        kind = \"smtp\"\n"
                           "        host = \"first.test\"\n"
                           "        channels = \"email\"\n"
                           "        from = \"nmesh@sim.test\"\n"
                           "        priority = 10\n"
                           "    second\n"
                           "        kind = \"smtp\"\n"
                           "        host = \"second.test\"\n"
                           "        channels = \"email\"\n"
                           "        from = \"nmesh@sim.test\"\n"
                           "        priority = 20\n"
                           "email\n"
                           "    concurrency = 4\n"
                           "    backlog = %d\n"
                           "    retries = 4\n"
                           "    retry_delays = \"200ms 500ms 1s\"\n"
                           "    breaker_failures = 3\n"
                           "    breaker_open = \"1s\"\n"
                           "actors\n";

__attribute__((noreturn, format(printf, 1, 2))) static void
s_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("nmesh-sim: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

//  -- Files

static void
s_read_file(const char *folder, const char *name, nm_buf_t *out)
{
    char path[PATH_MAX];
    struct stat is;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &is) != 0)
        s_die("%s: %s", path, strerror(errno));
    nm_buf_clear(out);
    if (read(fd, nm_buf_reserve(out, (size_t) is.st_size + 1), (size_t) is.st_size) != is.st_size)
        s_die("%s: cannot be read", path);
    out->size = (size_t) is.st_size;
    close(fd);
}

//  Over what is there: new pages cost more than the copying.
static void
s_write_file(const char *path, nm_bytes_t content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, content.at, content.size, 0) != (ssize_t) content.size ||
        ftruncate(fd, (off_t) content.size) != 0)
        s_die("%s: %s", path, strerror(errno));
    close(fd);
}

static void
s_remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char inner[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            s_remove_folder(inner);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

//  -- Disks

void
sim_disk_get(sim_disk_t *self, const sim_seat_t *seat)
{
    s_read_file(seat->path, "data.mdb", &self->content);
    s_read_file(seat->path, "PROVISIONED", &self->marker);
}

void
sim_disk_put(const sim_disk_t *self, const sim_seat_t *seat)
{
    char path[160];
    snprintf(path, sizeof path, "%s/data.mdb", seat->path);
    s_write_file(path, nm_buf_bytes(&self->content));
    snprintf(path, sizeof path, "%s/PROVISIONED", seat->path);
    s_write_file(path, nm_buf_bytes(&self->marker));
}

void
sim_disk_back_up(const sim_disk_t *self, const char *path)
{
    s_write_file(path, nm_buf_bytes(&self->content));
}

void
sim_disk_free(sim_disk_t *self)
{
    nm_buf_free(&self->content);
    nm_buf_free(&self->marker);
}

nm_store_config_t
sim_seat_config(const sim_seat_t *self)
{
    static const nm_store_key_t KEY = { 1, { 9, 8, 7, 6, 5, 4, 3, 2, 1 } };
    return (nm_store_config_t){ .path = self->path,
                                .owner = self->entry->name,
                                .tables = self->tables,
                                .table_count = self->table_count,
                                .keys = &KEY,
                                .key_count = 1,
                                .map_size = UINT64_C(1) << 28,
                                .reserve = 1,
                                .volatile_for_tests = true };
}

void
sim_seat_backup_path(const sim_seat_t *self, char path[160])
{
    snprintf(path, 160, "%s.backup", self->path);
}

//  -- The mesh

static void
s_write_place(size_t seat, const char *indent, nm_buf_t *out)
{
    size_t port = 7000 + 4 * seat;
    nm_buf_format(out, "%srole = \"%s\"\n", indent, SEATS[seat].role->name);
    nm_buf_format(out, "%smailbox = \"tcp://127.0.0.1:%zu\"\n", indent, port);
    nm_buf_format(out, "%sdesk = \"tcp://127.0.0.1:%zu\"\n", indent, port + 1);
    if (SEATS[seat].number)
        nm_buf_format(out, "%snumber = %u\n%sdoor = \"tcp://127.0.0.1:%zu\"\n", indent, SEATS[seat].number, indent,
                      port + 2);
    if (SEATS[seat].lobby)
        nm_buf_format(out, "%slobby = \"tcp://127.0.0.1:%zu\"\n", indent, port + 3);
}

static void
s_write_mesh(const sim_ground_t *self, const char *folder)
{
    nm_buf_t text = { 0 };
    char path[128], authority[2 * NM_SIGN_PUBLIC_SIZE + 1];
    sodium_bin2hex(authority, sizeof authority, self->authority.public_key, NM_SIGN_PUBLIC_SIZE);
    nm_buf_format(&text, MESH, authority, SIM_BACKLOG);
    for (size_t i = 0; i < NM_COUNT(SEATS); i++) {
        if (SEATS[i].newcomer)
            continue;
        nm_buf_format(&text, "    %s\n", SEATS[i].name);
        s_write_place(i, "        ", &text);
    }
    snprintf(path, sizeof path, "%s/mesh.zpl", folder);
    s_write_file(path, nm_buf_bytes(&text));
    nm_buf_free(&text);
    snprintf(path, sizeof path, "%s/certs", folder);
    mkdir(path, 0700);
}

static void
s_write_cert(const sim_seat_t *seat, const char *folder)
{
    char path[160];
    nm_error_t error = { .text = "" };
    snprintf(path, sizeof path, "%s/certs/%s.cert", folder, seat->certs[0].name);
    if (nm_cert_save(&seat->certs[0], path, false, &error) != NM_OK)
        s_die("%s", error.text);
}

//  The certificates of the roster, and of one beside; NULL: of none.
static void
s_write_certs(const sim_ground_t *self, const char *folder, const sim_seat_t *beside)
{
    for (size_t i = 0; i < NM_COUNT(SEATS); i++)
        if (!SEATS[i].newcomer || &self->seats[i] == beside)
            s_write_cert(&self->seats[i], folder);
}

static nm_mesh_t *
s_load_mesh(const char *folder)
{
    nm_error_t error = { .text = "" };
    nm_mesh_t *mesh = nm_mesh_load(folder, &error);
    if (!mesh)
        s_die("%s", error.text);
    return mesh;
}

//  The machine of a newcomer: the roster is known there, and itself.
static nm_mesh_t *
s_make_machine(const sim_ground_t *self, size_t seat)
{
    char folder[96], path[160];
    nm_buf_t text = { 0 };
    snprintf(folder, sizeof folder, "%s/far-%s", self->folder, SEATS[seat].name);
    mkdir(folder, 0700);
    s_write_mesh(self, folder);
    s_write_certs(self, folder, &self->seats[seat]);
    snprintf(path, sizeof path, "%s/actors", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/actors/%s.zpl", folder, SEATS[seat].name);
    s_write_place(seat, "", &text);
    s_write_file(path, nm_buf_bytes(&text));
    nm_buf_free(&text);
    return s_load_mesh(folder);
}

//  The next key pair of an actor lies on its machine, for when it is told to go by that.
static void
s_write_next_key(const sim_seat_t *seat)
{
    char relative[NM_NAME_MAX + 24], path[NM_MESH_PATH_MAX + sizeof relative];
    nm_error_t error = { .text = "" };
    nm_mesh_path(seat->mesh, "keys", path, sizeof path);
    mkdir(path, 0700);
    snprintf(relative, sizeof relative, "keys/%s.next.key", seat->entry->name);
    nm_mesh_path(seat->mesh, relative, path, sizeof path);
    if (nm_cert_save(&seat->certs[1], path, true, &error) != NM_OK)
        s_die("%s", error.text);
}

static void
s_take_seat(sim_ground_t *self, size_t number, nm_mesh_t *mesh)
{
    sim_seat_t *seat = &self->seats[number];
    seat->mesh = mesh;
    seat->entry = nm_mesh_find(mesh, SEATS[number].name);
    seat->table_count = nm_actor_tables(seat->role, seat->tables, NM_COUNT(seat->tables));
    nm_mesh_path(mesh, SEATS[number].name, seat->path, sizeof seat->path);
    s_write_next_key(seat);
}

static void
s_take_seats(sim_ground_t *self)
{
    self->seat_count = NM_COUNT(SEATS);
    for (size_t i = 0; i < NM_COUNT(SEATS); i++) {
        sim_seat_t *seat = &self->seats[i];
        seat->role = SEATS[i].role;
        seat->newcomer = SEATS[i].newcomer;
        for (size_t n = 0; n < SIM_CERT_COUNT; n++)
            sim_authority_certify(&self->authority, SEATS[i].name, seat->role->id, &seat->certs[n]);
    }
    s_write_mesh(self, self->folder);
    s_write_certs(self, self->folder, NULL);
    self->mesh = s_load_mesh(self->folder);
    for (size_t i = 0; i < NM_COUNT(SEATS); i++) {
        if (SEATS[i].newcomer)
            self->far[self->far_count++] = s_make_machine(self, i);
        s_take_seat(self, i, SEATS[i].newcomer ? self->far[self->far_count - 1] : self->mesh);
    }
}

//  -- New stores

static void
s_drop_outputs(nm_actor_t *actor)
{
    nm_output_t output;
    while (nm_actor_take(actor, &output)) {
        nm_buf_free(&output.bytes);
        nm_effect_destroy(&output.effect);
    }
}

//  It asks around whether the books are its own, and nobody answers.
static void
s_wait_alone(nm_actor_t *actor)
{
    enum { TURNS = 3, LONG_MS = 60000 };
    for (int i = 1; i <= TURNS; i++) {
        if (nm_actor_turn(actor, NULL, 0, (nm_now_t){ SIM_START_MS, 1000 + i * LONG_MS }) != NM_OK)
            s_die("an actor alone does not run");
        s_drop_outputs(actor);
    }
}

//  Asks the one actor that is there as an operator, in a turn of its own; the text under a key of the answer.
static void
s_ask(nm_actor_t *actor, const char *op, nm_bytes_t body, const char *key, char *out, size_t size)
{
    sim_ask_t ask = { .id = 1, .op = op, .body = body };
    nm_buf_t frame = { 0 };
    nm_output_t output;
    sim_reply_t reply;
    sim_ask_pack(&ask, &frame);
    nm_input_t input = { .kind = NM_IN_ASK,
                         .peer = "operator",
                         .role = NM_ROLE_OPERATOR,
                         .caller = { .socket = 1 },
                         .bytes = nm_buf_bytes(&frame) };
    if (nm_actor_turn(actor, &input, 1, (nm_now_t){ SIM_START_MS, 1000000 }) != NM_OK)
        s_die("%s was not answered", op);
    while (nm_actor_take(actor, &output)) {
        if (output.kind == NM_OUT_REPLY && sim_reply_read(nm_buf_bytes(&output.bytes), &reply) && reply.status == 201)
            sim_body_text(reply.body, key, out, size);
        nm_buf_free(&output.bytes);
        nm_effect_destroy(&output.effect);
    }
    if (!out[0])
        s_die("%s was refused", op);
    nm_buf_free(&frame);
}

void
sim_address(size_t tenant, size_t n, char out[SIM_ADDRESS_SIZE])
{
    snprintf(out, SIM_ADDRESS_SIZE, "u%zu@t%zu.test", n, tenant);
}

static void
s_add_people(sim_ground_t *self, nm_actor_t *actor, size_t tenant, const char *service)
{
    char address[SIM_ADDRESS_SIZE];
    for (size_t n = 0; n < SIM_PEOPLE_COUNT; n++) {
        nm_buf_t body = { 0 };
        sim_address(tenant, n, address);
        sim_body_put(&body, "service_id", service, "email", address, NULL);
        s_ask(actor, "users.create", nm_buf_bytes(&body), "id", self->people[tenant][n],
              sizeof self->people[tenant][n]);
        nm_buf_free(&body);
    }
}

static void
s_add_tenants(sim_ground_t *self, sim_seat_t *seat, nm_actor_t *actor)
{
    static const char *const NAMES[SIM_TENANT_COUNT] = { "shop", "club" };
    for (size_t i = 0; i < SIM_TENANT_COUNT; i++) {
        nm_buf_t body = { 0 };
        char service[NM_ID_TEXT_SIZE + 1] = "";
        nm_writer_map(&body, 3);
        nm_writer_pair_text(&body, "name", NAMES[i]);
        nm_writer_pair_uint(&body, "accept", i == SIM_TENANT_COUNT - 1 ? 2 : 1);
        nm_writer_pair_bool(&body, "accept_alone", i == SIM_TENANT_COUNT - 1);
        s_ask(actor, "services.create", nm_buf_bytes(&body), "id", service, sizeof service);
        nm_buf_clear(&body);
        sim_body_put(&body, "service_id", service, NULL);
        s_ask(actor, "keys.create", nm_buf_bytes(&body), "key", seat->keys[i], sizeof seat->keys[i]);
        nm_buf_free(&body);
        s_add_people(self, actor, i, service);
    }
}

//  The user actor owns the books, tenants and their keys among them. Who follows them begins with what it has.
typedef struct {
    nm_store_t *to;
    const nm_table_t *table;
    nm_bytes_t key, value;
} s_row_t;

static nm_rc_t
s_put_row(nm_txn_t *txn, void *arg)
{
    const s_row_t *row = arg;
    return nm_table_put(txn, row->table, row->key, row->value);
}

static nm_rc_t
s_copy_table(nm_txn_t *txn, s_row_t *row)
{
    nm_cursor_t cursor;
    nm_rc_t rc;
    nm_cursor_open(&cursor, txn, row->table, nm_bytes(NULL, 0), nm_bytes(NULL, 0), false);
    while ((rc = nm_cursor_next(&cursor, &row->key, &row->value)) == NM_OK)
        if (nm_store_update(row->to, s_put_row, row) != NM_OK)
            s_die("a book could not be copied");
    nm_cursor_close(&cursor);
    return rc == NM_ERR_MISSING ? NM_OK : rc;
}

static nm_rc_t
s_copy_rows(nm_txn_t *txn, void *arg)
{
    s_row_t row = { .to = arg };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_BOOK_TABLE_COUNT; i++) {
        row.table = nm_book_tables[i];
        rc = s_copy_table(txn, &row);
    }
    return rc;
}

//  What a user actor keeps beside its books, to find people by.
static nm_rc_t
s_copy_people(nm_txn_t *txn, void *arg)
{
    static const nm_table_t *const TABLES[] = { &nm_people_facts_table, &nm_people_ids_table, &nm_people_emails_table };
    s_row_t row = { .to = arg };
    nm_rc_t rc = NM_OK;
    for (size_t i = 0; rc == NM_OK && i < NM_COUNT(TABLES); i++) {
        row.table = TABLES[i];
        rc = s_copy_table(txn, &row);
    }
    return rc;
}

static void
s_copy_books(const sim_seat_t *from, sim_seat_t *to, nm_store_t *store)
{
    nm_error_t error = { .text = "" };
    nm_store_config_t config = sim_seat_config(from);
    nm_store_t *first = nm_store_new(&config, &error);
    if (!first)
        s_die("%s", error.text);
    bool people = to->role->id == NM_ROLE_USER;
    if (nm_store_view(first, s_copy_rows, store) != NM_OK ||
        (people && nm_store_view(first, s_copy_people, store) != NM_OK))
        s_die("the books of %s cannot be read", from->entry->name);
    nm_store_destroy(&first);
    memcpy(to->keys, from->keys, sizeof to->keys);
}

static void
s_make_store(sim_ground_t *self, const sim_seat_t *owner, sim_seat_t *seat)
{
    nm_error_t error = { .text = "" };
    nm_store_config_t config = sim_seat_config(seat);
    nm_metrics_t *metrics = nm_metrics_new();
    nm_store_t *store = nm_store_new(&config, &error);
    if (!store)
        s_die("%s", error.text);
    if (seat->role->book_count && seat != owner)
        s_copy_books(owner, seat, store);
    nm_actor_config_t actor_config = {
        .role = seat->role,
        .setup = { .mesh = seat->mesh, .directory = self->directory, .self = seat->entry, .metrics = metrics },
        .store = store,
        .boot = 1,
        .seed = 1
    };
    nm_actor_t *actor = nm_actor_new(&actor_config, (nm_now_t){ SIM_START_MS, 1000 }, &error);
    if (!actor)
        s_die("%s", error.text);
    s_drop_outputs(actor);
    if (seat == owner) {
        s_wait_alone(actor);
        s_add_tenants(self, seat, actor);
    }
    nm_actor_destroy(&actor);
    nm_store_destroy(&store);
    nm_metrics_destroy(&metrics);
    sim_disk_get(&seat->fresh, seat);
}

//  {service}-{secret}, the service's id without its dashes.
static void
s_set_admin_key(sim_ground_t *self)
{
    size_t size = 0;
    for (const char *at = NM_ADMIN_SERVICE_TEXT; *at; at++)
        if (*at != '-')
            self->admin_key[size++] = *at;
    memcpy(self->admin_key + size, "-" NM_BENCH_ADMIN_SECRET, sizeof "-" NM_BENCH_ADMIN_SECRET);
}

static sim_seat_t *
s_owner(sim_ground_t *self)
{
    size_t i = 0;
    while (strcmp(SEATS[i].name, OWNER) != 0)
        i++;
    return &self->seats[i];
}

sim_ground_t *
sim_ground_new(void)
{
    nm_error_t error = { .text = "" };
    sim_ground_t *self = nm_alloc(sizeof *self);
    snprintf(self->folder, sizeof self->folder, "/dev/shm/nmesh-sim-XXXXXX");
    if (!mkdtemp(self->folder))
        s_die("%s: %s", self->folder, strerror(errno));
    sim_dice_sow(1);
    s_set_admin_key(self);
    sim_authority_make(&self->authority);
    s_take_seats(self);
    self->directory = nm_directory_new(self->mesh, SIM_START_MS, &error);
    if (!self->directory)
        s_die("%s", error.text);
    sim_seat_t *owner = s_owner(self);
    s_make_store(self, owner, owner);
    for (size_t i = 0; i < self->seat_count; i++)
        if (&self->seats[i] != owner)
            s_make_store(self, owner, &self->seats[i]);
    return self;
}

void
sim_ground_destroy(sim_ground_t **self_p)
{
    sim_ground_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->seat_count; i++)
        sim_disk_free(&self->seats[i].fresh);
    nm_directory_destroy(&self->directory);
    for (size_t i = 0; i < self->far_count; i++)
        nm_mesh_destroy(&self->far[i]);
    nm_mesh_destroy(&self->mesh);
    s_remove_folder(self->folder);
    free(self);
    *self_p = NULL;
}
