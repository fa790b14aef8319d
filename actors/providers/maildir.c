#include "actors/providers/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/providers/mime.h"
#include "actors/providers/sender.h"
#include "wire/address.h"
#include "wire/id.h"

typedef struct {
    char path[NM_MESH_PATH_MAX];
    char from[NM_ADDRESS_MAX + 1];
    char domain[256];
} maildir_t;

//  What the worker thread needs, all its own.
typedef struct {
    char path[NM_MESH_PATH_MAX];
    char name[128];
    nm_buf_t message;
} s_job_t;

static void
s_close(void *config)
{
    free(config);
}

static nm_rc_t
s_open(void **config, const nm_zpl_t *node, const nm_mesh_t *mesh, nm_error_t *error)
{
    const char *path = NULL;
    maildir_t *self = nm_alloc(sizeof *self);
    snprintf(self->domain, sizeof self->domain, "%s", mesh->public_domain);
    nm_rc_t rc = nm_sender_open(node, mesh, self->from, sizeof self->from, error);
    if (rc == NM_OK)
        rc = nm_zpl_text(node, "path", NULL, &path, error);
    if (rc == NM_OK && (!path || !*path))
        rc = nm_zpl_fail(node, error, "a maildir provider needs a path");
    if (rc != NM_OK) {
        s_close(self);
        return rc;
    }
    nm_mesh_path(mesh, path, self->path, sizeof self->path);
    *config = self;
    return NM_OK;
}

//  -- On the worker thread

//  Opens a folder, which it makes if it is not there.
static int
s_open_folder(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
        return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
s_write_file(int folder, const char *name, nm_bytes_t bytes)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1)
        return false;
    bool done = true;
    while (done && bytes.size) {
        ssize_t size = write(fd, bytes.at, bytes.size);
        if (size > 0)
            bytes = nm_bytes(bytes.at + size, bytes.size - (size_t) size);
        else
            done = size == -1 && errno == EINTR;
    }
    done = done && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

static bool
s_deliver(const s_job_t *job)
{
    int root = s_open_folder(AT_FDCWD, job->path);
    int tmp = root == -1 ? -1 : s_open_folder(root, "tmp");
    int cur = tmp == -1 ? -1 : s_open_folder(root, "cur");
    int new = cur == -1 ? -1 : s_open_folder(root, "new");
    bool done = new != -1 && s_write_file(tmp, job->name, nm_buf_bytes(&job->message)) &&
                renameat(tmp, job->name, new, job->name) == 0 && fsync(new) == 0 && fsync(root) == 0;
    int saved = errno;
    int fds[] = { new, cur, tmp, root };
    for (size_t i = 0; i < NM_COUNT(fds); i++)
        if (fds[i] != -1)
            close(fds[i]);
    errno = saved;
    return done;
}

static void
s_work(void *arg, nm_result_t *result)
{
    const s_job_t *job = arg;
    result->call = NM_CALL_ANSWERED;
    result->code = 0;
    if (s_deliver(job)) {
        snprintf(result->text, sizeof result->text, "new/%s", job->name);
        return;
    }
    result->code = (unsigned) errno;
    snprintf(result->text, sizeof result->text, "%.900s", strerror(errno));
}

static void
s_free_job(void *arg)
{
    s_job_t *job = arg;
    nm_buf_free(&job->message);
    free(job);
}

//  -- On the actor's thread

//  Files of a Maildir have the line ends of the system.
static void
s_drop_returns(nm_buf_t *message)
{
    size_t size = 0;
    for (size_t i = 0; i < message->size; i++)
        if (message->at[i] != '\r')
            message->at[size++] = message->at[i];
    message->size = size;
}

static nm_rc_t
s_prepare(const void *config, const nm_order_t *order, nm_effect_t **effect, nm_error_t *error)
{
    const maildir_t *self = config;
    const nm_delivery_t *delivery = order->delivery;
    if (!nm_address_is_email(delivery->recipient))
        return nm_fail(error, NM_ERR_REFUSED, "the recipient is not an e-mail address");

    s_job_t *job = nm_alloc(sizeof *job);
    nm_buf_format(&job->message, "Return-Path: <%s>\r\nDelivered-To: %.*s\r\n", self->from,
                  NM_PRINT(delivery->recipient));
    nm_mime_t mime = { delivery, self->from, self->domain, order->first_ms };
    nm_rc_t rc = nm_mime_build(&mime, &job->message, error);
    if (rc != NM_OK) {
        s_free_job(job);
        return rc;
    }
    s_drop_returns(&job->message);
    char id[NM_ID_TEXT_SIZE + 1];
    nm_id_to_text(&delivery->notification, id);
    snprintf(job->path, sizeof job->path, "%s", self->path);
    snprintf(job->name, sizeof job->name, "%lld.%s_%llu_%llu.nmesh", (long long) (delivery->created_at / 1000), id,
             (unsigned long long) delivery->number, (unsigned long long) delivery->generation);
    *effect = nm_effect_new(NM_EFFECT_WORK, order->token, &delivery->notification);
    (*effect)->work = s_work;
    (*effect)->work_arg = job;
    (*effect)->work_free = s_free_job;
    return NM_OK;
}

//  A file that could not be written is the folder's fault, never the delivery's. Even when
//  the last sync failed it is safe to try again: the next try replaces the file.
static void
s_classify(const nm_result_t *result, nm_verdict_t *verdict)
{
    bool done = result->call == NM_CALL_ANSWERED && result->code == 0;
    *verdict = (nm_verdict_t){
        .outcome = done ? NM_OUTCOME_SENT : NM_OUTCOME_LATER,
        .counts = !done,
        .code = result->code,
        .detail = nm_text(result->text),
        .retry_after_ms = -1,
    };
}

static const char *const KEYS[] = { "path", "from" };

const nm_driver_t nm_maildir_driver = {
    .kind = "maildir",
    .channels = NM_CHANNEL_BIT(NM_CHANNEL_EMAIL),
    .keys = KEYS,
    .key_count = NM_COUNT(KEYS),
    .open = s_open,
    .close = s_close,
    .prepare = s_prepare,
    .classify = s_classify,
};
