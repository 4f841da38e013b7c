/* SPDX-License-Identifier: MIT */
/* Questions as trees of requests over a real ledger: parts, pieces, merges, answers that
 * cannot be used, what is too long, and what a new text changes. */
#include "base/util.h"
#include "db/db.h"
#include "llm/ask.h"
#include "llm/pieces.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static char name[] = "user", in[] = "You sum up.", reviews[] = "{{count}} reviews:\n{{reviews}}",
            merge[] = "Notes:\n{{parts}}", again[] = "Not usable: {{reason}}.";
static const struct prompt prompt = {
    .name = name, .wants = PROMPT_SUMMARY, .max_tokens = 100, .digest = "0123456789abcdef",
    .system = in, .reviews = reviews, .merge = merge, .again = again};

static struct db *db;

static const char *sentence(int i)
{
    static char s[200];
    snprintf(s, sizeof s, "Number %d says the soup was %s. Somebody waited %d minutes there.", i,
             i % 3 ? "warm" : "cold", i * 7 % 60);
    return s;
}

static void fill(struct ask_text *t, int n, int folds)
{
    for (int i = 0; i < n; i++) {
        t[i].text = xstrdup(sentence(i));
        t[i].bytes = strlen(t[i].text);
        t[i].fold = folds ? i % folds : -1;
        sha256_of(t[i].digest, t[i].text, t[i].bytes);
    }
}

static void empty(struct ask_text *t, int n)
{
    for (int i = 0; i < n; i++)
        free((char *)(uintptr_t)t[i].text);
}

static void answer(const struct ask_node *n, const char *text, const char *verdict)
{
    struct ledger_row r = {.nth = n->nth, .task = "user", .requested = n->ask->limits->model,
                           .request = n->request.data, .attempts = 1, .origin = "openai"};
    memcpy(r.digest, n->digest, SHA256_BYTES);
    r.answer = (char *)(uintptr_t)text;
    r.answer_bytes = text ? strlen(text) : 0;
    r.verdict = (char *)(uintptr_t)verdict;
    db_begin(db);
    ledger_put(db, &r);
    db_commit(db);
}

/* Answers whatever is wanted, by its digest, until the question ends. Returns how many. */
static int serve(struct ask *a, size_t too_long)
{
    struct ask_wanted w = {0};
    int asked = 0;
    while (ask_advance(a, db, &w) == ASK_WAITING && w.n > 0) {
        for (int i = 0; i < w.n; i++) {
            struct buf m = {0};
            char text[100];
            ask_message(&m, w.node[i]);
            snprintf(text, sizeof text, "A guest of taste number %02x%02x who likes soup.",
                     w.node[i]->digest[0], w.node[i]->digest[1]);
            if (m.len > too_long)
                answer(w.node[i], NULL, LEDGER_TOO_LONG);
            else
                answer(w.node[i], text, NULL);
            ask_arrived(w.node[i]);
            buf_release(&m);
            asked++;
        }
        w.n = 0;
    }
    ask_wanted_release(&w);
    return asked;
}

static int leaves(const struct ask_node *n, int *seen, unsigned char (*digest)[32], int at)
{
    if (n->part == LEDGER_REVIEWS) {
        for (int i = 0; i < n->n_text; i++)
            seen[n->text[i]]++;
        struct buf request = {0};
        char *piece[512];
        for (int i = 0; i < n->n_text; i++)
            piece[i] = n->ask->piece[n->text[i]].name;
        ledger_request(&request, digest[at], "m", &prompt, LEDGER_REVIEWS, piece, n->n_text);
        buf_release(&request);
        return at + 1;
    }
    for (int i = 0; i < n->n_child; i++)
        at = leaves(n->child[i], seen, digest, at);
    return at;
}

