# The issuing side: keys, CSRs, backups, and the people in between.
set(ECERT_ISSUE_SOURCES
  core/issue/backup.c
  core/issue/backup_check.c
  core/issue/backup_cms.c
  core/issue/backup_open.c
  core/issue/csr.c
  core/issue/csr_check.c
  core/issue/new_key.c
  core/issue/new_key_pem.c
  core/issue/new_keys.c
  core/issue/request.c
  core/issue/request_cancel.c
  core/issue/request_key.c
  core/issue/request_kind.c
  core/issue/request_prepare.c
)
