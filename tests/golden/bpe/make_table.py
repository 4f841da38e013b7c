# SPDX-License-Identifier: MIT
"""Writes lib/nn/unicode_gpt2.c: letter, number, white space or other, as the regular expression of
GPT-2 sees each code point in Hugging Face tokenizers 0.23.3. Run from the repository root:
    python3 tests/golden/bpe/make_table.py > lib/nn/unicode_gpt2.c"""
import sys, tokenizers
from probe import *

table = {cp: class_of(cp) for cp in CODE_POINTS}
# What Python's str.strip() takes away is that white space and four separators (bpe.c has them).
python = {cp for cp in CODE_POINTS if chr(cp).isspace()}
assert python == {cp for cp, k in table.items() if k == "SPACE"} | {0x1C, 0x1D, 0x1E, 0x1F}

ranges = []
for cp in CODE_POINTS:
    k = table[cp]
    if cp < 0x80 or k == "OTHER":
        continue
    if ranges and ranges[-1][2] == k and ranges[-1][0] + ranges[-1][1] == cp:
        ranges[-1][1] += 1
    else:
        ranges.append([cp, 1, k])
assert all(n < 0x10000 for _, n, _ in ranges)


def rows(items):
    line = "   "
    for s in items:
        if len(line) + len(s) + 1 > 97:
            yield line
            line = "   "
        line += " " + s
    yield line


print(f"""/* SPDX-License-Identifier: MIT */
/* Made by tests/golden/bpe/make_table.py out of what tokenizers {tokenizers.__version__} answers: do not edit.
 * Code points from U+0080 on; those in no range are UG_OTHER. */
#include "nn/unicode_gpt2.h"

static const struct range {{
    uint32_t first;
    uint16_t n;
    uint8_t class;
}} ranges[] = {{
/* clang-format off */
#define L UG_LETTER
#define N UG_NUMBER
#define S UG_SPACE""")
print("\n".join(rows(f"{{{a},{n},{k[0]}}}," for a, n, k in ranges)))
print("""};
/* clang-format on */

enum ug_class unicode_gpt2_class(uint32_t cp)
{
    uint32_t lo = 0, hi = sizeof ranges / sizeof *ranges;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (cp >= ranges[mid].first + ranges[mid].n)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == sizeof ranges / sizeof *ranges || cp < ranges[lo].first)
        return UG_OTHER;
    return (enum ug_class)ranges[lo].class;
}""")
print(len(ranges), "ranges", file=sys.stderr)
