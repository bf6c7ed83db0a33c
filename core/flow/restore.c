/*
 * `rollback --to 0`: a target that is held at nothing, and how it is made ready for that: a plan
 * that puts its server's files back as they were before ecert (origin.h), to be carried out by the
 * transaction like any other.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/diff.h"
#include "core/base/fs.h"
#include "core/flow/deploy.h"
#include "core/flow/origin.h"

/* ---- deciding ---- */

enum ecert_status ecert_deploy_decide_nothing(const char *state_dir, unsigned newest,
                                              struct ecert_deployment *deployment,
                                              struct ecert_error *err)
{
    const char *name = deployment->certificate->name, *id = deployment->target->id;
    bool known = false;

    ECERT_TRY(ecert_origin_exists(state_dir, name, id, &known, err));
    if (!known)
        (void)ecert_error_set(&deployment->error, ECERT_E_NOT_FOUND,
                              "there is nothing to put back for target '%s' of '%s': no file of "
                              "its server is kept as one that ecert changed",
                              id, name);
    if (!known && !deployment->nothing_before && deployment->state.actual > 0) {
        deployment->state.nothing = false;
        return ecert_strings_add(&deployment->notes, deployment->error.text, err);
    }
    if (!known)
        ECERT_TRY(ecert_strings_add(&deployment->notes,
                                    deployment->nothing_before
                                        ? "it is as it was before ecert already"
                                        : "it was never deployed, and stays so",
                                    err));
    deployment->state.desired = 0;
    deployment->state.held_at = newest;
    deployment->decided = true;
    return ECERT_OK;
}

enum ecert_status ecert_deploy_stand_at_nothing(const char *state_dir,
                                                const struct ecert_deploy_selection *how,
                                                struct ecert_deployment *deployment, bool *ret,
                                                struct ecert_error *err)
{
    struct ecert_target_state *state = &deployment->state;
    bool known = false;

    *ret = false;
    if (!state->nothing)
        return ECERT_OK;
    if ((how->every && !how->keeps_holds) || deployment->newest > state->held_at) {
        state->nothing = false;
        state->held_at = 0;
        return ECERT_OK;
    }
    *ret = true;
    deployment->generation = 0;
    ECERT_TRY(ecert_origin_exists(state_dir, deployment->certificate->name, deployment->target->id,
                                  &known, err));
    deployment->restores = known;
    if (!known)
        deployment->standing = ECERT_STANDING_HELD;
    else if (!how->rollback && !how->every && state->next_try > ecert_clock_now() &&
             state->next_try - ecert_clock_now() <= ECERT_DEPLOY_LONGEST_PAUSE &&
             state->tried_generation == 0)
        deployment->standing = ECERT_STANDING_WAITING;
    else
        deployment->standing = ECERT_STANDING_WANTED;
    return ECERT_OK;
}

/* ---- preparing ---- */

/* What is there now; *ret_exists false: nothing. */
static enum ecert_status read_now(const char *path, bool *ret_exists, struct ecert_secret *ret,
                                  struct ecert_error *err)
{
    const enum ecert_status status =
        ecert_fs_read_secret(path, ECERT_TRANSACTION_FILE_MAX, ret, err);

    *ret_exists = status == ECERT_OK;
    if (status != ECERT_E_NOT_FOUND)
        return status;
    *err = (struct ecert_error){0};
    return ECERT_OK;
}

/* Both differences as notes, for whoever has to put the two together. */
static enum ecert_status show_both(struct ecert_deployment *deployment,
                                   const struct ecert_origin_file *file, struct ecert_view now,
                                   struct ecert_error *err)
{
    const struct {
        const char *title;
        struct ecert_view from, to;
    } both[] = {
        {"what the rollback would do to the file as ecert left it",
         ecert_secret_view(&file->written), ecert_secret_view(&file->before)},
        {"what somebody did to it since", ecert_secret_view(&file->written), now},
    };

    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer diff = {0};
        ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes text = {0};

