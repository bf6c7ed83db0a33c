/*
 * The constant parts of the PowerShell script, line by line, each list ends with NULL.
 *
 * Nothing of the configuration is ever put into these lines: the values are assigned to variables
 * between the head and the functions, and only there.
 */
#ifndef ECERT_PLUGINS_IIS_EXPORT_SCRIPT_BODY_H
#define ECERT_PLUGINS_IIS_EXPORT_SCRIPT_BODY_H

extern const char *const ecert_iis_script_head[];      /* before the values */
extern const char *const ecert_iis_script_functions[]; /* after them */
extern const char *const ecert_iis_script_main[];      /* at the end */

#endif
