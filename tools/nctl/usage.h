/*  usage - what processes take of the machine: memory and processor time, from /proc.
 */
#ifndef NM_USAGE_H
#define NM_USAGE_H

#include <sys/types.h>
#include "nm.h"

//  Proportional set size of all, in MiB. NM_ERR_REFUSED: this user may not look, and the sum is of
//  resident sizes instead, which count shared pages several times.
nm_rc_t nm_usage_memory(const pid_t *pids, size_t count, double *mib);

//  Processor time of all threads of all, in ns.
uint64_t nm_usage_cpu_ns(const pid_t *pids, size_t count);

#endif
