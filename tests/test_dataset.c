/* SPDX-License-Identifier: MIT */
/* Rows and views of both protocols, their order, IMBALANCE, permuted ratings: each against a
 * recomputation from table review. */
#include "db/setting.h"
#include "small_db.h"
#include "train/dataset.h"

static const struct small_spec crowd = {.users = 25, .businesses = 9, .rows = 600, .folds = 4,
                                        .seed = 3, .photos = 3};

static struct dataset *read_set(struct db *db, enum dataset_protocol p)
{
    struct err e;
    struct dataset *d = dataset_new(db, p, &e);
    if (!d)
        die("%s", e.text);
    return d;
}

static const char *column(int side)
{
    return side == DATASET_USER ? "user_id" : "business_id";
}

/* What the view should hold, by table review. */
static double of_members(struct db *db, const struct dataset *d, int side,
                         const struct dataset_view *v, const char *what)
{
    return small_get(db, "SELECT coalesce(%s, 0) FROM review WHERE %s = %lld AND\n"
                         "(split = 'none' OR (split = 'train' AND (%d < 0 OR\n"
                         "CASE WHEN %d THEN fold < %d ELSE fold <> %d END)))", what, column(side),
                     (long long)v->entity, v->fold, d->by_time, v->fold, v->fold);
}

static void test_views(struct db *db, const struct dataset *d, const char *name)
{
    int fold = 0, owner = 0, sums = 0, texts = 0, rows = 0, all = 0;
    for (int i = 0; i < d->n; i++)
        for (int side = 0; side < 2; side++, all++) {
            const struct dataset_view *v = &d->views[side][d->view[side][i]];
            int own = d->split[i] == DATASET_TRAIN && d->protocol == DATASET_CROSSFIT;
            fold += v->fold == (own ? d->fold[i] : -1);
            owner += (double)v->entity == small_get(db, "SELECT %s FROM review WHERE id = %lld",
                                                    column(side), (long long)d->review[i]);
        }
    for (int i = 0; i < d->n; i++)
        rows += small_get(db, "SELECT split = '%s' AND positive = %d AND rating = %g AND\n"
                              "coalesce(fold, -1) = %d AND (content_id IS NOT NULL) = %d\n"
                              "FROM review WHERE id = %lld", dataset_split_name[d->split[i]],
                          d->label[i], (double)d->rating[i], d->fold[i], d->has_text[i],
                          (long long)d->review[i]) == 1;
    ok(rows == d->n && d->n == (int)small_get(db, "SELECT sum(labelled) FROM review"),
       "%s: all labelled reviews, with what is theirs", name);
    ok(fold == all && owner == all, "%s: each row looks at its fold's sets of its own two", name);
    for (int side = all = 0; side < 2; side++)
        for (int k = 0; k < d->n_views[side]; k++, all++) {
            const struct dataset_view *v = &d->views[side][k];
            sums += of_members(db, d, side, v, "sum(rating * labelled)") == v->rating_sum &&
                    of_members(db, d, side, v, "sum(labelled)") == v->n_labelled;
            texts += of_members(db, d, side, v, "count(content_id)") == v->n_text;
        }
    ok(sums == all && texts == all, "%s: %d views hold what table review says", name, all);
    double mean = small_get(db, "SELECT avg(rating) FROM review WHERE split = 'train'");
    near(d->mean_rating, mean, 1e-12, "mean of the train rows");
}

static void test_protocols(struct db *db)
{
    struct dataset *d = read_set(db, DATASET_CROSSFIT), *p = read_set(db, DATASET_PAPER);
    test_views(db, d, "crossfit");
    test_views(db, p, "paper");
    ok(d->folds == 4 && d->by_time == 0 && d->left_out == 0, "4 folds, not by time");
    ok(p->n_views[0] < d->n_views[0] && p->n_views[0] <= crowd.users, "paper: one set each");
    int in_order = 0, n = 0;
    for (int s = 0; s < DATASET_SPLITS; s++)
        for (int i = 0; i < d->n_ids[s]; i++, n++)
            in_order += d->split[d->ids[s][i]] == s && (i == 0 || d->ids[s][i] > d->ids[s][i - 1]);
    ok(n == d->n && in_order == n, "rows of the splits, in order, each once");
    dataset_free(p);
    dataset_free(d);
}

static int same_bytes(const void *a, const void *b, int n, size_t size)
{
    return memcmp(a, b, (size_t)n * size) == 0;
}

