#include "core/cli/backing.h"

#include "core/issue/backup.h"

void ecert_back_up_taken(const struct ecert_app *app,
                         const struct ecert_certificate_config *certificate,
                         struct ecert_strings *notes)
{
    struct ecert_error err = {0}, ignored = {0};

    if (ecert_backup_new_keys(&app->config, certificate, &err) != ECERT_OK)
        (void)!ecert_strings_printf(notes, &ignored,
                                    "its key could not be backed up (%s); 'ecert backup' tries "
                                    "again",
                                    err.text);
}

void ecert_back_up_arrivals(const struct ecert_app *app, struct ecert_arrivals *arrivals)
{
    for (size_t i = 0; i < arrivals->n; i++) {
        struct ecert_arrival *arrival = &arrivals->items[i];

        if (arrival->kind == ECERT_ARRIVAL_TAKEN || arrival->kind == ECERT_ARRIVAL_KNOWN)
            ecert_back_up_taken(app, arrival->result.certificate, &arrival->result.notes);
    }
}
