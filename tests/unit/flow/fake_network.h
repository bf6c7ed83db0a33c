/*
 * A network of a few pages in memory, in the place of core/flow/network*.c at link time: it defines
 * ecert_network_fetch() and ecert_fetched_clear(), counts who asks for what, and can be broken.
 * An address without a page is "HTTP status 404".
 */
#ifndef ECERT_UNIT_FAKE_NETWORK_H
#define ECERT_UNIT_FAKE_NETWORK_H

#include "core/flow/network.h"

struct fake_page {
    const char *url;
    struct ecert_bytes body;
    const char *etag; /* NULL: none; asked for with this one, the answer is 304 */
    bool down;        /* "connection refused" */
    bool slow;        /* the time limit passes */
    unsigned calls;
    bool public_only; /* of the last call */
};

/* Takes over the body.  A page that is there already is replaced, its count stays. */
struct fake_page *fake_network_serve(const char *url, struct ecert_bytes body);
/* Nothing is reachable any more. */
void fake_network_cut(bool cut);
/* Calls of all addresses, those without a page too. */
unsigned fake_network_calls(void);
unsigned fake_network_calls_of(const char *url);
void fake_network_reset(void);

#endif
