#include "actors/bridge/http_private.h"

//  A number is a serial number over the place of the request.
enum { PLACE_BITS = 20 };

nm_http_request_t *
nm_http_request_new(nm_front_t *self, const char *target)
{
    size_t size = strlen(target);
    nm_http_request_t *request = nm_alloc(sizeof *request + size + 1);
    if (!self->free_count) {
        size_t count = self->place_count ? self->place_count * 2 : 256;
        self->places = nm_realloc(self->places, count * sizeof(nm_http_request_t *));
        self->free_places = nm_realloc(self->free_places, count * sizeof *self->free_places);
        for (size_t i = count; i-- > self->place_count;)
            self->free_places[self->free_count++] = (uint32_t) i;
        memset(self->places + self->place_count, 0, (count - self->place_count) * sizeof(nm_http_request_t *));
        self->place_count = count;
    }
    memcpy(request->target, target, size);
    request->target_at = target;
    request->front = self;
    request->place = self->free_places[--self->free_count];
    request->public.id = ++self->serial << PLACE_BITS | request->place;
    self->places[request->place] = request;
    return request;
}

nm_http_request_t *
nm_http_request(nm_front_t *self, uint64_t id)
{
    size_t place = (size_t) (id & ((UINT64_C(1) << PLACE_BITS) - 1));
    nm_http_request_t *request = place < self->place_count ? self->places[place] : NULL;
    return request && request->public.id == id ? request : NULL;
}

static void
s_unqueue(nm_front_t *self, nm_http_request_t *request)
{
    if (!request->back)
        return;
    *request->back = request->next;
    if (request->next)
        request->next->back = request->back;
    else
        self->queue_end = request->back;
    request->back = NULL;
}

void
nm_http_drop_body(nm_front_t *self, nm_http_request_t *request)
{
    self->bodies_size -= request->body.size;
    nm_buf_free(&request->body);
}

void
nm_http_request_free(nm_front_t *self, nm_http_request_t *request)
{
    s_unqueue(self, request);
    self->places[request->place] = NULL;
    self->free_places[self->free_count++] = request->place;
    nm_front_answer_free(&request->answer);
    nm_http_drop_body(self, request);
    free(request);
}

void
nm_http_enqueue(nm_front_t *self, nm_http_request_t *request)
{
    if (request->back)
        return;
    request->next = NULL;
    request->back = self->queue_end;
    *self->queue_end = request;
    self->queue_end = &request->next;
}

nm_http_request_t *
nm_http_dequeue(nm_front_t *self)
{
    nm_http_request_t *request = self->queue;
    if (request)
        s_unqueue(self, request);
    return request;
}

void
nm_http_suspend(nm_http_request_t *request)
{
    MHD_suspend_connection(request->connection);
    request->suspended = true;
}

void
nm_http_resume(nm_http_request_t *request)
{
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
}

//  It is whole, or no more of it will be read: over to the role.
void
nm_http_complete(nm_front_t *self, nm_http_request_t *request)
{
    request->public.body = nm_buf_bytes(&request->body);
    request->state = NM_HTTP_QUEUED;
    self->open_count++;
    nm_clients_enter(request->client, NM_CLIENT_WAIT, 0, self->now_ms);
    nm_http_enqueue(self, request);
    nm_http_suspend(request);
}
