/* SPDX-License-Identifier: MIT */
/* What asking would take, before anything is sent; and what it took.
 *
 *     plan_asking(&s, &driving, ctx, &client);   // --plan: lines on stdout
 *     plan_show(db, "user:Ann", &opts);          // --show-prompt
 *
 * Calls are counted by going through the pending items as a run would, with the answers that
 * the ledger has. Tokens are estimated from bytes by what the ledger has seen of the model (0.25
 * a byte and 120 an answer where it has seen nothing). Merges of parts whose answers are not
 * known yet count as one call each.
 */
#ifndef MM_LLM_PLAN_H
#define MM_LLM_PLAN_H
#include "llm/client.h"
#include "llm/drive.h"

void plan_asking(struct stage *s, const struct drive_task *t, void *ctx, const struct client *c);

/* The requests of the full set of one user or business as they would be sent, one JSON a line
 * on stdout; nothing is sent. Returns the exit status. */
int plan_show(struct db *db, const char *item, const struct client_opts *co);

/* Appends "; 120 answers, $0.02 of $5.00". */
void plan_spent(struct buf *note, struct db *db, const struct client *c);

#endif
