# SPDX-License-Identifier: MIT
"""Ids by Hugging Face for tests/test_wordpiece.c. Versions: VERSIONS. From the repository root:
    python3 tests/golden/wordpiece/make_goldens.py MODEL_FOLDER DATA_FOLDER
writes small_vocab.txt, cases.jsonl, digests.txt and VERSIONS beside itself, and stops at the
first text that our tokeniser treats otherwise."""
import csv, hashlib, io, json, os, struct, sys, tempfile
import tokenizers, transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, BertTokenizerFast
from hostile import SPECIAL, cases
from ours import Ours

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL, DATA = sys.argv[1:3]
MAX, M64 = 256, (1 << 64) - 1


def small_vocab():
    """Some 300 pieces: each ASCII character, letters of other scripts, a few words and endings."""
    v = SPECIAL + [chr(c) for c in range(0x21, 0x7F) if not 65 <= c <= 90]
    v += list("ßøłđæœıσςиж中文東京日本語豈一丁가한ᄒᄀᄁ€°😋🍕⭐、。“”’…–²½") + ["\U0001d15e"]
    v += ["\u1161", "\u11ab", "か", "カ", "ا", "ب", "ש", "क", "த", "ก", "ở", "\U00020000", "\u302e", "\U0001d158"]
    v += ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789ßøłđıσς中か😋🍕\u1161\u11ab\u11a8\u1100\u1112"]
    v += ["##\U0001d165", "##\u1b44", "##\u302e", "##\u302f", "##\U0001d16d", "##\ufe0f", "##ا", "##क", "##ത"]
    v += "the food was great it a is cafe resume un pho bun end good bad over chicken biryani istanbul naive".split()
    v += "##s ##ed ##ing ##ly ##able ##believ ##believa ##bly ##er ##est ##ab ##abc ##cd ##yzzy ##aaaa ##aaaaaaaa".split()
    v += ["aa", "aaaa", "ab", "abab", "##abab", "[unused0]", "[unused1]", "##ing-", "caf", "##\u00e9", "e\u0301"]
    v = list(dict.fromkeys(v))
    return v


