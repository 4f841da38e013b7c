/* SPDX-License-Identifier: MIT */
#include "llm/ask.h"

/* Fixed figures, not those of prices.tsv or of the ledger: the answer must not change with
 * them, or every request would be another one tomorrow. */
enum { BYTES_A_TOKEN = 4, ANSWER_TOKENS = 120, PROMPT_TOKENS = 200, OUT_PRICE = 4 };

static int64_t request(int64_t tokens)
{
    return tokens + PROMPT_TOKENS + (int64_t)OUT_PRICE * ANSWER_TOKENS;
}

int ask_by_fold(const int64_t *bytes, const unsigned char *sees, int sets, int folds)
{
    int64_t whole = 0, parts = 0;
    for (int f = 0; f <= folds; f++)
        if (bytes[f] > 0)
            parts += request(bytes[f] / BYTES_A_TOKEN);
    for (int s = 0; s < sets; s++) {
        int64_t seen = 0;
        int n = 0;
        for (int f = 0; f <= folds; f++)
            if (sees[s * (folds + 1) + f] && bytes[f] > 0) {
                seen += bytes[f];
                n++;
            }
        whole += n ? request(seen / BYTES_A_TOKEN) : 0;
        parts += n > 1 ? request((int64_t)n * ANSWER_TOKENS) : 0;
    }
    return parts < whole;
}
