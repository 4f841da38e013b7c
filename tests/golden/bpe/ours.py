# SPDX-License-Identifier: MIT
"""Our tokeniser from Python: builds a shared library in a temporary folder with cc and calls it."""
import ctypes, os, subprocess, tempfile

_dir = tempfile.TemporaryDirectory()
_so = os.path.join(_dir.name, "ours.so")
_c = "nn/bpe nn/bpe_build nn/bpe_files nn/bpe_json nn/bpe_split nn/unicode_gpt2 nn/unicode_word source/utf8 source/jsonval source/jsonspan base/buf base/err base/util base/sha256"
subprocess.run(["cc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Ilib", "-o", _so,
                *[f"lib/{c}.c" for c in _c.split()], "-lcrypto", "-lxxhash"], check=True)
_lib = ctypes.CDLL(_so)
CLEAN, STRIP = 1, 2


class _Buf(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("len", ctypes.c_size_t), ("cap", ctypes.c_size_t)]


_lib.bpe_open.restype = ctypes.c_void_p
_lib.bpe_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
_lib.bpe_ids.restype = ctypes.c_size_t
_lib.bpe_ids.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
_lib.bpe_text.argtypes = [ctypes.POINTER(_Buf), ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
_lib.buf_clear.argtypes = [ctypes.POINTER(_Buf)]


class Ours:
    def __init__(self, folder, rows=1 << 20):
        e = ctypes.create_string_buffer(512)
        self.b = _lib.bpe_open(folder.encode(), rows, e)
        assert self.b, e.value
        self.ids, self.most, self.out = None, 0, _Buf()

    def __call__(self, data):
        if self.most < 3 * len(data):
            self.most = 3 * len(data)
            self.ids = (ctypes.c_int * self.most)()
        n = _lib.bpe_ids(self.ids, self.most, data, len(data), self.b)
        assert n <= self.most
        return self.ids[:n]

    def text(self, ids, how=0):
        _lib.buf_clear(self.out)
        _lib.bpe_text(self.out, (ctypes.c_int * len(ids))(*ids), len(ids), how, self.b)
        return ctypes.string_at(self.out.data, self.out.len)
