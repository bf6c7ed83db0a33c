/* What was seen of one member, as a verdict; the looking itself is in look.c. */

#include <string.h>

#include "core/flow/certificate.h"
#include "core/flow/look.h"

const char *ecert_look_wanted(const struct ecert_change *change, size_t number)
{
    return number < change->served_before->len ? change->served_before->items[number] : "";
}

void ecert_look_add_place(struct ecert_buffer *out, const struct ecert_probe *probe)
{
    const bool v6 = strchr(probe->address, ':') != NULL;

    ecert_buffer_printf(out, "%s%s%s:%u", v6 ? "[" : "", probe->address, v6 ? "]" : "",
                        (unsigned)probe->port);
    if (probe->server_name != NULL)
        ecert_buffer_printf(out, " (%s)", probe->server_name);
}

bool ecert_look_is_good(const struct ecert_member *member)
{
    for (size_t i = 0; i < member->outcome->n_observations; i++)
        if (member->outcome->observations[i].problem != NULL ||
            (member->outcome->observations[i].after[0] == '\0' &&
             !member->outcome->observations[i].foreign))
            return false;
    return true;
}

bool ecert_look_was_good(const struct ecert_member *member)
{
    const struct ecert_change *change = member->change;
    char leaf[ECERT_SHA256_HEX_LEN] = "";

    if (member->outcome->n_observations == 0)
        return false;
    if (change->served_before == NULL)
        ecert_certificate_sha256(change->leaf, leaf);
    for (size_t i = 0; i < member->outcome->n_observations; i++)
        if (strcmp(member->outcome->observations[i].before,
                   change->served_before == NULL ? leaf : ecert_look_wanted(change, i)) != 0)
            return false;
    return true;
}

enum ecert_status ecert_look_problem(const struct ecert_member *member, struct ecert_error *err)
{
    for (size_t i = 0; i < member->outcome->n_observations; i++)
        if (member->outcome->observations[i].problem != NULL)
            return ecert_error_set(err, ECERT_E_NETWORK, "%s",
                                   member->outcome->observations[i].problem);
    return ecert_error_set(err, ECERT_E_NETWORK, "it was not seen to be served");
}

void ecert_look_tell_foreign(struct ecert_member *member)
{
    for (size_t i = 0; i < member->outcome->n_observations; i++) {
        const struct ecert_observation *observation = &member->outcome->observations[i];
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer place = {0};

        if (!observation->foreign ||
            strcmp(observation->after, ecert_look_wanted(member->change, i)) == 0)
            continue;
        ecert_look_add_place(&place, &observation->probe);
        ecert_member_note(member,
                          "%.*s does not serve what it served before ecert; it served something "
                          "else than ecert deployed before this rollback, too",
                          (int)place.len, (const char *)place.ptr);
    }
}
