/* SPDX-License-Identifier: MIT */
/* Prompts: one file per task, read, checked and filled.
 *
 *     struct prompts p;
 *     if (prompts_open(&p, "default", &e) < 0) ...     // or "paper", or a folder
 *     prompt_reviews(&message, &p.user, texts, n);     // system message: p.user.system
 *     prompts_free(&p);
 *
 * The format of the files is in prompts/README.md. Texts of others go in between fence lines
 * that carry a tag made from the SHA-256 of all of them, so that no text can hold the line
 * that ends it; slots inside them are not expanded; control characters other than line end
 * and tab become spaces.
 */
#ifndef MM_LLM_PROMPT_H
#define MM_LLM_PROMPT_H
#include "base/buf.h"
#include "base/err.h"
#include "llm/result.h"

/* Of the fences, of the cleaning and of the schema: part of a result's identity beside the
 * digest of the file. */
#define PROMPT_VERSION 1

enum { PROMPT_SUMMARY = 1, PROMPT_PRICE = 2, PROMPT_CATEGORIES = 4, PROMPT_CAPTION = 8 };
enum { PROMPT_TAG = 16, PROMPT_BUSINESS = 3 };

struct prompt {
    char *name;       /* user, business, price, category, caption */
    int wants;        /* bits; more than one: the answer is a JSON object */
    int max_tokens;   /* of the answer */
    char digest[17];  /* first 16 hex digits of the SHA-256 of the file's bytes */
    char *system;     /* may be NULL for the caption only */
    char *reviews;    /* for the caption the section `ask`, a user message without slots */
    char *merge;      /* NULL for the caption */
    char *again;
    char *schema;     /* JSON schema (the object alone) when it wants more than one thing */
    char *schema_name;
};

struct prompts {
    struct prompt user, business[PROMPT_BUSINESS], caption;
    int n_business; /* the first has the summary; together they want all three things */
};

/* which: "default" and "paper" are built in; else a folder with user.txt, business.txt and,
 * if wanted, price.txt, category.txt, caption.txt. A file the folder lacks is the default's.
 * All memory is p's own. -1: says file, line and what to do; p is then empty. */
int prompts_open(struct prompts *p, const char *which, struct err *e) MM_MUST_CHECK;
void prompts_free(struct prompts *p);

/* Appends the user message for n texts, or for the answers on n parts of them. */
void prompt_reviews(struct buf *out, const struct prompt *p, const struct llm_text *t, int n);
void prompt_merge(struct buf *out, const struct prompt *p, const struct llm_text *parts, int n);
/* Appends, after a blank line, what is added to the message when an answer was refused. */
void prompt_again(struct buf *out, const struct prompt *p, const char *reason);

/* What a message shows of its fences: the tag, and the bytes [from, to) that stand between
 * the first and the last of them, fences included. 0: the message has none. */
int prompt_fenced(const char *message, char tag[PROMPT_TAG + 1], size_t *from, size_t *to);

#endif
