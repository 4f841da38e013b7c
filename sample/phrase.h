/* SPDX-License-Identifier: MIT */
/* What people of the sample write: a review's text from the place's attributes, the user's
 * taste and the outcome, never from what only the photos show.
 *
 *     struct buf text = {0};
 *     phrase_review(&text, &place, &user, &visit, k);
 */
#ifndef MM_SAMPLE_PHRASE_H
#define MM_SAMPLE_PHRASE_H
#include "base/buf.h"
#include "world.h"

/* Appends the text of the k-th visit of u; UTF-8, may hold line feeds and quotes. */
void phrase_review(struct buf *out, const struct world_place *p, const struct world_user *u,
                   const struct world_visit *v, int k);

/* What photo slot k shows; a constant. */
const char *phrase_caption(int slot, int bad);

#endif
