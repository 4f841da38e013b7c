/* SPDX-License-Identifier: MIT */
/* The key of a service: loaded once, kept out of reach, never shown.
 *
 *     char *key;
 *     if (key_load(&key, o.key_file, &e) < 0)
 *         die("%s", e.text);
 *     key_mask(text, strlen(text), key); // before anything from outside is shown
 *     key_free(key);
 *
 * It comes from a file that nobody else may read or from LLM_API_KEY, never from an option:
 * options are visible to every user of the machine.
 */
#ifndef MM_LLM_KEY_H
#define MM_LLM_KEY_H
#include "base/err.h"
#include <stddef.h>

/* From the file when one is given, else from LLM_API_KEY; *key is NULL when there is neither.
 * -1: the file cannot be read, others may read it, or what it holds is no key. Once a key is
 * loaded LLM_API_KEY is wiped from the environment (children and /proc do not see it) and
 * this process writes no core file and cannot be traced by other processes of its user. Call
 * it before starting threads: it writes the environment. */
int key_load(char **key, const char *file, struct err *e) MM_MUST_CHECK;
void key_free(char *key); /* wipes; NULL is accepted */

/* Overwrites every occurrence of key (NULL: none) in s with as many asterisks. */
void key_mask(char *s, size_t n, const char *key);

#endif
