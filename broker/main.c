#include "broker/main.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/log.h"
#include "broker/loop.h"
#include "broker/offline.h"

enum { S_KEY_MAX = 16, S_TABLE_MAX = 64, S_WORKER_THREADS = 4 };

//  All that a running actor stands on, in the order it is made.
typedef struct {
    const nm_role_t *role;
    const nm_effects_driver_t *effects;
    const nm_front_driver_t *front;
    const char *folder;
    const char *name;
    bool verbose;
    bool check;  //  One job on the stopped store instead of running
    bool replace;
    const char *restore_path;
    nm_mesh_t *mesh;
    const nm_mesh_actor_t *self;
    nm_cert_t cert;
    nm_store_key_t keys[S_KEY_MAX];
    size_t key_count;
    const nm_table_t *tables[S_TABLE_MAX];
    nm_store_t *store;
    nm_directory_t *directory;
    nm_metrics_t *metrics;
    nm_net_t *net;
    nm_worker_t *worker;
    nm_actor_t *actor;
    nm_loop_t *loop;
} s_main_t;

static int64_t
s_now_ms(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t) at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

//  -- Arguments

static void
s_usage(FILE *out, const nm_role_t *role)
{
    fprintf(out,
            "Usage: nmesh-%s --mesh DIR --name NAME\n"
            "Runs one %s actor of a mesh until it is sent SIGTERM.\n\n"
            "  --mesh DIR    folder of the mesh file (nctl init makes one)\n"
            "  --name NAME   which actor of the mesh file this is\n"
            "  --verbose     log more\n"
            "  --check       read and check the whole store of the stopped actor, and end\n"
            "  --restore FILE  put a backup where the stopped actor's store is to be, and end\n"
            "  --replace     with --restore: also where a store is\n"
            "  --version     print the version\n"
            "  --help        print this\n\n"
            "Logs are JSON, one object a line, on standard error. Exit codes: 0 stopped in good order, 2 used\n"
            "wrongly, 65 the store is damaged, 74 a commit failed, 75 the store went back in time, 78 the\n"
            "configuration is at fault, or the authority has ended the certificate.\n",
            role->name, role->name);
}

//  Returns an exit code, or -1 to go on.
static int
s_read_arguments(s_main_t *self, int argc, char **argv)
{
    static const struct option OPTIONS[] = { { "mesh", required_argument, NULL, 'm' },
                                             { "name", required_argument, NULL, 'n' },
                                             { "verbose", no_argument, NULL, 'v' },
                                             { "version", no_argument, NULL, 'V' },
                                             { "check", no_argument, NULL, 'c' },
                                             { "restore", required_argument, NULL, 'r' },
                                             { "replace", no_argument, NULL, 'R' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'm': self->folder = optarg; break;
        case 'n': self->name = optarg; break;
        case 'v': self->verbose = true; break;
        case 'c': self->check = true; break;
        case 'r': self->restore_path = optarg; break;
        case 'R': self->replace = true; break;
        case 'V': printf("nmesh-%s %s\n", self->role->name, NM_VERSION_TEXT); return 0;
        case 'h': s_usage(stdout, self->role); return 0;
        default: s_usage(stderr, self->role); return NM_EXIT_USAGE;
        }
    }
    if (!self->folder || !self->name || optind < argc) {
        s_usage(stderr, self->role);
        return NM_EXIT_USAGE;
    }
    return -1;
}

//  -- Settings and keys

static nm_rc_t
s_load_mesh(s_main_t *self, nm_error_t *error)
{
    self->mesh = nm_mesh_load(self->folder, error);
    if (!self->mesh)
        return NM_ERR_MALFORMED;
    self->self = nm_mesh_find(self->mesh, self->name);
    if (!self->self)
        return nm_fail(error, NM_ERR_MISSING,
                       "The mesh file in %s has no actor named %s, and there is no actors/%s.zpl.", self->folder,
                       self->name, self->name);
    if (self->self->role != self->role->id)
        return nm_fail(error, NM_ERR_REFUSED, "mesh.zpl line %u: %s is a %s, and this program is nmesh-%s.",
                       self->self->line, self->name, nm_role_text(self->self->role), self->role->name);
    return NM_OK;
}

