# The issuing side: keys, CSRs, backups, and the people in between.
set(ECERT_ISSUE_SOURCES
  core/issue/new_key.c
  core/issue/new_key_pem.c
)
