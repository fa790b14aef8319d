#include "broker/public_address.h"

#include <netinet/in.h>

typedef struct {
    uint8_t prefix[6];
    unsigned bits;
} range_t;

//  The IANA special-purpose registry, what is not global in it
static const range_t NOT_PUBLIC_4[] = {
    { { 0 }, 8 },
    { { 10 }, 8 },
    { { 100, 64 }, 10 },
    { { 127 }, 8 },
    { { 169, 254 }, 16 },
    { { 172, 16 }, 12 },
    { { 192, 0, 0 }, 24 },
    { { 192, 0, 2 }, 24 },
    { { 192, 88, 99 }, 24 },
    { { 192, 168 }, 16 },
    { { 198, 18 }, 15 },
    { { 198, 51, 100 }, 24 },
    { { 203, 0, 113 }, 24 },
    { { 224 }, 4 },
    { { 240 }, 4 },
};

//  Below 2000::/3, outside of which nothing is global unicast
static const range_t GLOBAL_6 = { { 0x20 }, 3 };
static const range_t NOT_PUBLIC_6[] = {
    { { 0x20, 0x01, 0x00 }, 23 },        //  Protocol assignments, Teredo with them
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },  //  Documentation
    { { 0x20, 0x02 }, 16 },              //  6to4
    { { 0x3f, 0xff, 0x00 }, 20 },        //  Documentation
};

static bool
s_is_in(const uint8_t *address, const range_t *range)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(address, range->prefix, whole) != 0)
        return false;
    uint8_t mask = (uint8_t) (0xff00 >> rest);
    return !rest || (address[whole] & mask) == (range->prefix[whole] & mask);
}

static bool
s_is_in_any(const uint8_t *address, const range_t *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (s_is_in(address, &ranges[i]))
            return true;
    return false;
}

bool
nm_public_address_is(const struct sockaddr *address, size_t size)
{
    if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return !s_is_in_any((const uint8_t *) &v4.sin_addr, NOT_PUBLIC_4, NM_COUNT(NOT_PUBLIC_4));
    }
    if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        const uint8_t *bytes = v6.sin6_addr.s6_addr;
        return s_is_in(bytes, &GLOBAL_6) && !s_is_in_any(bytes, NOT_PUBLIC_6, NM_COUNT(NOT_PUBLIC_6));
    }
    return false;
}
