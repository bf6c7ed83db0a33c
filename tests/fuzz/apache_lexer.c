/* Any bytes are read into pieces that are these bytes: tests/unit/plugins/apache_properties.h. */
#include "tests/unit/plugins/apache_properties.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ecert_view text = {data, size};
    const char *wrong = apache_pieces_hold(text);

    if (wrong != NULL) {
        (void)fprintf(stderr, "%s\n", wrong);
        abort();
    }
    return 0;
}
