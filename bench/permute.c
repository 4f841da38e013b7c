/* SPDX-License-Identifier: MIT */
/* Does anything leak? Ratings and labels are permuted among the train rows, everything that
 * learns is fitted anew, and a fold that training leaves out is scored with the features it
 * would have: only leakage can lift its AUC above 0.5. Texts and captions stay where they are.
 * usage: permute DB PERMUTATIONS [PAPER]     PAPER 1: also runs of 300 epochs and more
 * Models of captions are left out where there are none. Prints per model: mean AUC over permutations (fold = permutation modulo folds), its standard
 * error, the largest distance from 0.5. */
#include "base/util.h"
#include "db/db.h"
#include "db/method.h"
#include "nn/blas.h"
#include "train/entity.h"
#include "train/reduce.h"
#include "train/run.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DENSE = 8 };
#define DENSE_NAMES \
    "user_mean user_count business_mean business_count user_cold business_cold price price_known"

/* What is fitted: a model of run.h on some blocks. */
static const struct subject {
    const char *name, *kind, *blocks;
    int dense, sparse, paper; /* paper: by its rules; all epochs, fpr */
    enum reduce_mode mode;
} subjects[] = {
    {"means", "means", "", 0, 0, 0, REDUCE_FOLDS},
    {"logistic", "logistic", "text image", 1, 1, 0, REDUCE_FOLDS},
    {"dense alone", "dlrm", "", 1, 0, 0, REDUCE_FOLDS},
    {"proposed", "dlrm", "text image", 1, 1, 0, REDUCE_FOLDS},
    {"proposed-text", "dlrm", "text", 1, 1, 0, REDUCE_FOLDS},
    {"proposed-image", "dlrm", "image", 0, 0, 0, REDUCE_FOLDS},
    {"baseline", "dlrm", "average", 1, 0, 0, REDUCE_FOLDS},
    {"proposed-text, one reducer", "dlrm", "text", 1, 1, 0, REDUCE_SINGLE},
    {"proposed-image, one reducer", "dlrm", "image", 0, 0, 0, REDUCE_SINGLE},
    {"proposed, paper's rules", "dlrm", "text image", 1, 1, 1, REDUCE_SINGLE},
    {"proposed-text, paper's rules", "dlrm", "text", 1, 1, 1, REDUCE_SINGLE},
    {"proposed-image, paper's rules", "dlrm", "image", 0, 0, 1, REDUCE_SINGLE}};

enum { SUBJECTS = ARRAY_LEN(subjects), BLOCKS = 3 };
static const char *const block_name[BLOCKS] = {"text", "image", "average"};

static int has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return 1;
    return 0;
}

struct inputs {
    struct block b;
    struct entity_matrix m[BLOCK_INPUTS];
    struct samples_block part[BLOCK_INPUTS];
    struct samples samples;
};

static void read_inputs(struct inputs *in, const struct dataset *d, struct db *db, const char *name)
{
    struct err e;
    if (block_read(&in->b, db, name, &e) < 0)
        die("%s", e.text);
    int n = 0;
    for (int k = 0; k < in->b.n_inputs; k++) {
        struct entity_job job = {.d = d, .db = db, .in = &entity_inputs[in->b.input[k]],
                                 .who = &in->b.who, .dir = "/tmp"};
        if (entity_read(&in->m[k], &job, &e) < 0)
            die("%s", e.text);
        if (in->m[k].n_rows > 0)
            in->part[n++] = (struct samples_block){in->m[k].rows, in->m[k].n_rows, in->m[k].dim,
                                                   in->m[k].of};
    }
    in->samples = (struct samples){.n = d->n, .label = d->label, .n_blocks = n,
                                   .blocks = in->part};
}

struct tables {
    struct dataset *d;
    struct db *db;
    float *dense;
    int *bags, n_categories, has[BLOCKS];
    struct reduce_fit fit[BLOCKS][REDUCE_MODES];
};

static void fill_features(struct features *f, const struct subject *s, const struct tables *t)
{
    *f = (struct features){.file.fd = -1, .interaction_cat = 1};
    snprintf(f->kind, sizeof f->kind, "%s", s->kind);
    f->samples = (struct samples){.n = t->d->n, .label = t->d->label, .blocks = f->block};
    if (s->dense) {
        f->samples.n_dense = DENSE;
        f->samples.dense = t->dense;
    }
    if (s->sparse && t->n_categories) {
        f->samples.bag = DENSE_BAG;
        f->samples.bags = t->bags;
        f->samples.n_categories = t->n_categories;
    }
    for (int b = 0; b < BLOCKS; b++)
        if (has_word(s->blocks, block_name[b]) && t->fit[b][s->mode].features)
            f->block[f->samples.n_blocks++] = (struct samples_block){
                t->fit[b][s->mode].features, t->d->n, BLOCK_DIM, NULL};
}

/* Not on data without captions, and by the paper's rules only where they are asked for.
 * Logistic regression goes without the blocks that are missing, as in mm-train. */
static int is_fitted(const struct subject *s, const struct tables *t, int paper)
{
    if (s->paper && !paper)
        return 0;
    for (int b = 0; b < BLOCKS; b++)
        if (has_word(s->blocks, block_name[b]) && !t->has[b] && strcmp(s->kind, "dlrm") == 0)
            return 0;
    return 1;
}

