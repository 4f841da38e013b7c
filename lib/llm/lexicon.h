/* SPDX-License-Identifier: MIT */
/* Word lists: a file "class<TAB>phrase, phrase, ..." per line, and the counting of its phrases
 * in texts. Matching is by whole words, longest phrase first, with the negation rule of Hu and
 * Liu (KDD 2004): a negating word at most three words before, in the same clause, turns a
 * hit around.
 *
 *     struct lexicon *lx = lexicon_new("prompts/price.tsv", &e);
 *     lexicon_scan(lx, &words, on_hit, ctx);
 *
 * The lists are our own; the files say what they cover.
 */
#ifndef MM_LLM_LEXICON_H
#define MM_LLM_LEXICON_H
#include "base/err.h"
#include "base/words.h"

struct lexicon;

struct lexicon_hit {
    int cls;            /* index of the class */
    int negated;
    const char *phrase; /* as in the file, lives as long as the lexicon */
};

/* From an embedded file. NULL: no such file or a bad line, named. */
struct lexicon *lexicon_new(const char *embedded_name, struct err *e) MM_MUST_CHECK;
void lexicon_free(struct lexicon *lx);
int lexicon_classes(const struct lexicon *lx);
const char *lexicon_class(const struct lexicon *lx, int cls);
/* Calls hit for every match, left to right. Thread-safe: the lexicon is only read. */
void lexicon_scan(const struct lexicon *lx, const struct words *w,
                  void (*hit)(void *ctx, const struct lexicon_hit *), void *ctx);

#endif
