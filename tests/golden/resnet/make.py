"""Makes what test_resnet50 compares with; SPDX-License-Identifier: MIT. usage: make.py [DATA_FOLDER]
  pictures/           two drawn photos beside those of ../image/pictures
  tiny-hf, tiny-tv    one small random network under the names of Hugging Face and of torchvision; batch
                      norms hold the statistics of the drawn pictures
  tiny-hf.bin, tiny-tv.bin   float32 [pictures, 32+64+96+128]: the mean of every channel after each stage
  full.bin            float32 [3 pictures, 2048]: ResNet-50 with the weights of full_tensors()
  pixels.tsv          picture, then 16 hex digits of SHA-256 of the float32 planes [3,224,224]: Hugging Face
                      (256, bicubic, crop floor), torchvision (256, bilinear, half even), timm (crop_pct 0.95, bicubic, half even)
Networks run in float64 on the float32 planes, so a golden is exact to float32."""
import hashlib, json, math, os, sys, glob, numpy as np, torch, transformers, PIL
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file, load_file
from transformers import ResNetConfig, ResNetModel
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
here = os.path.dirname(os.path.abspath(__file__)); here_images = os.path.join(here, '..', 'image', 'pictures')
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# ---- pixels ----
def timm_pixels(im, side, filter):  # torchvision.transforms: Resize, CenterCrop, ToTensor, Normalize on a PIL image
    w, h = im.size; short, long = min(w, h), max(w, h); to = int(side * long / short)
    w2, h2 = (side, to) if w <= h else (to, side)
    im = im.resize((w2, h2), filter)
    top, left = int(round((h2 - 224) / 2.0)), int(round((w2 - 224) / 2.0))
    x = torch.from_numpy(np.asarray(im.crop((left, top, left + 224, top + 224))).copy()).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    return x.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1)).contiguous()

processor = ConvNextImageProcessorPil(size={'shortest_edge': 224}, crop_pct=0.875, resample=3, image_mean=list(MEAN), image_std=list(STD))
def hf_pixels(im): return processor(im, return_tensors='pt')['pixel_values'][0].to(torch.float32).contiguous()
KINDS = {'hf': hf_pixels, 'tv': lambda im: timm_pixels(im, 256, Image.BILINEAR), 'timm': lambda im: timm_pixels(im, math.floor(224 / 0.95), Image.BICUBIC)}

def opened(path):
    im = Image.open(path); im.load(); return im.convert('RGB')

def draw():
    os.makedirs(os.path.join(here, 'pictures'), exist_ok=True)
    for name, w, h, seed in (('wide.jpg', 640, 480, 1), ('upright.jpg', 300, 421, 2)):
        g = np.random.default_rng(seed); y, x = np.mgrid[0:h, 0:w]; a = np.empty((h, w, 3))
        a[:] = g.integers(60, 200, 3); r = np.hypot(x - w / 2, y - h / 2)
        for i in range(9):
            cx, cy, s = g.uniform(0, w), g.uniform(0, h), g.uniform(15, 90); m = np.hypot(x - cx, y - cy) < s
            a[m] = (a[m] * 0.3 + 0.7 * g.integers(0, 256, 3)) * (1 + 0.2 * np.sin(x[m] / g.uniform(2, 12)))[:, None]
        a *= (1.1 - r / max(w, h) * 0.7)[..., None]
        Image.fromarray(np.clip(a + g.normal(0, 4, a.shape), 0, 255).astype(np.uint8)).save(os.path.join(here, 'pictures', name), quality=80)

def pictures():
    out = []
    for n in sorted(os.listdir(here_images)):
        if n.endswith('.webp'): continue
        try: opened(os.path.join(here_images, n)); out.append('tests/golden/image/pictures/' + n)
        except Exception: pass
    return out + ['tests/golden/resnet/pictures/' + n for n in sorted(os.listdir(os.path.join(here, 'pictures')))]
root = os.path.join(here, '..', '..', '..')
def at(path): return os.path.join(root, path)

