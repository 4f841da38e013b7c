/* SPDX-License-Identifier: MIT */
/* Text to a unit vector without weights: signed feature hashing (Weinberger et al., ICML 2009)
 * of words, word pairs and character 3- and 4-grams, with sublinear counts. Stands in for
 * MiniLM when its weights are not there. No fit.
 *
 *     float v[HASHTEXT_DIM];
 *     hashtext_of(v, text, n);
 *
 * Each distinct feature adds sign * weight * (1 + ln count) to one of 384 places; weights:
 * word 1, pair 0.5, n-gram 0.25; stop words are left out as single words. The sum is scaled to
 * unit length; a text without a word gives the zero vector.
 */
#ifndef MM_MODEL_HASHTEXT_H
#define MM_MODEL_HASHTEXT_H
#include <stddef.h>

#define HASHTEXT_DIM 384
#define HASHTEXT_VERSION 1

/* text [n] UTF-8 -> v [HASHTEXT_DIM] */
void hashtext_of(float *v, const char *text, size_t n);

#endif
