#!/bin/sh
# mm-caption with BLIP-2: a small network of made-up weights (test_blip2 make), for the database
# and as a filter; the same bytes once, kills, what is refused. KILLS=200 for a soak.
# SPDX-License-Identifier: MIT
. tests/lib.sh
: "${O:=$PWD/build}" "${KILLS:=10}"
export XDG_CACHE_HOME="$TMP/cache"
D=$TMP/d M=$TMP/blip2
toy "$D" 120
mkdir "$M"
"$O/tests/test_blip2" make "$M" || exit 1
caption() { "$BIN/mm-caption" --quiet "$@"; }
good="SELECT count(*) FROM image WHERE state = 'ok' AND business_id IS NOT NULL"
# copy FROM TO: a database without what lies beside it.
copy() {
    rm -rf "$2" "$2"-* "$2.d"
    cp "$1" "$2"
}

# ---- the stage ----
raw=$TMP/raw.db db=$TMP/a.db
"$BIN/mm-ingest" --quiet --db "$raw" "$D"
copy "$raw" "$db"
n=$(q "$db" "$good")
caption --db "$db"
is "$? $(q "$db" "SELECT name FROM method WHERE task = 'caption' AND current = 1")" "0 dataset" "auto without the weights: captions of the data set"
run "$BIN/mm-caption" --db "$db" --plan --model "$M"
like "$OUT" "^caption	captions	7	new" "--plan: seven different files"
is "$RC $(ls "$M" | grep -c packed)" "3 0" "exit 3, and nothing is packed for it"
run "$BIN/mm-caption" --db "$db" --model "$M"
is "$RC" 0 "auto with the weights: blip2"
like "$OUT" "blip2 in $M, .*: up to [0-9.]+ GiB of memory" "what it takes is said first"
like "$OUT" "done 6, failed 0, defects of the data 1" "six files are captioned, the corrupt one is a defect"
like "$OUT" "captions by BLIP-2, [0-9]+ in circles, [0-9]+ cut off" "those that go in circles or were cut off are counted"
blip2="JOIN method m ON m.id = c.method_id AND m.current = 1 AND m.name = 'blip2'"
is "$(q "$db" "SELECT count(*) FROM caption c $blip2")" "$((n - 1))" "every photo but that has a row"
is "$(q "$db" "SELECT count(DISTINCT c.text) FROM caption c $blip2 JOIN image i ON i.id = c.image_id GROUP BY i.content_id ORDER BY 1 DESC LIMIT 1")" 1 "photos with the same bytes have the same"
like "$(q "$db" "SELECT reason, permanent FROM failure WHERE stage = 'caption'")" "pic3.jpg|JPEG.*1$" "the corrupt photo is a failure that will not be tried again"
like "$(q "$db" "SELECT params FROM method WHERE name = 'blip2'")" '"model":"[0-9a-f]{64}","precision":"bf16","beams":1,"tokens":20,' "its method says what decides a caption"
is "$(q "$db" "SELECT count(*) FROM caption c JOIN method m ON m.id = c.method_id WHERE m.name = 'dataset'")" 24 "the other captions are still there"
"$BIN/mm-report" --quiet --db "$db" --out "$TMP/report"
like "$(cat "$TMP/report/report.md")" "\| blip2 \| $((n - 1)) \| [1-6] \| [0-9]+ \| [0-9]+ \| 1 \|" "the report counts them, too"
run "$BIN/mm-caption" --db "$db"
like "$OUT" "done 0, failed 0" "again: nothing is done"
run "$BIN/mm-caption" --db "$db" --plan
is "$RC" 0 "--plan: exit 0"
want=$(digest "$db" | grep '^caption ')
for how in "1 1" "3 2" "16 3"; do
    copy "$raw" "$TMP/t.db"
    caption --db "$TMP/t.db" --model "$M" --batch "${how% *}" --threads "${how#* }"
    q "$TMP/t.db" "DELETE FROM caption WHERE method_id IN (SELECT id FROM method WHERE name <> 'blip2')"
    q "$db" "SELECT i.key, c.text FROM caption c $blip2 JOIN image i ON i.id = c.image_id ORDER BY 1" > "$TMP/one"
    q "$TMP/t.db" "SELECT i.key, c.text FROM caption c $blip2 JOIN image i ON i.id = c.image_id ORDER BY 1" > "$TMP/two"
    cmp -s "$TMP/one" "$TMP/two"
    ok $? "batches of ${how% *} by ${how#* } threads: the same captions"
done