# ---- a plain ResNet over torchvision's names ----
def plain(sd, x):
    def cb(x, conv, bn, stride, pad):
        x = F.conv2d(x, sd[conv + '.weight'], None, stride, pad)
        return F.batch_norm(x, sd[bn + '.running_mean'], sd[bn + '.running_var'], sd[bn + '.weight'], sd[bn + '.bias'], False, 0, 1e-5)
    x = F.max_pool2d(F.relu(cb(x, 'conv1', 'bn1', 2, 3)), 3, 2, 1); out = []
    for s in range(1, 5):
        b = 0
        while f'layer{s}.{b}.conv1.weight' in sd:
            p = f'layer{s}.{b}.'; st = 2 if s > 1 and b == 0 else 1
            y = F.relu(cb(x, p + 'conv1', p + 'bn1', 1, 0)); y = F.relu(cb(y, p + 'conv2', p + 'bn2', st, 1)); y = cb(y, p + 'conv3', p + 'bn3', 1, 0)
            if p + 'downsample.0.weight' in sd: x = cb(x, p + 'downsample.0', p + 'downsample.1', st, 0)
            x = F.relu(x + y); b += 1
        out.append(x.mean((2, 3)))
    return out

def tv_name(n):
    n = n.replace('embedder.embedder.convolution', 'conv1').replace('embedder.embedder.normalization', 'bn1')
    if n.startswith('encoder'):
        _, _, s, _, b, *rest = n.split('.')
        kind, what = ('layer', rest[2:]) if rest[0] == 'layer' else ('shortcut', rest[1:])
        i = int(rest[1]) + 1 if kind == 'layer' else 0
        mid = {('layer', 'convolution'): f'conv{i}', ('layer', 'normalization'): f'bn{i}', ('shortcut', 'convolution'): 'downsample.0', ('shortcut', 'normalization'): 'downsample.1'}[kind, what[0]]
        n = f'layer{int(s) + 1}.{b}.{mid}.{what[1]}'
    return n

# ---- the small network ----
def tiny(names):
    torch.manual_seed(5); c = ResNetConfig(embedding_size=16, hidden_sizes=[32, 64, 96, 128], depths=[1, 2, 1, 1])
    m = ResNetModel(c)
    for n, p in m.named_parameters():
        if 'normalization.weight' in n: p.data.uniform_(0.3, 1.2)
        if 'normalization.bias' in n: p.data.normal_(0, 0.2)
    for b in m.modules():
        if isinstance(b, torch.nn.BatchNorm2d): b.momentum = None
    X = torch.stack([hf_pixels(opened(at(n))) for n in names])
    m.train()
    with torch.no_grad(): m(X)
    m.eval(); sd = {k: v.contiguous() for k, v in m.state_dict().items()}
    for d in ('tiny-hf', 'tiny-tv'): os.makedirs(os.path.join(here, d), exist_ok=True)
    save_file({'resnet.' + k: v for k, v in sd.items()}, os.path.join(here, 'tiny-hf', 'model.safetensors'), {'format': 'pt'})
    save_file({tv_name(k): v for k, v in sd.items() if 'num_batches' not in k}, os.path.join(here, 'tiny-tv', 'model.safetensors'))
    c.to_json_file(os.path.join(here, 'tiny-hf', 'config.json'))
    with open(os.path.join(here, 'tiny-hf', 'preprocessor_config.json'), 'w') as f:
        json.dump({'crop_pct': 0.875, 'do_normalize': True, 'do_resize': True, 'feature_extractor_type': 'ConvNextFeatureExtractor', 'image_mean': MEAN, 'image_std': STD, 'resample': 3, 'size': 224}, f, indent=2)
    m = m.double()
    with torch.no_grad():
        o = m(X.double(), output_hidden_states=True)
        hf = torch.cat([h.mean((2, 3)) for h in o.hidden_states[1:]], 1); assert torch.equal(o.pooler_output.flatten(1), hf[:, -128:]) or (o.pooler_output.flatten(1) - hf[:, -128:]).abs().max() < 1e-12
        hf.numpy().astype('<f4').tofile(os.path.join(here, 'tiny-hf.bin'))
        tv = load_file(os.path.join(here, 'tiny-tv', 'model.safetensors')); tv = {k: v.double() for k, v in tv.items()}
        out = lambda Y: torch.cat(plain(tv, Y.double()), 1)
        print('tiny: plain against transformers', (out(X) - hf).abs().max().item(), 'largest', hf.abs().max().item())
        out(torch.stack([KINDS['tv'](opened(at(n))) for n in names])).numpy().astype('<f4').tofile(os.path.join(here, 'tiny-tv.bin'))

