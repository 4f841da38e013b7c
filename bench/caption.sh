#!/bin/sh
# Captions by a BLIP-2 of the published size, its weights made up, in bf16 and int8 against
# transformers in bf16, in turns: 20 tokens, batches of 1 and 8 (BATCHES="1 8 16"; the peer has 1
# and 8). Beside it what the machine gives: products of floats on hot operands, reading memory.
# FULL=1 also compares token ids with transformers in float32 (16 GB of memory).
# CAPTION_DIR keeps the 19 GB of weights; PEER_PYTHON names an interpreter with transformers.
# SPDX-License-Identifier: MIT
. bench/lib.sh
: "${CAPTION_DIR:=$TMP/blip2}" "${PEER_PYTHON:=python3}" "${BATCHES:=1 8 16}"
mkdir -p "$CAPTION_DIR" || exit 1
free=$(df -Pk "$CAPTION_DIR" | awk 'NR == 2 { print int($4 / 1e6) }')
if [ ! -f "$CAPTION_DIR/config.json" ]; then
    [ "$free" -ge 20 ] || { echo "caption: SKIP, $free GB free for $CAPTION_DIR, 20 needed"; exit 0; }
    "$O/bench/blip2_full" make "$CAPTION_DIR" || exit 1
fi
for p in bf16 int8; do
    t=$(now)
    "$O/bench/blip2_full" time "$CAPTION_DIR" $p 1 1 1 > /dev/null || exit 1
    echo "caption $p: weights hashed, packed and opened, one caption of a token: $(calc %.0f "$(now) - $t") s"
done
# ours PRECISION BATCH: leaves seconds a picture in $s
ours() {
    "$O/bench/blip2_full" time "$CAPTION_DIR" "$1" "$2" 20 2 > "$TMP/ours" || exit 1
    awk -v p="$1" -v b="$2" -v memory="$memory" -v flops="$flops" '
        /^opened/ { opened = $3 } /^peak/ { peak = $2 } /^batch/ { line = $0 }
        END { sub(/^batch [0-9]*: /, "", line)
              printf "caption %s, batch %d: %s (memory gives %s GB/s, float products %s GFLOP/s); " \
                  "opened in %s s, peak %s GiB\n", p, b, line, memory, flops, opened, peak }' "$TMP/ours"
    s=$(sed -n 's/^batch.*: \([0-9.]*\) s a picture.*/\1/p' "$TMP/ours" | tail -1)
}
memory=$("$O/bench/rate" memory 3) flops=$("$O/bench/rate" f32 3)
for b in $BATCHES; do
    ours bf16 "$b"
    bf16=$s
    ours int8 "$b"
    case $b in 1 | 8) ;; *) continue ;; esac
    "$PEER_PYTHON" "$MM_SHARED/peers/blip2_peer.py" bf16 "$b" > "$TMP/peer" 2> "$TMP/peer.log"
    theirs=$(sed -n 's|.* s, \([0-9.]*\) s/image.*|\1|p' "$TMP/peer" | tail -1)
    if [ -n "$theirs" ]; then
        echo "caption batch $b, transformers bf16: $theirs s a picture; ratio of times: bf16 $(calc %.2f "$bf16 / $theirs"), int8 $(calc %.2f "$s / $theirs")"
    else
        echo "caption: SKIP transformers: $(tail -1 "$TMP/peer.log")"
    fi
done
if [ "${FULL-}" = 1 ]; then
    "$O/bench/blip2_full" ids "$CAPTION_DIR" f32 3 12 > "$TMP/ours" || exit 1
    "$PEER_PYTHON" bench/blip2_peer.py "$CAPTION_DIR" 3 12 > "$TMP/peer" 2> "$TMP/peer.log"
    cmp "$TMP/ours" "$TMP/peer" && echo "caption f32, 3 pictures x 12 tokens: ids are those of transformers ($(tail -1 "$TMP/peer.log"))"
fi
exit 0
