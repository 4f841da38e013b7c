/* SPDX-License-Identifier: MIT */
/* Dense features against a recomputation from table review, for both protocols; the vocabulary
 * of categories and the bags. */
#include "small_db.h"
#include "train/dense.h"

enum { MEAN, COUNT, TEXTS, COLD, KINDS };

static const char names[] = "user_mean user_count user_texts user_cold business_mean "
                            "business_count business_texts business_cold photo_count price "
                            "price_known";
enum { COLUMNS = 11, PRICE = 9 };

static struct dataset *read_set(struct db *db, enum dataset_protocol p)
{
    struct err e;
    struct dataset *d = dataset_new(db, p, &e);
    if (!d)
        die("%s", e.text);
    return d;
}

/* What row i may know of its user (side 0) or business, straight from table review. */
static void recompute(double x[KINDS], struct db *db, const struct dataset *d, int i, int side)
{
    static const char members[] =
        "FROM review r, review o WHERE o.id = %lld AND CASE %d WHEN 0 THEN r.user_id = o.user_id\n"
        "ELSE r.business_id = o.business_id END AND (r.split = 'none' OR (r.split = 'train' AND\n"
        "CASE WHEN %d THEN r.id <> o.id ELSE o.split <> 'train' OR r.fold <> o.fold END))";
    int paper = d->protocol == DATASET_PAPER;
    char *where = sqlite3_mprintf(members, (long long)d->review[i], side, paper);
    double n = small_get(db, "SELECT coalesce(sum(r.labelled), 0) %s", where);
    double sum = small_get(db, "SELECT coalesce(sum(r.rating * r.labelled), 0) %s", where);
    double texts = small_get(db, "SELECT count(r.content_id) %s", where);
    double mu = small_get(db, "SELECT avg(rating) FROM review WHERE split = 'train'");
    x[MEAN] = !paper ? (sum + 5 * mu) / (n + 5) : n > 0 ? sum / n : mu;
    x[COUNT] = log(1 + n);
    x[TEXTS] = log(1 + texts);
    x[COLD] = n == 0 && texts == 0;
    sqlite3_free(where);
}

static void standardise(double *x, const struct dataset *d)
{
    double mean = 0, var = 0;
    int n = d->n_ids[DATASET_TRAIN];
    for (int i = 0; i < d->n; i++)
        mean += d->split[i] == DATASET_TRAIN ? x[i] / n : 0;
    for (int i = 0; i < d->n; i++)
        var += d->split[i] == DATASET_TRAIN ? (x[i] - mean) * (x[i] - mean) / n : 0;
    for (int i = 0; i < d->n; i++)
        x[i] = var > 0 ? (x[i] - mean) / sqrt(var) : 0;
}

static float *fill(const struct dataset *d, struct db *db, int64_t price)
{
    struct dense_columns c;
    struct err e;
    if (dense_parse(&c, names, &e) < 0 || c.n != COLUMNS)
        die("%s", e.text);
    float *x = xcalloc((size_t)d->n * (COLUMNS + 1), sizeof *x);
    for (int i = 0; i < d->n * (COLUMNS + 1); i++)
        x[i] = 77;
    dense_fill(x, COLUMNS + 1, &c, d, db, price);
    return x;
}

static void test_protocol(struct db *db, enum dataset_protocol p)
{
    static const char *const kind[KINDS] = {"means", "counts", "texts", "cold flags"};
    struct dataset *d = read_set(db, p);
    float *x = fill(d, db, 0);
    double *want[2][KINDS], worst[KINDS] = {0};
    int alone = 0, padding = 1, constant = 1;
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < KINDS; k++)
            want[side][k] = xcalloc((size_t)d->n, sizeof(double));
    for (int i = 0; i < d->n; i++)
        for (int side = 0; side < 2; side++) {
            double one[KINDS];
            recompute(one, db, d, i, side);
            for (int k = 0; k < KINDS; k++)
                want[side][k][i] = one[k];
            alone += d->split[i] == DATASET_TRAIN && one[COUNT] == 0;
        }
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < KINDS; k++) {
            standardise(want[side][k], d);
            for (int i = 0; i < d->n; i++) {
                float got = x[i * (COLUMNS + 1) + side * KINDS + k];
                worst[k] = fmax(worst[k], fabs((double)got - want[side][k][i]));
            }
            free(want[side][k]);
        }
    for (int i = 0; i < d->n; i++) {
        padding &= x[i * (COLUMNS + 1) + COLUMNS] == 77;
        constant &= x[i * (COLUMNS + 1) + PRICE] == 0;
    }
    for (int k = 0; k < KINDS; k++)
        ok(worst[k] < 2e-5, "%s: %s are right to %.1e", dataset_protocol_name[p], kind[k],
           worst[k]);
    ok(alone > 3, "%d train rows have no other review to look at", alone);
    ok(padding && constant, "a constant column is 0, other columns are untouched");
    free(x);
    dataset_free(d);
}