static void test_single(void)
{
    struct ask_limits limits = {"m", 10000, 1}, other = {"n", 10000, 1};
    struct ask_text t[3];
    fill(t, 3, 0);
    struct ask_set set = {t, 3, 0};
    struct ask *a = ask_new(&prompt, &set, &limits), *b = ask_new(&prompt, &set, &limits),
               *c = ask_new(&prompt, &set, &other);
    struct ask_wanted w = {0};
    ok(ask_advance(a, db, &w) == ASK_WAITING && w.n == 1, "a small set is one request");
    ok(strstr(a->root->request.data, "\"texts\":[") && ask_requests(a) == 1, "described: %.60s",
       a->root->request.data);
    ok(ask_advance(a, db, &w) == ASK_WAITING && w.n == 1, "which is wanted once");
    ask_advance(b, db, &w);
    ask_advance(c, db, &w);
    ok(memcmp(a->root->digest, b->root->digest, 32) == 0, "equal sets ask the same");
    ok(memcmp(a->root->digest, c->root->digest, 32) != 0, "another model is another request");
    answer(a->root, "", NULL);
    ask_arrived(a->root);
    w.n = 0;
    ok(ask_advance(a, db, &w) == ASK_WAITING && w.n == 1 && a->root->nth == 1,
       "an empty answer is asked for again");
    is(buf_str(&a->root->reason), "the answer is empty", "because of this");
    struct buf m = {0};
    ask_message(&m, a->root);
    ok(strstr(m.data, "Not usable: the answer is empty.") != NULL, "which is told");
    answer(a->root, "A person who likes warm soup.", NULL);
    ask_arrived(a->root);
    ok(ask_advance(a, db, &w) == ASK_DONE, "the second answer is usable");
    is(ask_result(a)->summary.data, "A person who likes warm soup.", "and is the summary");
    ok(w.n_used == 0, "it was no cache hit");
    ask_arrived(b->root);
    ok(ask_advance(b, db, &w) == ASK_DONE, "the other, which waited, has both answers too");
    w.n_used = 0;
    ask_free(b);
    b = ask_new(&prompt, &set, &limits);
    w.n = 0;
    ok(ask_advance(b, db, &w) == ASK_DONE && w.n == 0 && w.n_used == 1, "a later one finds both");
    answer(c->root, "", NULL);
    ask_arrived(c->root);
    ask_advance(c, db, &w);
    answer(c->root, "", NULL);
    ask_arrived(c->root);
    ok(ask_advance(c, db, &w) == ASK_FAILED && c->root->reason.len > 0, "two bad ones: %s",
       c->root->reason.data);
    buf_release(&m);
    ask_wanted_release(&w);
    ask_free(a);
    ask_free(b);
    ask_free(c);
    empty(t, 3);
}

static int differ(unsigned char (*a)[32], int n, unsigned char (*b)[32], int m)
{
    int missing = 0;
    for (int i = 0; i < n; i++) {
        int found = 0;
        for (int k = 0; k < m; k++)
            found |= memcmp(a[i], b[k], 32) == 0;
        missing += !found;
    }
    return missing;
}

static void test_parts(void)
{
    enum { N = 200 };
    static unsigned char before[N][32], after[N + 1][32];
    struct ask_limits limits = {"m", 1500, 0};
    struct ask_text t[N + 1];
    int seen[N + 1] = {0}, once = 1;
    fill(t, N + 1, 0);
    struct ask_set set = {t, N, 0};
    struct ask *a = ask_new(&prompt, &set, &limits);
    int n = leaves(a->root, seen, before, 0);
    for (int i = 0; i < N; i++)
        once &= seen[i] == 1;
    ok(n > 5 && once, "%d texts in %d parts, each text once", N, n);
    set.n = N + 1;
    struct ask *b = ask_new(&prompt, &set, &limits);
    int more = leaves(b->root, seen, after, 0);
    ok(differ(before, n, after, more) == 1, "one more text changes one part of them");
    int asked = serve(a, 100000), later = serve(b, 100000);
    ok(ask_result(a) && asked > n,
       "%d requests with the merges", asked);
    ok(later >= 2 && later <= 5, "then the longer set takes %d", later);
    ask_free(a);
    ask_free(b);
    empty(t, N + 1);
}

