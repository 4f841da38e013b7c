/* SPDX-License-Identifier: MIT */
#include "llm/among.h"
#include <stdio.h>
#include <string.h>

int among(const char *list, const char *word)
{
    char key[48];
    int n = snprintf(key, sizeof key, " %s ", word);
    return n > 2 && n < (int)sizeof key && strstr(list, key) != NULL;
}
