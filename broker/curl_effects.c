#include "broker/effects.h"

const nm_effects_driver_t nm_curl_effects = {
    .make = nm_effects_new,
    .destroy = nm_effects_destroy,
    .start = nm_effects_start,
    .running = nm_effects_running,
    .poll = nm_effects_poll,
    .run = nm_effects_run,
    .take = nm_effects_take,
};
