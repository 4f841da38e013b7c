# SPDX-License-Identifier: MIT
"""Token ids of transformers for the pictures that blip2_full draws, from its folder, in float32 (16 GB of memory).
usage: blip2_peer.py DIR PICTURES TOKENS    prints a line of ids a picture, and on stderr the smallest lead of a
chosen token over the next one: where it is near the arithmetic's error the two may differ."""
import json, os, sys; os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
import numpy as np, torch
from transformers import Blip2ForConditionalGeneration
folder, pictures, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]); torch.set_num_threads(os.cpu_count())

def mix(x):
    with np.errstate(over='ignore'):
        x = x + np.uint64(0x9E3779B97F4A7C15); x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB); return x ^ (x >> np.uint64(31))

def draw(seed):
    i = np.arange(224 * 224 * 3, dtype=np.uint64)
    rgb = (mix(i // np.uint64(97) * np.uint64(1000) + np.uint64(seed)) & np.uint64(255)).astype(np.uint8).reshape(224, 224, 3)
    x = rgb.astype(np.float32) / np.float32(255); mean = np.float32([0.48145466, 0.4578275, 0.40821073]); std = np.float32([0.26862954, 0.26130258, 0.27577711])
    return ((x - mean) / std).transpose(2, 0, 1)

m = Blip2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
known = max(json.load(open(folder + '/vocab.json')).values()) + 2; rows = m.language_model.get_input_embeddings().weight.shape[0]
px = torch.from_numpy(np.stack([draw(i) for i in range(pictures)])); ids = torch.tensor([[50265] * 32 + [2]] * pictures)
with torch.inference_mode():
    out = m.generate(pixel_values=px, input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False,
                     suppress_tokens=list(range(known, rows)), output_scores=True, return_dict_in_generate=True)
for row in out.sequences[:, 33:].tolist(): print(*row)
lead = [(s.topk(2).values[:, 0] - s.topk(2).values[:, 1]).min().item() for s in out.scores]
print('smallest lead', min(lead), 'largest score', max(s.max().item() for s in out.scores), file=sys.stderr)
