/* SPDX-License-Identifier: MIT */
/* mm-merge: takes over the runs that copies of a database have trained. */
#include "base/opts.h"
#include "base/util.h"
#include "db/db.h"
#include "db/stage.h"
#include "train/merge.h"

static const struct opts_about about = {
    "mm-merge", "[options] PART.db...", "Takes over the runs that other copies have trained."};

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const struct opt_def defs[] = {{0}};
    int first = opts_parse(argc, argv, &about, defs, &o), status = EXIT_DONE;
    struct merge m = {0};
    struct err e;
    if (!argv[first])
        die_usage("name the part files");
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    for (char **part = argv + first; *part; part++)
        if (merge_from(&m, db, *part, o.plan, &e) < 0) {
            warn("%s", e.text);
            status = EXIT_FAILED;
        }
    if (o.plan && m.runs > 0)
        printf("merge\truns\t%lld\tnot here yet\n", (long long)m.runs);
    info("%s: %lld runs taken, %lld known; of %lld predictions that both had %lld differ by more "
         "than 1e-5, the largest by %.2g", o.plan ? "plan" : "done", (long long)m.runs,
         (long long)m.known, (long long)m.predictions, (long long)m.differ, m.largest);
    if (status == EXIT_DONE && o.plan && m.runs > 0)
        status = EXIT_PENDING;
    db_close(db);
    return close_stdout(status);
}
