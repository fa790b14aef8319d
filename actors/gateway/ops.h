/*  ops - the operations of the gateway, one function each; gateway.c has the table.
 */
#ifndef NM_GATEWAY_OPS_H
#define NM_GATEWAY_OPS_H

#include "actors/gateway/case.h"

nm_op_fn nm_op_create;  //  accept.c
nm_op_fn nm_op_batch;
nm_op_fn nm_op_broadcast;
nm_op_fn nm_op_get;  //  lists.c
nm_op_fn nm_op_list;
nm_op_fn nm_op_cancel;                              //  cancel.c
nm_op_fn nm_op_events, nm_op_feed;                  //  events.c
nm_op_fn nm_op_dead_letters;                        //  letters.c
nm_op_fn nm_op_health, nm_op_ready, nm_op_metrics;  //  health.c
nm_op_fn nm_op_find;                                //  idempotency.c
nm_op_fn nm_op_count;                               //  guesses.c
nm_op_fn nm_op_doors;                               //  doors.c
nm_op_fn nm_op_take;                                //  homes.c
nm_op_fn nm_op_lend;                                //  quota.c
nm_op_fn nm_op_account;                             //  recovery.c

#endif
