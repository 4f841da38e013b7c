/* SPDX-License-Identifier: MIT */
/* LexRank (Erkan and Radev, JAIR 22, 2004): the importance of each sentence of a set by the
 * stationary distribution of a walk over the graph of similar sentences. Similarity is the
 * cosine of tf-idf vectors, idf taken within the set; edges from 0.1 on; damping 0.15.
 *
 *     float *cosine = malloc(n * n * sizeof *cosine), *rank = malloc(n * sizeof *rank);
 *     lexrank(rank, cosine, bags, n);
 */
#ifndef MM_LLM_LEXRANK_H
#define MM_LLM_LEXRANK_H
#include <stdint.h>

/* The words of a sentence, stop words left out: sorted, distinct hashes with their counts. */
struct lexrank_bag {
    uint64_t *hash; /* [n] */
    float *count;   /* [n], replaced by tf-idf weights of unit length */
    int n;
};

/* bags [n] -> rank [n] (sums to 1), cosine [n, n]. Cost O(n^2 x words): callers cap n. */
void lexrank(float *rank, float *cosine, struct lexrank_bag *bags, int n);

#endif
