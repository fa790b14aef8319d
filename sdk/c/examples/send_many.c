//  send_many - sends a lot in one go and reports how many were accepted.
//
//      send_many ENDPOINT SERVER-KEY RECIPIENT COUNT        with the API key in NMESH_API_KEY
#include <nmesh.h>
#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
    size_t count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (count < 1 || count > 1000000) {
        fprintf(stderr, "usage: send_many ENDPOINT SERVER-KEY RECIPIENT COUNT\n");
        return 2;
    }
    nmesh_error_t error = { 0 };
    nmesh_door_t door = { .endpoint = argv[1], .server_key = argv[2] };
    nmesh_options_t options = { .doors = &door, .door_count = 1, .api_key = getenv("NMESH_API_KEY") };
    nmesh_t *client = nmesh_open(&options, &error);
    if (!client) {
        fprintf(stderr, "%s\n", error.detail);
        return 1;
    }
    nmesh_notification_t *notifications = calloc(count, sizeof *notifications);
    nmesh_sent_t *results = calloc(count, sizeof *results);
    size_t accepted_count = 0;
    for (size_t i = 0; notifications && i < count; i++) {
        notifications[i].channel = "email";
        notifications[i].recipient = argv[3];
        notifications[i].subject = "One of many";
        notifications[i].content = "Results come back in the order of what was sent.";
    }
    if (notifications && results)
        accepted_count = nmesh_send_many(client, notifications, count, 500, results);
    printf("%zu of %zu accepted\n", accepted_count, count);
    for (size_t i = 0; results && i < count; i++) {
        if (results[i].status >= 300 || results[i].status == 0)
            fprintf(stderr, "%zu: %u %s\n", i, results[i].status, results[i].detail);
    }
    free(results);
    free(notifications);
    nmesh_close(&client);
    return accepted_count == count ? 0 : 1;
}