def giant(vocab_size_end=0x30000):
    """Each code point of planes 0 to 2 as a piece: ids show what the normaliser made of a text."""
    v = list(SPECIAL)
    for c in range(0x21, vocab_size_end):
        if not 0xD800 <= c < 0xE000:
            v += [chr(c), "##" + chr(c)]
    t = Tokenizer(models.WordPiece({p: i for i, p in enumerate(v)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.add_special_tokens(SPECIAL)
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.enable_truncation(MAX)
    return v, t


class Draw:
    """As in the C test: numbered hashes (rng_mix of lib/base/rng.h)."""

    def __init__(self, seed):
        self.c = seed

    def below(self, n):
        x = (self.c + 0x9E3779B97F4A7C15) & M64
        self.c += 1
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & M64
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & M64
        return (x ^ x >> 31) % n


def mixture(i, heads):
    d, out = Draw(1000 * (i + 1)), b""
    for _ in range(1 + d.below(12)):
        kind = d.below(8)
        if kind < 4:
            out += heads[d.below(len(heads))][:64]
        elif kind == 4:
            cp = 0x20 + d.below(0x2FFE0)
            out += chr(cp if not 0xD800 <= cp < 0xE000 else 0xE9).encode()
        elif kind == 5:
            out += bytes([d.below(256)])
        elif kind == 6:
            out += b" "
        else:
            for _ in range(1 + d.below(12)):
                out += bytes([97 + d.below(26)])
    return out


MARKS = [(0x61, 0x62), (0x300, 0x36F), (0x8D4, 0x8E2), (0xF71, 0xF84), (0x1B35, 0x1B44), (0x1BF2, 0x1BF3),
         (0x302A, 0x302F), (0xA953, 0xA953), (0x1D157, 0x1D172), (0x1E000, 0x1E02A), (0x1E944, 0x1E94A),
         (0xC0, 0x17F), (0xAC00, 0xAC1C), (0x11133, 0x1134D), (0x1100, 0x11FF), (0x344, 0x345), (0x34F, 0x34F), (0xAD, 0xAD)]


def mark_sequence(i):
    d, s = Draw(1000000007 + 1000 * i), ""
    for _ in range(2 + d.below(9)):
        lo, hi = MARKS[d.below(len(MARKS))]
        s += chr(lo + d.below(hi - lo + 1))
    return s.encode()


def digest(name, texts, hf, ours):
    """SHA-256 over each text's number of ids and ids, as 32-bit little-endian numbers."""
    h, differ = hashlib.sha256(), 0
    for at in range(0, len(texts), 20000):
        part = texts[at:at + 20000]
        for t, ids in zip(part, hf([x.decode("utf-8", "replace") for x in part])):
            h.update(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids))
            if ours(t) != ids:
                differ += 1
                print("DIFFERS", name, t[:60], ids[:12], ours(t)[:12])
    print(name, len(texts), "texts", differ, "differences", flush=True)
    assert differ == 0
    return f"{name} {len(texts)} {h.hexdigest()}\n"


def zomato():
    f = open(f"{DATA}/zomato_hyderabad/Restaurant reviews.csv", "rb").read().decode("utf-8", "replace")
    return [r["Review"].encode() for r in csv.DictReader(io.StringIO(f, newline=""))]


def main():
    small_path = f"{HERE}/small_vocab.txt"
    open(small_path, "w", newline="").write("".join(p + "\n" for p in small_vocab()))
    fast = BertTokenizerFast(vocab={p: i for i, p in enumerate(small_vocab())})
    real = AutoTokenizer.from_pretrained(MODEL)
    cut = lambda t: lambda x: t(x, truncation=True, max_length=MAX)["input_ids"]
    ours_small, ours_real = Ours(small_path), Ours(f"{MODEL}/vocab.txt")
    all_cases = cases()
    with open(f"{HERE}/cases.jsonl", "w") as f:
        for what, head, times, tail in all_cases:
            text = head * times + tail
            t = text.decode("utf-8", "replace")
            row = dict(what=what, head=head.hex(), times=times, tail=tail.hex(), small=cut(fast)([t])[0], real=cut(real)([t])[0])
            for ours, key in ((ours_small, "small"), (ours_real, "real")):
                assert ours(text) == row[key], (key, text[:80], row[key][:20], ours(text)[:20])
            f.write(json.dumps(row, separators=(",", ":")) + "\n")
    heads = [c[1] for c in all_cases]
    mixed = [mixture(i, heads) for i in range(2000)]
    points = [chr(c).encode() for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    between = [b"a" + p + b"b" for p in points]
    marks = [mark_sequence(i) for i in range(20000)]
    giant_vocab, giant_hf = giant()
    with tempfile.NamedTemporaryFile("w", newline="") as f:
        f.write("".join(p + "\n" for p in giant_vocab))
        f.flush()
        ours_giant = Ours(f.name)
    of_giant = lambda x: [e.ids for e in giant_hf.encode_batch(x)]
    out = digest("small_mixed", mixed, cut(fast), ours_small)
    out += digest("small_between", between, cut(fast), ours_small)
    out += digest("giant_between", between, of_giant, ours_giant)
    out += digest("giant_mixed", mixed, of_giant, ours_giant)
    out += digest("giant_marks", marks, of_giant, ours_giant)
    out += digest("real_mixed", mixed, cut(real), ours_real)
    out += digest("real_alone", points, cut(real), ours_real)
    out += digest("real_between", between, cut(real), ours_real)
    out += digest("real_marks", marks, cut(real), ours_real)
    out += digest("real_zomato", zomato(), cut(real), ours_real)
    out += digest("small_zomato", zomato(), cut(fast), ours_small)
    open(f"{HERE}/digests.txt", "w").write(out)
    open(f"{HERE}/VERSIONS", "w").write(f"python {sys.version.split()[0]}\ntransformers {transformers.__version__}\n"
                                       f"tokenizers {tokenizers.__version__}\n{len(all_cases)} cases\n")
    print(len(small_vocab()), "pieces", len(all_cases), "cases")


main()