static void test_prices(struct db *db)
{
    static const char *const tag[] = {"over-priced", "fair", "cheap", "none"};
    static const double value[] = {1, 0, -1, 0};
    struct dataset *d = read_set(db, DATASET_CROSSFIT);
    double *want = xcalloc((size_t)d->n, sizeof *want);
    double *known = xcalloc((size_t)d->n, sizeof *known);
    double *photos = xcalloc((size_t)d->n, sizeof *photos), worst = 0;
    for (int k = 0; k < d->n_views[DATASET_BUSINESS]; k++)
        if (k % 5 < 4) /* every fifth has none */
            for (int method = 1; method < 3; method++)
                small_sql(db, "INSERT INTO price_tag (visible_id, method_id, set_digest, tag)\n"
                              "VALUES (%lld, %d, x'', '%s')",
                          (long long)d->views[DATASET_BUSINESS][k].id, method,
                          tag[(k + method) % 4]);
    float *x = fill(d, db, 2);
    for (int i = 0; i < d->n; i++) {
        int k = d->view[DATASET_BUSINESS][i];
        want[i] = k % 5 < 4 ? value[(k + 2) % 4] : 0;
        known[i] = k % 5 < 4 && (k + 2) % 4 < 3;
        photos[i] = log(1 + small_get(db, "SELECT count(*) FROM image i JOIN review o\n"
                                          "USING (business_id) LEFT JOIN review r\n"
                                          "ON r.id = i.review_id WHERE o.id = %lld AND\n"
                                          "(i.review_id IS NULL OR r.split = 'none' OR\n"
                                          "(r.split = 'train' AND r.fold IS NOT o.fold))",
                                      (long long)d->review[i]));
    }
    standardise(want, d);
    standardise(known, d);
    standardise(photos, d);
    for (int i = 0; i < d->n; i++) {
        const float *row = x + i * (COLUMNS + 1) + PRICE;
        worst = fmax(worst, fmax(fabs((double)row[0] - want[i]), fabs((double)row[1] - known[i])));
        worst = fmax(worst, fabs((double)row[-1] - photos[i]));
    }
    ok(worst < 1e-5, "photos, and tags of the method asked for, off by at most %.1e", worst);
    free(want);
    free(known);
    free(photos);
    free(x);
    dataset_free(d);
}

static void test_names(void)
{
    struct dense_columns c;
    struct err e = {""};
    ok(dense_parse(&c, "", &e) == 0 && c.n == 0, "no columns");
    ok(dense_parse(&c, "  price   user_mean ", &e) == 0 && c.n == 2, "blanks in between");
    ok(dense_parse(&c, "price prize", &e) < 0 && strstr(e.text, "'prize'"), "unknown: %s", e.text);
    char many[65 * 6 + 1] = "";
    for (int i = 0; i < 64; i++)
        strcat(many, "price ");
    ok(dense_parse(&c, many, &e) == 0 && c.n == 64, "64 columns");
    strcat(many, "price ");
    ok(dense_parse(&c, many, &e) < 0, "and no more: %s", e.text);
    ok(strstr(e.text, "64") != NULL, "which the message says");
}

/* ---- categories ---- */

static void put_category(struct db *db, const struct dataset *d, int view, int position,
                         const char *name)
{
    small_sql(db, "INSERT INTO category (visible_id, method_id, set_digest, position, name)\n"
                  "VALUES (%lld, 7, x'', %d, '%s')",
              (long long)d->views[DATASET_BUSINESS][view].id, position, name);
}

/* Business views by who looks at them: by_train 1 some train row, 0 none. */
static int nth_view(const struct dataset *d, int by_train, int nth)
{
    for (int k = 0; k < d->n_views[DATASET_BUSINESS]; k++) {
        int seen = 0;
        for (int i = 0; i < d->n; i++)
            seen |= d->split[i] == DATASET_TRAIN && d->view[DATASET_BUSINESS][i] == k;
        if (seen == by_train && nth-- == 0)
            return k;
    }
    die("no such view");
}

