/* SPDX-License-Identifier: MIT */
/* A cap on money over the life of a database. What may be billed is reserved in table budget
 * before anything is sent, so that two tools side by side cannot pass it together.
 *
 *     budget_begin(&b, db, "summarize", 5.0);         // finds what a killed run had held
 *     if (budget_hold(&b, usd)) send();               // own transaction, or out of a reserve
 *     budget_spend(&b, held, usd);                    // when the answer is there
 *     budget_keep(&b);                                // with the answers, in their transaction
 *     budget_end(&b);
 *
 * A reserve for some requests is taken at once, so that not every request costs a commit.
 */
#ifndef MM_LLM_BUDGET_H
#define MM_LLM_BUDGET_H

struct db;

struct budget {
    struct db *db;
    const char *stage;
    double cap;      /* dollars; < 0: nothing is counted (a model without a price) */
    double reserve;  /* held in the table and not yet promised to a request */
    double promised; /* to requests under way */
    double spent;    /* not yet in the table */
    double lost;     /* found at the beginning: held by a run that was killed */
};

/* The stage must be locked: what its row holds then belongs to nobody alive. */
void budget_begin(struct budget *b, struct db *db, const char *stage, double cap);
/* 1: usd are held. 0: they would pass the cap, now. Own transaction. */
int budget_hold(struct budget *b, double usd);
/* A request ended that had held usd and cost `cost` (0: it was not billed). */
void budget_spend(struct budget *b, double held, double cost);
void budget_keep(struct budget *b); /* writes the row; inside the caller's transaction */
void budget_end(struct budget *b);  /* gives back what was not used; own transaction */
/* Of all stages: spent and lost. */
double budget_spent(struct db *db);

/* Batches at a service outlive the run that sent them: their money is llm_batch.held_usd,
 * which is part of the stage's held_usd and never lost with a run. These write the row only;
 * llm_batch is the caller's, in the same transaction. */
double budget_left(struct db *db, double cap); /* for all stages; may be below 0 */
/* Makes the row if there is none. 1: held; 0: it would pass the cap. */
int budget_batch_hold(struct db *db, const char *stage, double cap, double usd);
/* `held` of a batch is given back, `cost` was billed. */
void budget_batch_spend(struct db *db, const char *stage, double held, double cost);

#endif