/* AUC of the rows of a fold that training does not see. */
static double held_out(const struct subject *s, const struct tables *t, int fold)
{
    struct dataset *d = t->d;
    struct features f;
    struct run_result r;
    struct err e;
    int *train = d->ids[DATASET_TRAIN], n = d->n_ids[DATASET_TRAIN], kept = 0, out = 0;
    int *ids = xcalloc((size_t)n, sizeof *ids);
    unsigned char *label = xcalloc((size_t)n, 1);
    float *p = xcalloc((size_t)n, sizeof *p);
    for (int i = 0; i < n; i++)
        if (d->fold[train[i]] != fold)
            ids[kept++] = train[i];
    fill_features(&f, s, t);
    struct run_job job = {.f = &f, .d = d, .weighting = TRAINER_BASIC, .dropout = 0.3f, .seed = 1,
                          .lr = 0.01, .batch = 2048, .decay = s->paper ? 0 : 5,
                          .stopping = s->paper ? TRAINER_BY_FPR : TRAINER_BY_LOSS};
    d->ids[DATASET_TRAIN] = ids;
    d->n_ids[DATASET_TRAIN] = kept;
    int rc = run_train(&r, &job, &e);
    d->ids[DATASET_TRAIN] = train;
    d->n_ids[DATASET_TRAIN] = n;
    if (rc < 0)
        die("%s: %s", s->name, e.text);
    for (int i = 0; i < n; i++)
        if (d->fold[train[i]] == fold) {
            label[out] = d->label[train[i]];
            p[out++] = r.p[train[i]];
        }
    double auc = metrics_auc(label, p, out);
    run_result_release(&r);
    free(ids);
    free(label);
    free(p);
    return auc;
}

static void fit_reducers(struct tables *t, struct inputs *in)
{
    struct reduce_fit all[BLOCKS * REDUCE_MODES], *to[BLOCKS * REDUCE_MODES];
    int n = 0;
    for (int b = 0; b < BLOCKS; b++)
        for (int m = 0; t->has[b] && m < REDUCE_MODES; m++) {
            to[n] = &t->fit[b][m];
            all[n++] = (struct reduce_fit){.d = t->d, .samples = &in[b].samples,
                                           .mode = (enum reduce_mode)m, .dir = "/tmp"};
        }
    reduce_run(all, n, cpu_count(), NULL);
    for (int i = 0; i < n; i++) {
        if (all[i].failed)
            die("%s", all[i].err.text);
        *to[i] = all[i];
    }
}

static void report(const struct subject *s, const double *auc, int n)
{
    double mean, sd, far = 0;
    metrics_mean_sd(&mean, &sd, auc, n);
    for (int i = 0; i < n; i++)
        far = fmax(far, fabs(auc[i] - 0.5));
    printf("permuted, %s: AUC %.4f +- %.4f over %d permutations, at most %.3f from 0.5\n", s->name,
           mean, sd / sqrt(n), n, far);
}

int main(int argc, char **argv)
{
    struct err e;
    int64_t n = 0, paper = 0;
    util_program = "permute";
    if (argc < 3 || parse_int(&n, argv[2], 1, 1000, &e) < 0 ||
        (argc > 3 && parse_int(&paper, argv[3], 0, 1, &e) < 0))
        die_usage("usage: permute DB PERMUTATIONS [PAPER]");
    blas_single_thread();
    struct db *db = db_open(argv[1], DB_READ, &e);
    struct tables t = {.db = db, .d = db ? dataset_new(db, DATASET_CROSSFIT, &e) : NULL};
    struct inputs *in = xcalloc(BLOCKS, sizeof *in);
    struct dense_columns c;
    if (!t.d || dense_parse(&c, DENSE_NAMES, &e) < 0)
        die("%s", e.text);
    for (int b = 0; b < BLOCKS; b++) {
        read_inputs(&in[b], t.d, db, block_name[b]);
        t.has[b] = in[b].samples.n_blocks > 0;
    }
    t.dense = xcalloc((size_t)t.d->n * DENSE, sizeof *t.dense);
    t.bags = xcalloc((size_t)t.d->n * DENSE_BAG, sizeof *t.bags);
    t.n_categories = dense_vocabulary(t.d, db, method_current(db, "category", NULL));
    dense_bags(t.bags, t.n_categories, t.d, db, method_current(db, "category", NULL));
    double *auc = xcalloc((size_t)(SUBJECTS * n), sizeof *auc);
    for (int i = 0; i < n; i++) {
        dataset_permute(t.d, (uint64_t)i + 1);
        dense_fill(t.dense, DENSE, &c, t.d, db, method_current(db, "price", NULL));
        fit_reducers(&t, in);
        for (int s = 0; s < (int)SUBJECTS; s++)
            if (is_fitted(&subjects[s], &t, (int)paper))
                auc[s * n + i] = held_out(&subjects[s], &t, i % t.d->folds);
        for (int k = 0; k < BLOCKS * REDUCE_MODES; k++)
            if (t.has[k / REDUCE_MODES])
                reduce_release(&t.fit[k / REDUCE_MODES][k % REDUCE_MODES]);
    }
    for (int s = 0; s < (int)SUBJECTS; s++)
        if (is_fitted(&subjects[s], &t, (int)paper))
            report(&subjects[s], auc + s * n, (int)n);
    for (int b = 0; b < BLOCKS; b++)
        for (int k = 0; k < BLOCK_INPUTS; k++)
            entity_release(&in[b].m[k]);
    free(in);
    free(auc);
    free(t.dense);
    free(t.bags);
    dataset_free(t.d);
    db_close(db);
    return close_stdout(EXIT_DONE);
}
