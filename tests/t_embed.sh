#!/bin/sh
# mm-embed: the filter, networks from folders, what is chosen when they come and go.
# SPDX-License-Identifier: MIT
. tests/lib.sh

TINY=tests/golden/minilm/tiny-f32
LINES=tests/golden/minilm/sentences.txt

# ---- filter ----
filter() { "$BIN/mm-embed" --quiet "$@"; }

filter --text --model $TINY < $LINES > "$TMP/one" || ok 1 "filter"
is "$(wc -l < "$TMP/one")" 50 "a vector a line"
filter --text --model $TINY --threads 1 < $LINES | cmp -s - "$TMP/one"
ok $? "one thread, the same bytes"
filter --text --model $TINY --threads 7 < $LINES | cmp -s - "$TMP/one"
ok $? "seven threads, the same bytes"
tac $LINES | filter --text --model $TINY | tac | cmp -s - "$TMP/one"
ok $? "in reverse, the same bytes"
perl -e 'for (1..40) { open F, $ARGV[0]; print while <F>; close F }' $LINES > "$TMP/many"
is "$(filter --text --model $TINY < "$TMP/many" | sort -u | wc -l)" 50 \
    "2,000 lines, every text has one vector"
perl -ne 'chomp; s/([\\"])/\\$1/g; print "\"$_\"\n"' $LINES > "$TMP/json"
filter --text --json --model $TINY < "$TMP/json" | cmp -s - "$TMP/one"
ok $? "JSON strings are the same texts"
OUT=$(printf '"one"\nnot json\n["array"]\n"two\\u00e9"\n' | filter --text --json --model $TINY 2> "$TMP/log")
is "$?" 1 "lines that are no JSON strings: exit 1"
is "$(printf '%s\n' "$OUT" | sed -n '2p;3p' | tr '\n' ' ')" "null null " "they give null, in place"
like "$(cat "$TMP/log")" 'line 2: no JSON string' "and a warning with the line"
is "$(printf '%s\n' "$OUT" | grep -c '^\[')" 2 "the others have their vectors"
is "$(printf 'The cat [SEP] \342\202\254\n\n' | filter --text --ids --model $TINY | tail -1)" "[2,3]" \
    "an empty line is [CLS] [SEP]"
run filter --text --ids < $LINES
is "$RC" 2 "--ids without tokens is wrong use"
like "$OUT" 'hash.*no tokens' "and says why"
is "$(printf 'no end of line' | filter --text --model $TINY | wc -l)" 1 "a last line without its end"
is "$(filter --text --model $TINY < /dev/null | wc -c)" 0 "no lines, no vectors"
filter --text --precision bf16 --model $TINY < $LINES > "$TMP/bf16"
ok $? "bf16"
cmp -s "$TMP/one" "$TMP/bf16" && r=1 || r=0
ok $r "gives other numbers"
filter --text --gemm openblas --model $TINY < $LINES > "$TMP/openblas"
ok $? "OpenBLAS"
run filter --text --gemm mkl --model $TINY
is "$RC" 2 "an unknown library is wrong use"
run filter --text --precision f64
is "$RC" 2 "so is a precision"
run filter --text --model /nonexistent
is "$RC" 1 "a folder that is not there: exit 1"
like "$OUT" '/nonexistent/config.json' "named"
run filter --text --text-encoder minilm
is "$RC" 1 "minilm without weights: exit 1"
like "$OUT" "no model.safetensors in .*make models" "and what to do"

# ---- photos ----
PHOTO=tests/golden/resnet/tiny-hf
P=tests/golden/image/pictures
filter --image --model $PHOTO $P/rgb.png $P/grey.jpg $P/444.jpg > "$TMP/photos"
ok $? "photos"
is "$(wc -l < "$TMP/photos")" 3 "a vector a photo"
filter --image --model $PHOTO --threads 1 $P/rgb.png $P/grey.jpg $P/444.jpg | cmp -s - "$TMP/photos"
ok $? "one thread, the same bytes"
filter --image --model $PHOTO --threads 5 $P/444.jpg $P/grey.jpg $P/rgb.png | tac | cmp -s - "$TMP/photos"
ok $? "in another order, the same bytes"
OUT=$(filter --image --model $PHOTO $P/rgb.png $P/cut.jpg /nonexistent.jpg $P/444.jpg 2> "$TMP/log")
is "$?" 1 "photos that cannot be read: exit 1"
is "$(printf '%s\n' "$OUT" | sed -n '2p;3p' | tr '\n' ' ')" "null null " "they give null, in place"
like "$(cat "$TMP/log")" 'cut.jpg: ' "and a warning with the name"
run filter --image --model $TINY $P/rgb.png
is "$RC" 1 "a text model for photos: exit 1"
run filter --text --model $PHOTO
is "$RC" 1 "a photo model for texts: exit 1"
like "$OUT" 'model_type.*resnet' "with the reason"

# ---- the stage ----
toy "$TMP/toy" 1500 # three chunks
M="$TMP/my models"
DB=$TMP/t.db
export MM_MODELS="$M"
make -s -f pipeline.mk caption DB="$DB" INPUT="$TMP/toy" > "$TMP/log" 2>&1 || cat "$TMP/log"
"$BIN/mm-embed" --db "$DB" > "$TMP/log" 2>&1
ok $? "embed without any model"
like "$(cat "$TMP/log")" "text: hashed words and n-grams; stands in for minilm, whose weights are not in" \
    "falls back aloud"
