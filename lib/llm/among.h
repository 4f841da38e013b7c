/* SPDX-License-Identifier: MIT */
/* Short fixed lists of words, written as one string with a space around each.
 *
 *     among(" bar cafe pub ", "pub")    // 1
 */
#ifndef MM_LLM_AMONG_H
#define MM_LLM_AMONG_H

/* word must hold no space; one of 46 bytes and more is in no list. */
int among(const char *list, const char *word);

#endif
