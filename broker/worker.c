#include "broker/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

typedef struct job {
    nm_effect_t *effect;
    nm_result_t result;
    struct job *next;
} job_t;

typedef struct {
    job_t *first;
    job_t **last_p;
} queue_t;

struct nm_worker {
    pthread_mutex_t lock;  //  Guards all below but fd and threads
    pthread_cond_t wake;   //  There is a job, or it is time to stop
    queue_t waiting;
    queue_t finished;
    bool stopping;
    size_t running;  //  Given and not yet taken
    int fd;
    pthread_t *threads;  //  Belongs to the caller's thread
    unsigned thread_count;
    unsigned thread_max;
};

static void
s_queue_init(queue_t *queue)
{
    queue->first = NULL;
    queue->last_p = &queue->first;
}

static void
s_queue_put(queue_t *queue, job_t *job)
{
    job->next = NULL;
    *queue->last_p = job;
    queue->last_p = &job->next;
}

static job_t *
s_queue_take(queue_t *queue)
{
    job_t *job = queue->first;
    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->last_p = &queue->first;
    return job;
}

static void
s_destroy_jobs(queue_t *queue)
{
    job_t *job;
    while ((job = s_queue_take(queue))) {
        nm_effect_destroy(&job->effect);
        nm_result_free(&job->result);
        free(job);
    }
}

static int64_t
s_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
s_do(job_t *job)
{
    int64_t start_us = s_now_us();
    job->result.call = NM_CALL_ANSWERED;
    job->result.retry_after_ms = -1;
    job->effect->work(job->effect->work_arg, &job->result);
    job->result.token = job->effect->token;
    job->result.about = job->effect->about;
    job->result.took_us = s_now_us() - start_us;
    //  What the job was about may be large; free it here rather than in the actor's thread
    nm_effect_destroy(&job->effect);
}

//  Tells the caller only when there was nothing to take before. It is told after the lock is
//  free, so that it does not wake to wait; at worst it wakes once for what it has taken already.
static void
s_hand_over(nm_worker_t *self, job_t *job)
{
    pthread_mutex_lock(&self->lock);
    bool first = !self->finished.first;
    s_queue_put(&self->finished, job);
    pthread_mutex_unlock(&self->lock);
    if (first)
        eventfd_write(self->fd, 1);
}

//  Waits for a job; NULL when it is time to stop.
static job_t *
s_next_job(nm_worker_t *self)
{
    job_t *job = NULL;
    pthread_mutex_lock(&self->lock);
    while (!self->stopping && !(job = s_queue_take(&self->waiting)))
        pthread_cond_wait(&self->wake, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return job;
}

static void *
s_run(void *arg)
{
    nm_worker_t *self = arg;
    job_t *job;
    while ((job = s_next_job(self))) {
        s_do(job);
        s_hand_over(self, job);
    }
    return NULL;
}

nm_worker_t *
nm_worker_new(unsigned thread_count)
{
    nm_worker_t *self = nm_alloc(sizeof *self);
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->fd < 0) {
        free(self);
        return NULL;
    }
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    s_queue_init(&self->waiting);
    s_queue_init(&self->finished);
    self->thread_max = thread_count ? thread_count : 1;
    self->threads = nm_alloc(self->thread_max * sizeof *self->threads);
    return self;
}

void
nm_worker_destroy(nm_worker_t **self_p)
{
    nm_worker_t *self = *self_p;
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->wake);
    pthread_mutex_unlock(&self->lock);
    for (unsigned i = 0; i < self->thread_count; i++)
        pthread_join(self->threads[i], NULL);
    s_destroy_jobs(&self->waiting);
    s_destroy_jobs(&self->finished);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    close(self->fd);
    free(self->threads);
    free(self);
    *self_p = NULL;
}

//  Signals are the actor's thread's business, so the new thread starts with all of them blocked.
static void
s_add_thread(nm_worker_t *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&self->threads[self->thread_count], NULL, s_run, self) == 0)
        self->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
s_do_here(nm_worker_t *self)
{
    job_t *job = s_queue_take(&self->waiting);
    s_do(job);
    s_hand_over(self, job);
}

void
nm_worker_start(nm_worker_t *self, nm_effect_t *effect)
{
    job_t *job = nm_alloc(sizeof *job);
    job->effect = effect;
    pthread_mutex_lock(&self->lock);
    s_queue_put(&self->waiting, job);
    self->running++;
    bool wanted = self->running > self->thread_count && self->thread_count < self->thread_max;
    pthread_mutex_unlock(&self->lock);
    pthread_cond_signal(&self->wake);
    if (wanted)
        s_add_thread(self);
    //  Without any thread the actor has to wait for the job, which beats never doing it
    if (!self->thread_count)
        s_do_here(self);
}

int
nm_worker_fd(const nm_worker_t *self)
{
    return self->fd;
}

bool
nm_worker_take(nm_worker_t *self, nm_result_t *result)
{
    pthread_mutex_lock(&self->lock);
    job_t *job = s_queue_take(&self->finished);
    if (job)
        self->running--;
    else {
        //  Cleared only here, so that the descriptor is readable as long as a result is left
        eventfd_t count;
        eventfd_read(self->fd, &count);
    }
    pthread_mutex_unlock(&self->lock);
    if (!job)
        return false;
    *result = job->result;
    free(job);
    return true;
}

size_t
nm_worker_running(const nm_worker_t *self)
{
    nm_worker_t *locked = (nm_worker_t *) self;
    pthread_mutex_lock(&locked->lock);
    size_t running = self->running;
    pthread_mutex_unlock(&locked->lock);
    return running;
}
