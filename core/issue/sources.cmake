# The issuing side: keys, CSRs, backups, and the people in between.
set(ECERT_ISSUE_SOURCES
  core/issue/caa.c
  core/issue/csr.c
  core/issue/csr_check.c
  core/issue/new_key.c
  core/issue/new_key_pem.c
  core/issue/new_keys.c
  core/issue/sheet.c
  core/issue/sheet_html.c
)
