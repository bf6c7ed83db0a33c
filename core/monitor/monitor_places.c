/* Places of backups that are not there: told once each, and not for every copy in them. */
#include <errno.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/monitor/monitor_parts.h"

static bool is_there(const char *directory)
{
    struct stat st;

    return stat(directory, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

enum ecert_status monitor_tell_place(const struct monitor *monitor, const char *copy,
                                     struct ecert_strings *told, bool *ret_gone,
                                     struct ecert_error *err)
{
    ECERT_AUTO(ecert_finding_clear) struct ecert_finding finding = {0};
    ECERT_AUTO(ecert_auto_free) char *place = NULL;
    const char *base = ecert_path_base(copy);

    *ret_gone = false;
    if (base - copy < 2) /* in the root directory, which is there */
        return ECERT_OK;
    ECERT_TRY(ecert_text_copy((struct ecert_view){(const uint8_t *)copy, (size_t)(base - copy) - 1},
                              &place, err));
    *ret_gone = !is_there(place);
    if (!*ret_gone || ecert_strings_contain(told, place))
        return ECERT_OK;
    ECERT_TRY(ecert_strings_add(told, place, err));
    ECERT_TRY(monitor_begin(ECERT_WATCHED_BACKUP, "backup", NULL, &finding, err, "%s", place));
    finding.condition = ECERT_CONDITION_MISSING;
    ECERT_TRY(monitor_detail(
        &finding, err,
        "the place of backups is not there, nor any copy in it; is the share mounted?"));
    return monitor_tell(monitor, &finding, err);
}
