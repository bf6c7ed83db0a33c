#include "core/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

#define V4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct {
    uint32_t network;
    unsigned bits;
} special[] = {
    {V4(0, 0, 0, 0), 8},       /* "this network" */
    {V4(10, 0, 0, 0), 8},      /* RFC 1918 */
    {V4(100, 64, 0, 0), 10},   /* carrier-grade NAT */
    {V4(127, 0, 0, 0), 8},     /* loopback */
    {V4(169, 254, 0, 0), 16},  /* link-local; cloud metadata lives here */
    {V4(172, 16, 0, 0), 12},   /* RFC 1918 */
    {V4(192, 0, 0, 0), 24},    /* IETF assignments */
    {V4(192, 0, 2, 0), 24},    /* documentation */
    {V4(192, 88, 99, 0), 24},  /* 6to4 relays, retired */
    {V4(192, 168, 0, 0), 16},  /* RFC 1918 */
    {V4(198, 18, 0, 0), 15},   /* benchmarking */
    {V4(198, 51, 100, 0), 24}, /* documentation */
    {V4(203, 0, 113, 0), 24},  /* documentation */
    {V4(224, 0, 0, 0), 4},     /* multicast */
    {V4(240, 0, 0, 0), 4},     /* reserved, broadcast */
};

static bool v4_is_public(const uint8_t ip[4])
{
    const uint32_t address = V4(ip[0], ip[1], ip[2], ip[3]);

    for (size_t i = 0; i < ARRAY_SIZE(special); i++)
        if ((address ^ special[i].network) >> (32 - special[i].bits) == 0)
            return false;
    return true;
}

static bool v6_is_public(const uint8_t ip[16])
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(ip, nat64, sizeof nat64) == 0) /* 64:ff9b::/96 */
        return v4_is_public(ip + 12);
    if ((ip[0] & 0xe0) != 0x20) /* only 2000::/3 is global unicast */
        return false;
    if (ip[0] == 0x20 && ip[1] == 0x02) /* 2002::/16, 6to4 */
        return v4_is_public(ip + 2);
    if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] < 0x02) /* 2001::/23: Teredo, ORCHID, ... */
        return false;
    if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0d && ip[3] == 0xb8) /* documentation */
        return false;
    return !(ip[0] == 0x3f && ip[1] == 0xff && ip[2] < 0x10); /* 3fff::/20, documentation */
}

/* The bytes of the address; 0: not IP.  memcpy: a sockaddr is not aligned as its families are. */
static size_t bytes_of(const struct sockaddr *address, uint8_t ret[16])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, address, sizeof v4);
        memcpy(ret, &v4.sin_addr, 4);
        return 4;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, address, sizeof v6);
        memcpy(ret, &v6.sin6_addr, 16);
        return 16;
    }
    return 0;
}

bool ecert_address_is_public(const struct sockaddr *address)
{
    uint8_t ip[16];
    const size_t len = bytes_of(address, ip);

    return len == 4 ? v4_is_public(ip) : len == 16 && v6_is_public(ip);
}

bool ecert_address_is_loopback(const struct sockaddr *address)
{
    static const uint8_t one[16] = {[15] = 1};
    uint8_t ip[16];
    const size_t len = bytes_of(address, ip);

    return len == 4 ? ip[0] == 127 : len == 16 && memcmp(ip, one, sizeof one) == 0;
}

void ecert_address_text(const struct sockaddr *address, char ret[ECERT_ADDRESS_TEXT_LEN])
{
    uint8_t ip[16];

    if (bytes_of(address, ip) == 0 ||
        inet_ntop(address->sa_family, ip, ret, ECERT_ADDRESS_TEXT_LEN) == NULL)
        (void)snprintf(ret, ECERT_ADDRESS_TEXT_LEN, "an address that is not IP");
}
