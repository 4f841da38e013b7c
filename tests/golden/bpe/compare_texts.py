# SPDX-License-Identifier: MIT
"""Compares our ids and texts with Hugging Face's on every text file of a folder: each line, and each
file as one text. Binary files (NUL in the first 4 KiB) are passed over; .gz is unpacked. Then, with
N, on N seeded random strings.
    python3 tests/golden/bpe/compare_texts.py MODEL_FOLDER FOLDER [N]
MODEL_FOLDER has vocab.json and merges.txt. From the repository root."""
import gzip, os, random, shutil, sys, tempfile, time
from ours import CLEAN, STRIP, Ours
from reference import Reference
from texts import cases

folder = tempfile.mkdtemp()
for name in "vocab.json", "merges.txt":
    shutil.copy(f"{sys.argv[1]}/{name}", folder)
hf, ours = Reference(folder), Ours(folder)
shutil.rmtree(folder)
count = dict(files=0, texts=0, bytes=0, ids=0, differences=0)
seconds = dict(theirs=0.0, ours=0.0)


def compare(texts, where):
    t0 = time.perf_counter()
    want = hf.ids(texts)
    t1 = time.perf_counter()
    got = [ours(t) for t in texts]
    seconds["theirs"] += t1 - t0
    seconds["ours"] += time.perf_counter() - t1
    for t, a, b in zip(texts, want, got):
        count["texts"] += 1
        count["bytes"] += len(t)
        count["ids"] += len(a)
        if a != b or hf.text(a) != ours.text(b) or hf.tidy(a) != ours.text(b, CLEAN | STRIP):
            count["differences"] += 1
            print("DIFFERS", where, t[:80])


for at, _, names in sorted(os.walk(sys.argv[2])):
    for name in sorted(names):
        path = os.path.join(at, name)
        data = (gzip.open if name.endswith(".gz") else open)(path, "rb").read()
        if b"\0" in data[:4096]:
            continue
        count["files"] += 1
        texts = data.split(b"\n") + [data]
        for k in range(0, len(texts), 5000):
            compare(texts[k:k + 5000], path)
r = random.Random(7)
heads = [c[1] for c in cases()]
part = []
for i in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0):
    part.append(b"".join(r.choice(heads) if r.random() < 0.6 else chr(r.choice([r.randrange(0xD800), r.randrange(0xE000, 0x110000), r.randrange(0x250)])).encode()
                         for _ in range(r.randrange(1, 9))))
    if len(part) == 5000:
        compare(part, "random")
        part = []
compare(part, "random")
print(count, {k: f"{v:.2f} s" for k, v in seconds.items()})