static nm_rc_t
s_load_cert(s_main_t *self, nm_error_t *error)
{
    char path[NM_MESH_PATH_MAX + NM_NAME_MAX + 16], relative[NM_NAME_MAX + 16];
    snprintf(relative, sizeof relative, "keys/%s.key", self->name);
    nm_mesh_path(self->mesh, relative, path, sizeof path);
    nm_rc_t rc = nm_cert_load(path, &self->cert, error);
    if (rc == NM_OK)
        rc = nm_cert_verify(&self->cert, self->mesh->authority, s_now_ms(CLOCK_REALTIME), error);
    if (rc == NM_OK && (strcmp(self->cert.name, self->name) != 0 || self->cert.role != self->role->id))
        rc = nm_fail(error, NM_ERR_REFUSED, "%s is the certificate of %s (%s), not of %s (%s).", path, self->cert.name,
                     nm_role_text(self->cert.role), self->name, self->role->name);
    return rc;
}

//  One key a line: a number and 64 hex digits. The last one seals.
static nm_rc_t
s_parse_key(const char *line, nm_store_key_t *key)
{
    char hex[2 * NM_STORE_SECRET_SIZE + 1];
    size_t size;
    if (sscanf(line, "%u %64[0-9a-f]", &key->number, hex) != 2 || !key->number)
        return NM_ERR_MALFORMED;
    if (sodium_hex2bin(key->secret, sizeof key->secret, hex, strlen(hex), NULL, &size, NULL) != 0 ||
        size != sizeof key->secret)
        return NM_ERR_MALFORMED;
    sodium_memzero(hex, sizeof hex);
    return NM_OK;
}

static nm_rc_t
s_read_keys(s_main_t *self, FILE *file, const char *path, nm_error_t *error)
{
    char line[160];
    for (unsigned number = 1; fgets(line, sizeof line, file); number++) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (self->key_count == S_KEY_MAX || s_parse_key(line, &self->keys[self->key_count]) != NM_OK)
            return nm_fail(error, NM_ERR_MALFORMED,
                           "%s line %u: a key is a number and 64 hex digits; at most %d of them.", path, number,
                           S_KEY_MAX);
        self->key_count++;
    }
    sodium_memzero(line, sizeof line);
    if (!self->key_count)
        return nm_fail(error, NM_ERR_MALFORMED, "%s holds no key; restore it from your backup of the mesh's folder.",
                       path);
    return NM_OK;
}

static nm_rc_t
s_load_keys(s_main_t *self, nm_error_t *error)
{
    char path[NM_MESH_PATH_MAX + 16];
    struct stat status;
    nm_mesh_path(self->mesh, "store.key", path, sizeof path);
    FILE *file = fopen(path, "re");
    if (!file)
        return nm_fail(error, NM_ERR_IO, "%s: %s. Without the store key no store can be read.", path, strerror(errno));
    nm_rc_t rc = NM_OK;
    if (fstat(fileno(file), &status) != 0 || (status.st_mode & 077))
        rc = nm_fail(error, NM_ERR_REFUSED, "%s may be read by others. Run: chmod 600 %s", path, path);
    if (rc == NM_OK)
        rc = s_read_keys(self, file, path, error);
    fclose(file);
    return rc;
}

//  -- Making and ending

