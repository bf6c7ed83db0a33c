#include "core/base/diff.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT     3
#define UNREACHABLE (LONG_MIN / 2)

/* One side, cut into lines; equal lines have equal ids, over both sides. */
struct lines {
    struct ecert_view *line;
    uint32_t *id;
    bool *changed;
    size_t n;
};

struct comparison {
    struct lines a, b;
    long *forward, *backward; /* furthest x on diagonal k, at [k + origin] */
    long origin;
};

static void lines_clear(struct lines *lines)
{
    free(lines->line);
    free(lines->id);
    free(lines->changed);
    *lines = (struct lines){0};
}

static void comparison_clear(struct comparison *c)
{
    lines_clear(&c->a);
    lines_clear(&c->b);
    free(c->forward);
    free(c->backward);
    *c = (struct comparison){0};
}

void ecert_diff_clear(struct ecert_diff *diff)
{
    free(diff->hunks);
    *diff = (struct ecert_diff){0};
}

/* ---- lines ---- */

static size_t line_len(struct ecert_view text)
{
    const uint8_t *end = memchr(text.ptr, '\n', text.len);

    return end == NULL ? text.len : (size_t)(end - text.ptr) + 1;
}

static enum ecert_status cut_lines(struct ecert_view text, struct lines *ret,
                                   struct ecert_error *err)
{
    size_t n = 0, i = 0;

    for (struct ecert_view rest = text; rest.len > 0; n++) {
        const size_t len = line_len(rest);
        rest = (struct ecert_view){rest.ptr + len, rest.len - len};
    }
    struct lines lines = {.line = calloc(n + 1, sizeof *lines.line),
                          .id = calloc(n + 1, sizeof *lines.id),
                          .changed = calloc(n + 1, sizeof *lines.changed),
                          .n = n};
    if (lines.line == NULL || lines.id == NULL || lines.changed == NULL) {
        lines_clear(&lines);
        return ecert_error_nomem(err);
    }
    for (struct ecert_view rest = text; rest.len > 0; i++) {
        const size_t len = line_len(rest);
        lines.line[i] = (struct ecert_view){rest.ptr, len};
        rest = (struct ecert_view){rest.ptr + len, rest.len - len};
    }
    *ret = lines;
    return ECERT_OK;
}

