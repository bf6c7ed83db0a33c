/*
 * Wrong on purpose: the right version, and a descriptor of 8 bytes that says so.
 */
#include <stdint.h>

#define ECERT_EXPORT __attribute__((visibility("default")))

/* The contract's header is left out: its declaration has another type. */
extern ECERT_EXPORT const uint32_t ecert_plugin[2];

const uint32_t ecert_plugin[2] = {1, 8};
