# SPDX-License-Identifier: MIT
"""Compares our ids with Hugging Face's on every text file of a folder: each line, and each file
as one text. Binary files (NUL in the first 4 KiB) are passed over; .gz is unpacked.
    python3 tests/golden/wordpiece/compare_texts.py MODEL_FOLDER FOLDER"""
import gzip, os, sys
from transformers import AutoTokenizer
from ours import Ours

hf, ours = AutoTokenizer.from_pretrained(sys.argv[1]), Ours(f"{sys.argv[1]}/vocab.txt")
files = lines = size = differ = 0
for folder, _, names in sorted(os.walk(sys.argv[2])):
    for name in sorted(names):
        path = os.path.join(folder, name)
        data = (gzip.open if name.endswith(".gz") else open)(path, "rb").read()
        if b"\0" in data[:4096]:
            continue
        texts = data.split(b"\n") + [data]
        files, lines, size = files + 1, lines + len(texts), size + len(data)
        for at in range(0, len(texts), 5000):
            part = texts[at:at + 5000]
            want = hf([t.decode("utf-8", "replace") for t in part], truncation=True, max_length=256)
            for t, ids in zip(part, want["input_ids"]):
                if ours(t) != ids:
                    differ += 1
                    print("DIFFERS", path, t[:80])
print(files, "files", lines, "texts", size, "bytes", differ, "differences")
