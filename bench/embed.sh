#!/bin/sh
# Encoders against the public peers, in one run: 2,000 distinct reviews, 500 photos.
# FULL=1 also compares all vectors of the reviews with sentence-transformers' (some minutes).
# SPDX-License-Identifier: MIT
. bench/lib.sh
models=${MM_MODELS:-models}
minilm=$models/all-MiniLM-L6-v2
[ -f "$minilm/model.safetensors" ] || { echo "embed: SKIP, no weights in $minilm (make models)"; exit 0; }
csv="$MM_SHARED/data/zomato_hyderabad/Restaurant reviews.csv"
python3 - "$csv" "$TMP" <<'P'
import csv, json, sys
texts = dict.fromkeys(r['Review'] for r in csv.DictReader(open(sys.argv[1], encoding='utf-8')) if r['Review'])
for name, n in (('texts', 2000), ('all', len(texts))):
    open(f'{sys.argv[2]}/{name}', 'w').write(''.join(json.dumps(t) + '\n' for t in list(texts)[:n]))
P
work=$("$BIN/mm-embed" --quiet --text --json --ids < "$TMP/texts" | "$O/bench/rate" work)

# ours PRECISION: seconds of the whole command, load included; the better of two
ours() {
    best=
    for _ in 1 2; do
        t=$(now)
        "$BIN/mm-embed" --quiet --text --json --precision "$1" < "$TMP/texts" > "$TMP/$1"
        s=$(calc %.2f "$(now) - $t")
        best=$(calc %.2f "${best:-$s} < $s ? ${best:-$s} : $s")
    done
    echo "$best"
}
peer() { python3 "$MM_SHARED/peers/minilm_peer.py" "$minilm" "$TMP/texts" "$1" 2> "$TMP/peer.log" |
    sed -n 's/.* texts \([0-9.]*\) s .*/\1/p'; }

st=$(peer f32) ort=$(peer ort) stbf=$(peer bf16)
for p in f32 bf16; do
    rate=$("$O/bench/rate" $p 3)
    s=$(ours $p)
    echo "embed $p, 2,000 reviews, $work GFLOP: ours $s s ($(calc %.0f "2000 / $s") a second)," \
        "$(calc %.0f "$work / $s") GFLOP/s of $rate, $(calc %.0f "100 * $work / $s / $rate") %"
    [ -z "$st" ] || echo "embed $p against sentence-transformers f32: $st s, ratio $(calc %.2f "$st / $s")"
    [ -z "$ort" ] || echo "embed $p against onnxruntime f32: $ort s, ratio $(calc %.2f "$ort / $s")"
    [ -z "$stbf" ] || echo "embed $p against sentence-transformers bf16: $stbf s, ratio $(calc %.2f "$stbf / $s")"
done
[ -n "$ort" ] || echo "embed: SKIP onnxruntime: $(tail -1 "$TMP/peer.log")"

# ---- photos: a ResNet-50 of full size, made-up weights (the time does not know them) ----
photos=$MM_SHARED/data/grocery_store
mkdir "$TMP/resnet"
"$O/bench/full_resnet" "$TMP/resnet"
python3 "$MM_SHARED/peers/resnet_peer.py" "$photos" 500 > "$TMP/peer" 2> /dev/null
cat "$TMP/peer"
find "$photos" \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' \) | LC_ALL=C sort | head -500 |
    tr '\n' '\0' > "$TMP/names"
for p in f32 bf16; do
    best=
    for _ in 1 2; do
        t=$(now)
        xargs -0 -n 500 "$BIN/mm-embed" --quiet --image --precision $p --model "$TMP/resnet" \
            < "$TMP/names" > "$TMP/photos"
        s=$(calc %.2f "$(now) - $t")
        best=$(calc %.2f "${best:-$s} < $s ? ${best:-$s} : $s")
    done
    rate=$("$O/bench/rate" $p 3)
    theirs=$(sed -n "s/^$p channels_last: .* with decode \(.*\)/\1/p" "$TMP/peer")
    echo "photos $p, 500 with decode: ours $(calc %.1f "500 / $best") a second," \
        "$(calc %.0f "500 * 8.18 / $best") GFLOP/s of $rate; torch channels_last $theirs," \
        "ratio $(calc %.2f "500 / $best / $theirs")"
done

[ "${FULL-}" = 1 ] && for p in f32 bf16; do
    "$BIN/mm-embed" --text --json --precision $p < "$TMP/all" > "$TMP/vectors" 2> "$TMP/log"
    python3 - "$minilm" "$TMP/all" "$TMP/vectors" $p <<'P'
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
texts = [json.loads(l) for l in open(sys.argv[2], encoding='utf-8')]
ours = np.array([json.loads(l) for l in open(sys.argv[3])], dtype=np.float64)
theirs = SentenceTransformer(sys.argv[1], device='cpu').encode(texts, show_progress_bar=False).astype(np.float64)
cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
print(f'embed {sys.argv[4]} on {len(texts)} texts: largest difference {abs(ours - theirs).max():.1e}, smallest cosine {cosine.min():.8f}')
P
done
exit 0
