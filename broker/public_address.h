/*  public_address - may a request that a tenant caused go to this address?
 *
 *  Only to what is reachable for everybody: no loopback, private, link-local, shared,
 *  documentation, multicast or reserved addresses, and no IPv6 form that wraps an IPv4
 *  one (6to4, Teredo, NAT64, mapped). Asked of the resolved address of each connection,
 *  so it holds against names that resolve differently the second time.
 */
#ifndef NM_PUBLIC_ADDRESS_H
#define NM_PUBLIC_ADDRESS_H

#include <sys/socket.h>
#include "nm.h"

//  False for other families than IPv4 and IPv6.
bool nm_public_address_is(const struct sockaddr *address, size_t size);

#endif