/* All but the ids of review and of views. */
static int same_data(const struct dataset *a, const struct dataset *b)
{
    int same = a->n == b->n && a->folds == b->folds && a->left_out == b->left_out &&
               same_bytes(a->label, b->label, a->n, 1) &&
               same_bytes(a->split, b->split, a->n, 1) &&
               same_bytes(a->fold, b->fold, a->n, sizeof(int)) &&
               same_bytes(a->rating, b->rating, a->n, sizeof(float)) &&
               same_bytes(a->has_text, b->has_text, a->n, 1);
    for (int s = 0; s < 2 && same; s++) {
        same &= a->n_views[s] == b->n_views[s] &&
                same_bytes(a->view[s], b->view[s], a->n, sizeof(int));
        for (int k = 0; k < a->n_views[s] && same; k++) {
            const struct dataset_view *v = &a->views[s][k], *w = &b->views[s][k];
            same &= v->fold == w->fold && v->n_text == w->n_text && v->n_photo == w->n_photo &&
                    v->n_labelled == w->n_labelled && v->rating_sum == w->rating_sum &&
                    same_bytes(v->text_digest, w->text_digest, 1, 32);
        }
    }
    return same;
}

static void test_order(struct db *db, struct db *other)
{
    static const char same_id[] = "SELECT count(*) FROM review r WHERE r.id = 1 AND r.line = 1";
    ok(small_get(db, same_id) != small_get(other, same_id), "row ids differ");
    ok(small_get(db, "SELECT sum(nth) FROM review") > 10, "reviews of one user, business, time");
    for (int p = 0; p < DATASET_PROTOCOLS; p++) {
        struct dataset *a = read_set(db, p), *b = read_set(other, p);
        ok(same_data(a, b), "%s: rows do not depend on the order they came in",
           dataset_protocol_name[p]);
        dataset_free(a);
        dataset_free(b);
    }
}

/* ---- IMBALANCE ---- */

static void count(const struct dataset *d, int split, int *positive, int *negative)
{
    *positive = *negative = 0;
    for (int i = 0; i < d->n_ids[split]; i++)
        ++*(d->label[d->ids[split][i]] ? positive : negative);
}

static void test_imbalance(struct db *db, struct db *other)
{
    struct err e;
    struct dataset *whole = read_set(db, DATASET_CROSSFIT);
    for (int s = 0; s < 2; s++)
        if (setting_change(s ? other : db, "IMBALANCE", "0.2", &e) < 0)
            die("%s", e.text);
    struct dataset *a = read_set(db, DATASET_CROSSFIT), *b = read_set(other, DATASET_CROSSFIT);
    int share = 1, p0, n0, p, n;
    for (int s = 0; s < DATASET_SPLITS; s++) {
        count(whole, s, &p0, &n0);
        count(a, s, &p, &n);
        share &= p == p0 && n == (int)(0.25 * p) && n < n0;
        printf("# %s: %d positives, %d of %d negatives\n", dataset_split_name[s], p, n, n0);
    }
    ok(share, "a quarter as many negatives as positives in each split, all positives");
    ok(a->left_out == whole->n - a->n, "and what is left out is counted");
    ok(same_data(a, b), "whatever order the rows came in");
    int kept = 1;
    for (int i = 0, k = 0; i < whole->n; i++)
        if (k < a->n && whole->review[i] == a->review[k]) {
            const struct dataset_view *v = &whole->views[0][whole->view[0][i]];
            kept &= a->views[0][a->view[0][k]].rating_sum == v->rating_sum &&
                    a->label[k] == whole->label[i] && a->rating[k] == whole->rating[i];
            k++;
        } else
            kept &= !whole->label[i];
    ok(kept, "those kept are in order, and look at the same sets");
    db_set_setting(db, "SPLIT_SEED", "8");
    struct dataset *c = read_set(db, DATASET_CROSSFIT);
    ok(c->n == a->n && !same_bytes(c->review, a->review, a->n, sizeof *a->review),
       "another seed leaves out others");
    db_set_setting(db, "IMBALANCE", "0.9");
    struct dataset *all = read_set(db, DATASET_CROSSFIT);
    ok(all->n == whole->n && all->left_out == 0, "a share that is not reached leaves all");
    db_set_setting(db, "SPLIT_SEED", "1");
    db_set_setting(db, "IMBALANCE", "0");
    db_set_setting(other, "IMBALANCE", "0");
    dataset_free(whole);
    dataset_free(a);
    dataset_free(b);
    dataset_free(c);
    dataset_free(all);
}

