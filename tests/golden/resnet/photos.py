"""Compares 200 photos with transformers: pixels bit for bit, features as a share of the largest. SPDX-License-Identifier: MIT
usage: photos.py DATA_FOLDER DUMP    (DUMP: dump.c, built as its head says). Writes a model of full size to a temporary folder."""
import os, subprocess, sys, tempfile, numpy as np, torch
from safetensors.torch import save_file
from transformers import ResNetConfig, ResNetModel
from make import full_tensors, hf_pixels, opened, photos, tv_name
m = ResNetModel(ResNetConfig()).eval(); tv = full_tensors()
m.load_state_dict({k: tv[tv_name(k)] if 'num_batches' not in k else v for k, v in m.state_dict().items()})
names = photos(sys.argv[1])
with tempfile.TemporaryDirectory() as d:
    save_file({k: v.contiguous() for k, v in m.state_dict().items()}, os.path.join(d, 'model.safetensors')); m.config.save_pretrained(d)
    run = lambda what, p='f32', b='onednn': np.frombuffer(subprocess.run([sys.argv[2], d, p, b, what, '2'] + names, stdout=subprocess.PIPE, check=True).stdout, '<f4').reshape(len(names), -1)
    pixels, ours, blas, half = run('pixels'), run('features'), run('features', b='openblas'), run('features', 'bf16')
worst = worst_blas = 0; equal = 0; least = 1; cos = lambda a, b: float(a @ b / np.sqrt((a @ a) * (b @ b)))
for i, n in enumerate(names):
    x = hf_pixels(opened(n)); equal += np.array_equal(x.numpy().ravel(), pixels[i])
    with torch.inference_mode(): f = m(x[None]).pooler_output.flatten().numpy()
    worst = max(worst, abs(f - ours[i]).max() / abs(f).max()); worst_blas = max(worst_blas, abs(f - blas[i]).max() / abs(f).max()); least = min(least, cos(f, half[i]))
print(f'{len(names)} photos: pixels equal {equal}; features f32 oneDNN {worst:.2g}, OpenBLAS {worst_blas:.2g} of the largest; bf16 least cosine {least:.6f}')
