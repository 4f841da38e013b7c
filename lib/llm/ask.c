/* SPDX-License-Identifier: MIT */
#include "llm/ask.h"
#include "base/util.h"
#include "llm/answer.h"
#include "llm/pieces.h"
#include "llm/tree.h"
#include <stdlib.h>
#include <string.h>

enum node_state {
    NODE_NEW,  /* its children, if any, may not be done; not looked up yet */
    NODE_LOOK, /* an answer lies in the ledger */
    NODE_SENT, /* wanted: handed to the caller */
    NODE_DONE,
    NODE_FAILED
};

struct ask *ask_new(const struct prompt *p, const struct ask_set *set,
                    const struct ask_limits *limits)
{
    struct ask *a = xcalloc(1, sizeof *a);
    a->prompt = p;
    a->limits = limits;
    a->piece = pieces_cut(set, limits->bytes, &a->n_piece);
    for (int i = 0; i < a->n_piece; i++)
        a->bytes += a->piece[i].bytes;
    a->root = tree_build(a, set->by_fold);
    return a;
}

struct ask *ask_new_photo(const struct prompt *p, const char *hex,
                          const struct ask_limits *limits)
{
    struct ask *a = xcalloc(1, sizeof *a);
    a->prompt = p;
    a->limits = limits;
    a->photo = xstrdup(hex);
    a->root = tree_node(a, LEDGER_PHOTO);
    return a;
}

void ask_free(struct ask *a)
{
    if (!a)
        return;
    tree_free(a->root);
    pieces_free(a->piece, a->n_piece);
    free(a->photo);
    free(a);
}

/* ---- messages ---- */

static void reviews_message(struct buf *out, const struct ask_node *n)
{
    struct llm_text *t = xcalloc((size_t)n->n_text, sizeof *t);
    for (int i = 0; i < n->n_text; i++) {
        const struct ask_piece *p = &n->ask->piece[n->text[i]];
        t[i] = (struct llm_text){p->text, p->bytes};
    }
    prompt_reviews(out, n->ask->prompt, t, n->n_text);
    free(t);
}

static void merge_message(struct buf *out, const struct ask_node *n)
{
    struct llm_text *t = xcalloc((size_t)n->n_child, sizeof *t);
    struct buf *part = xcalloc((size_t)n->n_child, sizeof *part);
    for (int i = 0; i < n->n_child; i++) {
        answer_part(&part[i], n->ask->prompt->wants, &n->child[i]->result);
        t[i] = (struct llm_text){buf_str(&part[i]), part[i].len};
    }
    prompt_merge(out, n->ask->prompt, t, n->n_child);
    for (int i = 0; i < n->n_child; i++)
        buf_release(&part[i]);
    free(part);
    free(t);
}

void ask_message(struct buf *out, const struct ask_node *n)
{
    if (n->part == LEDGER_REVIEWS)
        reviews_message(out, n);
    else if (n->part == LEDGER_MERGE)
        merge_message(out, n);
    else
        buf_adds(out, n->ask->prompt->reviews);
    if (n->nth > 0)
        prompt_again(out, n->ask->prompt, buf_str(&n->reason));
}

int ask_judge(const struct ask_node *n, struct llm_result *out, const struct answer_given *a,
              struct buf *reason)
{
    struct buf message = {0};
    struct answer_given given = *a;
    ask_message(&message, n);
    given.asked = buf_str(&message);
    int bad = answer_read(out, n->ask->prompt->wants, &given, reason) < 0;
    buf_release(&message);
    return bad;
}

/* ---- progress ---- */

static void describe(struct ask_node *n)
{
    int count = n->part == LEDGER_REVIEWS ? n->n_text : n->part == LEDGER_MERGE ? n->n_child : 1;
    char **name = xcalloc((size_t)count, sizeof *name);
    for (int i = 0; i < count; i++) {
        char hex[SHA256_HEX];
        if (n->part == LEDGER_REVIEWS) {
            name[i] = xstrdup(n->ask->piece[n->text[i]].name);
        } else if (n->part == LEDGER_PHOTO) {
            name[i] = xstrdup(n->ask->photo);
        } else {
            sha256_hex(hex, n->child[i]->digest);
            name[i] = xasprintf("%s#%d", hex, n->child[i]->nth);
        }
    }
    ledger_request(&n->request, n->digest, n->ask->limits->model, n->ask->prompt, n->part, name,
                   count);
    for (int i = 0; i < count; i++)
        free(name[i]);
    free(name);
}

static void fail(struct ask_node *n, const char *reason)
{
    if (reason != n->reason.data) {
        buf_clear(&n->reason);
        buf_adds(&n->reason, reason);
    }
    n->state = NODE_FAILED;
}

