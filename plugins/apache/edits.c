#include "plugins/apache/edits.h"

#include <stdlib.h>
#include <string.h>

static int by_position(const void *a, const void *b)
{
    const struct ecert_apache_edit *left = a;
    const struct ecert_apache_edit *right = b;
    const int path = strcmp(left->path, right->path);

    if (path != 0)
        return path;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

bool ecert_apache_edits_add(struct ecert_arena *arena, struct ecert_apache_edits *edits,
                            const struct ecert_apache_edit *edit)
{
    struct ecert_apache_edit *larger =
        ecert_arena_grow(arena, edits->edits, edits->n, sizeof *larger);

    if (larger == NULL)
        return false;
    edits->edits = larger;
    larger[edits->n] = *edit;
    larger[edits->n].order = edits->n;
    edits->n++;
    return true;
}

/* The same edit asked for twice. */
static bool is_repeated(const struct ecert_apache_edit *edits, size_t i)
{
    for (size_t k = i; k > 0 && edits[k - 1].begin == edits[i].begin; k--)
        if (edits[k - 1].end == edits[i].end && strcmp(edits[k - 1].with, edits[i].with) == 0)
            return true;
    return false;
}

static uint8_t *copy(uint8_t *to, const void *from, size_t len)
{
    if (len != 0)
        memcpy(to, from, len);
    return to + len;
}

/* The file with `n` edits in it, which are sorted. */
static size_t apply(const struct ecert_apache_edit *edits, size_t n, uint8_t *to)
{
    const struct ecert_view text = edits[0].text;
    uint8_t *end = to;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_repeated(edits, i) || edits[i].begin < at)
            continue;
        end = copy(end, text.ptr + at, edits[i].begin - at);
        end = copy(end, edits[i].with, strlen(edits[i].with));
        at = edits[i].end;
    }
    end = copy(end, text.ptr + at, text.len - at);
    return (size_t)(end - to);
}

static enum ecert_status emit_one(const struct ecert_host *host, struct ecert_job *job,
                                  const struct ecert_apache_edit *edits, size_t n,
                                  struct ecert_error *err)
{
    size_t room = edits[0].text.len;

    for (size_t i = 0; i < n; i++)
        room += strlen(edits[i].with);
    uint8_t *content = malloc(room + 1);
    if (content == NULL)
        return host->fail(err, ECERT_E_NOMEM, "out of memory");
    const struct ecert_file_record file = {
        .size = sizeof file,
        .path = edits[0].path,
        .content = {content, apply(edits, n, content)},
        .expected = edits[0].text,
        .uid = -1,
        .gid = -1,
        .mode = -1,
    };
    const enum ecert_status status = host->emit_file(job, &file, err);
    free(content);
    return status;
}

enum ecert_status ecert_apache_edits_emit(const struct ecert_host *host, struct ecert_job *job,
                                          struct ecert_apache_edits *edits, struct ecert_error *err)
{
    enum ecert_status status = ECERT_OK;
    size_t n = 0;

    if (edits->n == 0)
        return ECERT_OK;
    qsort(edits->edits, edits->n, sizeof *edits->edits, by_position);
    for (size_t i = 0; i < edits->n && status == ECERT_OK; i += n) {
        for (n = 1; i + n < edits->n; n++)
            if (strcmp(edits->edits[i].path, edits->edits[i + n].path) != 0)
                break;
        status = emit_one(host, job, &edits->edits[i], n, err);
        if (ECERT_HOST_HAS(host, forget))
            host->forget(job, edits->edits[i].text);
    }
    return status;
}