# ---- the network of full size ----
def mix(x):  # the finaliser of splitmix64
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9); x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return x ^ (x >> np.uint64(31))

def uniform(tensor, n, lo, hi):
    with np.errstate(over='ignore'):
        u = mix((np.uint64(tensor) << np.uint64(32)) + np.arange(n, dtype=np.uint64) + np.uint64(0x9e3779b97f4a7c15))
    u = (u >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24)
    return np.float32(lo) + (np.float32(hi) - np.float32(lo)) * u

def full_tensors():
    """In this order, tensor number from 0: of each convolution its weight, He-uniform, then the batch norm."""
    sd, t = {}, 0
    def conv(name, bn, o, i, k, last):
        nonlocal t
        bound = math.sqrt(6.0 / (i * k * k)); gamma = (0.2, 0.4) if last else (0.8, 1.2)
        for n, shape, lo, hi in ((name + '.weight', (o, i, k, k), -bound, bound), (bn + '.weight', (o,), *gamma), (bn + '.bias', (o,), -0.1, 0.1),
                                 (bn + '.running_mean', (o,), -0.2, 0.2), (bn + '.running_var', (o,), 0.5, 1.5)):
            sd[n] = torch.from_numpy(uniform(t, math.prod(shape), lo, hi).reshape(shape)); t += 1
    conv('conv1', 'bn1', 64, 3, 7, 0); c = 64
    for s, depth in enumerate((3, 4, 6, 3)):
        w = 64 << s
        for b in range(depth):
            p = f'layer{s + 1}.{b}.'
            conv(p + 'conv1', p + 'bn1', w, c, 1, 0); conv(p + 'conv2', p + 'bn2', w, w, 3, 0); conv(p + 'conv3', p + 'bn3', 4 * w, w, 1, 1)
            if b == 0: conv(p + 'downsample.0', p + 'downsample.1', 4 * w, c, 1, 0)
            c = 4 * w
    return sd

FULL = ['tests/golden/resnet/pictures/wide.jpg', 'tests/golden/resnet/pictures/upright.jpg', 'tests/golden/image/pictures/rgb.png']
def full():
    sd = {k: v.double() for k, v in full_tensors().items()}
    with torch.no_grad(): o = plain(sd, torch.stack([KINDS['tv'](opened(at(n))) for n in FULL]).double())
    for i, v in enumerate(o): print('full: stage', i + 1, 'mean', v.mean().item(), 'largest', v.abs().max().item())
    f = o[-1]; print('cosines', F.cosine_similarity(f[0], f[1], 0).item(), F.cosine_similarity(f[0], f[2], 0).item())
    f.numpy().astype('<f4').tofile(os.path.join(here, 'full.bin'))

def digest(x): return hashlib.sha256(x.numpy().astype('<f4').tobytes()).hexdigest()[:16]
def photos(data):  # 200 spread over all
    p = [f for e in ('jpg', 'jpeg', 'png') for f in glob.glob(os.path.join(data, '**', '*.' + e), recursive=True) if 'odd_images' not in f]
    return sorted(p)[::max(1, len(p) // 200)][:200]

if __name__ == '__main__':
    draw(); names = pictures(); lines = [(n, at(n)) for n in names]
    if len(sys.argv) > 1: lines += [('data/' + os.path.relpath(p, sys.argv[1]), p) for p in photos(sys.argv[1])]
    with open(os.path.join(here, 'pixels.tsv'), 'w') as out:
        out.write(f'# Pillow {PIL.__version__}, transformers {transformers.__version__}, torch {torch.__version__}, numpy {np.__version__}\n')
        for n, p in lines:
            try: im = opened(p)
            except Exception: continue
            out.write('\t'.join([n] + [digest(KINDS[k](im)) for k in ('hf', 'tv', 'timm')]) + '\n')
    tiny(names); full()
