/* The page of requests. */
#include <openssl/evp.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/html.h"
#include "core/base/words.h"
#include "core/flow/host_name.h"
#include "core/issue/sheet.h"

struct page {
    const struct ecert_sheet *sheet;
    struct ecert_buffer out;
};

/* ---- what does not change ---- */

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--line:#767676;--soft:#f1f3f5}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#ececec;--paper:#17191c;--line:#9a9a9a;"
    "--soft:#24282d}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "margin:0 auto;padding:1rem;max-width:60rem}\n"
    "a{color:inherit}h1{font-size:1.6rem;margin:.2rem 0}"
    "h2{font-size:1.3rem;margin:2.5rem 0 .5rem;overflow-wrap:anywhere}"
    "small{font-weight:400;white-space:nowrap}h3{font-size:1rem;margin:1rem 0 .3rem}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;"
    "padding:.3rem .6rem;border-bottom:1px solid var(--line)}thead th{background:var(--soft)}"
    "th[scope=row]{font-weight:600;overflow-wrap:anywhere;min-width:10rem}"
    ".wide{overflow-x:auto}input[type=checkbox]{width:1.5rem;height:1.5rem;margin:0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.5rem 0}"
    "dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}"
    "@media(max-width:40rem){dl{display:block}dd{margin:0 0 .4rem}}\n"
    /* a click selects all of it, without any script */
    "pre{font:13px/1.35 ui-monospace,monospace;background:var(--soft);border:1px solid "
    "var(--line);padding:.6rem;overflow-x:auto;user-select:all;-webkit-user-select:all;margin:0}"
    "button{font:inherit;padding:.3rem .8rem;margin:.4rem .6rem 0 0}\n"
    "ol{padding-left:1.6rem}li{margin:.3rem 0;overflow-wrap:anywhere}\n"
    "@media print{body{max-width:none;padding:0;font-size:10.5px}button,.copied{display:none}"
    "h2{margin:0 0 .4rem}.summary+.request,.request+.request{break-before:page}"
    "pre{overflow:visible;font-size:9px}tr,li,pre{break-inside:avoid}.wide{overflow:visible}"
    "input[type=checkbox]{width:1rem;height:1rem}}\n";

/* Without it the page has no button, and a click selects the request all the same. */
static const char script[] =
    "document.querySelectorAll('button[data-copy]').forEach(function(b){b.hidden=false;"
    "b.addEventListener('click',function(){"
    "var p=document.getElementById(b.dataset.copy),s=getSelection(),r=document.createRange();"
    "r.selectNodeContents(p);s.removeAllRanges();s.addRange(r);"
    "function say(ok){b.nextElementSibling.textContent=ok?b.dataset.done:b.dataset.selected;}"
    "function old(){var ok=false;try{ok=document.execCommand('copy');}catch(e){}say(ok);}"
    "if(navigator.clipboard)navigator.clipboard.writeText(p.textContent)"
    ".then(function(){say(true);},old);else old();});});";

/* The policy lets exactly this script run, and nothing be fetched. */
static void add_policy(struct ecert_buffer *out)
{
    uint8_t digest[ECERT_SHA256_LEN];
    unsigned char text[4 * ((ECERT_SHA256_LEN + 2) / 3) + 1];

    ecert_sha256(ecert_view_of(script), digest);
    (void)EVP_EncodeBlock(text, digest, (int)sizeof digest);
    ecert_buffer_printf(out,
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                        "'none'; style-src 'unsafe-inline'; img-src data:; script-src "
                        "'sha256-%s'\">\n",
                        (const char *)text);
}

/* ---- pieces ---- */

/* A text from outside: nothing that a page or a reader could take for something else. */
static void add_text(struct ecert_buffer *out, const char *text)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer plain = {0};

    ecert_buffer_add_escaped(&plain, ecert_view_of(text), false);
    ecert_buffer_add(&plain, (struct ecert_view){(const uint8_t *)"", 1});
    if (plain.failed)
        out->failed = true;
    else
        ecert_html_text(out, (const char *)plain.ptr);
}

