#include "tools/nctl/files.h"
#include "tools/nctl/when.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

void
nm_files_join(char out[NM_PATH_MAX], const char *folder, const char *name)
{
    snprintf(out, NM_PATH_MAX, "%s/%s", folder, name);
}

bool
nm_files_exists(const char *folder, const char *name)
{
    char path[NM_PATH_MAX];
    nm_files_join(path, folder, name);
    return access(path, F_OK) == 0;
}

//  A name is on the disk when its folder is: a file that was synced may be gone after a power cut, name and all.
nm_rc_t
nm_files_sync_folder(const char *path, nm_error_t *error)
{
    char folder[NM_PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash)
        nm_bytes_to_text(nm_bytes(path, slash == path ? 1 : (size_t) (slash - path)), folder, sizeof folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    return good ? NM_OK : nm_fail(error, NM_ERR_IO, "%s: cannot be synced: %s", folder, strerror(why));
}

nm_rc_t
nm_files_folder(const char *path, nm_error_t *error)
{
    char part[NM_PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof part)
        return nm_fail(error, NM_ERR_MALFORMED, "the path is longer than %zu bytes", sizeof part - 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] && path[i] != '/')
            continue;
        nm_bytes_to_text(nm_bytes(path, i), part, sizeof part);
        if (mkdir(part, 0700) == 0) {
            nm_rc_t rc = nm_files_sync_folder(part, error);
            if (rc != NM_OK)
                return rc;
        } else if (errno != EEXIST) {
            return nm_fail(error, NM_ERR_IO, "%s: cannot make this folder: %s", part, strerror(errno));
        }
    }
    return NM_OK;
}

static bool
s_write_all(int fd, nm_bytes_t text)
{
    while (text.size) {
        ssize_t count = write(fd, text.at, text.size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        text = nm_bytes(text.at + count, text.size - (size_t) count);
    }
    return true;
}

nm_rc_t
nm_files_write(const char *folder, const char *name, unsigned mode, nm_bytes_t text, nm_error_t *error)
{
    char path[NM_PATH_MAX];
    nm_files_join(path, folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return nm_fail(error, errno == EEXIST ? NM_ERR_DUPLICATE : NM_ERR_IO, "%s: %s", path, strerror(errno));
    bool good = s_write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int why = errno;
    close(fd);
    if (good)
        return nm_files_sync_folder(path, error);
    unlink(path);
    return nm_fail(error, NM_ERR_IO, "%s: cannot be written: %s", path, strerror(why));
}

nm_rc_t
nm_files_read(const char *folder, const char *name, nm_buf_t *text, nm_error_t *error)
{
    char path[NM_PATH_MAX];
    nm_files_join(path, folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return nm_fail(error, errno == ENOENT ? NM_ERR_MISSING : NM_ERR_IO, "%s: %s", path, strerror(errno));
    size_t count;
    do {
        count = fread(nm_buf_reserve(text, 4096), 1, 4096, file);
        text->size += count;
    } while (count && text->size <= NM_FILE_MAX);
    nm_buf_reserve(text, 1)[0] = 0;
    bool good = !ferror(file) && text->size <= NM_FILE_MAX;
    fclose(file);
    return good ? NM_OK : nm_fail(error, NM_ERR_IO, "%s: cannot be read, or is too big", path);
}

nm_rc_t
nm_files_save_cert(const nm_cert_t *cert, const char *path, bool with_secret, nm_error_t *error)
{
    nm_rc_t rc = nm_cert_save(cert, path, with_secret, error);
    return rc == NM_OK ? nm_files_sync_folder(path, error) : rc;
}

nm_rc_t
nm_files_certify(const char *folder, const char *name, nm_role_id_t role, int64_t now_ms, unsigned days,
                 const uint8_t authority[NM_SIGN_SECRET_SIZE], nm_error_t *error)
{
    //  An hour back, so that a peer whose clock is a little behind takes it too.
    int64_t from_ms = now_ms - 3600 * 1000;
    char cert_path[NM_PATH_MAX], key_path[NM_PATH_MAX];
    nm_cert_t cert;
    snprintf(cert_path, sizeof cert_path, "%s/certs/%s.cert", folder, name);
    snprintf(key_path, sizeof key_path, "%s/keys/%s.key", folder, name);
    nm_cert_make(&cert, name, role, from_ms, from_ms + (int64_t) days * 86400000);
    nm_cert_sign(&cert, authority);
    nm_rc_t rc = nm_files_save_cert(&cert, key_path, true, error);
    if (rc == NM_OK)
        rc = nm_files_save_cert(&cert, cert_path, false, error);
    nm_cert_wipe(&cert);
    return rc;
}

bool
nm_files_is_here(const char *folder, const char *name)
{
    char key[NM_NAME_MAX + 16];
    snprintf(key, sizeof key, "keys/%s.key", name);
    return nm_files_exists(folder, key);
}

nm_rc_t
nm_files_authority(const char *folder, uint8_t secret[NM_SIGN_SECRET_SIZE], nm_error_t *error)
{
    nm_buf_t text = { 0 };
    size_t size = 0;
    nm_rc_t rc = nm_files_read(folder, "authority.key", &text, error);
    if (rc == NM_OK && (text.size < 2 * NM_SIGN_SECRET_SIZE ||
                        sodium_hex2bin(secret, NM_SIGN_SECRET_SIZE, (char *) text.at, 2 * NM_SIGN_SECRET_SIZE, NULL,
                                       &size, NULL) != 0 ||
                        size != NM_SIGN_SECRET_SIZE))
        rc = nm_fail(error, NM_ERR_MALFORMED, "%s/authority.key: 128 hex digits were expected", folder);
    if (text.at)
        sodium_memzero(text.at, text.room);
    nm_buf_free(&text);
    return rc;
}
