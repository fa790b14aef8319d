/*  net_private - the insides of net.h, shared by net.c, which makes sockets, and net_zap.c, which says who may use them.
 */
#ifndef NM_NET_PRIVATE_H
#define NM_NET_PRIVATE_H

#include "broker/knocks.h"
#include "broker/net.h"

enum { NM_NET_BIND_COUNT = NM_NET_LOBBY + 1 };

struct nm_net {
    void *context;
    void *zap;  //  REP; NULL in the mutant without it
    nm_directory_t *directory;
    char server_public[NM_CURVE_TEXT_SIZE + 1];  //  What bound sockets go by
    char server_secret[NM_CURVE_TEXT_SIZE + 1];
    char public_text[NM_CURVE_TEXT_SIZE + 1];  //  What connected ones go by: the same but while keys are changed
    char secret_text[NM_CURVE_TEXT_SIZE + 1];
    nm_knocks_t knocks;
    nm_metric_t *refused[NM_NET_BIND_COUNT];  //  By where they knocked
    bool testing;                             //  The refusal that the self-test provokes is no news
    int64_t log_second_ms;                    //  When the second began that the count is of
    unsigned log_count;
};

//  The ZAP domain of each kind that is bound.
extern const char *const nm_net_domains[NM_NET_BIND_COUNT];

#endif
