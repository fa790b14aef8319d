//  follow - prints events as they happen, COUNT of them; 0 goes on for ever.
//
//      follow ENDPOINT SERVER-KEY COUNT        with the API key in NMESH_API_KEY
#include <nmesh.h>
#include <stdio.h>
#include <stdlib.h>

static void
s_print(const nmesh_event_t *event, void *arg)
{
    (void) arg;
    printf("%s %s %s %s\n", event->at, event->id, event->event, event->status);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: follow ENDPOINT SERVER-KEY COUNT\n");
        return 2;
    }
    long wanted = strtol(argv[3], NULL, 10);
    nmesh_error_t error = { 0 };
    nmesh_door_t door = { .endpoint = argv[1], .server_key = argv[2] };
    nmesh_options_t options = { .doors = &door, .door_count = 1, .api_key = getenv("NMESH_API_KEY") };
    nmesh_t *client = nmesh_open(&options, &error);
    char cursor[NMESH_CURSOR_SIZE] = "";
    long count = 0;
    int got = 0;
    while (client && got >= 0 && (wanted == 0 || count < wanted)) {
        got = nmesh_events(client, cursor, 10000, s_print, NULL, &error);
        count += got > 0 ? got : 0;
    }
    nmesh_close(&client);
    if (got >= 0 && error.detail[0] == 0)
        return 0;
    fprintf(stderr, "%u %s: %s\n", error.status, error.title, error.detail);
    return 1;
}
