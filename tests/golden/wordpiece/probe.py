# SPDX-License-Identifier: MIT
"""What Hugging Face's BertNormalizer and BertPreTokenizer do with each code point, learnt by
asking them: nothing here is taken from a copy of the Unicode tables, because the crates inside
carry three different versions of them. Imported by make_table.py; takes about 30 s."""
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


clean, cjk = bert(clean_text=True), bert(handle_chinese_chars=True)
strip, lower = bert(strip_accents=True), bert(lowercase=True)
nfd = normalizers.NFD().normalize_str
words = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def middle(f, c):
    """f(c) as it stands between two letters."""
    return f("a" + c + "b")[1:-1]


def is_punct(c):
    return [w for w, _ in words("a" + c + "b")] == ["a", c, "b"]


def classes():
    """Canonical combining classes {code point: ccc} in three questions. NFD swaps the pair (x, y)
    exactly when 0 < ccc(y) < ccc(x), so marks of known class sort the rest. The classes of
    the 56 marks used as a measure are those of the standard and have never changed."""
    import unicodedata
    swaps = lambda a, b: a != b and nfd(a + b) == b + a
    known = {}
    for c in range(0x300, 0x1E000):
        k = unicodedata.combining(chr(c))
        if k and k not in known and (swaps(chr(c), "\u0334") or swaps("\u0345", chr(c))):
            known[k] = chr(c)
    order = sorted(known)
    out = {}
    for cp in CODE_POINTS:
        c = chr(cp)
        if nfd(c) != c or 0xAC00 <= cp < 0xD7A4:
            continue
        if not swaps(c, known[order[0]]) and not swaps(known[order[-1]], c):
            continue
        # The class k with neither swap: c does not go before it, nor it before c.
        same = [k for k in order if not swaps(c, known[k]) and not swaps(known[k], c)]
        assert len(same) == 1, (hex(cp), same)
        out[cp] = same[0]
    return out
