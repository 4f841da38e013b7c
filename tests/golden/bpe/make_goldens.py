# SPDX-License-Identifier: MIT
"""Ids and texts by Hugging Face for tests/test_bpe.c. Versions: VERSIONS. From the repository root:
    python3 tests/golden/bpe/make_goldens.py [FOLDER]
writes small/, tiny/, cases.jsonl, digests.txt and VERSIONS beside itself, and stops at the first text
that our tokeniser treats otherwise. FOLDER: encoder.json and vocab.bpe of GPT-2, for the digests
named gpt2_*; without it those are kept as they are."""
import hashlib, json, os, struct, sys, tempfile
import tokenizers, transformers
from ours import CLEAN, STRIP, Ours
from reference import AddedToken, ALPHABET, Reference, lay_out, train, write
from texts import ADDED, CAPTIONS, PLAIN, PROSE, cases

HERE = os.path.dirname(os.path.abspath(__file__))
M64, TEXTS, MANY = (1 << 64) - 1, 10000, 100


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

    def of(self, items):
        return items[self.below(len(items))]


# Latin with accents, marks, Greek to Cyrillic, Hebrew to Arabic, Indic, Thai, Hangul, punctuation, symbols, kana and CJK,
# emoji, digits of many scripts, the tags and CJK of the upper planes; ASCII; controls.
RANGES = [(0xA0, 0x17F), (0x300, 0x36F), (0x370, 0x52F), (0x591, 0x6FF), (0x900, 0xDFF), (0xE00, 0xE7F), (0xAC00, 0xD7A3),
          (0x2010, 0x2070), (0x2100, 0x27BF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF), (0x660, 0x669),
          (0x966, 0x96F), (0x1D7CE, 0x1D7FF), (0x2150, 0x2189), (0xFF00, 0xFF60), (0xE0000, 0xE007F), (0x20000, 0x323AF),
          (0xFE00, 0xFE0F), (0x200B, 0x200F), (0x20, 0x7E), (0, 0x1F), (0x7F, 0x9F)]
BLANKS = [" ", " ", "\n", "\t", "\r", "\u3000", "\xa0", "\u2003", "\x85", "\u2028", "\x0b", "\x1c"]
SHORT = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "n't", " .", " ,", " ?", "\u200d", "\ufe0f", *ADDED, *PLAIN]


def mixture(i, heads, rough):
    """rough: bytes that are no text among it."""
    d, out = Draw(1000 * (i + 1)), b""
    for _ in range(1 + d.below(12)):
        kind = d.below(10)
        if kind < 3:
            out += d.of(heads)[:64] if rough else d.of(heads)
        elif kind == 3:
            lo, hi = d.of(RANGES)
            for _ in range(1 + d.below(4)):
                out += chr(lo + d.below(hi - lo + 1)).encode()
        elif kind == 4:
            for _ in range(1 + d.below(3)):
                out += d.of(BLANKS).encode()
        elif kind == 5:
            out += d.of(SHORT).encode()
        elif kind == 6:
            cp = d.below(0x110000)
            out += chr(cp if not 0xD800 <= cp < 0xE000 else 0xE9).encode()
        elif kind == 7:
            out += bytes([d.below(256)]) if rough else b" "
        elif kind == 8:
            for _ in range(1 + d.below(6)):
                out += bytes([48 + d.below(10)])
        else:
            for _ in range(1 + d.below(12)):
                out += bytes([97 + d.below(26)])
    return out


# Added tokens of tiny/ that overlap, in both passes, and one that is not special.
OVERLAP = [("<im", True, True), ("<image><", False, True), ("xyz", False, False), ("yzz", True, True), ("z a", True, False)]
PARTS = ["<im", "<image><", "xyz", "yzz", "z a", "<image>", "<", "age>", "z", "x", "</s>", "<pad>", " ", "a "]
# Words too long for anything that is quadratic.
LARGE = [b"a" * 10**6, b"the" * 300000, b" " * 10**6 + b"x", b"\n" * 10**6, "\u00e9".encode() * 400000, b"!?" * 300000, b"ab c" * 200000]


def overlap(i):
    d = Draw(2000000011 + 1000 * i)
    return "".join(d.of(PARTS) for _ in range(1 + d.below(10))).encode()


def id_list(i, size):
    d = Draw(1000000007 + 1000 * i)
    return [d.below(size + 8) for _ in range(1 + d.below(40))]


def probe():
    """A vocabulary that shows how a text was cut: a letter, a digit, a sign and a line end each merge with every first byte
    of a character, if they are in one piece with it."""
    order = [chr(c) for c in range(324) if chr(c) in ALPHABET]
    line_end = chr(0x100 + 10)
    merges = [(a, b) for a in ("a", "1", "!", line_end) for b in order]
    pieces = order + [a + b for a, b in merges]
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    vocab.update((p, 4 + i) for i, p in enumerate(pieces))
    return vocab, merges


def gpt2(folder):
    """GPT-2's pieces and merges, which are OPT's, too; the ids that are public knowledge are OPT's."""
    pieces = json.load(open(f"{folder}/encoder.json"))
    lines = open(f"{folder}/vocab.bpe", encoding="utf-8").read().split("\n")
    merges = [tuple(x.split(" ")) for x in lines if x and not x.startswith("#version")]
    known = {".": 4, "Ġyou": 47, "I": 100, "Ġlike": 101, "a": 102, "Ċ": 50118}
    return lay_out(list(pieces), known), merges


def of_ids(ids):
    return struct.pack(f"<{len(ids) + 1}i", len(ids), *ids)


def of_text(text):
    return struct.pack("<i", len(text)) + text


