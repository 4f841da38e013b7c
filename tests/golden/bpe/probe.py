# SPDX-License-Identifier: MIT
"""The class that GPT-2's regular expression gives each code point, learnt by asking Hugging Face's
ByteLevel pre-tokeniser: nothing here is taken from a copy of the Unicode tables, because which
version the library inside carries is its own affair. Imported by make_table.py; takes about 20 s."""
from tokenizers import pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def pieces(text):
    return [text[a:b] for _, (a, b) in _level.pre_tokenize_str(text)]


# Two neighbours of each class that make one piece with a character of their own.
AROUND = {"LETTER": "ab", "NUMBER": "12", "SPACE": "\n\n", "OTHER": "!?"}


def class_of(cp):
    c = chr(cp)
    classes = [k for k, (a, b) in AROUND.items() if len(pieces(a + c + b)) == 1]
    assert len(classes) == 1 and pieces(c) == [c], hex(cp)
    assert pieces("a " + c) == ["a", " " + c], hex(cp)
    return classes[0]
