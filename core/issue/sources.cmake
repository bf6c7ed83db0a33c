# The issuing side: keys, CSRs, backups, and the people in between.
set(ECERT_ISSUE_SOURCES
  core/issue/adopt.c
  core/issue/adopt_read.c
  core/issue/adopt_site.c
  core/issue/backup.c
  core/issue/backup_check.c
  core/issue/backup_cms.c
  core/issue/backup_kit.c
  core/issue/backup_open.c
  core/issue/backup_restore.c
  core/issue/new_key.c
  core/issue/new_key_pem.c
)