class Compare:
    def __init__(self, folder):
        self.hf, self.ours, self.lines = Reference(folder), Ours(folder), []

    def check(self, what, source, want, got):
        if want != got:
            sys.exit(f"DIFFERS {what} {source!r:.200}\n{want!r:.300}\n{got!r:.300}")

    def line(self, name, n, h):
        self.lines.append(f"{name} {n} {h.hexdigest()}\n")
        print(self.lines[-1], end="", flush=True)

    def ids(self, name, texts, row=of_ids):
        """SHA-256 over each text's number of ids and ids, as 32-bit little-endian numbers."""
        h, out = hashlib.sha256(), []
        for at in range(0, len(texts), 20000):
            part = texts[at:at + 20000]
            for t, ids in zip(part, self.hf.ids(part)):
                self.check(name, t, ids, self.ours(t))
                h.update(row(ids))
                out.append(ids)
        self.line(name, len(texts), h)
        return out

    def texts(self, name, lists):
        """SHA-256 over each text's bytes (their number first), as decoded; and tidied."""
        plain, tidy = hashlib.sha256(), hashlib.sha256()
        for ids in lists:
            want = self.hf.text(ids), self.hf.tidy(ids)
            self.check(name, ids, want, (self.ours.text(ids), self.ours.text(ids, CLEAN | STRIP)))
            plain.update(of_text(want[0]))
            tidy.update(of_text(want[1]))
        self.line(name + "_text", len(lists), plain)
        self.line(name + "_tidy", len(lists), tidy)

    def pieces(self, name, texts):
        """Like ids, but over the text of each id: whatever the numbers are, the cuts are the same."""
        one = lambda i: of_text(self.hf.text([i]))
        self.ids(name, texts, lambda ids: struct.pack("<i", len(ids)) + b"".join(map(one, ids)))


def write_cases(small):
    """ids, text, tidy: above MANY ids their digests; a text that is the input is left out."""
    sha = lambda b: hashlib.sha256(b).hexdigest()
    with open(f"{HERE}/cases.jsonl", "w") as f:
        for what, head, times, tail in cases():
            data = head * times + tail
            ids = small.hf.ids([data])[0]
            text, tidy = small.hf.text(ids), small.hf.tidy(ids)
            small.check(what, data, (ids, text, tidy), (small.ours(data), small.ours.text(ids), small.ours.text(ids, CLEAN | STRIP)))
            row = dict(what=what, head=head.hex(), times=times, tail=tail.hex())
            row["ids"] = ids if len(ids) <= MANY else sha(of_ids(ids))
            for key, t in ("text", text), ("tidy", tidy):
                if t != data:
                    row[key] = t.hex() if len(ids) <= MANY else sha(of_text(t))
            f.write(json.dumps(row, separators=(",", ":")) + "\n")


def write_tiny():
    """A small tokenizer.json as Hugging Face saves it."""
    with tempfile.TemporaryDirectory() as d:
        pieces, merges = train("\n".join(CAPTIONS), 300)
        write(d, lay_out(pieces), merges)
        c = Compare(d)
        c.hf.t.add_tokens([AddedToken(s, normalized=late, special=special) for s, late, special in OVERLAP])
        c.hf.t._tokenizer.save(f"{HERE}/tiny/tokenizer.json", pretty=False)
        c.ours = Ours(f"{HERE}/tiny")
        return c


def main():
    os.makedirs(f"{HERE}/tiny", exist_ok=True)
    pieces, merges = train("\n".join(CAPTIONS) + "\n" + PROSE, 1000)
    write(f"{HERE}/small", lay_out(pieces), merges)
    small, tiny = Compare(f"{HERE}/small"), write_tiny()
    write_cases(small)
    all_heads = [c[1] for c in cases()]
    heads = [h for h in all_heads if h.decode("utf-8", "ignore").encode() == h and len(h) <= 64]
    random_ = [mixture(i, heads, False) for i in range(TEXTS)]
    rough = [mixture(i, all_heads, True) for i in range(TEXTS)]
    points = [chr(c).encode() for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    small.texts("small_random", small.ids("small_random", random_))
    small.texts("small_rough", small.ids("small_rough", rough))
    size = len(small.hf.t)
    small.texts("small_ids", [id_list(i, size) for i in range(TEXTS)])
    small.ids("small_alone", points)
    small.ids("small_large", LARGE)
    tiny.ids("tiny_random", random_)
    tiny.texts("tiny_overlap", tiny.ids("tiny_overlap", [overlap(i) for i in range(TEXTS)]))
    with tempfile.TemporaryDirectory() as d:
        write(d, *probe())
        known = Compare(d)
        known.ids("probe_between", [b"a" + p + b"1" + p + b"!" + p + b"\n" + p + b"b" for p in points])
        known.ids("probe_random", random_)
    path = f"{HERE}/digests.txt"
    real = [x for x in open(path)] if os.path.exists(path) else []
    real = [x for x in real if x.startswith("gpt2_")]
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as d:
            write(d, *gpt2(sys.argv[1]))
            c = Compare(d)
            assert c.ours(b"I like you.\n") == [100, 101, 47, 4, 50118]
            c.pieces("gpt2_captions", [x.encode() for x in CAPTIONS])
            c.pieces("gpt2_random", random_)
            c.pieces("gpt2_rough", rough)
            real = c.lines
    open(path, "w").write("".join(small.lines + tiny.lines + known.lines + real))
    open(f"{HERE}/VERSIONS", "w").write(f"python {sys.version.split()[0]}\ntransformers {transformers.__version__}\n"
                                       f"tokenizers {tokenizers.__version__}\n{len(all_heads)} cases\n")
    print(size, "ids", len(all_heads), "cases", len(heads), "heads")


main()