static size_t hash_of(struct ecert_view line)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */

    for (size_t i = 0; i < line.len; i++)
        h = (h ^ line.ptr[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* Give each distinct line a number, so that comparing two lines is comparing two numbers. */
static enum ecert_status number_lines(struct lines *a, struct lines *b, struct ecert_error *err)
{
    struct lines *const sides[] = {a, b};
    size_t size = 16;
    uint32_t next = 0;

    while (size < 2 * (a->n + b->n))
        size *= 2;
    struct slot {
        struct ecert_view line;
        uint32_t id;
    } *table = calloc(size, sizeof *table);
    if (table == NULL)
        return ecert_error_nomem(err);
    for (size_t s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s]->n; i++) {
            const struct ecert_view line = sides[s]->line[i];
            size_t at = hash_of(line) & (size - 1);

            while (table[at].line.len > 0 && !ecert_view_equal(table[at].line, line))
                at = (at + 1) & (size - 1);
            if (table[at].line.len == 0)
                table[at] = (struct slot){line, next++};
            sides[s]->id[i] = table[at].id;
        }
    free(table);
    return ECERT_OK;
}

/* ---- Myers, the linear space variant: find the middle, then both halves ---- */

struct box {
    size_t a0, a1, b0, b1;
};

/*
 * One more step on diagonal k: the furthest x in the box, its run of equal lines included.
 * `back`: from the far corner, with both sides reversed.
 */
static long reach(const struct comparison *c, const struct box *box, const long *v, long k,
                  bool back)
{
    const long n = (long)(box->a1 - box->a0), m = (long)(box->b1 - box->b0);
    const long down = v[c->origin + k + 1], right = v[c->origin + k - 1] + 1;
    long x = UNREACHABLE;

    if (down >= 0 && down <= n && down - k >= 0 && down - k <= m)
        x = down;
    if (right > x && right > 0 && right <= n && right - k >= 0 && right - k <= m)
        x = right;
    if (x == UNREACHABLE)
        return x;
    for (long y = x - k; x < n && y < m; x++, y++) {
        const size_t i = back ? box->a1 - 1 - (size_t)x : box->a0 + (size_t)x;
        const size_t j = back ? box->b1 - 1 - (size_t)y : box->b0 + (size_t)y;

        if (c->a.id[i] != c->b.id[j])
            break;
    }
    return x;
}

/* Where a shortest edit of the box passes its middle.  The box's first and last lines differ. */
static void split(const struct comparison *c, const struct box *box, size_t *ret_a, size_t *ret_b)
{
    const long n = (long)(box->a1 - box->a0), m = (long)(box->b1 - box->b0);
    const long delta = n - m;
    const bool odd = (delta & 1) != 0;
    long *f = c->forward + c->origin, *r = c->backward + c->origin;

    for (long k = -(n + m) - 1; k <= n + m + 1; k++)
        f[k] = r[k] = UNREACHABLE;
    f[1] = r[1] = 0; /* so that step 0 begins at the corner */
    for (long d = 0;; d++) {
        for (long k = -d; k <= d; k += 2) {
            f[k] = reach(c, box, c->forward, k, false);
            if (odd && f[k] >= 0 && labs(delta - k) < d && f[k] + r[delta - k] >= n) {
                *ret_a = box->a0 + (size_t)f[k];
                *ret_b = box->b0 + (size_t)(f[k] - k);
                return;
            }
        }
        for (long k = -d; k <= d; k += 2) {
            r[k] = reach(c, box, c->backward, k, true);
            if (!odd && r[k] >= 0 && labs(delta - k) <= d && r[k] + f[delta - k] >= n) {
                *ret_a = box->a1 - (size_t)r[k];
                *ret_b = box->b1 - (size_t)(r[k] - k);
                return;
            }
        }
    }
}

static void compare(const struct comparison *c, struct box box)
{
    while (box.a0 < box.a1 && box.b0 < box.b1 && c->a.id[box.a0] == c->b.id[box.b0])
        box.a0++, box.b0++;
    while (box.a0 < box.a1 && box.b0 < box.b1 && c->a.id[box.a1 - 1] == c->b.id[box.b1 - 1])
        box.a1--, box.b1--;
    if (box.a0 == box.a1 || box.b0 == box.b1) {
        memset(c->a.changed + box.a0, true, box.a1 - box.a0);
        memset(c->b.changed + box.b0, true, box.b1 - box.b0);
        return;
    }
    size_t a = 0, b = 0;
    split(c, &box, &a, &b);
    compare(c, (struct box){box.a0, a, box.b0, b});
    compare(c, (struct box){a, box.a1, b, box.b1});
}

static enum ecert_status compare_views(struct ecert_view a, struct ecert_view b,
                                       struct comparison *c, struct ecert_error *err)
{
    ECERT_TRY(cut_lines(a, &c->a, err));
    ECERT_TRY(cut_lines(b, &c->b, err));
    ECERT_TRY(number_lines(&c->a, &c->b, err));
    const size_t room = 2 * (c->a.n + c->b.n) + 5;
    c->origin = (long)(c->a.n + c->b.n) + 2;
    c->forward = calloc(room, sizeof *c->forward);
    c->backward = calloc(room, sizeof *c->backward);
    if (c->forward == NULL || c->backward == NULL)
        return ecert_error_nomem(err);
    compare(c, (struct box){0, c->a.n, 0, c->b.n});
    return ECERT_OK;
}

/* Runs of changed lines as hunks. */
static enum ecert_status hunks_of(const struct comparison *c, struct ecert_diff *ret,
                                  struct ecert_error *err)
{
    struct ecert_diff diff = {0};
    size_t i = 0, j = 0, room = 0;

    while (i < c->a.n || j < c->b.n) {
        struct ecert_hunk hunk = {.a_start = i, .b_start = j};

        while (i < c->a.n && c->a.changed[i])
            i++;
        while (j < c->b.n && c->b.changed[j])
            j++;
        hunk.a_len = i - hunk.a_start;
        hunk.b_len = j - hunk.b_start;
        if (hunk.a_len == 0 && hunk.b_len == 0) {
            i++;
            j++;
            continue;
        }
        if (diff.n == room) {
            room = room == 0 ? 8 : 2 * room;
            struct ecert_hunk *more = realloc(diff.hunks, room * sizeof *more);
            if (more == NULL) {
                ecert_diff_clear(&diff);
                return ecert_error_nomem(err);
            }
            diff.hunks = more;
        }
        diff.hunks[diff.n++] = hunk;
    }
    *ret = diff;
    return ECERT_OK;
}

enum ecert_status ecert_diff_lines(struct ecert_view a, struct ecert_view b, struct ecert_diff *ret,
                                   struct ecert_error *err)
{
    ECERT_AUTO(comparison_clear) struct comparison c = {0};

    ECERT_TRY(compare_views(a, b, &c, err));
    return hunks_of(&c, ret, err);
}

/* ---- the unified form ---- */

static void add_line(struct ecert_buffer *out, char sign, struct ecert_view line)
{
    const bool ended = line.len > 0 && line.ptr[line.len - 1] == '\n';
    size_t len = line.len - ended;

    /* the lines of a Windows file are shown as lines; both sides of a change have the same end */
    if (ended && len > 0 && line.ptr[len - 1] == '\r')
        len--;
    ecert_buffer_printf(out, "%c", sign);
    ecert_buffer_add_escaped(out, (struct ecert_view){line.ptr, len}, true);
    ecert_buffer_add_text(out, ended ? "\n" : "\n\\ No newline at end of file\n");
}

/* "12,3", "12" for one line, and the line before for none: as diff -u writes it. */
static void add_range(struct ecert_buffer *out, char sign, size_t start, size_t len)
{
    ecert_buffer_printf(out, "%c%zu", sign, len == 0 ? start : start + 1);
    if (len != 1)
        ecert_buffer_printf(out, ",%zu", len);
}

/* One block: the hunks first ... last and the lines around them. */
static void add_block(struct ecert_buffer *out, const struct comparison *c,
                      const struct ecert_hunk *first, const struct ecert_hunk *last)
{
    const size_t before = first->a_start < CONTEXT ? first->a_start : CONTEXT;
    const size_t a_last = last->a_start + last->a_len, b_last = last->b_start + last->b_len;
    const size_t after = c->a.n - a_last < CONTEXT ? c->a.n - a_last : CONTEXT;
    size_t at = first->a_start - before;

    ecert_buffer_add_text(out, "@@ ");
    add_range(out, '-', at, a_last + after - at);
    ecert_buffer_add_text(out, " ");
    add_range(out, '+', first->b_start - before, b_last + after - (first->b_start - before));
    ecert_buffer_add_text(out, " @@\n");
    for (const struct ecert_hunk *h = first; h <= last; h++) {
        for (; at < h->a_start; at++)
            add_line(out, ' ', c->a.line[at]);
        for (; at < h->a_start + h->a_len; at++)
            add_line(out, '-', c->a.line[at]);
        for (size_t i = 0; i < h->b_len; i++)
            add_line(out, '+', c->b.line[h->b_start + i]);
    }
    for (; at < a_last + after; at++)
        add_line(out, ' ', c->a.line[at]);
}

enum ecert_status ecert_diff_unified(const char *a_label, struct ecert_view a, const char *b_label,
                                     struct ecert_view b, struct ecert_buffer *out,
                                     struct ecert_error *err)
{
    ECERT_AUTO(comparison_clear) struct comparison c = {0};
    ECERT_AUTO(ecert_diff_clear) struct ecert_diff diff = {0};

    ECERT_TRY(compare_views(a, b, &c, err));
    ECERT_TRY(hunks_of(&c, &diff, err));
    if (diff.n == 0)
        return ECERT_OK;
    ecert_buffer_printf(out, "--- %s\n+++ %s\n", a_label, b_label);
    for (size_t i = 0, last = 0; i < diff.n; i = last + 1) {
        for (last = i; last + 1 < diff.n; last++)
            if (diff.hunks[last + 1].a_start - diff.hunks[last].a_start - diff.hunks[last].a_len >
                2 * CONTEXT)
                break;
        add_block(out, &c, &diff.hunks[i], &diff.hunks[last]);
    }
    return ECERT_OK;
}

/* ---- merging ---- */

struct change {
    size_t version;
    size_t start, len;       /* lines of the base */
    struct ecert_view bytes; /* what stands there afterwards */
};

struct changes {
    struct change *list;
    size_t n, room;
};

static void changes_clear(struct changes *changes)
{
    free(changes->list);
    *changes = (struct changes){0};
}

static int in_order(const void *left, const void *right)
{
    const struct change *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->len != b->len) /* an insertion goes before a change of the line behind it */
        return a->len < b->len ? -1 : 1;
    return a->version < b->version ? -1 : a->version > b->version;
}