static void test_categories(struct db *db)
{
    struct dataset *d = read_set(db, DATASET_CROSSFIT);
    int *bags = xcalloc((size_t)d->n * DENSE_BAG, sizeof *bags), right = 1, seen[3] = {0};
    ok(dense_vocabulary(d, db, 7) == 0, "no categories");
    int a = nth_view(d, 1, 0), b = nth_view(d, 1, 1), full = nth_view(d, 0, 0);
    put_category(db, d, a, 0, "Thai");
    put_category(db, d, a, 1, "rare");
    put_category(db, d, a, 2, "Bar");
    put_category(db, d, b, 0, "Bar");
    put_category(db, d, b, 1, "Thai");
    for (int k = 0; k < 3; k++)
        put_category(db, d, nth_view(d, 0, k), 0, "held out");
    put_category(db, d, full, 1, "Thai");
    small_sql(db, "INSERT INTO category (visible_id, method_id, set_digest, position, name)\n"
                  "SELECT visible_id, 8, x'', position, 'other' FROM category");
    ok(dense_vocabulary(d, db, 7) == 2, "two: names of a method on two views of train rows");
    dense_bags(bags, 2, d, db, 7);
    for (int i = 0; i < d->n; i++) {
        const int *bag = bags + i * DENSE_BAG;
        int v = d->view[DATASET_BUSINESS][i], want[2] = {2, 2}; /* Bar 0, Thai 1, padding 2 */
        if (v == a || v == full)
            want[0] = 1;
        if (v == a)
            want[1] = 0;
        if (v == b)
            want[0] = 0, want[1] = 1;
        right &= bag[0] == want[0] && bag[1] == want[1];
        for (int k = 2; k < DENSE_BAG; k++)
            right &= bag[k] == 2;
        seen[0] += v == a, seen[1] += v == b, seen[2] += v == full;
    }
    ok(right && seen[0] && seen[1] && seen[2], "bags in their order, padded, rare ones left out");
    for (int k = 0; k < 9; k++) {
        char name[2] = {(char)('a' + k), 0};
        put_category(db, d, b, k + 2, name);
        if (k < 8)
            put_category(db, d, a, k + 3, name);
    }
    ok(dense_vocabulary(d, db, 7) == 10, "ten");
    dense_bags(bags, 10, d, db, 7);
    int whole = 0;
    for (int i = 0; i < d->n; i++)
        if (d->view[DATASET_BUSINESS][i] == b)
            whole = bags[i * DENSE_BAG + 10] == 10 && bags[i * DENSE_BAG + 9] == 9 &&
                    bags[i * DENSE_BAG + 2] == 2;
    ok(whole, "alphabetical, upper case first; the eleventh, on one view only, is left out");
    free(bags);
    dataset_free(d);
}

/* A rare name goes to what it ends with. */
static void test_rare(struct db *db)
{
    struct dataset *d = read_set(db, DATASET_CROSSFIT);
    int *bags = xcalloc((size_t)d->n * DENSE_BAG, sizeof *bags);
    int a = nth_view(d, 1, 0), b = nth_view(d, 1, 1), c = nth_view(d, 1, 2);
    small_sql(db, "DELETE FROM category");
    put_category(db, d, a, 0, "pizza");
    put_category(db, d, b, 0, "pizza");
    put_category(db, d, b, 1, "thin pizza");
    put_category(db, d, b, 2, "pizzeria");
    put_category(db, d, c, 0, "wood fired pizza");
    ok(dense_vocabulary(d, db, 7) == 1, "rare names are no words of their own");
    dense_bags(bags, 1, d, db, 7);
    int right = 1, seen = 0;
    for (int i = 0; i < d->n; i++) {
        int v = d->view[DATASET_BUSINESS][i], has = v == a || v == b || v == c;
        right &= bags[i * DENSE_BAG] == !has && bags[i * DENSE_BAG + 1] == 1;
        seen |= (v == b) + 2 * (v == c);
    }
    ok(right && seen == 3, "but go to the one they end with, once a bag");
    free(bags);
    dataset_free(d);
}

int main(void)
{
    /* Few reviews a user: many rows have nothing but themselves. */
    struct small_spec s = {.users = 120, .businesses = 30, .rows = 400, .folds = 4, .seed = 11,
                           .photos = 2};
    struct db *db = small_open("a.db");
    small_fill(db, &s);
    db_exec(db, "CREATE INDEX by_user ON review (user_id)");
    test_names();
    test_protocol(db, DATASET_CROSSFIT);
    test_protocol(db, DATASET_PAPER);
    test_prices(db);
    test_categories(db);
    test_rare(db);
    db_close(db);
    return small_end();
}
