/* The subject of a CSR: what is checked (csr_check.c) is what is made (csr.c). */
#ifndef ECERT_ISSUE_CSR_SUBJECT_H
#define ECERT_ISSUE_CSR_SUBJECT_H

#include "core/issue/csr.h"

/* Borrowed; NULL: the attribute is left out. */
struct ecert_csr_subject {
    const char *country, *state, *locality, *organization, *common_name;
};

/* The applicant's own, and where the configuration says nothing what the authority prescribes. */
struct ecert_csr_subject ecert_csr_subject_of(const struct ecert_csr_order *order);

#endif