static enum ecert_status add_changes(struct changes *changes, size_t version,
                                     struct ecert_view base, struct ecert_view text,
                                     struct ecert_error *err)
{
    ECERT_AUTO(comparison_clear) struct comparison c = {0};
    ECERT_AUTO(ecert_diff_clear) struct ecert_diff diff = {0};

    ECERT_TRY(compare_views(base, text, &c, err));
    ECERT_TRY(hunks_of(&c, &diff, err));
    if (changes->n + diff.n > changes->room) {
        const size_t room = 2 * (changes->n + diff.n);
        struct change *more = realloc(changes->list, room * sizeof *more);
        if (more == NULL)
            return ecert_error_nomem(err);
        changes->list = more;
        changes->room = room;
    }
    for (size_t i = 0; i < diff.n; i++) {
        const struct ecert_hunk *h = &diff.hunks[i];
        struct ecert_view bytes = {0};

        if (h->b_len > 0) {
            const struct ecert_view last = c.b.line[h->b_start + h->b_len - 1];
            bytes.ptr = c.b.line[h->b_start].ptr;
            bytes.len = (size_t)(last.ptr + last.len - bytes.ptr);
        }
        changes->list[changes->n++] = (struct change){version, h->a_start, h->a_len, bytes};
    }
    return ECERT_OK;
}

