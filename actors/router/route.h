/*  route - which deliveries a notification becomes: over which channel, to whom.
 *
 *  Pure: a request and the channels that have an actor in, a list of steps out. It
 *  sends nothing and keeps nothing. Views in the steps are into the request.
 *
 *  One step is one address over one channel. An e-mail has a step for its recipient and
 *  one more for each cc and bcc, because an SMTP transaction of ours has one recipient:
 *  a provider then accepts or refuses each of them by itself.
 */
#ifndef NM_ROUTE_H
#define NM_ROUTE_H

#include "broker/roles.h"
#include "wire/records.h"

enum { NM_ROUTE_STEP_MAX = NM_CHANNEL_COUNT + NM_COPIES_MAX };

typedef struct {
    nm_channel_t channel;
    nm_bytes_t recipient;  //  Empty if there is no address for the channel
    nm_bytes_t to;         //  Of a copy: the address that its To header shows
    bool dead;             //  Cannot be sent at all; reason says why
    nm_reason_t reason;
} nm_route_step_t;

typedef struct {
    nm_route_step_t steps[NM_ROUTE_STEP_MAX];
    size_t count;
} nm_route_t;

//  The role whose actors work on a channel.
nm_role_id_t nm_route_role(nm_channel_t channel);

//  reached says where its user is reached, if the request names one, and else counts for nothing.
//  present has the bit 1 << channel for each channel that has an actor in the directory.
//  Strategy `first` gives the steps of the first channel that has an actor and an address;
//  if there is none, a dead step of the first channel. `all` gives those of each channel.
//  NM_ERR_MALFORMED: a request that no gateway should have let through.
nm_rc_t nm_route_make(const nm_request_t *request, const nm_recipients_t *reached, unsigned present, nm_route_t *route);

#endif