# ---- photos that come and change ----
cp "$D/images/pic0.jpg" "$D/images/pic90.jpg"
printf 'p90\tpic90.jpg\t\tb1\n' >> "$D/images.tsv"
"$BIN/mm-ingest" --quiet --db "$db" "$D"
run "$BIN/mm-caption" --db "$db" --plan
is "$RC $OUT" "3 caption	captions	1	has the bytes of another photo" "--plan: a new photo with known bytes"
run "$BIN/mm-caption" --db "$db"
like "$OUT" "done 0, failed 0" "nothing is computed for it"
is "$(q "$db" "SELECT count(DISTINCT c.text) || ' ' || count(*) FROM caption c $blip2 JOIN image i ON i.id = c.image_id WHERE i.key IN ('p0', 'p90')")" "1 2" "it has that caption"
cp "$D/images/pic3.jpg" "$TMP/corrupt"
rm "$D/images/pic3.jpg"
cp tests/golden/resnet/pictures/wide.jpg "$D/images/pic3.jpg"
"$BIN/mm-ingest" --quiet --db "$db" "$D"
run "$BIN/mm-caption" --db "$db"
like "$OUT" "done 1, failed 0" "another picture in place of the corrupt one: it is captioned"
is "$(q "$db" "SELECT count(*) FROM failure WHERE stage = 'caption'")" 0 "and no failure is left"
copy "$db" "$TMP/r.db"
cp "$TMP/corrupt" "$D/images/pic3.jpg"
cp "$TMP/corrupt" "$D/images/pic91.jpg"
printf 'p91\tpic91.jpg\t\tb2\n' >> "$D/images.tsv"
"$BIN/mm-ingest" --quiet --db "$TMP/r.db" "$D"
caption --db "$TMP/r.db"
is "$(q "$TMP/r.db" "SELECT count(*) FROM caption c $blip2 JOIN image i ON i.id = c.image_id WHERE i.key = 'p3'")" 0 "a corrupt one in its place: what was said of the other picture is gone"
is "$(q "$TMP/r.db" "SELECT count(*) FROM failure WHERE stage = 'caption' AND permanent = 1")" 2 "its failure is that of its copy, too"
is "$(q "$TMP/r.db" "SELECT pending FROM v_progress WHERE stage = 'caption'")" 0 "and nothing is pending"
cp tests/golden/resnet/pictures/wide.jpg "$D/images/pic3.jpg"
copy "$raw" "$TMP/g.db"
mkdir "$TMP/gone"
cp -r "$D"/* "$TMP/gone"
"$BIN/mm-ingest" --quiet --db "$TMP/g.db" --images "$TMP/gone/images" "$D"
rm "$TMP/gone/images/pic0.jpg" "$TMP/gone/images/pic1.jpg"
run "$BIN/mm-caption" --db "$TMP/g.db" --model "$M" --max-failures 100%
is "$(q "$TMP/g.db" "SELECT count(*) FROM caption c $blip2 JOIN image i ON i.id = c.image_id WHERE i.key IN ('p0', 'p90')")" 2 "a photo that is gone is read where it has a copy"

# ---- other ways to ask ----
run "$BIN/mm-caption" --db "$db" --beams 5 --tokens 12 --min-tokens 3 --penalty 1.5 --prompt "What is it?" --precision f32
like "$OUT" "done 7, failed 0" "five beams and a prompt: all anew"
is "$(q "$db" "SELECT group_concat(value, ' ') FROM (SELECT value FROM setting WHERE name LIKE 'CAPTION_%' ORDER BY name)")" "5 3 1.5 f32 What is it? 12" "remembered as settings"
is "$(q "$db" "SELECT count(*) FROM method WHERE name = 'blip2'")" 2 "as another method"
run "$BIN/mm-caption" --db "$db"
like "$OUT" "done 0, failed 0" "which the next run goes by"
run "$BIN/mm-caption" --db "$db" --beams 1 --tokens 20 --min-tokens 0 --penalty 1 --prompt "" --precision bf16
like "$OUT" "done 0, failed 0" "back to the first: its rows are still there"
run "$BIN/mm-caption" --db "$db" --precision int8
like "$RC $(echo "$OUT" | tr '\n' ' ')" "^0 .*int8 weights.*done 7, failed 0" "weights of 8 bits: all anew"
is "$(q "$db" "SELECT json_extract(params, '$.precision') FROM method WHERE task = 'caption' AND current = 1") $(find "$M" -name 'packed-int8-*.mm' | wc -l) $(find "$M" -name 'packed-bf16-*.mm' | wc -l)" "int8 1 1" "as another method, packed beside the others"
mkdir -p "$TMP/usual/blip2-opt-2.7b"
cp "$M"/config.json "$M"/vocab.json "$M"/*.txt "$M"/packed-int8-*.mm "$TMP/usual/blip2-opt-2.7b"
copy "$raw" "$TMP/u.db"
"$BIN/mm-status" --quiet --db "$TMP/u.db" MODELS="$TMP/usual" > /dev/null
like "$("$BIN/mm-caption" --db "$TMP/u.db" --plan --precision int8)" "^caption	captions	7	" "--plan looks for weights of the precision that was given"
caption --db "$db" --precision bf16
for bad in "--beams 0" "--tokens 0" "--precision half" "--penalty 11" "--ids" "--image" "x"; do
    # shellcheck disable=SC2086
    "$BIN/mm-caption" --quiet --db "$db" $bad > /dev/null 2>&1
    is $? 2 "wrong use: $bad"
done
caption --db "$db" --model "$TMP/nowhere" > /dev/null 2>&1
is $? 2 "--model of a folder that is not there: exit 2"
run "$BIN/mm-caption" --quiet --image --plan --model "$M" tests/golden/image/pictures/rgb.png
is "$RC" 2 "--plan belongs to the database"
run "$BIN/mm-caption" --quiet --image --model "$M" --tokens 500 tests/golden/image/pictures/rgb.png
like "$RC $OUT" "^1 .*captions of 500 tokens are too long for this model: [0-9]+ at most" "more tokens than the model has places"
copy "$raw" "$TMP/http.db"
run "$BIN/mm-caption" --db "$TMP/http.db" --plan --caption http --url http://127.0.0.1:9/v1 --model eyes
like "$RC $OUT" "^3 caption	captions	" "with http --model is a name, for --plan, too"
copy "$raw" "$TMP/e.db"
run "$BIN/mm-caption" --db "$TMP/e.db" --model "$M" --prompt "Hello there, my friend"
like "$RC $(echo "$OUT" | tr '\n' ' ')" "^1 .*failed [1-9]" "a model that says nothing: exit 1"
(cd "$TMP" && "$BIN/mm-status" --quiet --db "$TMP/e.db" BLIP2_MODEL=blip2) > /dev/null
is "$(q "$TMP/e.db" "SELECT value FROM setting WHERE name = 'BLIP2_MODEL'")" "$M" "BLIP2_MODEL is remembered by its full path"

# ---- memory that is not there ----
mkdir "$TMP/vast"
cp "$M"/*.txt "$M"/vocab.json "$TMP/vast"
echo '{"model_type": "blip-2", "text_config": {"hidden_size": 2560, "num_hidden_layers": 128,
 "ffn_dim": 10240, "num_attention_heads": 32, "word_embed_proj_dim": 2560}}' > "$TMP/vast/config.json"
# refused OPTION...: half a terabyte and more
refused() { run "$BIN/mm-caption" --image --model "$TMP/vast" --beams 64 --batch 256 "$@" tests/golden/image/pictures/rgb.png; }
refused
like "$RC $(echo "$OUT" | tr '\n' ' ')" "^1 .*up to [0-9]{3,}.[0-9] GiB of memory .*needs [0-9]{3,}.[0-9] GiB of memory, [0-9.]+ are free: use --precision int8, --batch 1, or captions of a service" "more memory than there is: what would take less is named"
refused --precision f32
like "$OUT" "use --precision bf16, " "of f32 it is bf16"

# ---- weights that are not there ----
copy "$raw" "$TMP/w.db"
mkdir "$TMP/half"
cp "$M"/*.json "$M"/*.txt "$M"/model-00001* "$TMP/half"
run "$BIN/mm-caption" --db "$TMP/w.db" --caption blip2 --model "$TMP/half"
is "$RC $(q "$TMP/w.db" "SELECT count(*) FROM caption")" "1 0" "a missing shard: exit 1 before the first photo"
like "$OUT" "model-00002-of-00002.safetensors" "which is named"
run "$BIN/mm-caption" --db "$TMP/w.db" --caption blip2 --model "$D"
is "$RC" 1 "a folder of something else: exit 1"
like "$OUT" "config.json: No such file" "with a sentence"
is "$(q "$TMP/w.db" "SELECT count(*) FROM caption")" 0 "and no row"
is "$(q "$TMP/w.db" "SELECT count(*) FROM stage_run WHERE stage = 'caption'")" 0 "nor a run that never ends"
mkdir "$TMP/models"
mv "$TMP/half" "$TMP/models/blip2-opt-2.7b"
copy "$raw" "$TMP/w.db"
run env MM_MODELS="$TMP/models" "$BIN/mm-caption" --db "$TMP/w.db"
like "$RC $OUT" "^0 .*going on without BLIP-2.*model-00002-of-00002.safetensors: is missing" "auto: a half fetched one is not there, which is said"
is "$(q "$TMP/w.db" "SELECT name FROM method WHERE task = 'caption' AND current = 1")" "dataset" "then captions are those of the data"
cp -r "$M" "$TMP/cut"
head -c 100 "$M/config.json" > "$TMP/cut/config.json"
run "$BIN/mm-caption" --db "$TMP/w.db" --model "$TMP/cut"
like "$RC $OUT" "^1 .*config.json" "a folder that was named is meant, damaged or not"

# ---- other weights in the same folder ----
X=$TMP/x
cp -r "$M" "$X"
rm -f "$X"/packed-*
says() { "$BIN/mm-caption" --image --quiet --model "$X" tests/golden/image/pictures/baseline.jpg 2>&1; }
first=$(says)
cp "$X"/packed-bf16-*.mm "$TMP/first.mm"
w=$X/model-00002-of-00002.safetensors
size=$(wc -c < "$w")
head -c $((size - 4000)) "$M/model-00002-of-00002.safetensors" > "$w"
tail -c 4000 "$M/model-00002-of-00002.safetensors" | head -c 4000 | tr '\000-\077' '\001-\077\000' >> "$w"
says > "$TMP/second"
is "$(find "$X" -name 'packed-*' | wc -l) $(cmp -s "$TMP/first.mm" "$X"/packed-* && echo same)" "1 " "other weights: packed anew, the packed file of the first is removed"
rm "$X"/model-0000*
is "$(says)" "$(cat "$TMP/second")" "without safetensors the packed file says the same"
cp "$TMP/first.mm" "$X/packed-bf16-0000000000000000.mm"
like "$(says)" "packed from different weights" "two of different weights: nobody knows which is meant"
rm -r "$X"
cp -r "$M" "$X"
is "$(says)" "$first" "the first again"

# ---- kills ----
mkdir "$TMP/many" "$TMP/many/images"
cp "$D/reviews.csv" "$TMP/many"
i=0
while [ $i -lt 60 ]; do # other bytes each: what follows the end of a JPEG is not read
    { cat tests/golden/image/pictures/baseline.jpg; echo $i; } > "$TMP/many/images/m$i.jpg"
    printf 'm%d\tm%d.jpg\t\tb%d\n' $i $i $((i % 12)) >> "$TMP/many/images.tsv"
    i=$((i + 1))
done
base=$TMP/base.db
"$BIN/mm-ingest" --quiet --db "$base" "$TMP/many"
copy "$base" "$TMP/calm.db"
t0=$(date +%s%N)
caption --db "$TMP/calm.db" --model "$M" --batch 2
ms=$((($(date +%s%N) - t0) / 1000000))
want=$(digest "$TMP/calm.db" | grep '^caption ')
like "$want" "^caption [0-9a-f]+ 60$" "sixty photos in $ms ms"
kills=0 within=0 same=0 rounds=0
while [ "$kills" -lt "$KILLS" ]; do
    copy "$base" "$TMP/k.db"
    rounds=$((rounds + 1))
    while [ "$kills" -lt "$KILLS" ]; do
        "$BIN/mm-caption" --quiet --db "$TMP/k.db" --model "$M" --batch 2 2>> "$TMP/log" &
        pid=$!
        sleep "$(awk -v ms="$ms" -v r="$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')" 'BEGIN { printf "%.3f", ms * r / 65536 / 1000 }')"
        kill -s KILL $pid 2> /dev/null
        wait $pid 2> /dev/null
        [ $? -eq 137 ] || break
        kills=$((kills + 1))
        k=$(q "$TMP/k.db" "SELECT count(*) FROM caption")
        [ "$k" -gt 0 ] && [ "$k" -lt 60 ] && within=$((within + 1))
    done
    caption --db "$TMP/k.db" --model "$M" --batch 2
    [ "$(digest "$TMP/k.db" | grep '^caption ')" = "$want" ] && same=$((same + 1))
done
is "$same" "$rounds" "after $kills kills in $rounds rounds the captions are those of the calm run"
echo "# $within of $kills kills fell between the first and the last caption"
copy "$base" "$TMP/i.db"
"$BIN/mm-caption" --db "$TMP/i.db" --model "$M" --batch 1 --threads 1 2> "$TMP/log" &
pid=$!
for _ in $(seq 100); do
    [ "$(q "$TMP/i.db" "SELECT count(*) FROM caption" 2> /dev/null)" -gt 0 ] 2> /dev/null && break
    sleep 0.005
done
kill -INT $pid 2> /dev/null
wait $pid
rc=$? k=$(q "$TMP/i.db" "SELECT count(*) FROM caption")
{ [ $rc -eq 130 ] && [ "$k" -lt 60 ]; } || { [ $rc -eq 0 ] && [ "$k" -eq 60 ]; }
ok $? "SIGINT after some: exit $rc with $k captions"
is "$(q "$TMP/i.db" "SELECT count(*) FROM failure")" 0 "what was given up is no failure"
caption --db "$TMP/i.db"
is "$(digest "$TMP/i.db" | grep '^caption ')" "$want" "the next run does the rest"

# ---- PILOT, and make ----
copy "$base" "$TMP/p.db"
"$BIN/mm-status" --quiet --db "$TMP/p.db" PILOT=3 > /dev/null
caption --db "$TMP/p.db" --model "$M"
is "$(q "$TMP/p.db" "SELECT count(*) FROM caption")" 15 "PILOT=3: photos of three businesses"
db=$TMP/make.db
make_all() { make -s -f pipeline.mk embed DB="$db" INPUT="$TMP/many" BIN="$BIN/" "$@" 2>&1; }
cp -r "$M" "$TMP/fresh"
rm -f "$TMP/fresh"/packed-*
out=$(make_all BLIP2_MODEL="$TMP/fresh" CAPTION=blip2)
like "$out" "mm-caption: done: done 60, failed 0" "make runs it"
is "$(make_all)" "" "and not again: the packed file it left wakes no stage"
run make -s -f pipeline.mk plan DB="$db" BIN="$BIN/"
like "$OUT" "caption.*MODEL|^pending" "plan goes on from there"
touch "$TMP/fresh/config.json"
like "$(make_all)" "mm-caption: done: done 0, failed 0" "a touched model is looked at, and computes nothing"

# ---- the filter ----
pic=tests/golden/image/pictures
out=$("$BIN/mm-caption" --image --model "$M" --ids $pic/baseline.jpg "$TMP/log" $pic/rgb.png 2> "$TMP/err")
is "$?" 1 "a file that is no photo: exit 1"
is "$(printf '%s\n' "$out" | wc -l)" 3 "a line a file"
printf '[%s]' "$(printf '%s\n' "$out" | paste -sd,)" > "$TMP/lines"
is "$(q :memory: "SELECT group_concat(json_extract(value, '$.file'), ' ') || ' ' || group_concat(json_type(value, '$.caption'), ' ')
    || ' ' || group_concat(json_type(value, '$.error'), ' ') || ' ' || sum(json_array_length(value, '$.ids') > 0)
    FROM json_each(readfile('$TMP/lines'))")" \
    "$pic/baseline.jpg $TMP/log $pic/rgb.png text text text 2" "as JSON, in order: file, caption or error, ids"
like "$(cat "$TMP/err")" "done 2, failed 1, in circles [0-9]+, cut off [0-9]+, " "a closing line on stderr"
one=$("$BIN/mm-caption" --quiet --image --model "$M" $pic/baseline.jpg)
is "$(q "$TMP/a.db" "SELECT c.text = json_extract('$(printf '%s' "$one" | sed "s/'/''/g")', '$.caption') FROM caption c
    JOIN method m ON m.id = c.method_id AND m.current = 1 JOIN image i ON i.id = c.image_id WHERE i.key = 'p0'")" 1 "the stage's caption of that photo"
run sh -c "'$BIN/mm-caption' --image --batch 1 --model '$M' $pic/baseline.jpg $pic/baseline.jpg $pic/baseline.jpg > /dev/full"
like "$RC $(echo "$OUT" | tr '\n' ' ')" "^1 .*done 1, " "a full disk behind stdout is not a success, and ends the work"
csi=$TMP/$(printf 'a\302\233b.png') # CSI, for a terminal
cp $pic/rgb.png "$csi"
like "$("$BIN/mm-caption" --quiet --image --model "$M" "$csi")" 'a\\u009bb.png' "control characters in a name are escaped"
run "$BIN/mm-caption" --quiet --image $pic/baseline.jpg
is "$RC" 1 "no weights: exit 1"
like "$OUT" "no-models/blip2-opt-2.7b/config.json" "and where they were looked for"
finish