static void add_fact(struct ecert_buffer *out, const char *label, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    ecert_buffer_add_text(out, "<dt>");
    ecert_html_text(out, label);
    ecert_buffer_add_text(out, "</dt><dd>");
    add_text(out, value);
    ecert_buffer_add_text(out, "</dd>\n");
}

static enum ecert_status add_names(struct ecert_buffer *out, const struct ecert_strings *names,
                                   struct ecert_error *err)
{
    for (size_t i = 0; i < names->len; i++) {
        ECERT_AUTO(ecert_auto_free) char *shown = NULL;

        ECERT_TRY(ecert_host_name_shown(names->items[i], &shown, err));
        ecert_buffer_add_text(out, i > 0 ? "<br>" : "");
        add_text(out, shown);
    }
    return ECERT_OK;
}

static enum ecert_status add_title(struct ecert_buffer *out, const struct ecert_request *request,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *shown = NULL;

    ECERT_TRY(ecert_host_name_shown(request->name, &shown, err));
    add_text(out, shown);
    return ECERT_OK;
}

/* For people as it is here, for programs in UTC. */
static void add_moment(struct ecert_buffer *out, int64_t moment)
{
    char local[ECERT_LOCAL_TEXT_LEN], text[ECERT_TIME_TEXT_LEN];

    ecert_clock_local(moment, local);
    ecert_clock_text(moment, text);
    ecert_buffer_printf(out, "<time datetime=\"%s\">", text);
    add_text(out, local);
    ecert_buffer_add_text(out, "</time>");
}

/* ---- all of them ---- */

static enum ecert_status add_row(struct page *page, size_t i, struct ecert_error *err)
{
    const struct ecert_request *request = page->sheet->entries[i].request;
    struct ecert_buffer *out = &page->out;

    ecert_buffer_add_text(out, "<tr><td><input type=\"checkbox\" aria-label=\"");
    ECERT_TRY(add_title(out, request, err));
    ecert_buffer_printf(out, "\"%s></td><th scope=\"row\"><a href=\"#r%zu\">",
                        request->state == ECERT_REQUEST_ISSUED ? " checked" : "", i + 1);
    ECERT_TRY(add_title(out, request, err));
    ecert_buffer_add_text(out, "</a></th><td>");
    ecert_html_text(out, ecert_sheet_kind(request->kind));
    ecert_buffer_add_text(out, "</td><td>");
    add_text(out, request->id);
    ecert_buffer_add_text(out, "</td><td>");
    ecert_html_text(out, ecert_sheet_state(request->state));
    ecert_buffer_add_text(out, "</td></tr>\n");
    return ECERT_OK;
}

static enum ecert_status add_summary(struct page *page, struct ecert_error *err)
{
    const char *const columns[] = {ecert_words("Done"), ecert_words("Name"), ecert_words("Kind"),
                                   ecert_words("Request"), ecert_words("State")};
    struct ecert_buffer *out = &page->out;

    ecert_buffer_add_text(out, "<section class=\"summary\" aria-labelledby=\"all\">\n"
                               "<h2 id=\"all\">");
    ecert_html_text(out, ecert_words("All requests"));
    ecert_buffer_add_text(out, "</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"group\" "
                               "aria-label=\"");
    ecert_html_text(out, ecert_words("All requests"));
    ecert_buffer_add_text(out, "\">\n<table>\n<thead><tr>");
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ecert_buffer_add_text(out, "<th scope=\"col\">");
        ecert_html_text(out, columns[i]);
        ecert_buffer_add_text(out, "</th>");
    }
    ecert_buffer_add_text(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < page->sheet->n; i++)
        ECERT_TRY(add_row(page, i, err));
    ecert_buffer_add_text(out, "</tbody>\n</table>\n</div>\n</section>\n");
    return ECERT_OK;
}

/* Nobody shall think that a sheet of a thousand is all there is. */
static enum ecert_status add_failures(struct page *page, struct ecert_error *err)
{
    const char *title = ecert_words("No request could be made for these names");
    struct ecert_buffer *out = &page->out;