        ECERT_TRY(ecert_diff_unified(file->path, both[i].from, file->path, both[i].to, &diff, err));
        ECERT_TRY(ecert_buffer_take(&diff, &text, err));
        ECERT_TRY(ecert_strings_printf(&deployment->notes, err, "%s:\n%s", both[i].title,
                                       text.ptr == NULL ? "" : (const char *)text.ptr));
    }
    return ECERT_OK;
}

static enum ecert_status refuse(struct ecert_deployment *deployment,
                                const struct ecert_origin_file *file, struct ecert_view now,
                                struct ecert_error *err)
{
    if (file->whole)
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "'%s' was changed since ecert wrote it, and is not put back; what "
                               "was there before is kept: remove the file and run this again to "
                               "have that back",
                               file->path);
    ECERT_TRY(show_both(deployment, file, now, err));
    return ecert_error_set(err, ECERT_E_CHANGED,
                           "'%s' was changed since ecert wrote it, in the lines that are to be put "
                           "back; put the two together by hand, so that no line of ecert's is "
                           "left, and run `ecert rollback %s --to 0` again, which leaves it so",
                           file->path, deployment->certificate->name);
}

/* Somebody changed the same lines: what he took ours out of is as he wants it. */
static enum ecert_status leave_or_refuse(struct ecert_deployment *deployment,
                                         const struct ecert_origin_file *file,
                                         struct ecert_view now, struct ecert_buffer *strange,
                                         struct ecert_error *err)
{
    bool ours = false;

    *err = (struct ecert_error){0};
    ECERT_TRY(ecert_origin_has_ours(ecert_secret_view(&file->before),
                                    ecert_secret_view(&file->written), now, &ours, err));
    if (ours)
        return refuse(deployment, file, now, err);
    ecert_buffer_add(strange, ecert_secret_view(&file->written)); /* nothing is put back there */
    ecert_buffer_add_text(strange, "\n");
    return ecert_strings_printf(&deployment->notes, err,
                                "'%s' has none of the lines that ecert wrote any more, and stays "
                                "as it is",
                                file->path);
}

/*
 * What the file shall hold; *ret_wanted false: it does already, or stays as it is.  `strange`: text
 * whose names are not ours to judge any more.
 */
static enum ecert_status find_content(struct ecert_deployment *deployment,
                                      const struct ecert_origin_file *file, bool exists,
                                      struct ecert_view now, struct ecert_secret *ret,
                                      bool *ret_wanted, struct ecert_buffer *strange,
                                      struct ecert_error *err)
{
    const struct ecert_view versions[] = {ecert_secret_view(&file->before), now};
    ECERT_AUTO(ecert_bytes_clear) struct ecert_bytes merged = {0};
    uint8_t sha256[ECERT_SHA256_LEN];
    size_t conflict = 0;

    ecert_sha256(now, sha256);
    const bool ours = exists && ecert_origin_wrote(file, sha256);
    *ret_wanted = exists || (file->existed && file->whole);
    if (!*ret_wanted)
        return file->existed ? ecert_strings_printf(&deployment->notes, err,
                                                    "'%s' was deleted since, and is not made again",
                                                    file->path)
                             : ECERT_OK;
    if (ours || !exists)
        return ecert_secret_copy(ecert_secret_view(&file->before), ret, err);
    if (ecert_view_equal(now, ecert_secret_view(&file->before))) {
        *ret_wanted = false;
        return ECERT_OK;
    }
    if (file->whole)
        return refuse(deployment, file, now, err);
    if (!file->existed) {
        *ret_wanted = false;
        return leave_or_refuse(deployment, file, now, strange, err);
    }
    const enum ecert_status status =
        ecert_diff_merge(ecert_secret_view(&file->written), versions, 2, &merged, &conflict, err);
    if (status == ECERT_E_CHANGED) {
        *ret_wanted = false;
        return leave_or_refuse(deployment, file, now, strange, err);
    }
    ECERT_TRY(status);
    ECERT_TRY(ecert_strings_printf(&deployment->notes, err,
                                   "'%s' was changed since ecert wrote it; those changes stay",
                                   file->path));
    return ecert_secret_copy(ecert_bytes_view(&merged), ret, err);
}

/*
 * What was written then was written there, links followed; where somebody put a link since, it must
 * not lead out of what the target may touch.  What the operator himself names (`files`) is not
 * bound to that, as long as it is where it was.
 */