like "$(q "$DB" "SELECT means FROM v_progress WHERE stage = 'embed'")" 'stands in for minilm' \
    "v_progress says so"
like "$(q "$DB" "SELECT note FROM stage_run WHERE stage = 'embed'")" 'stands in for minilm' "so does stage_run"
is "$(q "$DB" "SELECT count(*) FROM v_progress WHERE stage = 'embed' AND pending = 0")" 1 "every text has its vector"
texts=$(q "$DB" "SELECT count(*) FROM embedding e JOIN method m ON m.id = e.method_id WHERE m.task = 'text'")

mkdir -p "$M"
cp -r $TINY "$M/all-MiniLM-L6-v2"
cp -r $PHOTO "$M/resnet-50"
like "$("$BIN/mm-status" --db "$DB" --plan)" '^embed.*model files changed' "a model that appears makes the stage stale"
like "$("$BIN/mm-embed" --db "$DB" --plan)" "text vectors.$texts.no vector of this encoder" "its plan counts them"
"$BIN/mm-embed" --db "$DB" > "$TMP/log" 2>&1
ok $? "embed with it"
is "$(q "$DB" "SELECT name FROM method WHERE task = 'text' AND current = 1")" minilm "minilm is the current encoder"
is "$(q "$DB" "SELECT group_concat(n) FROM (SELECT count(*) n FROM embedding e JOIN method m ON m.id = e.method_id
    WHERE m.task = 'text' GROUP BY m.name)")" "$texts,$texts" "its vectors lie beside those of hash"
is "$(q "$DB" "SELECT group_concat(name) FROM (SELECT name FROM method WHERE task = 'image' ORDER BY name)")" \
    "descriptor,resnet50" "so it is with photos"
is "$(q "$DB" "SELECT count(*) FROM failure WHERE stage = 'embed' AND permanent = 1")" 1 "the cut photo is a defect"
is "$(q "$DB" "SELECT note LIKE '%stands in%' FROM stage_run WHERE stage = 'embed' ORDER BY id DESC LIMIT 1")" 0 \
    "nothing stands in for anything"
is "$("$BIN/mm-status" --db "$DB" --plan | grep -c '^embed')" 0 "and the stage is fresh"
touch "$M/all-MiniLM-L6-v2/model.safetensors"
run "$BIN/mm-embed" --db "$DB"
like "$OUT" 'done 0, failed 0' "a touched file computes nothing"
id=$(q "$DB" "SELECT min(content_id) FROM review")
text=$(q "$DB" "SELECT json_quote(text) FROM review WHERE content_id = $id")
is "$(q "$DB" "SELECT hex(substr(vec, 1, 4)) FROM embedding e JOIN method m ON m.id = e.method_id
    WHERE m.name = 'minilm' AND e.content_id = $id")" \
    "$(printf '%s\n' "$text" | filter --text --json --model $TINY | perl -ne '/\[([^,]+)/; print uc unpack("H*", pack("f<", $1))')" \
    "stage and filter give the same number"

# other precisions are other encoders; the threads are not
before=$(digest "$DB")
q "$DB" "DELETE FROM embedding WHERE method_id = (SELECT id FROM method WHERE name = 'minilm')"
"$BIN/mm-embed" --quiet --db "$DB" --threads 1
is "$(digest "$DB")" "$before" "one thread, the same digest"
"$BIN/mm-embed" --quiet --db "$DB" --precision bf16
is "$(q "$DB" "SELECT count(*) FROM method WHERE name = 'minilm'")" 2 "bf16 is another encoder"
"$BIN/mm-embed" --quiet --db "$DB" --precision f32

# damage
head -c 60000 $TINY/model.safetensors > "$M/all-MiniLM-L6-v2/model.safetensors"
q "$DB" "DELETE FROM embedding WHERE content_id = $id"
n=$(q "$DB" "SELECT count(*) FROM embedding")
run "$BIN/mm-embed" --db "$DB"
is "$RC" 1 "a file cut short: exit 1, no fallback"
like "$OUT" 'model.safetensors.*cut short' "with the reason"
is "$(q "$DB" "SELECT count(*) FROM embedding")" "$n" "and no row is written"

# one's own folder
"$BIN/mm-embed" --quiet --db "$DB" --model tests/golden/minilm/tiny-bf16
ok $? "--model DIR"
like "$(q "$DB" "SELECT value FROM setting WHERE name = 'TEXT_MODEL'")" '^/.*tiny-bf16$' "is remembered by its full path"
is "$(q "$DB" "SELECT count(DISTINCT method_id) FROM embedding e JOIN method m ON m.id = e.method_id
    WHERE m.task = 'text'")" 4 "four text encoders side by side"
rm -r "$M"
run make -s -f pipeline.mk embed DB="$DB" TEXT_MODEL=auto
like "$(q "$DB" "SELECT name FROM method WHERE task = 'text' AND current = 1")" hash "back to hash without the folder"
finish
