#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reference numbers of the report's statistics, by scikit-learn and SciPy.

    cd tests/golden/stats && python3 make_goldens.py

bins.txt       PR-AUC of the negatives, and the bins of a calibration curve
bootstrap.txt  paired differences of two scores over resampled users; the draws are those of
               lib/base/rng.h, written once more here
student.txt    97.5 % points of Student's t, and a 95 % interval of a mean
VERSIONS       what made them
"""
import warnings

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics as M
from sklearn.calibration import calibration_curve

MASK = (1 << 64) - 1
RESAMPLES = 200
EDGES = 15


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def rotl(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


class Rng:
    """xoshiro256** with the seeding and the unbiased range of lib/base/rng.h."""

    def __init__(self, seed, stream):
        x = mix(seed) ^ mix(stream ^ MASK)
        self.s = []
        for _ in range(4):
            x = mix(x)
            self.s.append(x)

    def u64(self):
        s = self.s
        out = (rotl((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        return out

    def below(self, n):
        while True:
            m = (self.u64() >> 32) * n
            if m % 2**32 >= 2**32 % n:
                return m >> 32


def fpr_at(y, p, w, rate):
    fpr, tpr, _ = M.roc_curve(y, p, sample_weight=w)
    return fpr[np.argmax(tpr >= rate)]


def numbers(y, p, w):
    """In the order of metrics_kind, without loss and ECE."""
    hit = p > 0.5
    return [np.average(hit == y, weights=w), np.average(hit[y == 0], weights=w[y == 0]),
            M.roc_auc_score(y, p, sample_weight=w),
            M.average_precision_score(y, p, sample_weight=w),
            *[fpr_at(y, p, w, t) for t in (0.8, 0.9, 0.95)],
            M.average_precision_score(1 - y, -p, sample_weight=w)]


NAMES = ['accuracy', 'fpr', 'auc', 'pr_auc', 'fpr_at_tpr80', 'fpr_at_tpr90', 'fpr_at_tpr95',
         'pr_auc_negative']


def make_bins():
    g = np.random.default_rng(31)
    y = (g.random(500) < 0.8).astype(int)
    p = 1 / (1 + np.exp(-(g.normal(size=500) + y)))
    few = np.round(p * 5) / 5
    with open('bins.txt', 'w') as f:
        for score in (p, few):
            score = score.astype(np.float32)
            q = score.astype(np.float64)
            share, mean = calibration_curve(y, q, n_bins=EDGES, strategy='uniform')
            ap = M.average_precision_score(1 - y, -q)
            f.write(f'{len(y)} {len(share)} {ap:.12g}\n')
            f.writelines(f'{a} {b:.9g}\n' for a, b in zip(y, score))
            f.writelines(f'{m:.12g} {s:.12g}\n' for m, s in zip(mean, share))


def make_bootstrap():
    g = np.random.default_rng(32)
    users = 40
    user = np.repeat(np.arange(users), g.integers(1, 8, users))
    taste = g.normal(size=users)[user]
    y = (g.normal(size=len(user)) + taste > -0.8).astype(int)
    a = (1 / (1 + np.exp(-(g.normal(size=len(y)) + 1.5 * y)))).astype(np.float32)
    b = np.round(1 / (1 + np.exp(-(g.normal(size=len(y)) + 0.7 * y))), 1).astype(np.float32)
    pa, pb = a.astype(np.float64), b.astype(np.float64)
    diff = []
    for k in range(RESAMPLES):
        r, drawn = Rng(1, k), np.zeros(users)
        for _ in range(users):
            drawn[r.below(users)] += 1
        w = drawn[user]
        diff.append(np.subtract(numbers(y, pa, w), numbers(y, pb, w)))
    one = np.ones(len(y))
    va, vb, diff = numbers(y, pa, one), numbers(y, pb, one), np.array(diff)
    with open('bootstrap.txt', 'w') as f:
        f.write(f'{len(y)} {users} {RESAMPLES} {len(NAMES)}\n')
        f.writelines(f'{u} {c} {s:.9g} {t:.9g}\n' for u, c, s, t in zip(user, y, a, b))
        for i, name in enumerate(NAMES):
            lo, hi = np.quantile(diff[:, i], [0.025, 0.975])
            f.write(f'{name} {va[i]:.12g} {vb[i]:.12g} {lo:.12g} {hi:.12g} '
                    f'{diff[:, i].std(ddof=1):.12g}\n')


def make_student():
    x = np.array([0.71, 0.74, 0.69, 0.72, 0.75])
    lo, hi = stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=stats.sem(x))
    with open('student.txt', 'w') as f:
        f.write(f'{lo:.12g} {hi:.12g}\n')
        f.writelines(f'{df} {stats.t.ppf(0.975, df):.12g}\n'
                     for df in [*range(1, 41), 60, 120, 999])


if __name__ == '__main__':
    warnings.simplefilter('error')
    make_bins()
    make_bootstrap()
    make_student()
    with open('VERSIONS', 'w') as f:
        f.write(f'numpy {np.__version__}\nscipy {scipy.__version__}\n'
                f'scikit-learn {sklearn.__version__}\n')