static enum ecert_status check_place(const struct ecert_origin_file *file,
                                     const struct ecert_strings *places, struct ecert_error *err)
{
    ECERT_AUTO(ecert_auto_free) char *resolved = NULL;
    struct stat st;

    if (lstat(file->path, &st) != 0 && errno == ENOENT && !file->whole)
        return ECERT_OK; /* nothing will be written */
    ECERT_TRY(ecert_fs_resolve_new(file->path, &resolved, err));
    if (strcmp(resolved, file->path) != 0 && !ecert_fs_exists(resolved))
        return ecert_error_set(err, ECERT_E_CHANGED,
                               "'%s' is a link to '%s' now, where nothing is; remove the link or "
                               "make the file that it names, and run `ecert rollback` again",
                               file->path, resolved);
    if (file->whole && strcmp(resolved, file->path) == 0)
        return ECERT_OK;
    return ecert_plan_check_place(file->path, ecert_strings_array(places), err);
}

static enum ecert_status find_places(const struct ecert_config *config,
                                     const struct ecert_target_config *target,
                                     struct ecert_strings *ret, struct ecert_error *err)
{
    const struct ecert_plugin_description *plugin = ecert_config_plugin(config, target->plugin);
    const struct ecert_job_spec spec = {
        .settings = target->settings,
        .n_settings = target->n_settings,
        .may_write = ecert_strings_array(&target->may_write),
    };

    if (plugin != NULL)
        return ecert_plugin_places(&spec, plugin, ret, err);
    return ecert_strings_add_all(ret, spec.may_write, err); /* it is not installed any more */
}

static enum ecert_status add_file(struct ecert_deployment *deployment,
                                  const struct ecert_origin_file *file,
                                  const struct ecert_strings *places, struct ecert_buffer *strange,
                                  struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret now = {0};
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret content = {0};
    uint8_t sha256[ECERT_SHA256_LEN];
    bool exists = false, wanted = false;

    ECERT_TRY(check_place(file, places, err));
    ECERT_TRY(read_now(file->path, &exists, &now, err));
    ECERT_TRY(find_content(deployment, file, exists, ecert_secret_view(&now), &content, &wanted,
                           strange, err));
    if (!file->existed && exists) /* emptied by the transaction, removed after it */
        ECERT_TRY(ecert_strings_add(&deployment->emptied, file->path, err));
    if (!wanted)
        return ECERT_OK;
    ecert_sha256(ecert_secret_view(&now), sha256);
    const mode_t mode = file->owner.mode & (file->secret ? 0640 : 0775);
    if (file->existed && mode != file->owner.mode)
        ECERT_TRY(ecert_strings_printf(&deployment->notes, err,
                                       "'%s' had mode %04o; it gets %04o, which not everybody may "
                                       "use",
                                       file->path, (unsigned)file->owner.mode, (unsigned)mode));
    const struct ecert_file_record record = {
        .size = sizeof record,
        .path = file->path,
        .content = ecert_secret_view(&content),
        .secret = file->secret,
        .uid = file->existed ? (int64_t)file->owner.uid : -1,
        .gid = file->existed ? (int64_t)file->owner.gid : -1,
        .mode = file->existed ? (int32_t)mode : -1,
    };
    return ecert_plan_add_file_expecting(&deployment->plan, &record, exists, sha256, err);
}

/* What somebody did to the server's files since ecert wrote them, all in one text. */
static enum ecert_status find_strange(const struct ecert_origin *origin, struct ecert_buffer *ret,
                                      struct ecert_error *err)
{
    for (size_t i = 0; i < origin->n_files; i++) {
        const struct ecert_origin_file *file = &origin->files[i];
        ECERT_AUTO(ecert_secret_clear) struct ecert_secret now = {0};
        bool exists = false;

        if (file->whole)
            continue;
        ECERT_TRY(read_now(file->path, &exists, &now, err));
        ECERT_TRY(ecert_origin_changed_lines(ecert_secret_view(&file->written),
                                             ecert_secret_view(&now), ret, err));
    }
    return ECERT_OK;
}

