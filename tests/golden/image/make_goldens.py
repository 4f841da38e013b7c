"""Makes pictures/ (small pictures of many kinds, drawn here) and pixels.tsv: for each picture, and
for each photo of the data folder given, the size and the first 16 hex digits of SHA-256 of the RGB
bytes as Pillow decodes them, and of its resize to 224 x 224 (bilinear, bicubic) and 37 x 301.
A picture that Pillow refuses has 'error'. usage: make_goldens.py [DATA_FOLDER]"""
import glob, hashlib, os, sys, numpy as np, PIL
from PIL import Image, features
here = os.path.dirname(os.path.abspath(__file__)); pics = os.path.join(here, 'pictures'); os.makedirs(pics, exist_ok=True)

def scene(w, h, seed):
    g = np.random.default_rng(seed); y, x = np.mgrid[0:h, 0:w]
    a = np.stack([127 + 120 * np.sin(x / 9 + seed), 127 + 120 * np.cos(y / 7), (x * 3 + y * 2) % 256], 2)
    a[h // 4:h // 2, w // 3:w // 2] = g.integers(0, 256, 3); return np.clip(a + g.normal(0, 12, a.shape), 0, 255).astype(np.uint8)

def draw():
    im = Image.fromarray(scene(61, 43, 1)); s = lambda n: os.path.join(pics, n)
    im.save(s('rgb.png')); im.save(s('baseline.jpg'), quality=85); im.save(s('progressive.jpg'), quality=80, progressive=True)
    im.save(s('444.jpg'), quality=90, subsampling=0); im.convert('L').save(s('grey.jpg')); im.convert('CMYK').save(s('cmyk.jpg'))
    im.convert('L').save(s('grey.png')); im.convert('P', palette=Image.ADAPTIVE).save(s('palette.png')); im.convert('1').save(s('bit.png'))
    a = im.convert('RGBA'); a.putalpha(Image.fromarray(scene(61, 43, 2)[..., 0])); a.save(s('alpha.png')); a.convert('LA').save(s('grey-alpha.png'))
    p = im.convert('P', palette=Image.ADAPTIVE); p.save(s('palette-transparent.png'), transparency=3)
    im.save(s('lies.jpg'), format='PNG'); ex = Image.Exif(); ex[0x112] = 6; im.save(s('rotated.jpg'), exif=ex)
    Image.fromarray(scene(3, 400, 3)).save(s('tall.png')); Image.fromarray(scene(1, 1, 4)).save(s('one.png'))
    b = open(s('baseline.jpg'), 'rb').read(); open(s('cut.jpg'), 'wb').write(b[:len(b) // 2])
    c = bytearray(open(s('rgb.png'), 'rb').read()); c[60] ^= 255; open(s('badcrc.png'), 'wb').write(c)
    im.save(s('picture.webp')); open(s('text.png'), 'w').write('no picture at all\n')

def h(im): return hashlib.sha256(im.tobytes()).hexdigest()[:16]
def line(name, path):
    try:
        with open(path, 'rb') as f: magic = f.read(12)
        im = Image.open(path); im.load(); im = im.convert('RGB')
    except Exception: return f'{name}\terror\n'
    r = [h(im.resize((224, 224), k)) for k in (Image.BILINEAR, Image.BICUBIC)] + [h(im.resize((37, 301), Image.BICUBIC))]
    return '\t'.join([name, f'{im.width}x{im.height}', h(im)] + r) + '\n'

draw()
with open(os.path.join(here, 'pixels.tsv'), 'w') as out:
    out.write(f'# Pillow {PIL.__version__}, libjpeg-turbo {features.version("libjpeg_turbo")}\n')
    for p in sorted(os.listdir(pics)): out.write(line('pictures/' + p, os.path.join(pics, p)))
    if len(sys.argv) > 1:
        for ext in ('jpg', 'jpeg', 'png'):
            for p in sorted(glob.glob(os.path.join(sys.argv[1], '**', '*.' + ext), recursive=True)):
                if 'odd_images' in p: continue
                with open(p, 'rb') as f: m = f.read(4)
                if m[:3] == b'\xff\xd8\xff' or m == b'\x89PNG': out.write(line('data/' + os.path.relpath(p, sys.argv[1]), p))