static bool same_change(const struct change *a, const struct change *b)
{
    return a->start == b->start && a->len == b->len && ecert_view_equal(a->bytes, b->bytes);
}

/* Both change the same lines, or insert at the same place. */
static bool collide(const struct change *a, const struct change *b)
{
    if (a->len == 0 && b->len == 0)
        return a->start == b->start;
    return b->start < a->start + a->len && a->start < b->start + b->len;
}

static enum ecert_status apply(struct changes *changes, const struct lines *base,
                               struct ecert_bytes *ret, size_t *ret_conflict,
                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer out = {0};
    const struct change *done = NULL;
    size_t at = 0;

    for (size_t i = 0; i < changes->n; i++) {
        const struct change *change = &changes->list[i];

        if (done != NULL && same_change(done, change))
            continue;
        if (done != NULL && collide(done, change)) {
            *ret_conflict = done->version > change->version ? done->version : change->version;
            return ecert_error_set(err, ECERT_E_CHANGED, "two changes meet in line %zu",
                                   change->start + 1);
        }
        for (; at < change->start; at++)
            ecert_buffer_add(&out, base->line[at]);
        ecert_buffer_add(&out, change->bytes);
        at += change->len;
        done = change;
    }
    for (; at < base->n; at++)
        ecert_buffer_add(&out, base->line[at]);
    return ecert_buffer_take(&out, ret, err);
}

enum ecert_status ecert_diff_merge(struct ecert_view base, const struct ecert_view *versions,
                                   size_t n, struct ecert_bytes *ret, size_t *ret_conflict,
                                   struct ecert_error *err)
{
    ECERT_AUTO(changes_clear) struct changes changes = {0};
    ECERT_AUTO(lines_clear) struct lines lines = {0};

    ECERT_TRY(cut_lines(base, &lines, err));
    for (size_t i = 0; i < n; i++)
        ECERT_TRY(add_changes(&changes, i, base, versions[i], err));
    if (changes.n > 1)
        qsort(changes.list, changes.n, sizeof *changes.list, in_order);
    return apply(&changes, &lines, ret, ret_conflict, err);
}
