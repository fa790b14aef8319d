#include "broker/directory_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include "broker/log.h"

enum {
    FILE_MAX = 4096,            //  Certificate files that are looked at
    FILE_SIZE_MAX = 16 * 1024,  //  Of one of them
};

static bool
s_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

//  Reads a file and has its signature checked. Its time is checked at each admit.
static void
s_read_entry(nm_directory_t *self, nm_directory_file_t *entry)
{
    nm_error_t error;
    char path[sizeof self->folder + sizeof entry->file + 1];
    snprintf(path, sizeof path, "%s/%s", self->folder, entry->file);
    nm_rc_t rc = NM_ERR_MALFORMED;
    if (entry->size > FILE_SIZE_MAX)
        rc = nm_fail(&error, rc, "%s is larger than %d bytes", path, FILE_SIZE_MAX);
    else
        rc = nm_cert_load(path, &entry->cert, &error);
    if (rc == NM_OK) {
        memset(entry->cert.secret_text, 0, sizeof entry->cert.secret_text);
        rc = nm_cert_verify(&entry->cert, self->mesh->authority, entry->cert.not_before_ms, &error);
    }
    if (rc == NM_OK)
        entry->member = nm_directory_member_of(self, &entry->cert, &error);
    entry->missing = rc == NM_OK && !entry->member && !nm_directory_find_member(self, entry->cert.name);
    entry->good = rc == NM_OK && entry->member;
    if (!entry->good)
        nm_log(NM_LOG_WARNING, "certificate_refused", "%s: %s", entry->file, error.text);
}

static const nm_directory_file_t *
s_find_file(const nm_directory_file_t *entries, size_t count, const char *file)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].file, file) == 0)
            return &entries[i];
    return NULL;
}

static int
s_is_cert_file(const struct dirent *file)
{
    size_t size = strlen(file->d_name);
    return file->d_name[0] != '.' && size > 5 && strcmp(file->d_name + size - 5, ".cert") == 0;
}

//  Fills in the entry of a file, from what was known if the file did not change.
static bool
s_take_file(nm_directory_t *self, const char *file, const nm_directory_file_t *old, size_t old_count,
            nm_directory_file_t *entry)
{
    char path[sizeof self->folder + sizeof entry->file + 1];
    snprintf(path, sizeof path, "%s/%s", self->folder, file);
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    const nm_directory_file_t *known = s_find_file(old, old_count, file);
    if (known && known->inode == status.st_ino && known->size == status.st_size &&
        s_same_time(known->changed_at, status.st_ctim)) {
        *entry = *known;
        return true;
    }
    *entry = (nm_directory_file_t){ .changed_at = status.st_ctim, .inode = status.st_ino, .size = status.st_size };
    nm_bytes_to_text(nm_text(file), entry->file, sizeof entry->file);
    s_read_entry(self, entry);
    return true;
}

static nm_rc_t
s_read_files(nm_directory_t *self, nm_error_t *error)
{
    struct dirent **files;
    int found = scandir(self->folder, &files, s_is_cert_file, alphasort);
    if (found < 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", self->folder, strerror(errno));
    size_t count = (size_t) found;
    if (count > FILE_MAX) {
        nm_log(NM_LOG_ERROR, "certificates_many", "%s has %zu certificates; %d are read", self->folder, count,
               FILE_MAX);
        count = FILE_MAX;
    }

    nm_directory_file_t *old = self->files;
    size_t old_count = self->file_count;
    self->files = nm_alloc(count * sizeof *self->files);
    self->file_count = 0;
    for (size_t i = 0; i < count; i++)
        if (s_take_file(self, files[i]->d_name, old, old_count, &self->files[self->file_count]))
            self->file_count++;

    for (size_t i = 0; i < (size_t) found; i++)
        free(files[i]);
    free(files);
    free(old);
    return NM_OK;
}

nm_rc_t
nm_directory_read(nm_directory_t *self, int64_t now_ms, nm_error_t *error)
{
    struct stat status;
    if (stat(self->folder, &status) != 0)
        return nm_fail(error, NM_ERR_IO, "%s cannot be read: %s", self->folder, strerror(errno));
    self->looked_ms = now_ms;
    nm_rc_t rc = s_read_files(self, error);
    if (rc != NM_OK)
        return rc;
    self->folder_changed_at = status.st_ctim;
    nm_directory_index(self, now_ms);
    return NM_OK;
}

//  A file that was added or removed shows in the folder's time. A look costs one system call.
void
nm_directory_look(nm_directory_t *self, int64_t now_ms)
{
    if (now_ms - self->looked_ms < NM_DIRECTORY_READ_PAUSE_MS && now_ms >= self->looked_ms)
        return;
    self->looked_ms = now_ms;
    struct stat status;
    if (stat(self->folder, &status) == 0 && s_same_time(status.st_ctim, self->folder_changed_at))
        return;
    nm_error_t error;
    if (nm_directory_read(self, now_ms, &error) != NM_OK)
        nm_log(NM_LOG_ERROR, "certificates_unread", "%s", error.text);
}

//  Files of a name that was unknown when they were read.
void
nm_directory_match_files(nm_directory_t *self, nm_directory_member_t *member)
{
    for (size_t i = 0; i < self->file_count; i++) {
        nm_directory_file_t *entry = &self->files[i];
        if (!entry->missing || strcmp(entry->cert.name, member->peer.actor.name) != 0 ||
            entry->cert.role != member->peer.actor.role)
            continue;
        entry->missing = false;
        entry->good = true;
        entry->member = member;
    }
}
