# SPDX-License-Identifier: MIT
"""Counts of the real files by Python's own json and csv, for the constants in tests/test_source.c.
usage: counts.py DATA_FOLDER   (Python 3.11)"""
import csv, datetime, io, json, re, sys
d = sys.argv[1]

def google(rows, history):
    n = h = pics = text = rating = 0
    for r in rows:
        n += 1; pics += len(r['pics']); text += len(r['review_text'].encode()); rating += r['rating']
        for x in r.get('history_reviews', []) if history else []:
            h += 1; text += len(x[1].encode())
    return dict(records=n, history=h, pics=pics, text_bytes=text, rating=rating)

g = json.load(open(f'{d}/derived_google_restaurants/filter_all_t.json'))
for s in g: print('filter', s, google(g[s], True))
print('full', google(map(json.loads, open(f'{d}/derived_google_restaurants/image_review_all.json')), False))
m = [l.rstrip('\n').split('\t') for l in open(f'{d}/derived_google_restaurants/images.tsv')]
print('images', len(m), 'without a path', sum(not x[1] for x in m))

def zomato(name):
    f = open(f'{d}/zomato_hyderabad/{name}', 'rb').read()
    rows = list(csv.DictReader(io.StringIO(f.decode('utf-8', 'replace'), newline='')))
    good = blank = bad = empty = text = at = 0; rating = 0.0
    for r in rows:
        if not r['Reviewer'] and not r['Review'] and not r['Rating']: blank += 1; continue
        try: v = float(r['Rating'])
        except ValueError: bad += 1; continue
        good += 1; rating += v; empty += not r['Review']; text += len(r['Review'].encode())
        mo, da, y, hh, mi = map(int, re.split(r'[-/ :]', r['Time']))
        at += int(datetime.datetime(y, mo, da, hh, mi, tzinfo=datetime.timezone.utc).timestamp())
    print(name, dict(records=len(rows), good=good, blank=blank, bad=bad, empty=empty, rating=rating, text_bytes=text, at=at))

zomato('Restaurant reviews.csv'); zomato('Restaurant reviews.mac-mangled.csv')
a = [json.loads(l) for l in open(f'{d}/amazon2018_gift_cards/Gift_Cards_5.json')]
print('gift cards', len(a), sum('reviewText' not in x for x in a), sum(len(x.get('reviewText', '').encode()) for x in a), sum(x['unixReviewTime'] for x in a), sum(len(x.get('image', [])) for x in a))
