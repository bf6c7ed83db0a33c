/*
 * Memory that lives as long as one plan: everything that the plugin reads and builds is released
 * in one step, so that no path through the code has anything else to release.
 *
 * {0} is a valid empty arena.  Every function returns NULL when there is no memory.
 */
#ifndef ECERT_SHARED_ARENA_H
#define ECERT_SHARED_ARENA_H

#include <ecert/status.h>

struct ecert_arena_chunk;

struct ecert_arena {
    struct ecert_arena_chunk *chunks;
    size_t left; /* bytes left in the first chunk */
};

/* Zeroed memory, aligned for any object. */
void *ecert_arena_alloc(struct ecert_arena *arena, size_t len);

/* A text of its own, NUL-ended. */
char *ecert_arena_copy(struct ecert_arena *arena, const void *bytes, size_t len);
char *ecert_arena_text(struct ecert_arena *arena, const char *fmt, ...) ECERT_PRINTF(2, 3);

/*
 * Room for one more element in an array of `n`: the same array, or a larger copy when `n` is a
 * power of two.  The caller keeps no capacity.  Only for arrays that grew by this function alone.
 */
void *ecert_arena_grow(struct ecert_arena *arena, void *array, size_t n, size_t size);

/* Empty, with the memory of its first chunk kept for what comes next. */
void ecert_arena_reuse(struct ecert_arena *arena);

void ecert_arena_clear(struct ecert_arena *arena);

#endif