static void want(struct ask_node *n, struct ask_wanted *w)
{
    if (w->n == w->cap) {
        w->cap = w->cap * 2 + 16;
        w->node = xrealloc(w->node, (size_t)w->cap, sizeof *w->node);
    }
    w->node[w->n++] = n;
    n->state = NODE_SENT;
    n->mine = 1;
}

static void used(struct ask_wanted *w, int64_t id)
{
    if (w->n_used == w->cap_used) {
        w->cap_used = w->cap_used * 2 + 16;
        w->used = xrealloc(w->used, (size_t)w->cap_used, sizeof *w->used);
    }
    w->used[w->n_used++] = id;
}

static void judged(struct ask_wanted *w, const struct ledger_row *r, const char *verdict)
{
    if (r->verdict && verdict ? strcmp(r->verdict, verdict) == 0 : !r->verdict && !verdict)
        return;
    if (w->n_judged == w->cap_judged) {
        w->cap_judged = w->cap_judged * 2 + 16;
        w->judged = xrealloc(w->judged, (size_t)w->cap_judged, sizeof *w->judged);
    }
    w->judged[w->n_judged++] = (struct ask_verdict){r->id, verdict ? xstrdup(verdict) : NULL};
}

/* What one row of the ledger means. 1: there is more to look up. */
static int consider(struct ask_node *n, const struct ledger_row *r, struct ask_wanted *w)
{
    if (r->verdict && strcmp(r->verdict, LEDGER_TOO_LONG) == 0) {
        if (!tree_split(n)) {
            fail(n, "the service calls it too long, and it cannot be divided further");
            return 0;
        }
        n->request.len = 0;
        n->nth = 0;
        n->state = NODE_NEW;
        return 0;
    }
    struct answer_given given = {r->answer, r->answer_bytes, r->finish_reason,
                                 r->answer ? NULL : r->verdict, NULL};
    struct buf reason = {0};
    int bad = ask_judge(n, &n->result, &given, &reason);
    if (!bad) {
        judged(w, r, NULL);
        n->answer_id = r->id;
        n->state = NODE_DONE;
        if (!n->mine)
            used(w, r->id);
    } else {
        judged(w, r, buf_str(&reason));
        buf_clear(&n->reason);
        buf_adds(&n->reason, buf_str(&reason));
        n->nth++;
    }
    n->mine = 0;
    buf_release(&reason);
    return bad;
}

static void look(struct ask_node *n, struct db *db, struct ask_wanted *w)
{
    struct ledger_row r;
    int more = 1;
    if (n->request.len == 0)
        describe(n);
    while (more) {
        if (n->nth > n->ask->limits->reask) {
            fail(n, n->reason.data);
            return;
        }
        if (!ledger_get(db, n->digest, n->nth, &r)) {
            want(n, w);
            return;
        }
        more = consider(n, &r, w);
        ledger_release(&r);
    }
}

static void advance(struct ask_node *n, struct db *db, struct ask_wanted *w)
{
    for (int waits = 0; n->state == NODE_NEW || n->state == NODE_LOOK;) {
        for (int i = 0; i < n->n_child && n->state == NODE_NEW; i++) {
            advance(n->child[i], db, w);
            waits |= n->child[i]->state != NODE_DONE;
            if (n->child[i]->state == NODE_FAILED)
                fail(n, buf_str(&n->child[i]->reason));
        }
        if (waits || n->state == NODE_FAILED)
            return;
        look(n, db, w);
    }
}

enum ask_state ask_advance(struct ask *a, struct db *db, struct ask_wanted *wanted)
{
    advance(a->root, db, wanted);
    return a->root->state == NODE_DONE ? ASK_DONE
           : a->root->state == NODE_FAILED ? ASK_FAILED : ASK_WAITING;
}

void ask_arrived(struct ask_node *n)
{
    if (n->state == NODE_SENT)
        n->state = NODE_LOOK;
}

const struct llm_result *ask_result(const struct ask *a)
{
    return a->root->state == NODE_DONE ? &a->root->result : NULL;
}

void ask_refused(struct ask_node *n, const char *reason)
{
    fail(n, reason);
}

void ask_judged_clear(struct ask_wanted *w)
{
    for (int i = 0; i < w->n_judged; i++)
        free(w->judged[i].verdict);
    w->n_judged = 0;
}

void ask_wanted_release(struct ask_wanted *w)
{
    ask_judged_clear(w);
    free(w->judged);
    free(w->node);
    free(w->used);
    *w = (struct ask_wanted){0};
}

static int count(const struct ask_node *n)
{
    int all = 1;
    for (int i = 0; i < n->n_child; i++)
        all += count(n->child[i]);
    return all;
}

int ask_requests(const struct ask *a)
{
    return count(a->root);
}
