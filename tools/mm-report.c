/* SPDX-License-Identifier: MIT */
/* mm-report: report.html, report.md, table1.csv and table2.csv from the views. */
#include "base/buf.h"
#include "base/opts.h"
#include "base/util.h"
#include "db/db.h"
#include "db/stage.h"
#include "report/report.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct opts_about about = {
    "mm-report", "[options]", "Writes the report: report.html, report.md and the two tables."};

static int plan(struct db *db)
{
    struct buf why = {0};
    int fresh = stage_fresh(db, stage_find("report"), &why);
    if (!fresh)
        printf("report\tfiles\t1\t%s\n", buf_str(&why));
    buf_release(&why);
    return fresh ? EXIT_DONE : EXIT_PENDING;
}

static int run(struct db *db, const struct opts *o, const char *dir)
{
    struct stage s;
    struct err e;
    if (o->plan)
        return plan(db);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        die("%s: %s", dir, strerror(errno));
    stage_begin(&s, db, "report", o);
    if (report_write(db, dir, &e) < 0) {
        warn("%s", e.text);
        s.failed = 1;
        s.cut = 1;
    } else
        s.done = 4;
    buf_addf(&s.note, "%s/report.html", dir);
    int failed = s.failed > 0, status = stage_end(&s);
    return failed && status == EXIT_DONE ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    struct opts o = opts_default;
    const char *dir = NULL;
    const struct opt_def defs[] = {
        {"out", OPT_STRING, &dir, 0, 0, "DIR", "folder of the files; the database's name with .d"},
        {0}};
    int first = opts_parse(argc, argv, &about, defs, &o);
    if (argv[first])
        die_usage("no arguments are taken, got '%s'", argv[first]);
    struct db *db = stage_open(&o, 0);
    if (!db)
        return close_stdout(EXIT_FAILED);
    char *beside = xasprintf("%s.d", o.db);
    int status = run(db, &o, dir ? dir : beside);
    free(beside);
    db_close(db);
    return close_stdout(status);
}