//  Opens the store, or does the one job on it that was asked for instead.
static nm_rc_t
s_open_store(s_main_t *self, nm_error_t *error)
{
    char path[NM_MESH_PATH_MAX + NM_NAME_MAX + 16], relative[NM_NAME_MAX + 16];
    const nm_zpl_t *part = nm_mesh_part(self->mesh, "store");
    uint64_t quota = 0, reserve = 0;
    snprintf(relative, sizeof relative, "stores/%s", self->name);
    nm_mesh_path(self->mesh, relative, path, sizeof path);
    nm_rc_t rc = nm_zpl_size(part, "quota", UINT64_C(1) << 40, 0, &quota, error);
    if (rc == NM_OK)
        rc = nm_zpl_size(part, "reserve", UINT64_C(1) << 40, 0, &reserve, error);
    if (rc != NM_OK)
        return rc;
    nm_store_config_t config = { .path = path,
                                 .owner = self->name,
                                 .tables = self->tables,
                                 .table_count = nm_actor_tables(self->role, self->tables, S_TABLE_MAX),
                                 .keys = self->keys,
                                 .key_count = self->key_count,
                                 .quota = quota,
                                 .reserve = reserve };
    if (self->check)
        rc = nm_offline_check(&config, error);
    else if (self->restore_path)
        rc = nm_offline_restore(&config, self->restore_path, self->replace, error);
    else if ((rc = nm_store_make(&config, &self->store, error)) != NM_OK && rc != NM_ERR_BUSY)
        rc = NM_ERR_REFUSED;
    sodium_memzero(self->keys, sizeof self->keys);
    return rc;
}

static nm_rc_t
s_make_actor(s_main_t *self, nm_error_t *error)
{
    nm_actor_config_t config = {
        .role = self->role,
        .setup = { .mesh = self->mesh, .directory = self->directory, .self = self->self, .metrics = self->metrics },
        .store = self->store,
        .directory = self->directory,
    };
    nm_now_t now = { .wall_ms = s_now_ms(CLOCK_REALTIME), .mono_ms = s_now_ms(CLOCK_BOOTTIME) };
    randombytes_buf(&config.boot, sizeof config.boot);
    self->actor = nm_actor_new(&config, now, error);
    return self->actor ? NM_OK : NM_ERR_MALFORMED;
}

static nm_rc_t
s_make_loop(s_main_t *self, nm_error_t *error)
{
    self->net = nm_net_new(&self->cert, self->directory, self->metrics, error);
    if (!self->net)
        return NM_ERR_IO;
#ifndef NM_MUTANT_NO_ZAP  //  The mutant is to be found by a test, not by this
    if (nm_net_self_test(self->net, s_now_ms(CLOCK_REALTIME), error) != NM_OK)
        return NM_ERR_REFUSED;
#endif
    self->worker = nm_worker_new(S_WORKER_THREADS);
    nm_loop_config_t config = { .actor = self->actor,
                                .role = self->role,
                                .self = self->self,
                                .directory = self->directory,
                                .net = self->net,
                                .worker = self->worker,
                                .effects = self->effects,
                                .front = self->front };
    self->loop = nm_loop_new(&config, error);
    return self->loop ? NM_OK : NM_ERR_IO;
}

static void
s_enter(s_main_t *self)
{
    nm_directory_own_t own = { .actor = self->self,
                               .cert = &self->cert,
                               .store = *nm_store_id(self->store),
                               .epoch = nm_store_epoch(self->store) };
    if (nm_directory_enter(self->directory, &own) != NM_OK)
        nm_log(
            NM_LOG_WARNING, "certificate_old",
            "The certificate has no sign key: others know of this actor only by their own files. Renew it: nctl cert "
            "renew %s",
            self->name);
}

static nm_rc_t
s_make(s_main_t *self, nm_error_t *error)
{
    nm_rc_t rc = s_load_mesh(self, error);
    if (rc == NM_OK)
        rc = s_load_cert(self, error);
    if (rc == NM_OK)
        rc = s_load_keys(self, error);
    if (rc == NM_OK)
        rc = s_open_store(self, error);
    if (rc != NM_OK || !self->store)
        return rc;
    self->metrics = nm_metrics_new();
    self->directory = nm_directory_new(self->mesh, s_now_ms(CLOCK_REALTIME), error);
    if (!self->directory)
        return NM_ERR_MALFORMED;
    s_enter(self);
    rc = s_make_actor(self, error);
    return rc == NM_OK ? s_make_loop(self, error) : rc;
}

