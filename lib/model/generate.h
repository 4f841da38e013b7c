/* SPDX-License-Identifier: MIT */
/* Which token comes next: greedy and beam search over the logits of any language model, item by
 * item as Hugging Face's generate does it (transformers 5.23, do_sample=False, early_stopping
 * false), so an item's tokens do not depend on the others.
 *
 *     struct generate *s = generate_new(n, &options);         // n prompts
 *     while (generate_take(s, logits))                        // [generate_rows(s),vocab]
 *         ... the model reads generate_row(s, 0), ... and gives their logits ...
 *     const int *ids = generate_ids(s, item, &length);
 *     generate_free(s);
 *
 * Rows are what the model is asked about: before the first take one for each item, then
 * `beams` for each item that goes on, item by item. An item that is done has no rows.
 */
#ifndef MM_MODEL_GENERATE_H
#define MM_MODEL_GENERATE_H

struct generate_options {
    int vocab;        /* logits a row */
    int stop;         /* the token that ends a text; not part of it */
    int max_new;      /* tokens at most, the stop counted, at least 1 */
    int min_new;      /* no stop before so many tokens */
    int beams;        /* 1: greedy */
    double length_penalty; /* beams: the sum of log probabilities is divided by length^this */
    int forbidden;    /* ids from here on are never chosen: rows without a token */
};

/* A row to be computed next. */
struct generate_row {
    int item;
    int token; /* the one chosen last */
    int from;  /* the row of the step before that it continues */
};

struct generate;

struct generate *generate_new(int items, const struct generate_options *o);
void generate_free(struct generate *s); /* NULL is accepted */

/* logits [rows,vocab] of the present rows. 1: there are rows to go on with; 0: all is done. Of
 * equal logits the lowest id wins. */
int generate_take(struct generate *s, const float *logits);

int generate_rows(const struct generate *s);
const struct generate_row *generate_row(const struct generate *s, int row);

/* The tokens of an item that is done, without the stop; valid until generate_free. *stopped
 * (or NULL): 1 if it ended itself, 0 if max_new did. */
const int *generate_ids(const struct generate *s, int item, int *length, int *stopped);

#endif
