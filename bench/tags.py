#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Price tags and categories against what Zomato's own page says of the restaurants.

usage: tags.py DB METADATA.csv [METHOD...]

Spearman's rho of the tag (cheap 0, fair 1, over-priced 2; none left out) with the cost for two,
and micro-averaged precision, recall and F1 of the categories over the cuisines that the page
knows (a category that is no cuisine there, such as "bar", counts neither way). One line a
method; without METHOD all that have tags.
"""
import csv
import sqlite3
import sys


def ranks(x):
    order = sorted(range(len(x)), key=lambda i: x[i])
    out = [0.0] * len(x)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and x[order[j + 1]] == x[order[i]]:
            j += 1
        for k in range(i, j + 1):
            out[order[k]] = (i + j) / 2
        i = j + 1
    return out


def spearman(x, y):
    a, b = ranks(x), ranks(y)
    n = len(a)
    if n < 3:
        return float("nan")
    ma, mb = sum(a) / n, sum(b) / n
    cov = sum((p - ma) * (q - mb) for p, q in zip(a, b))
    va = sum((p - ma) ** 2 for p in a)
    vb = sum((q - mb) ** 2 for q in b)
    return cov / (va * vb) ** 0.5 if va and vb else float("nan")


def main():
    db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
    with open(sys.argv[2], encoding="utf-8-sig", errors="replace", newline="") as f:
        rows = list(csv.DictReader(f))
    cost = {r["Name"]: float(r["Cost"].replace(",", "")) for r in rows if r["Cost"]}
    cuisine = {r["Name"]: {c.strip().lower() for c in r["Cuisines"].split(",")} for r in rows}
    known = set().union(*cuisine.values())
    sql = """SELECT b.key, {} FROM {} t JOIN method m ON m.id = t.method_id
             JOIN visible v ON v.id = t.visible_id AND v.fold = -1
             JOIN business b ON b.id = v.entity_id WHERE m.name = ?"""
    methods = sys.argv[3:] or [m for (m,) in db.execute(
        "SELECT DISTINCT name FROM method WHERE task = 'price' ORDER BY 1")]
    items = None
    for m in methods:
        have = {k for (k, _) in db.execute(sql.format("t.tag", "price_tag"), (m,))}
        items = have if items is None else items & have
    for m in methods:
        tags = [(k, t) for k, t in db.execute(sql.format("t.tag", "price_tag"), (m,)) if k in items]
        level = {"cheap": 0, "fair": 1, "over-priced": 2}
        pairs = [(level[t], cost[k]) for k, t in tags if t in level and k in cost]
        rho = spearman([p for p, _ in pairs], [c for _, c in pairs])
        hit = said = true = 0
        said_of = {}
        for k, c in db.execute(sql.format("t.name", "category"), (m,)):
            said_of.setdefault(k, set()).add(c)
        for k in items:
            if k not in cuisine:
                continue
            s = said_of.get(k, set()) & known
            hit += len(s & cuisine[k])
            said += len(s)
            true += len(cuisine[k])
        p, r = hit / max(said, 1), hit / max(true, 1)
        print(f"{m}: {len(items)} places, {len(pairs)} with a price tag, Spearman with the cost "
              f"{rho:.3f}; cuisines: precision {p:.3f}, recall {r:.3f}, micro-F1 "
              f"{2 * p * r / max(p + r, 1e-9):.3f}")


main()
