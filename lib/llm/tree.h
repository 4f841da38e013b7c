/* SPDX-License-Identifier: MIT */
/* The shape of a question (llm/ask.h): which texts go into which request, and what merges the
 * answers. Nothing here is asked or looked up.
 *
 *     a->root = tree_build(a, by_fold);
 *     if (!tree_split(node)) ... it cannot be divided further ...
 *     tree_free(a->root);
 */
#ifndef MM_LLM_TREE_H
#define MM_LLM_TREE_H
#include "llm/ask.h"

struct ask_node *tree_node(struct ask *a, enum ledger_part part);
void tree_free(struct ask_node *n); /* with all below it; NULL is accepted */

/* From a's pieces; there is at least one. */
struct ask_node *tree_build(struct ask *a, int by_fold);

/* The service cannot read that much: two requests and a merge in the node's place. 0: there is
 * no way to divide it. */
int tree_split(struct ask_node *n);

#endif
