#include "tests/broker/folder.h"

#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ACTORS[] = "actors\n"
                             "    gateway-1\n"
                             "        role = \"gateway\"\n"
                             "        number = 7\n"
                             "        mailbox = \"tcp://127.0.0.1:17751\"\n"
                             "        desk = \"tcp://127.0.0.1:17752\"\n"
                             "        door = \"tcp://127.0.0.1:17753\"\n"
                             "    router-1\n"
                             "        role = \"router\"\n"
                             "        mailbox = \"tcp://127.0.0.1:17761\"\n"
                             "        desk = \"tcp://127.0.0.1:17762\"\n"
                             "    email-1\n"
                             "        role = \"email\"\n"
                             "        mailbox = \"ipc://run/email-1.mailbox\"\n"
                             "        desk = \"tcp://[::1]:17772\"\n"
                             "    deadletter-1\n"
                             "        role = \"deadletter\"\n"
                             "        mailbox = \"tcp://127.0.0.1:17781\"\n"
                             "        desk = \"tcp://127.0.0.1:17782\"\n"
                             "email\n"
                             "    retries = 3\n";

void
folder_path(const folder_t *self, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", self->path, name);
}

void
folder_write(const folder_t *self, const char *name, const char *text, unsigned mode)
{
    char path[256];
    folder_path(self, name, path);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
        abort();
    close(fd);
}

void
folder_write_mesh(const folder_t *self, const char *rest)
{
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, self->authority, sizeof self->authority);
    nm_buf_t text = { 0 };
    nm_buf_format(&text, "mesh\n    name = \"demo-7\"\n    authority = \"%s\"\n", hex);
    nm_buf_format(&text, "    admin_key_hash = \"%064d\"\n    public_domain = \"mail.example\"\n%s", 5, rest);
    nm_buf_add(&text, "", 1);
    folder_write(self, "mesh.zpl", (const char *) text.at, 0644);
    nm_buf_free(&text);
}

void
folder_make(folder_t *self)
{
    if (sodium_init() < 0)
        abort();
    snprintf(self->path, sizeof self->path, "/tmp/nm-test-XXXXXX");
    if (!mkdtemp(self->path))
        abort();
    char certs[256];
    folder_path(self, "certs", certs);
    if (mkdir(certs, 0755) != 0)
        abort();
    crypto_sign_keypair(self->authority, self->authority_secret);
    folder_write_mesh(self, ACTORS);
}

static int
s_remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void) status;
    (void) type;
    (void) walk;
    return remove(path);
}

void
folder_remove(folder_t *self)
{
    nftw(self->path, s_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void
folder_save(const folder_t *self, nm_cert_t *cert, const char *file)
{
    char name[128], path[256];
    snprintf(name, sizeof name, "certs/%s", file);
    folder_path(self, name, path);
    nm_cert_sign(cert, self->authority_secret);
    if (nm_cert_save(cert, path, false, NULL) != NM_OK)
        abort();
}

void
folder_certify(const folder_t *self, const char *name, nm_role_id_t role, nm_cert_t *cert)
{
    nm_cert_make(cert, name, role, FOLDER_NOW_MS - 1800000, FOLDER_NOW_MS + 1800000);
    char file[NM_NAME_MAX + 8];
    snprintf(file, sizeof file, "%s.cert", name);
    folder_save(self, cert, file);
}
