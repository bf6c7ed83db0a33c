/*
 * A folder for tests of the configuration.  In texts and names of files '~' is the folder.  It
 * holds
 *
 *   authorities/ca.conf, key.pem   empty, 0600
 *   word, shown, open              "x": ours alone, everybody may read it, everybody may write it
 *   d/                             empty
 */
#ifndef ECERT_TESTS_UNIT_FLOW_CONFIG_FIXTURE_H
#define ECERT_TESTS_UNIT_FLOW_CONFIG_FIXTURE_H

#include <sys/types.h>

#include "core/flow/config.h"

char *config_folder_make(void); /* remove it with test_folder_remove() */
void config_folder_write(const char *folder, const char *name, const char *text, mode_t mode);

/* Write ecert.conf and load it: `head` (line 1, which names the directories), then `text`. */
enum ecert_status config_folder_load(const char *folder, const char *head, const char *text,
                                     struct ecert_config *ret, struct ecert_strings *ret_mistakes,
                                     struct ecert_error *err);

/* `want`: for each mistake of ecert.conf, in order, "LINE: words that it begins with", '|' between.
 */
void config_expect_mistakes(const char *folder, const struct ecert_strings *mistakes,
                            const char *want);

#endif
