# SPDX-License-Identifier: MIT
"""Our tokeniser from Python: builds a shared library in a temporary folder with cc and calls it."""
import ctypes, glob, os, subprocess, tempfile

_dir = tempfile.TemporaryDirectory()
_so = os.path.join(_dir.name, "ours.so")
subprocess.run(["cc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Ilib", "-o", _so,
                "lib/nn/wordpiece.c", "lib/nn/unicode_bert.c", "lib/nn/unicode_word.c",
                "lib/source/utf8.c", "lib/base/buf.c", "lib/base/err.c", "lib/base/util.c"],
               check=True)
_lib = ctypes.CDLL(_so)
_lib.wordpiece_open.restype = ctypes.c_void_p
_lib.wordpiece_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
_lib.wordpiece_ids.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t,
                               ctypes.c_void_p]


class Ours:
    def __init__(self, vocab, most=256):
        e = ctypes.create_string_buffer(512)
        self.w = _lib.wordpiece_open(vocab.encode(), 0, e)
        assert self.w, e.value
        self.most, self.ids = most, (ctypes.c_int * most)()

    def __call__(self, data):
        n = _lib.wordpiece_ids(self.ids, self.most, data, len(data), self.w)
        return self.ids[:n]
