# SPDX-License-Identifier: MIT
"""Small files by the safetensors and huggingface_hub packages (versions in VERSIONS) for
tests/test_safetensors.c and tests/test_shards.c.
    python3 tests/golden/safetensors/make_goldens.py"""
import hashlib, os, sys
import huggingface_hub, numpy, safetensors, torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(7)
tensors = {
    "f32.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8 - 0.5,
    "f16.weight": torch.tensor([[0.0, -0.0, 1.0, -2.5], [65504.0, 2**-24, 2**-14, 1 / 3]], dtype=torch.float16),
    "bf16.weight": torch.tensor([1.0, -3.140625, 2.0**127, 2.0**-126], dtype=torch.bfloat16),
    "position_ids": torch.arange(5, dtype=torch.int64).reshape(1, 5),
    "num_batches_tracked": torch.tensor(0, dtype=torch.int64),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 7),
    "näme \"quoted\" \\ 中😋": torch.tensor([1.5]),
    "deep": torch.arange(8, dtype=torch.float32).reshape(1, 2, 1, 2, 1, 2, 1, 1),
    "wild": torch.tensor([1.0, float("nan"), 2.0]),
    "infinite": torch.tensor([1.0, 2.0, float("-inf")], dtype=torch.float16),
}
save_file(tensors, f"{here}/mixed.safetensors", metadata={"format": "pt", "a key": "a \"value\"\n"})
save_file({"x": torch.zeros(2, dtype=torch.float64)}, f"{here}/f64.safetensors")
save_file({}, f"{here}/none.safetensors")
# A checkpoint in several files, as transformers' save_pretrained writes one; the tied output
# layer is left out of files and index.
base = torch.arange(24, dtype=torch.float32).reshape(6, 4) / 4 - 1
layers = {"embed.weight": base, "lm_head.weight": base, "logit_scale": torch.tensor(2.5)}
for i in range(3):
    layers[f"layers.{i}.fc.weight"] = (base[:4] + i).to(torch.float16)
    layers[f"layers.{i}.fc.bias"] = torch.full((4,), float(i), dtype=torch.bfloat16)
layers["position_ids"] = torch.arange(6, dtype=torch.int64).reshape(1, 6)
os.makedirs(f"{here}/sharded", exist_ok=True)
huggingface_hub.save_torch_state_dict(layers, f"{here}/sharded", max_shard_size=100, metadata={"format": "pt"})
# Each half-precision number, and what torch makes of it in float32.
half = numpy.arange(65536, dtype=numpy.uint16).view(numpy.int16)
for name, kind in (("f16", torch.float16), ("bf16", torch.bfloat16)):
    wide = torch.from_numpy(half.copy()).view(kind).to(torch.float32).numpy().view(numpy.uint32)
    with open(f"{here}/{name}.sha256", "w") as f:
        f.write(hashlib.sha256(wide.astype("<u4").tobytes()).hexdigest() + "\n")
open(f"{here}/VERSIONS", "w").write(f"python {sys.version.split()[0]}\nsafetensors {safetensors.__version__}\n"
                                   f"torch {torch.__version__}\nnumpy {numpy.__version__}\n"
                                   f"huggingface_hub {huggingface_hub.__version__}\n")
