#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the goldens beside this file: little-endian float32 (*.bin) and float64 (*64.bin),
in the order of the calls to put, and text (*.txt). Run in this folder; versions go to
VERSIONS. Needs torch, numpy, scikit-learn."""
import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn import metrics as M
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

torch.set_num_threads(1)


def put(f, *arrays):
    for a in arrays:
        a = a.detach().numpy() if torch.is_tensor(a) else np.asarray(a)
        f.write(a.astype('<f8' if f.name.endswith('64.bin') else '<f4').tobytes())


def uniform(g, *shape, bound, dtype):
    return (torch.rand(*shape, generator=g, dtype=dtype) * 2 - 1) * bound


def basic(y):
    """W_label = 1 - n_label/n."""
    return torch.stack([y.mean(dtype=torch.float64), 1 - y.mean(dtype=torch.float64)]).to(y.dtype)


def interact(T, variant, has_bottom):
    """facebookresearch/dlrm: strict lower triangle of T T^T in row order."""
    n = T.shape[1]
    Z = torch.bmm(T, T.transpose(1, 2))
    li = [i for i in range(n) for _ in range(i)]
    lj = [j for i in range(n) for j in range(i)]
    dots = Z[:, li, lj]
    if variant == 'cat':
        return torch.cat([T.flatten(1), dots], 1)
    return torch.cat([T[:, 0], dots], 1) if has_bottom else dots


def dlrm(p, d, c, blocks, pad, variant):
    b0w, b0b, b1w, b1b, table, t0w, t0b, t1w, t1b, t2w, t2b = p
    h = F.relu(F.linear(F.relu(F.linear(d, b0w, b0b)), b1w, b1b))
    e = F.embedding_bag(c, table, mode='sum', padding_idx=pad)
    r = interact(torch.stack([h, e] + blocks, 1), variant, True)
    h = F.relu(F.linear(F.relu(F.linear(r, t0w, t0b)), t1w, t1b))
    return F.linear(h, t2w, t2b).squeeze(1)


def wbce(z, y, w):
    """Official DLRM's wbce: per-sample loss times its label's weight, mean over the batch."""
    per = F.binary_cross_entropy_with_logits(z, y, reduction='none')
    return (per * torch.where(y > 0, w[1], w[0])).mean(), per.mean()


def steps(p0, loss, make, n):
    p = [x.detach().clone().requires_grad_() for x in p0]
    o = make(p)
    for _ in range(n):
        o.zero_grad()
        loss(p).backward()
        o.step()
    return p


def decoupled(p):
    """Weights and tables decay, biases do not."""
    return torch.optim.AdamW([{'params': [x for x in p if x.dim() > 1], 'weight_decay': 0.5},
                              {'params': [x for x in p if x.dim() == 1], 'weight_decay': 0}],
                             lr=0.01)


def train_golden(f, p0, forward, y, w):
    p = [x.clone().requires_grad_() for x in p0]
    z = forward(p)
    weighted, plain = wbce(z, y, w)
    weighted.backward()
    put(f, *p0, z, [weighted.item(), plain.item()], *[x.grad for x in p])
    loss = lambda q: wbce(forward(q), y, w)[0]
    put(f, *steps(p0, loss, lambda q: torch.optim.SGD(q, lr=0.1), 20))
    put(f, *steps(p0, loss, lambda q: torch.optim.Adam(q, lr=0.01), 20))
    put(f, *steps(p0, loss, decoupled, 20))


def make_dlrm(name, seed, B, nd, bag, V, F_, dim, bottom, top, variant, dtype=torch.float32):
    """Dense features and vectors are float32 numbers in both precisions."""
    g = torch.Generator().manual_seed(seed)
    d = torch.randn(B, nd, generator=g).to(dtype)
    c = torch.randint(0, V + 1, (B, bag), generator=g)
    c[0] = V                 # a bag of padding
    c[1] = 1                 # one index repeated
    c[2, 1:] = V
    blocks = [torch.tanh(torch.randn(B, dim, generator=g)).to(dtype) for _ in range(F_)]
    for k, b in enumerate(blocks):
        b[3 + k:6] = 0       # rows without a vector
    y = (torch.rand(B, generator=g) < 0.7).to(dtype)
    w = basic(y)
    nv = F_ + 2
    wide = (nv * dim if variant == 'cat' else dim) + nv * (nv - 1) // 2
    sizes = [(bottom, nd), (dim, bottom), (top[0], wide), (top[1], top[0]), (1, top[1])]
    layers = [[uniform(g, *s, bound=s[1] ** -0.5, dtype=dtype),
               uniform(g, s[0], bound=s[1] ** -0.5, dtype=dtype)] for s in sizes]
    table = uniform(g, V + 1, dim, bound=0.5, dtype=dtype)
    table[V] = 0
    p0 = [*layers[0], *layers[1], table, *layers[2], *layers[3], *layers[4]]
    with open(name, 'wb') as f:
        put(f, d, c, *blocks, y, w)
        train_golden(f, p0, lambda p: dlrm(p, d, c, blocks, V, variant), y, w)


def make_mlp(name, act, dtype=torch.float32):
    g = torch.Generator().manual_seed(5)
    B, n, h, r = 40, 21, 18, 7
    x = torch.randn(B, n, generator=g).to(dtype)
    y = (torch.rand(B, generator=g) < 0.6).to(dtype)
    w = basic(y)
    p0 = []
    for o, i in ((h, n), (r, h), (1, r)):
        p0 += [uniform(g, o, i, bound=i ** -0.5, dtype=dtype),
               uniform(g, o, bound=i ** -0.5, dtype=dtype)]
    features = lambda p: act(F.linear(F.relu(F.linear(x, p[0], p[1])), p[2], p[3]))
    with open(name, 'wb') as f:
        put(f, x, y, w)
        train_golden(f, p0, lambda p: F.linear(features(p), p[4], p[5]).squeeze(1), y, w)
        put(f, features(p0))


def ece(y, p):
    b = np.clip(np.ceil(p * 15) - 1, 0, 14).astype(int)
    return sum(abs(p[b == k].sum() - y[b == k].sum()) for k in range(15)) / len(p)


def fpr_at(y, p, q):
    f, t, _ = M.roc_curve(y, p)
    return f[np.argmax(t >= q)]


def make_metrics():
    g = np.random.default_rng(9)
    y1 = (g.random(300) < 0.7).astype(int)
    p1 = 1 / (1 + np.exp(-(g.normal(size=300) + y1)))
    y4 = (g.random(400) < 0.9).astype(int)
    p4 = np.round(np.clip(g.normal(0.8, 0.15, 400) + 0.1 * y4, 0, 1), 2)
    cases = [(y1, p1), (y1, np.round(p1, 1)), (y1, np.round(p1 * 0.999, 0)), (y4, p4),
             (np.array([0, 1, 1, 0, 1]), np.array([.5, .5, .9, .1, .4])),
             (np.array([1, 0, 1, 0, 1, 0]), np.array([.6, .6, .4, .4, .2, .2])),
             # ties of one and one: roc_curve drops the points between
             (np.tile([0, 1], 10), np.repeat(np.arange(10) / 10, 2))]
    with open('metrics.txt', 'w') as f:
        for y, p in cases:
            p = p.astype(np.float32)
            q = p.astype(np.float64)
            tn, fp, fn, tp = M.confusion_matrix(y, q > 0.5).ravel()
            loss = np.minimum(-np.log(np.where(y, q, 1 - q).clip(1e-60)), 100).mean()
            v = [M.accuracy_score(y, q > 0.5), fp / (fp + tn), tp / (tp + fn), loss,
                 M.roc_auc_score(y, q), M.average_precision_score(y, q),
                 *[fpr_at(y, q, t) for t in (0.8, 0.9, 0.95)], ece(y, q)]
            f.write(f'{len(y)}\n')
            f.writelines(f'{a} {b:.9g}\n' for a, b in zip(y, p))
            f.write(' '.join(f'{x:.12g}' for x in v) + '\n')


def make_logistic():
    g = np.random.default_rng(3)
    n = 240
    dense = g.normal(size=(n, 5)) * [1, 10, .1, 3, 1] + [0, 100, 0, -2, 5]
    hot = (g.random((n, 6)) < [.5, .3, .1, .02, 1, .5]).astype(float)
    X = np.hstack([dense, dense[:, :1] * 2 + 1, hot]).astype(np.float32)
    y = (dense[:, 0] - 0.2 * (dense[:, 1] - 100) + hot[:, 0] + g.normal(size=n) > 0).astype(int)
    Z = StandardScaler().fit_transform(X.astype(np.float64))
    with open('logistic.bin', 'wb') as f:
        put(f, X, y)
        for C in (0.01, 1):
            m = LogisticRegression(C=C, tol=1e-10, max_iter=10000).fit(Z, y)
            put(f, m.coef_[0], m.intercept_, m.decision_function(Z))


if __name__ == '__main__':
    make_dlrm('dlrm_dot.bin', 1, 48, 8, 11, 20, 2, 32, 64, (64, 32), 'dot')
    make_dlrm('dlrm_cat.bin', 2, 37, 3, 4, 9, 1, 6, 5, (7, 4), 'cat')
    make_dlrm('dlrm_dot64.bin', 3, 24, 5, 4, 9, 2, 32, 8, (8, 4), 'dot', torch.float64)
    make_dlrm('dlrm_cat64.bin', 4, 37, 3, 4, 9, 2, 6, 5, (7, 4), 'cat', torch.float64)
    make_mlp('mlp_tanh.bin', torch.tanh)
    make_mlp('mlp_relu.bin', F.relu)
    make_mlp('mlp_tanh64.bin', torch.tanh, torch.float64)
    make_mlp('mlp_relu64.bin', F.relu, torch.float64)
    make_metrics()
    make_logistic()
    with open('VERSIONS', 'w') as f:
        f.write(f'torch {torch.__version__}\nnumpy {np.__version__}\n'
                f'scikit-learn {sklearn.__version__}\n')
