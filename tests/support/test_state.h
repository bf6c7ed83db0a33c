/* A state directory for each test: its path is the test's state. */
#ifndef ECERT_TESTS_SUPPORT_TEST_STATE_H
#define ECERT_TESTS_SUPPORT_TEST_STATE_H

#include "core/flow/store.h"
#include "tests/support/test_pki.h"

static inline int test_state_make(void **state)
{
    struct ecert_error err = {0};
    char *folder = test_folder_make();

    *state = folder;
    return ecert_store_prepare(folder, &err) == ECERT_OK ? 0 : -1;
}

static inline int test_state_remove(void **state)
{
    test_folder_remove(*state);
    return 0;
}

#endif
