#define _POSIX_C_SOURCE 200809L
//  send_one - sends one e-mail and waits for what becomes of it.
//
//      send_one ENDPOINT SERVER-KEY RECIPIENT        with the API key in NMESH_API_KEY
#include <nmesh.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int
s_fail(const nmesh_error_t *error)
{
    fprintf(stderr, "%u %s: %s\n", error->status, error->title, error->detail);
    for (size_t i = 0; i < error->fault_count; i++)
        fprintf(stderr, "  %s: %s\n", error->faults[i].pointer, error->faults[i].detail);
    return 1;
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: send_one ENDPOINT SERVER-KEY RECIPIENT\n");
        return 2;
    }
    nmesh_error_t error = { 0 };
    nmesh_door_t door = { .endpoint = argv[1], .server_key = argv[2] };
    nmesh_options_t options = { .doors = &door, .door_count = 1, .api_key = getenv("NMESH_API_KEY") };
    nmesh_t *client = nmesh_open(&options, &error);
    if (!client)
        return s_fail(&error);

    nmesh_notification_t notification = {
        .channel = "email",
        .recipient = argv[3],
        .subject = "Hello from nmesh",
        .content = "Accepted means kept.",
    };
    nmesh_receipt_t receipt;
    nmesh_status_t status = { 0 };
    int rc = nmesh_send(client, &notification, &receipt, &error);
    if (rc == 0)
        printf("%s %s\n", receipt.id, receipt.status);
    for (int i = 0; rc == 0 && !status.final && i < 100; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        rc = nmesh_status(client, receipt.id, &status, &error);
    }
    if (rc == 0)
        printf("%s %s, %u attempt(s)\n", status.id, status.status, status.attempt_count);
    nmesh_close(&client);
    return rc == 0 ? 0 : s_fail(&error);
}
