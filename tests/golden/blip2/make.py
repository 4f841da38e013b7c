# SPDX-License-Identifier: MIT
"""What test_blip2 compares with, by transformers' Blip2ForConditionalGeneration on a tiny model of true head sizes (88, 64
and 80), whose weights both sides make from a counter. usage, from the repository root: make.py
  tiny/config.json, generation_config.json   as transformers saves them
  tensors.tsv    number, name, lo, hi, shape: element i of a tensor is lo + (hi - lo) * (rng_mix((number << 32) + i) >> 40) / 2^24
  steps.bin      float32 of picture 0, computed in float64: after the patches, each block, the last norm [5,176]; the query
                 transformer before and after each layer [4,128]; projection [4,160]; OPT before and after each block [5,160];
                 then first-token logits [7,V] of all pictures, and of picture 0 with the prompt
  captions.tsv   what, beams, max_new, min_new, length penalty, ids of each of the 7 pictures without the end (x: no end)
  pixels.tsv     picture, SHA-256 of the float32 planes [3,224,224] of BlipImageProcessor (on Pillow), of the picture's RGB: this
                 version lays what is transparent on white first, LAVIS and earlier ones drop the alpha, as lib/image does
Pictures are [7,3,28,28] numbers from the counter, number 999, from -2 to 2."""
import hashlib, json, os, sys, numpy as np, torch, transformers, PIL
from PIL import Image
from transformers import Blip2Config, Blip2ForConditionalGeneration, GenerationConfig
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
here = os.path.dirname(os.path.abspath(__file__)); bpe = os.path.join(here, '..', 'bpe', 'small')
PROMPT = 'Question: what is on the plate? Answer:'
vocab = json.load(open(os.path.join(bpe, 'vocab.json')))
V = 64 * ((len(vocab) + 1 + 63) // 64)  # <image> comes behind; some rows have no token
IMAGE = max(vocab.values()) + 1

def mix(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

def numbers(number, lo, hi, shape):
    n = int(np.prod(shape)); i = np.arange(n, dtype=np.uint64) + (np.uint64(number) << np.uint64(32))
    with np.errstate(over='ignore'): u = (mix(i) >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24)
    return (np.float32(lo) + (np.float32(hi) - np.float32(lo)) * u).reshape(shape)

def config(stop):
    return Blip2Config(vision_config=dict(hidden_size=176, intermediate_size=352, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14),
        qformer_config=dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, cross_attention_frequency=2),
        text_config=dict(model_type='opt', hidden_size=160, ffn_dim=320, num_hidden_layers=2, num_attention_heads=2, vocab_size=V, word_embed_proj_dim=160,
                         max_position_embeddings=64, eos_token_id=stop, bos_token_id=2, pad_token_id=1),
        num_query_tokens=4, image_token_index=IMAGE)

def spread(name, shape):
    """Such that signals neither die nor explode, and that each part matters."""
    if name.endswith('norm.weight') or 'LayerNorm.weight' in name or 'layer_norm' in name and name.endswith('weight') or 'layernorm.weight' in name or 'layer_norm1.weight' in name or 'layer_norm2.weight' in name: return 0.7, 1.3
    if name.endswith('bias'): return -0.2, 0.2
    if name in ('query_tokens', 'vision_model.embeddings.class_embedding', 'vision_model.embeddings.position_embedding'): return -1, 1
    if name.endswith('embed_tokens.weight'): return -0.35, 0.35
    if name.endswith('embed_positions.weight'): return -0.3, 0.3
    a = (6.0 / np.prod(shape[1:])) ** 0.5
    return -a, a

def build(stop):
    m = Blip2ForConditionalGeneration(config(stop)).eval(); sd = m.state_dict(); rows = []
    for number, name in enumerate(sorted(n for n in sd if n != 'language_model.lm_head.weight')):
        lo, hi = (np.float32(v) for v in spread(name, sd[name].shape))
        v = numbers(number, lo, hi, tuple(sd[name].shape))
        if name.endswith('self_attn.qkv.bias'): v[176:352] = 0  # k has none; the C side knows
        sd[name].copy_(torch.from_numpy(v)); rows.append((number, name, repr(float(lo)), repr(float(hi)), 'x'.join(map(str, sd[name].shape))))
    m.tie_weights(); m.generation_config = GenerationConfig(bos_token_id=2, eos_token_id=stop, pad_token_id=1)
    return m, rows

@torch.no_grad()
def steps(m, px, ids):
    m = m.double(); px = px.double(); out = []
    keep = lambda t: out.append(t[0].reshape(-1).float().numpy())
    v = m.vision_model(px[:1], output_hidden_states=True)
    for h in v.hidden_states: keep(h)
    keep(v.last_hidden_state)
    q = m.qformer(query_embeds=m.query_tokens, encoder_hidden_states=v.last_hidden_state, output_hidden_states=True)
    start = m.qformer.layernorm(m.query_tokens); keep(start)
    seen = []; hooks = [l.register_forward_hook(lambda mod, a, o: seen.append(o[0] if isinstance(o, tuple) else o)) for l in m.qformer.encoder.layer]
    q = m.qformer(query_embeds=m.query_tokens, encoder_hidden_states=v.last_hidden_state); [h.remove() for h in hooks]
    for h in seen: keep(h)
    assert torch.equal(seen[-1], q.last_hidden_state)
    e = m.language_projection(q.last_hidden_state); keep(e)
    seen = []; layers = m.language_model.model.decoder.layers
    hooks = [layers[0].register_forward_pre_hook(lambda mod, a, k: seen.append((a[0] if a else k['hidden_states']).clone()), with_kwargs=True)]
    hooks += [l.register_forward_hook(lambda mod, a, o: seen.append((o[0] if isinstance(o, tuple) else o).clone())) for l in layers]
    row = lambda text: torch.tensor([[IMAGE] * 4 + [2] + text])
    m(pixel_values=px[:1], input_ids=row([]), attention_mask=torch.ones(1, 5, dtype=torch.long)); [h.remove() for h in hooks]
    for h in seen: keep(h)
    n = px.shape[0]
    out.append(m(pixel_values=px, input_ids=row([]).repeat(n, 1), attention_mask=torch.ones(n, 5, dtype=torch.long)).logits[:, -1].reshape(-1).float().numpy())
    out.append(m(pixel_values=px[:1], input_ids=row(ids), attention_mask=torch.ones(1, 5 + len(ids), dtype=torch.long)).logits[:, -1].reshape(-1).float().numpy())
    return np.concatenate(out)

@torch.no_grad()
def generate(m, px, text, **how):
    ids = torch.tensor([[IMAGE] * 4 + [2] + text] * px.shape[0]); out = m.generate(pixel_values=px, input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, **how)
    stop, res = m.generation_config.eos_token_id, []
    for row in out[:, ids.shape[1]:].tolist():
        end = row.index(stop) if stop in row else None
        res.append((row if end is None else row[:end], end is not None))
    return res

def tokenise(text):
    sys.path.insert(0, os.path.join(here, '..', 'bpe')); from reference import Reference
    return Reference(bpe).ids([text.encode()])[0]

GRID = [('greedy', '', 1, 20, 0, 1.0), ('greedy', '', 1, 6, 0, 1.0), ('greedy', '', 1, 20, 12, 1.0), ('greedy', '', 1, 20, 9, 1.0), ('beams', '', 5, 20, 0, 1.0), ('beams', '', 5, 12, 5, 1.0), ('beams', '', 5, 20, 0, 2.0),
        ('beams', '', 5, 20, 0, -1.0), ('beams', '', 3, 1, 0, 1.0), ('prompt', PROMPT, 1, 20, 0, 1.0), ('prompt', PROMPT, 5, 20, 0, 1.0)]

def run(m, px, text):
    for what, prompt, beams, most, least, penalty in GRID:
        how = dict(max_new_tokens=most, num_beams=beams)
        if least: how['min_new_tokens'] = least
        if beams > 1: how['length_penalty'] = penalty
        ids = text if prompt else []
        together = generate(m, px, ids, **how); alone = [generate(m, px[i:i + 1], ids, **how)[0] for i in range(px.shape[0])]
        assert together == alone, (what, beams)
        yield (what, beams, most, least, penalty, *[' '.join(map(str, ids)) + ('' if end else ' x') for ids, end in together])

def pixels():
    p = BlipImageProcessorPil(size={'height': 224, 'width': 224}); root = os.path.join(here, '..', '..', '..')
    for folder in ('tests/golden/image/pictures', 'tests/golden/resnet/pictures'):
        for n in sorted(os.listdir(os.path.join(root, folder))):
            try: im = Image.open(os.path.join(root, folder, n)); im.load(); im = Image.fromarray(np.asarray(im.convert('RGB')))
            except Exception: continue
            if n.endswith('.webp'): continue
            a = p(im, return_tensors='pt')['pixel_values'][0].to(torch.float32).contiguous().numpy()
            yield folder + '/' + n, hashlib.sha256(a.tobytes()).hexdigest()

if __name__ == '__main__':
    torch.manual_seed(0); torch.set_num_threads(1); text = tokenise(PROMPT)
    px = torch.from_numpy(numbers(999, -2, 2, (7, 3, 28, 28)))
    # The end is a token that greedy captions reach after different lengths, and some do not.
    m, rows = build(3); seen = [ids for ids, _ in generate(m, px, [], max_new_tokens=20)]
    lengths = {t: sorted({ids.index(t) if t in ids else 99 for ids in seen}) for t in {t for ids in seen for t in ids}}
    stop = max(sorted(lengths), key=lambda t: len(lengths[t])); print('stop', stop, lengths[stop]); print([len(set(s)) for s in seen])
    m, rows = build(stop); os.makedirs(os.path.join(here, 'tiny'), exist_ok=True)
    m.config.save_pretrained(os.path.join(here, 'tiny')); m.generation_config.save_pretrained(os.path.join(here, 'tiny'))
    open(os.path.join(here, 'tensors.tsv'), 'w').write(''.join('\t'.join(map(str, r)) + '\n' for r in rows))
    captions = list(run(m, px, text))
    open(os.path.join(here, 'captions.tsv'), 'w').write(''.join('\t'.join(map(str, r)) + '\n' for r in captions))
    steps(m, px, text).astype('<f4').tofile(os.path.join(here, 'steps.bin'))
    assert captions == list(run(m, px.double(), text)), 'float64 says something else: near ties'
    open(os.path.join(here, 'pixels.tsv'), 'w').write(''.join('\t'.join(r) + '\n' for r in pixels()))
    open(os.path.join(here, 'VERSIONS'), 'w').write(f'torch {torch.__version__}\ntransformers {transformers.__version__}\nPillow {PIL.__version__}\n')