    ecert_buffer_add_text(out, "<section class=\"summary\" aria-labelledby=\"failed\">\n"
                               "<h2 id=\"failed\">");
    ecert_html_text(out, title);
    ecert_buffer_add_text(out, "</h2>\n<dl>\n");
    for (size_t i = 0; i < page->sheet->n_failures; i++) {
        ECERT_AUTO(ecert_auto_free) char *shown = NULL;

        ECERT_TRY(ecert_host_name_shown(page->sheet->failures[i].name, &shown, err));
        ecert_buffer_add_text(out, "<dt>");
        add_text(out, shown);
        ecert_buffer_add_text(out, "</dt><dd lang=\"en\">");
        add_text(out, page->sheet->failures[i].why);
        ecert_buffer_add_text(out, "</dd>\n");
    }
    ecert_buffer_add_text(out, "</dl>\n</section>\n");
    return ECERT_OK;
}

/* ---- one ---- */

static enum ecert_status add_facts(struct page *page, const struct ecert_sheet_entry *entry,
                                   struct ecert_error *err)
{
    const struct ecert_request *request = entry->request;
    struct ecert_buffer *out = &page->out;

    ecert_buffer_add_text(out, "<dl>\n<dt>");
    ecert_html_text(out, ecert_words("Names"));
    ecert_buffer_add_text(out, "</dt><dd>");
    ECERT_TRY(add_names(out, &request->names, err));
    ecert_buffer_add_text(out, "</dd>\n");
    add_fact(out, ecert_words("Organisation"), request->organization);
    add_fact(out, ecert_words("Organisation in Chinese"), request->chinese_organization);
    add_fact(out, ecert_words("CA"), entry->authority->name);
    add_fact(out, ecert_words("Validation"), ecert_sheet_validation(request->validation));
    add_fact(out, ecert_words("Kind"), ecert_sheet_kind(request->kind));
    add_fact(out, ecert_words("Because"), entry->kind_why);
    add_fact(out, ecert_words("Reason"), request->reason);
    add_fact(out, ecert_words("State"), ecert_sheet_state(request->state));
    ecert_buffer_add_text(out, "<dt>");
    ecert_html_text(out, ecert_words("Made on"));
    ecert_buffer_add_text(out, "</dt><dd>");
    add_moment(out, request->created);
    ecert_buffer_add_text(out, "</dd>\n");
    add_fact(out, ecert_words("Key"), request->key_words);
    add_fact(out, ecert_words("File"), entry->csr_file);
    add_fact(out, ecert_words("SHA-256 of the request"), request->csr_sha256);
    ecert_buffer_add_text(out, "</dl>\n");
    return ECERT_OK;
}

static enum ecert_status add_csr(struct page *page, size_t i, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *pem = NULL;
    struct ecert_buffer *out = &page->out;

    ECERT_TRY(ecert_text_copy(page->sheet->entries[i].csr_pem, &pem, err));
    ecert_buffer_add_text(out, "<h3>");
    ecert_html_text(out, ecert_words("The request, to be pasted whole"));
    ecert_buffer_printf(out, "</h3>\n<pre id=\"c%zu\" tabindex=\"0\" role=\"group\" aria-label=\"",
                        i + 1);
    ecert_html_text(out, ecert_words("The request, to be pasted whole"));
    ecert_buffer_add_text(out, "\">");
    ecert_html_text(out, pem);
    ecert_buffer_printf(
        out, "</pre>\n<button type=\"button\" hidden data-copy=\"c%zu\" data-done=\"", i + 1);
    ecert_html_text(out, ecert_words("Copied."));
    ecert_buffer_add_text(out, "\" data-selected=\"");
    ecert_html_text(out, ecert_words("It is selected: copy it with the keyboard."));
    ecert_buffer_add_text(out, "\">");
    ecert_html_text(out, ecert_words("Copy the request"));
    ecert_buffer_add_text(out, "</button><span class=\"copied\" role=\"status\"></span>\n");
    return ECERT_OK;
}