static void test_long_text(void)
{
    struct ask_limits limits = {"m", 1000, 0};
    struct buf text = {0}, whole = {0};
    for (int i = 0; i < 40; i++)
        buf_addf(&text, "%s ", sentence(i));
    struct ask_text t = {text.data, text.len, {7}, -1};
    struct ask_set set = {&t, 1, 0};
    struct ask *a = ask_new(&prompt, &set, &limits);
    int cut_well = 1;
    for (int i = 0; i < a->n_piece; i++) {
        buf_add(&whole, a->piece[i].text, a->piece[i].bytes);
        cut_well &= a->piece[i].bytes <= 1000 && strchr(a->piece[i].name, '+') != NULL &&
                    strchr("NS", a->piece[i].text[0]) != NULL;
    }
    ok(a->n_piece >= 3 && whole.len == text.len && !memcmp(whole.data, text.data, text.len),
       "a long text is cut into %d pieces, and nothing is lost", a->n_piece);
    ok(cut_well, "at the ends of sentences");
    ok(serve(a, 100000) > a->n_piece && ask_result(a), "and merged");
    ask_free(a);
    cut_well = 1;
    for (size_t i = 0; i < text.len; i++)
        text.data[i] = (char)(i % 2 ? 0xa9 : 0xc3);
    a = ask_new(&prompt, &set, &limits);
    for (int i = 0; i < a->n_piece; i++)
        cut_well &= (unsigned char)a->piece[i].text[0] == 0xc3;
    ok(cut_well && a->n_piece >= 3, "one without any blank between characters");
    ask_free(a);
    buf_release(&text);
    buf_release(&whole);
}

static void test_too_long(void)
{
    enum { N = 40 };
    struct ask_limits limits = {"m2", 100000, 0};
    struct ask_text t[N];
    fill(t, N, 0);
    struct ask_set set = {t, N, 0};
    struct ask *a = ask_new(&prompt, &set, &limits);
    int asked = serve(a, 700);
    ok(ask_result(a) && asked > 8, "what the service calls too long is divided: %d requests", asked);
    struct ask *b = ask_new(&prompt, &set, &limits);
    struct ask_wanted w = {0};
    ok(ask_advance(b, db, &w) == ASK_DONE && w.n == 0, "after a kill the ledger leads the same way");
    is(ask_result(b)->summary.data, ask_result(a)->summary.data, "to the same summary");
    ask_free(a);
    ask_free(b);
    struct ask_set one = {t, 1, 0};
    a = ask_new(&prompt, &one, &limits);
    serve(a, 1);
    ok(ask_advance(a, db, &w) == ASK_FAILED, "what cannot be divided fails: %s",
       buf_str(&a->root->reason));
    ask_free(a);
    ask_wanted_release(&w);
    empty(t, N);
}

static void test_folds(void)
{
    enum { N = 100, FOLDS = 5 };
    struct ask_limits limits = {"m3", 100000, 0};
    struct ask_text t[N], part[N];
    fill(t, N, FOLDS);
    int first = 0, others = 0;
    for (int k = -1; k < FOLDS; k++) {
        int n = 0;
        for (int i = 0; i < N; i++)
            if (t[i].fold != k)
                part[n++] = t[i];
        struct ask_set set = {part, n, 1};
        struct ask *a = ask_new(&prompt, &set, &limits);
        int asked = serve(a, 100000);
        *(k < 0 ? &first : &others) += asked;
        ok(ask_result(a) != NULL, "the set of fold %d", k);
        ask_free(a);
    }
    ok(first == FOLDS + 1 && others == FOLDS, "six sets take %d + %d requests", first, others);
    int64_t few[] = {0, 400, 400}, many[] = {0, 40000, 40000, 40000, 40000, 40000};
    unsigned char sees[36];
    for (int s = 0; s < 6; s++)
        for (int f = 0; f < 6; f++)
            sees[s * 6 + f] = f == 0 || s == 0 || f != s;
    unsigned char two[] = {1, 1, 1, 1, 0, 1, 1, 1, 0};
    ok(!ask_by_fold(few, two, 3, 2), "two reviews are not worth a merge");
    ok(ask_by_fold(many, sees, 6, 5), "200 kB are");
    empty(t, N);
}

int main(void)
{
    struct err e;
    char path[] = "/tmp/mm-test-ask-XXXXXX";
    util_verbosity = -1;
    close(mkstemp(path));
    unlink(path);
    db = db_open(path, DB_WRITE | DB_CREATE, &e);
    if (!db)
        die("%s", e.text);
    test_single();
    test_parts();
    test_long_text();
    test_too_long();
    test_folds();
    db_close(db);
    unlink(path);
    return done();
}
