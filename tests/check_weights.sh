#!/bin/sh
# BLIP-2 with its published weights on the photo of its documentation: the captions that the
# tests of transformers have for it. Not part of `make check`: the weights are 15 GB
# (make models BLIP2=1). The photo is CHECK_IMAGE, else fetched from the model hub (OFFLINE=1 does
# not). What is missing is skipped aloud. PRECISIONS="bf16 f32": f32 takes 15 GiB of memory, int8
# may choose other words.
# SPDX-License-Identifier: MIT
. tests/lib.sh
: "${PRECISIONS:=bf16}" "${CHECK_IMAGE:=}" "${HF_ENDPOINT:=https://huggingface.co}"
dir=${CHECK_MODEL:-$REAL_MODELS/blip2-opt-2.7b}
if [ -z "$(find "$dir/" \( -name '*.safetensors' -o -name 'packed-*.mm' \) 2> /dev/null)" ]; then
    skip "no published weights in $dir (make models BLIP2=1, or CHECK_MODEL=folder)"
    finish
fi
photo=$CHECK_IMAGE
if [ -z "$photo" ]; then
    photo=$TMP/demo.jpg
    url=$HF_ENDPOINT/hf-internal-testing/blip-test-image/resolve/main/demo.jpg
    echo "OFFLINE=1" > "$TMP/why"
    [ "${OFFLINE:-0}" != 1 ] && curl -fsSL --max-time 120 --max-filesize 10000000 -o "$photo" "$url" 2> "$TMP/why" ||
        { skip "no photo: $url: $(tail -1 "$TMP/why"); CHECK_IMAGE names a copy"; finish; }
fi

# says WHAT OPTION...: the ids and the caption of the photo
says() { "$BIN/mm-caption" --image --ids --model "$dir" --quiet "$@" "$photo" > "$TMP/line" 2> "$TMP/err" || cat "$TMP/err" >&2; }
field() { q :memory: "SELECT json_extract(readfile('$TMP/line'), '$.$1')"; }
for p in $PRECISIONS; do
    says --precision "$p"
    like "$(field ids)" '^\[102,693,2828,15,5,4105,19,10,2335(,50118)?\]$' "$p, greedy: $(field caption)"
    is "$(field caption)" "a woman sitting on the beach with a dog" "in words"
    says --precision "$p" --beams 2
    like "$(field ids)" ',19,69,2335(,50118)?\]$' "$p, 2 beams: $(field caption)"
    says --precision "$p" --prompt "Question: which city is this? Answer:"
    is "$(field caption)" "it's not a city, it's a beach" "$p, asked which city this is"
done
finish
