# SPDX-License-Identifier: MIT
"""Writes lib/nn/unicode_bert.c: what BERT's uncased normaliser makes of each code point, as
Hugging Face tokenizers 0.23.3 does it. Run from the repository root:
    python3 tests/golden/wordpiece/make_table.py > lib/nn/unicode_bert.c"""
import sys, tokenizers, unicodedata
from probe import *

CCC = classes()


def normal(cp):
    """('keep',) or ('delete',) ... or ('map', code points)."""
    c = chr(cp)
    kind = middle(clean, c)
    if kind != c:
        return ({"": "delete", " ": "space"}[kind],)
    alone = middle(cjk, c) != c
    assert not alone or middle(cjk, c) == " " + c + " "
    if 0xAC00 <= cp < 0xD7A4:
        return ("hangul",)
    out, run = [], False
    for x in nfd(c):
        starter = CCC.get(ord(x), 0) == 0
        if middle(strip, x) != "":
            low = lower(x)
            assert len(low) == 1 and CCC.get(ord(low), 0) == CCC.get(ord(x), 0)
            out.append(ord(low))
            run = run or not starter
        elif starter and not out:
            out.append(None)
        else:
            # A dropped starter behind a kept mark would end its run: does not occur.
            assert not (starter and run)
    if out == [None]:
        return ("barrier",)
    out = [x for x in out if x is not None]
    if not out:
        return ("delete",)
    if out != [cp]:
        assert not alone or len(out) == 1
        return ("map", tuple(out))
    if cp in CCC:
        return ("mark", CCC[cp])
    return ("alone",) if alone or is_punct(c) else ("keep",)


table = {cp: normal(cp) for cp in CODE_POINTS}

# Outputs are looked up once more: they must be final, and a CJK ideograph must stay alone.
for cp, v in table.items():
    for x in v[1] if v[0] == "map" else ():
        assert table[x][0] in ("keep", "alone", "mark"), hex(cp)
        assert middle(cjk, chr(cp)) == chr(cp) or table[x][0] == "alone", hex(cp)
assert all(table[c][0] != "map" or c > 0x40 for c in range(0x80))

ranges, outs = [], []
cp = 0x80
while cp < 0x110000:
    v = table.get(cp, ("keep",))
    end = cp + 1
    if v[0] == "map" and len(v[1]) == 1:
        # A run of one-to-one maps; up to three kept characters in between map to themselves.
        last = cp
        while end - last <= 4 and table.get(end, ("",))[0] in ("map", "keep"):
            if table[end][0] == "map":
                if len(table[end][1]) != 1:
                    break
                last = end
            end += 1
        end = last + 1
        ranges.append((cp, end - cp, "MAP", len(outs)))
        outs += [table[c][1][0] if table[c][0] == "map" else c for c in range(cp, end)]
    elif v[0] == "map":
        ranges.append((cp, 1, f"SEQ{len(v[1])}", len(outs)))
        outs += v[1]
    elif v[0] != "keep":
        while table.get(end, ("",)) == v:
            end += 1
        ranges.append((cp, end - cp, v[0].upper(), v[1] if v[0] == "mark" else 0))
    cp = end


def rows(items):
    line = "   "
    for s in items:
        if len(line) + len(s) + 1 > 97:
            yield line
            line = "   "
        line += " " + s
    yield line


short = {"DELETE": "D", "SPACE": "S", "BARRIER": "B", "ALONE": "A", "MARK": "K", "HANGUL": "H",
         "MAP": "M", "SEQ2": "2", "SEQ3": "3"}
print(f"""/* SPDX-License-Identifier: MIT */
/* Made by tests/golden/wordpiece/make_table.py out of what tokenizers {tokenizers.__version__} answers: do not
 * edit. Code points from U+0080 on; those in no range stay as they are. */
#include "nn/unicode_bert.h"

/* First code point, length of the range, kind, offset in outs (M, 2, 3) or class (K). */
static const struct range {{
    uint32_t first, n;
    uint8_t kind;
    uint16_t at;
}} ranges[] = {{
/* clang-format off */""")
for k in short:
    print(f"#define {'Q' + short[k] if short[k].isdigit() else short[k]} UB_{k}")
name = {k: ("Q" + v if v.isdigit() else v) for k, v in short.items()}
print("\n".join(rows(f"{{{a},{n},{name[k]},{x}}}," for a, n, k, x in ranges)))
print("};\n\nstatic const uint32_t outs[] = {")
print("\n".join(rows(f"{x}," for x in outs)))
print("""};
/* clang-format on */

struct ub_char unicode_bert_find(uint32_t cp)
{
    uint32_t lo = 0, hi = sizeof ranges / sizeof *ranges;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (cp >= ranges[mid].first + ranges[mid].n)
            lo = mid + 1;
        else
            hi = mid;
    }
    struct ub_char c = {.kind = UB_KEEP};
    if (lo == sizeof ranges / sizeof *ranges || cp < ranges[lo].first)
        return c;
    const struct range *r = &ranges[lo];
    c.kind = r->kind;
    if (c.kind == UB_MARK)
        c.order = r->at;
    else
        c.out = outs + r->at + (c.kind == UB_MAP ? cp - r->first : 0);
    return c;
}""")
print(len(ranges), "ranges,", len(outs), "outputs", file=sys.stderr)