static void
s_end(s_main_t *self)
{
    nm_loop_destroy(&self->loop);
    nm_worker_destroy(&self->worker);
    nm_net_destroy(&self->net);
    nm_actor_destroy(&self->actor);
    nm_store_destroy(&self->store);
    nm_directory_destroy(&self->directory);
    nm_metrics_destroy(&self->metrics);
    nm_mesh_destroy(&self->mesh);
    nm_cert_wipe(&self->cert);
}

//  Secrets stay out of core files and other processes' reach; one heap arena keeps an idle actor small.
static void
s_harden(void)
{
    const struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
#ifndef NM_SANITIZED  //  The leak checker must be able to look at its own process
    prctl(PR_SET_DUMPABLE, 0);
#endif
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

//  -- The mark of a drained actor. Whoever keeps the actor running finds it, takes it away, and does not start the
//  actor again.

static void
s_mark_path(const s_main_t *self, char *path, size_t size)
{
    char relative[NM_NAME_MAX + 16];
    snprintf(relative, sizeof relative, "run/%s.drained", self->name);
    nm_mesh_path(self->mesh, relative, path, size);
}

//  One that nobody took away says nothing about this life.
static void
s_clear_mark(const s_main_t *self)
{
    char path[NM_MESH_PATH_MAX + NM_NAME_MAX + 16];
    s_mark_path(self, path, sizeof path);
    unlink(path);
}

static void
s_mark_drained(const s_main_t *self)
{
    char path[NM_MESH_PATH_MAX + NM_NAME_MAX + 16];
    nm_mesh_path(self->mesh, "run", path, sizeof path);
    mkdir(path, 0700);
    s_mark_path(self, path, sizeof path);
    FILE *file = fopen(path, "we");
    if (!file || fclose(file) != 0)
        nm_log(NM_LOG_ERROR, "mark_failed", "%s: %s. What keeps this actor running will start it again.", path,
               strerror(errno));
}

static int
s_main(s_main_t self, int argc, char **argv)
{
    nm_error_t error = { .text = "" };
    int code = s_read_arguments(&self, argc, argv);
    if (code >= 0)
        return code;
    s_harden();
    nm_log_open(self.name, self.verbose ? NM_LOG_DEBUG : NM_LOG_INFO);
    if (sodium_init() < 0) {
        nm_log(NM_LOG_CRITICAL, "start_failed", "libsodium does not start.");
        return NM_EXIT_FAILED;
    }
    nm_rc_t rc = s_make(&self, &error);
    if (rc == NM_OK && !self.store) {
        code = 0;
    } else if (rc == NM_OK) {
        s_clear_mark(&self);
        code = nm_loop_run(self.loop);
        if (code == 0 && nm_actor_drained(self.actor))
            s_mark_drained(&self);
        nm_log(NM_LOG_INFO, "stopped", "%s has stopped with code %d.", self.name, code);
    } else {
        nm_log(NM_LOG_CRITICAL, "start_failed", "%s", error.text);
        //  A port or a store that is still taken may be free in a moment; a fault in the settings stays one.
        bool passing = rc == NM_ERR_IO || rc == NM_ERR_BUSY || rc == NM_ERR_CORRUPT;
        code = passing ? NM_EXIT_FAILED : NM_EXIT_CONFIG;
    }
    s_end(&self);
    return code;
}

int
nm_main(int argc, char **argv, const nm_role_t *role)
{
    return s_main((s_main_t){ .role = role }, argc, argv);
}

int
nm_main_with_effects(int argc, char **argv, const nm_role_t *role, const nm_effects_driver_t *effects)
{
    return s_main((s_main_t){ .role = role, .effects = effects }, argc, argv);
}

int
nm_main_with_front(int argc, char **argv, const nm_role_t *role, const nm_front_driver_t *front)
{
    return s_main((s_main_t){ .role = role, .front = front }, argc, argv);
}
