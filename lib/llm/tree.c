/* SPDX-License-Identifier: MIT */
#include "llm/tree.h"
#include "base/util.h"
#include "llm/pieces.h"
#include <stdlib.h>

/* About what an answer on a part takes in a merge, before it is known. */
enum { PART_BYTES = 600, LEAST_PIECE = 200 };

struct ask_node *tree_node(struct ask *a, enum ledger_part part)
{
    struct ask_node *n = xcalloc(1, sizeof *n);
    n->ask = a;
    n->part = part;
    return n;
}

void tree_free(struct ask_node *n)
{
    if (!n)
        return;
    for (int i = 0; i < n->n_child; i++)
        tree_free(n->child[i]);
    free(n->child);
    free(n->text);
    buf_release(&n->request);
    buf_release(&n->reason);
    llm_result_release(&n->result);
    free(n);
}

static void add_child(struct ask_node *n, struct ask_node *c)
{
    n->child = xrealloc(n->child, (size_t)n->n_child + 1, sizeof *n->child);
    n->child[n->n_child++] = c;
}

static void add_text(struct ask_node *n, int text)
{
    n->text = xrealloc(n->text, (size_t)n->n_text + 1, sizeof *n->text);
    n->text[n->n_text++] = text;
}

/* ---- parts ---- */

static int digest_bit(const unsigned char *digest, int bit)
{
    return digest[bit / 8] >> (7 - bit % 8) & 1;
}

static size_t leaf_bytes(const struct ask_node *leaf)
{
    size_t bytes = 0;
    for (int i = 0; i < leaf->n_text; i++)
        bytes += leaf->ask->piece[leaf->text[i]].bytes;
    return bytes;
}

/* Divides by the next bit that tells the texts apart; pieces of one text, which share their
 * digest, by their order. */
static void halve(struct ask_node *leaf, struct ask_node *half[2])
{
    const struct ask_piece *piece = leaf->ask->piece;
    half[0] = tree_node(leaf->ask, LEDGER_REVIEWS);
    half[1] = tree_node(leaf->ask, LEDGER_REVIEWS);
    int bit = leaf->bit, told = 0;
    for (; bit < SHA256_BYTES * 8 && !told; bit++)
        for (int i = 1; i < leaf->n_text; i++)
            told |= digest_bit(piece[leaf->text[i]].digest, bit) !=
                    digest_bit(piece[leaf->text[0]].digest, bit);
    for (int i = 0; i < leaf->n_text; i++)
        add_text(half[told ? digest_bit(piece[leaf->text[i]].digest, bit - 1)
                           : i >= leaf->n_text / 2], leaf->text[i]);
    half[0]->bit = half[1]->bit = bit;
}

/* Appends the leaf, or the leaves it has to be divided into, to the merge. Owns leaf. */
static void divide(struct ask_node *merge, struct ask_node *leaf)
{
    if (leaf->n_text <= 1 || leaf_bytes(leaf) <= leaf->ask->limits->bytes) {
        add_child(merge, leaf);
        return;
    }
    struct ask_node *half[2];
    halve(leaf, half);
    tree_free(leaf);
    divide(merge, half[0]);
    divide(merge, half[1]);
}

/* Merges of at most `most` children each, in order, until one is left. */
static void group(struct ask_node *merge, int most)
{
    if (most < 2)
        most = 2;
    while (merge->n_child > most) {
        struct ask_node **old = merge->child;
        int n = merge->n_child, groups = (n + most - 1) / most;
        merge->child = NULL;
        merge->n_child = 0;
        for (int g = 0; g < groups; g++) {
            int from = (int)((int64_t)n * g / groups), to = (int)((int64_t)n * (g + 1) / groups);
            struct ask_node *m = to - from > 1 ? tree_node(merge->ask, LEDGER_MERGE) : old[from];
            for (int i = from; i < to && to - from > 1; i++)
                add_child(m, old[i]);
            add_child(merge, m);
        }
        free(old);
    }
}

/* A merge of one is that one. */
static struct ask_node *unwrap(struct ask_node *merge)
{
    if (merge->n_child != 1)
        return merge;
    struct ask_node *only = merge->child[0];
    merge->n_child = 0;
    tree_free(merge);
    return only;
}

static int merge_most(const struct ask *a)
{
    return (int)(a->limits->bytes / PART_BYTES);
}

/* The texts of one fold, or with by_fold = 0 all of them, as one tree. */
static struct ask_node *tree_of(struct ask *a, int by_fold, int fold)
{
    struct ask_node *leaf = tree_node(a, LEDGER_REVIEWS), *m = tree_node(a, LEDGER_MERGE);
    for (int i = 0; i < a->n_piece; i++)
        if (!by_fold || a->piece[i].fold == fold)
            add_text(leaf, i);
    if (leaf->n_text == 0) {
        tree_free(leaf);
        tree_free(m);
        return NULL;
    }
    divide(m, leaf);
    group(m, merge_most(a));
    return unwrap(m);
}

struct ask_node *tree_build(struct ask *a, int by_fold)
{
    if (!by_fold)
        return tree_of(a, 0, 0);
    int last = -1;
    struct ask_node *root = tree_node(a, LEDGER_MERGE);
    for (int i = 0; i < a->n_piece; i++)
        if (a->piece[i].fold > last)
            last = a->piece[i].fold;
    for (int f = -1; f <= last; f++) {
        struct ask_node *n = tree_of(a, 1, f);
        if (n)
            add_child(root, n);
    }
    group(root, merge_most(a));
    return unwrap(root);
}

/* The service cannot read that much: two requests and a merge instead. 0: no way to divide. */
int tree_split(struct ask_node *n)
{
    struct ask *a = n->ask;
    if (n->part == LEDGER_PHOTO)
        return 0;
    if (n->part == LEDGER_MERGE) {
        if (n->n_child < 3)
            return 0;
        group(n, (n->n_child + 1) / 2);
    } else {
        if (n->n_text == 1 && !pieces_halve(&a->piece, &a->n_piece, n->text[0], LEAST_PIECE))
            return 0;
        if (n->n_text == 1)
            add_text(n, a->n_piece - 1);
        struct ask_node *half[2];
        halve(n, half);
        n->part = LEDGER_MERGE;
        n->n_text = 0;
        add_child(n, half[0]);
        add_child(n, half[1]);
    }
    return 1;
}