/* Many reviews of one user, business and time: nothing but their content tells them apart. */
static void test_twins(void)
{
    struct small_spec few = crowd;
    few.users = 4;
    few.businesses = 2;
    struct dataset *d[2];
    for (int k = 0; k < 2; k++) {
        struct db *db = small_open(k ? "twins1.db" : "twins0.db");
        few.order = k;
        small_fill(db, &few);
        db_set_setting(db, "IMBALANCE", "0.15");
        d[k] = read_set(db, DATASET_CROSSFIT);
        db_close(db);
    }
    ok(same_data(d[0], d[1]), "also among reviews that share user, business and time");
    dataset_free(d[0]);
    dataset_free(d[1]);
}

/* ---- permuted ratings ---- */

/* The sums of all views against the ratings of d: straight from fold and entity of each row. */
static int sums_right(const struct dataset *d)
{
    int right = 1;
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < d->n_views[side]; k++) {
            const struct dataset_view *v = &d->views[side][k];
            double sum = 0;
            int n = 0;
            for (int i = 0; i < d->n; i++) {
                int sees = v->fold < 0 || (d->by_time ? d->fold[i] < v->fold
                                                      : d->fold[i] != v->fold);
                if (d->split[i] == DATASET_TRAIN && sees &&
                    d->views[side][d->view[side][i]].entity == v->entity)
                    sum += (double)d->rating[i], n++;
            }
            right &= fabs(sum - v->rating_sum) < 1e-9 && n == v->n_labelled;
        }
    return right;
}

static void test_permute(struct db *db, enum dataset_protocol protocol, const char *name)
{
    struct dataset *was = read_set(db, protocol), *d = read_set(db, protocol);
    int stars[2][6] = {{0}}, others = 1, labels = 1, moved = 0;
    ok(sums_right(d), "%s: sums of the read ratings", name);
    dataset_permute(d, 1);
    ok(sums_right(d), "%s: sums are those of the permuted ratings", name);
    for (int i = 0; i < d->n; i++) {
        stars[0][(int)was->rating[i]]++;
        stars[1][(int)d->rating[i]]++;
        labels &= d->label[i] == (d->rating[i] >= 4);
        moved += d->rating[i] != was->rating[i];
        if (d->split[i] != DATASET_TRAIN)
            others &= d->rating[i] == was->rating[i] && d->label[i] == was->label[i];
    }
    ok(labels && others && same_bytes(stars[0], stars[1], 6, sizeof(int)),
       "%s: the same ratings with their labels, only among train rows", name);
    ok(moved > d->n / 3, "%s: %d of %d moved", name, moved, d->n);
    struct dataset *again = read_set(db, protocol);
    dataset_permute(again, 1);
    ok(same_bytes(again->rating, d->rating, d->n, sizeof *d->rating), "%s: seeded", name);
    dataset_permute(again, 2);
    ok(!same_bytes(again->rating, d->rating, d->n, sizeof *d->rating) && sums_right(again),
       "%s: another seed is another shuffle, sums still right", name);
    dataset_free(was);
    dataset_free(d);
    dataset_free(again);
}

static void test_nothing(void)
{
    struct err e = {""};
    struct db *db = small_open("none.db");
    ok(!dataset_new(db, DATASET_CROSSFIT, &e) && strstr(e.text, "0 labelled reviews"), "none: %s",
       e.text);
    struct small_spec one = crowd;
    one.rows = 60;
    small_fill(db, &one);
    db_exec(db, "UPDATE review SET split = 'test' WHERE split = 'val'");
    ok(!dataset_new(db, DATASET_CROSSFIT, &e) && strstr(e.text, "0 to validate"), "%s", e.text);
    db_close(db);
}

int main(void)
{
    struct small_spec shuffled = crowd, timed = crowd;
    struct db *db = small_open("a.db"), *other = small_open("b.db"), *t = small_open("t.db");
    shuffled.order = 5;
    timed.by_time = 1;
    small_fill(db, &crowd);
    small_fill(other, &shuffled);
    small_fill(t, &timed);
    test_protocols(db);
    struct dataset *d = read_set(t, DATASET_CROSSFIT);
    ok(d->by_time, "folds by time");
    test_views(t, d, "by time");
    dataset_free(d);
    test_order(db, other);
    test_imbalance(db, other);
    test_twins();
    test_permute(db, DATASET_CROSSFIT, "crossfit");
    test_permute(db, DATASET_PAPER, "paper");
    test_permute(t, DATASET_CROSSFIT, "by time");
    test_nothing();
    db_close(db);
    db_close(other);
    db_close(t);
    return small_end();
}