static enum ecert_status add_steps(struct page *page, const struct ecert_sheet_entry *entry,
                                   struct ecert_error *err)
{
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings steps = {0};
    struct ecert_buffer *out = &page->out;

    ECERT_TRY(ecert_sheet_steps(entry, page->sheet->language, page->sheet->inbox, &steps, err));
    ecert_buffer_add_text(out, "<h3>");
    ecert_html_text(out, ecert_words("Steps"));
    ecert_buffer_add_text(out, "</h3>\n<ol>\n");
    for (size_t i = 0; i < steps.len; i++) {
        ecert_buffer_add_text(out, "<li>");
        add_text(out, steps.items[i]);
        ecert_buffer_add_text(out, "</li>\n");
    }
    ecert_buffer_add_text(out, "</ol>\n");
    return ECERT_OK;
}

static enum ecert_status add_request(struct page *page, size_t i, struct ecert_error *err)
{
    const struct ecert_sheet_entry *entry = &page->sheet->entries[i];
    struct ecert_buffer *out = &page->out;

    ecert_buffer_printf(out,
                        "<section class=\"request\" aria-labelledby=\"r%zu\">\n<h2 id=\"r%zu\">",
                        i + 1, i + 1);
    ECERT_TRY(add_title(out, entry->request, err));
    /* two requests of one name are told apart, by eye and aloud */
    ecert_buffer_add_text(out, " <small>");
    add_text(out, entry->request->id);
    ecert_buffer_add_text(out, "</small></h2>\n");
    ECERT_TRY(add_facts(page, entry, err));
    ECERT_TRY(add_csr(page, i, err));
    ECERT_TRY(add_steps(page, entry, err));
    ecert_buffer_add_text(out, "</section>\n");
    return ECERT_OK;
}

/* ---- the page ---- */

static void add_head(struct page *page)
{
    struct ecert_buffer *out = &page->out;

    ecert_buffer_printf(out,
                        "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "%s\n",
                        ecert_words_tag(), ECERT_SHEET_MARK);
    add_policy(out);
    ecert_buffer_add_text(
        out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<link rel=\"icon\" href=\"data:,\">\n<title>");
    ecert_html_text(out, ecert_words("Requests for certificates"));
    ecert_buffer_add_text(out, "</title>\n<style>\n");
    ecert_buffer_add_text(out, style);
    ecert_buffer_add_text(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
    ecert_html_text(out, ecert_words("Requests for certificates"));
    ecert_buffer_add_text(out, "</h1>\n<p>");
    ecert_html_text(out, ecert_words("as of"));
    ecert_buffer_add_text(out, " ");
    add_moment(out, page->sheet->now);
    ecert_buffer_add_text(out, "</p>\n");
    ecert_buffer_add_text(out, "</header>\n<main>\n");
}

static enum ecert_status add_page(struct page *page, struct ecert_error *err)
{
    add_head(page);
    if (page->sheet->n_failures > 0)
        ECERT_TRY(add_failures(page, err));
    if (page->sheet->n > 1)
        ECERT_TRY(add_summary(page, err));
    for (size_t i = 0; i < page->sheet->n; i++)
        ECERT_TRY(add_request(page, i, err));
    ecert_buffer_add_text(&page->out, "</main>\n<script>");
    ecert_buffer_add_text(&page->out, script);
    ecert_buffer_add_text(&page->out, "</script>\n</body>\n</html>\n");
    return ECERT_OK;
}

enum ecert_status ecert_sheet_page(const struct ecert_sheet *sheet, struct ecert_bytes *ret,
                                   struct ecert_error *err)
{
    struct page page = {.sheet = sheet};
    const char *before = ecert_words_use(sheet->language);
    enum ecert_status status = add_page(&page, err);

    (void)ecert_words_use(before);
    if (status == ECERT_OK)
        status = ecert_buffer_take(&page.out, ret, err);
    ecert_buffer_clear(&page.out);
    return status;
}
