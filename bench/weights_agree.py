# SPDX-License-Identifier: MIT
"""What rounding weights does to the words a language model chooses: those of SmolLM2-135M (real,
from its GGUF file) as they are, as bfloat16, and as bytes of 32 inputs a scale (PANEL_BYTE).
usage: weights_agree.py MODEL.gguf TEXTS    (a text a line; needs torch, transformers, gguf)"""
import copy
import os
import sys

import torch
import transformers


def as_bytes(w):
    out = torch.empty_like(w)
    for k in range(0, w.shape[1], 32):
        group = w[:, k:k + 32]
        step = (group.abs().amax(1, keepdim=True) / 127).contiguous()
        step = ((step.view(torch.int32) + 0xffff) >> 16 << 16).view(torch.float32)  # the next bfloat16
        out[:, k:k + 32] = torch.where(step > 0, torch.round(group / step) * step, torch.zeros_like(group))
    return out


def rounded(model, how):
    m = copy.deepcopy(model)
    for name, p in m.named_parameters():
        if p.dim() == 2:
            p.data = how(p.data)
    return m


folder, name = os.path.split(os.path.abspath(sys.argv[1]))
tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
texts = [t.strip() for t in open(sys.argv[2], encoding="utf-8") if t.strip()]
ids = [tokenizer(t, return_tensors="pt").input_ids[:, :48] for t in texts]
ids = [i for i in ids if i.shape[1] >= 16]
kinds = {"bf16": lambda w: w.bfloat16().float(), "int8": as_bytes}
with torch.no_grad():
    want = [model(i).logits[0] for i in ids]
    spoken = [model.generate(i[:, :16], max_new_tokens=20, do_sample=False)[0, 16:].tolist() for i in ids]
    for kind, how in kinds.items():
        m = rounded(model, how)
        got = [m(i).logits[0] for i in ids]
        same = sum((a.argmax(1) == b.argmax(1)).sum().item() for a, b in zip(want, got))
        n = sum(a.shape[0] for a in want)
        error = sum(((a - b) ** 2).sum().item() for a, b in zip(want, got))
        size = sum(((a - a.mean(1, keepdim=True)) ** 2).sum().item() for a in want)
        says = [m.generate(i[:, :16], max_new_tokens=20, do_sample=False)[0, 16:].tolist() for i in ids]
        whole = sum(a == b for a, b in zip(spoken, says))
        print(f"{kind}: next word the same at {same} of {n} places ({100 * same / n:.2f} %); "
              f"20 words the same for {whole} of {len(ids)} beginnings; "
              f"logits off by {100 * (error / size) ** .5:.2f} % (root mean square)")