/*
 * Only where something was served before there is something to see again; and only of a site that
 * nobody changed since: what a name serves that has another site now, or none, is no more for the
 * way back to judge.
 */
static enum ecert_status keep_probes(struct ecert_deployment *deployment,
                                     struct ecert_origin *origin, struct ecert_view strange,
                                     struct ecert_error *err)
{
    struct ecert_plan *plan = &deployment->plan;
    size_t kept = 0;

    for (size_t i = 0; i < plan->n_probes; i++) {
        const char *name = plan->probes[i].server_name;

        if (origin->served.items[i][0] == '\0' || !ecert_origin_names(strange, name))
            continue;
        origin->served.items[i][0] = '\0';
        ECERT_TRY(ecert_strings_printf(&deployment->notes, err,
                                       "what '%s' serves on port %u is not judged: its site was "
                                       "changed since ecert wrote it",
                                       name, (unsigned)plan->probes[i].port));
    }
    deployment->served = origin->served;
    origin->served = (struct ecert_strings){0};
    for (size_t i = 0; i < plan->n_probes; i++) {
        char *sha256 = deployment->served.items[i];

        if (sha256[0] == '\0') {
            ecert_probe_clear(&plan->probes[i]);
            free(sha256);
            continue;
        }
        plan->probes[kept] = plan->probes[i];
        deployment->served.items[kept++] = sha256;
    }
    plan->n_probes = deployment->served.len = kept;
    if (deployment->served.items != NULL)
        deployment->served.items[kept] = NULL;
    return ECERT_OK;
}

enum ecert_status ecert_deploy_prepare_restore(const struct ecert_config *config,
                                               struct ecert_deployment *deployment,
                                               struct ecert_error *err)
{
    ECERT_AUTO(ecert_origin_clear) struct ecert_origin origin = {0};
    ECERT_AUTO(ecert_strings_clear) struct ecert_strings places = {0};
    ECERT_AUTO(ecert_buffer_clear) struct ecert_buffer strange = {0};

    ECERT_TRY(ecert_origin_load(config->state_dir, deployment->certificate->name,
                                deployment->target->id, &origin, err));
    ECERT_TRY(find_places(config, deployment->target, &places, err));
    deployment->plan = origin.plan;
    origin.plan = (struct ecert_plan){0};
    for (size_t i = 0; i < origin.n_files; i++)
        ECERT_TRY(add_file(deployment, &origin.files[i], &places, &strange, err));
    ECERT_TRY(find_strange(&origin, &strange, err));
    ECERT_TRY(keep_probes(deployment, &origin, ecert_buffer_view(&strange), err));
    deployment->change = (struct ecert_change){
        .certificate = deployment->certificate->name,
        .target = deployment->target->id,
        .plan = &deployment->plan,
        .served_before = &deployment->served,
        .deployed =
            deployment->state.actual_sha256[0] == '\0' ? NULL : deployment->state.actual_sha256,
        .look = deployment->target->probe,
    };
    return ECERT_OK;
}

/* A file that was not there: it is empty now, and nothing that the server reads names it. */
static enum ecert_status remove_empty(const char *path, struct ecert_error *err)
{
    ECERT_AUTO(ecert_secret_clear) struct ecert_secret now = {0};
    ECERT_AUTO(ecert_auto_free) char *directory = NULL;
    bool exists = false;

    ECERT_TRY(read_now(path, &exists, &now, err));
    if (!exists || now.len > 0)
        return ECERT_OK;
    if (unlink(path) != 0)
        return ecert_error_errno(err, ECERT_E_IO, "remove '%s'", path);
    ECERT_TRY(ecert_text_copy(ecert_view_of(path), &directory, err));
    *strrchr(directory, '/') = '\0';
    return ecert_fs_sync_directory(directory, err);
}

enum ecert_status ecert_deploy_finish_restore(const char *state_dir,
                                              const struct ecert_deployment *deployment,
                                              struct ecert_error *err)
{
    for (size_t i = 0; i < deployment->emptied.len; i++)
        ECERT_TRY(remove_empty(deployment->emptied.items[i], err));
    return ecert_origin_remove(state_dir, deployment->certificate->name, deployment->target->id,
                               err);
}
