#include "plugins/shared/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_LEN ((size_t)256 << 10) /* so large that free() gives it back to the system */

struct ecert_arena_chunk {
    struct ecert_arena_chunk *next;
    size_t len;
    alignas(max_align_t) unsigned char bytes[];
};

void *ecert_arena_alloc(struct ecert_arena *arena, size_t len)
{
    const size_t step = alignof(max_align_t);

    if (len > SIZE_MAX / 2)
        return NULL;
    len = (len + step - 1) / step * step;
    if (arena->chunks == NULL || len > arena->left) {
        const size_t room = len > CHUNK_LEN ? len : CHUNK_LEN;
        struct ecert_arena_chunk *chunk = calloc(1, sizeof *chunk + room);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->chunks;
        chunk->len = room;
        arena->chunks = chunk;
        arena->left = room;
    }
    arena->left -= len;
    return arena->chunks->bytes + (arena->chunks->len - arena->left - len);
}

char *ecert_arena_copy(struct ecert_arena *arena, const void *bytes, size_t len)
{
    char *copy = ecert_arena_alloc(arena, len + 1);

    if (copy != NULL && len != 0)
        memcpy(copy, bytes, len);
    return copy;
}

char *ecert_arena_text(struct ecert_arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    const int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return NULL;
    text = ecert_arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void *ecert_arena_grow(struct ecert_arena *arena, void *array, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0)
        return array;
    void *larger = ecert_arena_alloc(arena, (n == 0 ? 1 : 2 * n) * size);
    if (larger != NULL && n != 0)
        memcpy(larger, array, n * size);
    return larger;
}

void ecert_arena_reuse(struct ecert_arena *arena)
{
    struct ecert_arena_chunk *first = arena->chunks;

    if (first == NULL || first->next != NULL || first->len != CHUNK_LEN) {
        ecert_arena_clear(arena);
        return;
    }
    memset(first->bytes, 0, first->len - arena->left);
    arena->left = first->len;
}

void ecert_arena_clear(struct ecert_arena *arena)
{
    while (arena->chunks != NULL) {
        struct ecert_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    *arena = (struct ecert_arena){0};
}
