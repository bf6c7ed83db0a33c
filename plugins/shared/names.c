#include "plugins/shared/names.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 1000 /* a host name has 253; a list of them may be one word by mistake */
#define NOTE_SIZE    600

static bool is_plain(const char *text, size_t max)
{
    size_t n = 0;

    for (; text[n] != '\0'; n++)
        if (n >= max || text[n] <= ' ' || text[n] > '~')
            return false;
    return n > 0;
}

bool ecert_names_take(struct ecert_left_out *left_out, const char *name, const char *file,
                      unsigned long line)
{
    if (is_plain(name, NAME_MAX_LEN))
        return true;
    if (left_out->n++ == 0) {
        left_out->file = file;
        left_out->line = line;
    }
    return false;
}

enum ecert_status ecert_names_note(const struct ecert_left_out *left_out,
                                   const struct ecert_host *host, struct ecert_job *job,
                                   struct ecert_error *err)
{
    char note[NOTE_SIZE];

    if (left_out->n == 0)
        return ECERT_OK;
    const bool shown = left_out->file != NULL && is_plain(left_out->file, NOTE_SIZE / 2);
    (void)snprintf(note, sizeof note,
                   "%zu %s no host name (other bytes than printable ASCII) and left out, the first "
                   "one at %s%sline %lu",
                   left_out->n, left_out->n == 1 ? "name of a site is" : "names of sites are",
                   shown ? left_out->file : "", shown ? ", " : "", left_out->line);
    return host->emit_note(job, note, err);
}
