/* SPDX-License-Identifier: MIT */
/* One question about one set of texts (or about a photo), as a tree of requests: mostly a
 * single one; where the texts are too many for the model, requests about parts of them and
 * one that merges the answers. A question looks into the ledger first, says which requests
 * must be sent, and reads every answer from there, so that it can be taken up again after a
 * kill at any moment.
 *
 *     struct ask *a = ask_new(prompt, &set, &limits);
 *     while (ask_advance(a, db, &wanted) == ASK_WAITING)
 *         send wanted.node[0..n), put the answers into the ledger, ask_arrived(node);
 *     a's result, or its reason
 *
 * Parts. A set beyond limits.bytes is divided by the bits of its texts' digests until each
 * part fits: a new text changes the part it falls into and what merges it, no other. With
 * set.by_fold the first division is by fold, so that the sets of all folds share the answers
 * on their parts. A text that is too long alone is cut at sentence ends into pieces. Nothing
 * is left out. What the service calls too long is divided further.
 */
#ifndef MM_LLM_ASK_H
#define MM_LLM_ASK_H
#include "base/buf.h"
#include "base/sha256.h"
#include "llm/answer.h"
#include "llm/ledger.h"
#include "llm/prompt.h"
#include "llm/result.h"
#include <stdint.h>

#define ASK_VERSION 1 /* of the way parts are made */

struct ask_text {
    const char *text;
    size_t bytes;
    unsigned char digest[SHA256_BYTES];
    int fold; /* of its review; -1: none */
};

struct ask_set {
    const struct ask_text *text; /* [n] in content order; borrowed until ask_free */
    int n;
    int by_fold;
};

struct ask_limits {
    const char *model; /* borrowed */
    size_t bytes;      /* of texts in one request */
    int reask;         /* times an answer that cannot be used is asked for again */
};

enum ask_state { ASK_WAITING, ASK_DONE, ASK_FAILED };

struct ask;

/* A request of the tree. What a sender needs is here; the rest is ask.c's. */
struct ask_node {
    struct ask *ask;
    enum ledger_part part;
    unsigned char digest[SHA256_BYTES];
    int nth;
    struct buf request;      /* its description, of ledger_request */
    int state;               /* of enum node_state in ask.c */
    int mine;                /* the answer was sent for by this very node */
    int *text;               /* LEDGER_REVIEWS: [n_text] into ask's pieces */
    int n_text, bit;         /* bit: of the digests, by which it would be divided next */
    struct ask_node **child; /* LEDGER_MERGE: [n_child] */
    int n_child;
    struct llm_result result;
    int64_t answer_id;
    struct buf reason;       /* why the last answer could not be used */
    struct ask_node *waiter; /* the sender's: others that wait for the same digest */
};

struct ask_piece;

struct ask {
    const struct prompt *prompt;
    const struct ask_limits *limits;
    struct ask_piece *piece; /* [n_piece] */
    int n_piece;
    char *photo;             /* name of the photo's bytes, or NULL */
    struct ask_node *root;
    size_t bytes;            /* of all texts */
    void *owner;             /* the caller's */
};

struct ask_wanted {
    struct ask_node **node;
    int n, cap;
    int64_t *used; /* answers that the cache gave, for ledger_used */
    int n_used, cap_used;
    struct ask_verdict {
        int64_t id;
        char *verdict;
    } *judged; /* answers whose row says something else, for ledger_judged */
    int n_judged, cap_judged;
};

/* prompt and limits are borrowed until ask_free. */
struct ask *ask_new(const struct prompt *p, const struct ask_set *set,
                    const struct ask_limits *limits);
/* About a photo: hex digest of the bytes that are sent. */
struct ask *ask_new_photo(const struct prompt *p, const char *hex,
                          const struct ask_limits *limits);
void ask_free(struct ask *a);

/* Goes as far as the ledger's answers reach; what must be sent is appended to wanted. ASK_DONE:
 * root->result and root->answer_id. ASK_FAILED: root->reason. */
enum ask_state ask_advance(struct ask *a, struct db *db, struct ask_wanted *wanted);
/* The ledger now has an answer for the node: the next ask_advance looks again. */
void ask_arrived(struct ask_node *n);
/* There is none and will be none: the question fails. */
void ask_refused(struct ask_node *n, const char *reason);
/* The message to send, system text aside. */
void ask_message(struct buf *out, const struct ask_node *n);
/* Verdict on an answer to the node: 0 usable, else the reason (as ledger's verdict). */
int ask_judge(const struct ask_node *n, struct llm_result *out, const struct answer_given *a,
              struct buf *reason);
/* What the question came to; NULL: not done. */
const struct llm_result *ask_result(const struct ask *a);
void ask_wanted_release(struct ask_wanted *w);
void ask_judged_clear(struct ask_wanted *w);
/* Requests of the tree, as far as it is known; for plans. */
int ask_requests(const struct ask *a);

/* Is it cheaper to ask about each fold's texts once and merge? bytes [folds + 1]: of the texts
 * of fold -1, 0, 1, ...; sees [sets][folds + 1]: 1 where a set sees that fold. Counted in
 * tokens, four bytes each, an answer's token at four times the price of one of a message. */
int ask_by_fold(const int64_t *bytes, const unsigned char *sees, int sets, int folds);

#endif
