#include "tests/unit/flow/fake_network.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 16

static struct fake_page pages[PAGES];
static size_t n_pages;
static unsigned all_calls;
static bool is_cut;

static struct fake_page *find(const char *url)
{
    for (size_t i = 0; i < n_pages; i++) {
        if (strcmp(pages[i].url, url) == 0)
            return &pages[i];
    }
    return NULL;
}

struct fake_page *fake_network_serve(const char *url, struct ecert_bytes body)
{
    struct fake_page *page = find(url);

    if (page == NULL && n_pages == PAGES)
        abort();
    if (page == NULL)
        page = &pages[n_pages++];
    ecert_bytes_clear(&page->body);
    page->url = url;
    page->body = body;
    page->etag = NULL;
    page->down = false;
    return page;
}

void fake_network_cut(bool cut)
{
    is_cut = cut;
}

unsigned fake_network_calls(void)
{
    return all_calls;
}

unsigned fake_network_calls_of(const char *url)
{
    const struct fake_page *page = find(url);

    return page == NULL ? 0 : page->calls;
}

void fake_network_reset(void)
{
    for (size_t i = 0; i < n_pages; i++)
        ecert_bytes_clear(&pages[i].body);
    memset(pages, 0, sizeof pages);
    n_pages = 0;
    all_calls = 0;
    is_cut = false;
}

/* ---- the place of the real ones ---- */

void ecert_fetched_clear(struct ecert_fetched *fetched)
{
    ecert_bytes_clear(&fetched->body);
    free(fetched->etag);
    free(fetched->modified);
    *fetched = (struct ecert_fetched){0};
}

enum ecert_status ecert_network_fetch(struct ecert_network *network,
                                      const struct ecert_fetch *fetch, struct ecert_fetched *ret,
                                      struct ecert_error *err)
{
    struct fake_page *page = find(fetch->url);
    struct ecert_fetched fetched = {0};

    (void)network;
    all_calls++;
    if (page != NULL) {
        page->calls++;
        page->public_only = fetch->public_only;
    }
    if (is_cut || (page != NULL && page->down))
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': connection refused", fetch->url);
    if (page != NULL && page->slow)
        return ecert_error_set(err, ECERT_E_TIMEOUT, "'%s': no answer within 30 s", fetch->url);
    if (page == NULL)
        return ecert_error_set(err, ECERT_E_NETWORK, "'%s': HTTP status 404", fetch->url);
    if (page->body.len > fetch->max_len)
        return ecert_error_set(err, ECERT_E_REFUSED, "'%s': larger than %zu bytes", fetch->url,
                               fetch->max_len);
    if (page->etag != NULL && fetch->etag != NULL && strcmp(page->etag, fetch->etag) == 0)
        fetched.unchanged = true;
    else
        ECERT_TRY(ecert_bytes_copy(ecert_bytes_view(&page->body), &fetched.body, err));
    if (page->etag != NULL)
        fetched.etag = strdup(page->etag);
    *ret = fetched;
    return ECERT_OK;
}
