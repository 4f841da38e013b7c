#!/bin/sh
# The documents say what is so: README's queries answer, its names exist, man pages are clean.
# SPDX-License-Identifier: MIT
. tests/lib.sh
. tests/service.sh
db=$TMP/docs.db

# The shipped sample; without it the toy, with two records that cannot be used.
D=sample
if [ ! -f sample/reviews.csv ]; then
    D=$TMP/toy
    toy "$D" 500
    printf 'r901,u1,b1,many,"five stars",1600000000\nr902,,b1,4,"who am I",1600000000\n' >> "$D/reviews.csv"
fi
"$BIN/mm-ingest" --quiet --db "$db" "$D" && stages "$db"
ok $? "a database of $(basename "$D") to ask"

# Every ```sql block of README.md is a query with an answer, or an INSERT.
awk -v dir="$TMP" '/^```sql$/ { n++; on = 1; f = dir "/q" n ".sql"; next }
    /^```$/ { on = 0 } on { print > f }' README.md
n=$(find "$TMP" -name 'q*.sql' | wc -l)
is "$((n))" 11 "README has eleven queries"
inserts=0
for f in $(seq 1 "$n" | sed "s|.*|$TMP/q&.sql|"); do
    what=$(head -1 "$f" | cut -c1-60)
    before=$(q "$db" 'SELECT total(id) FROM experiment')
    run sqlite3 -bail "$db" < "$f"
    is "$RC" 0 "no error: $what"
    [ "$RC" -eq 0 ] || printf '%s\n' "$OUT" | sed 's/^/# /'
    if grep -q '^INSERT' "$f"; then
        inserts=$((inserts + 1))
        [ "$(q "$db" 'SELECT total(id) FROM experiment')" != "$before" ]
        ok $? "a new row: $what"
    else
        [ -n "$OUT" ]
        ok $? "an answer: $what"
    fi
    if grep -q v_leak "$f"; then
        like "$OUT" '^[1-9][0-9]*\|0$' "readings without a leak"
    fi
done
is "$inserts" 2 "two of them insert"
"$BIN/mm-reduce" --quiet --db "$db"
is "$("$BIN/mm-train" --db "$db" --plan | cut -f 3)" 2 "the inserted experiments are two runs to train"
runs=$(q "$db" "SELECT count(*) FROM run")
"$BIN/mm-train" --quiet --db "$db"
is "$(q "$db" "SELECT count(*) - $runs FROM run")" 2 "and two runs are trained"
is "$(q "$db" "SELECT count(*) FROM run r JOIN experiment x ON x.id = r.experiment_id WHERE x.asked_by = 'user' AND r.state = 'done'")" 2 "both done"

# Every ```sql llm block asks about a language model: of a copy whose summaries a service wrote,
# some of its answers unusable.
awk -v dir="$TMP" '/^```sql llm$/ { n++; on = 1; f = dir "/llm" n ".sql"; next }
    /^```$/ { on = 0 } on { print > f }' README.md
serve docs - <<'X'
nth 5 finish length
nth 9 content "I am sorry, but I cannot help with that."
X
asked=$TMP/asked.db
cp "$db" "$asked"
"$BIN/mm-llm-summarize" --quiet --db "$asked" --backend openai --url "$URL" --model tiny --limit 60
n=0
for f in "$TMP"/llm*.sql; do
    n=$((n + 1))
    run sqlite3 -bail "$asked" < "$f"
    [ "$RC" -eq 0 ] && [ -n "$OUT" ]
    ok $? "an answer where a model was asked: $(head -1 "$f" | cut -c1-60)"
    [ "$RC" -eq 0 ] || printf '%s\n' "$OUT" | sed 's/^/# /'
done
is "$n" 3 "README has three queries about language models"
"$BIN/mm-llm-summarize" --db "$asked" --show-prompt "$(q "$asked" "SELECT 'business:' || key FROM business LIMIT 1")" > "$TMP/shown"
is "$? $(grep -c '"messages"' "$TMP/shown")" "0 1" "--show-prompt prints a request, as README says"

# Variables, tools, files that the documents must name or that they name.
miss=""
for v in DB $("$BIN/mm-status" --settings --db "$TMP/none.db" | awk '{ print $1 }'); do
    grep -qw "$v" README.md && grep -qw "$v" man/mmrec.7 || miss="$miss $v"
done
is "$miss" "" "README and mmrec(7) name every variable"
miss=""
for v in $(awk -F '|' '/^\| [A-Z][A-Z_, ]* \|/ { gsub(/[ ,]+/, " ", $2); print $2 }' README.md); do
    [ "$v" = DB ] || "$BIN/mm-status" --settings --db "$TMP/none.db" | grep -q "^  $v " || miss="$miss $v"
done
is "$miss" "" "and the table of README names no other"
miss=""
for t in $(sed -n '/^TARGETS :=/,/[^\\]$/p' pipeline.mk | tr -d '\\' | sed 's/TARGETS :=//'); do
    sed 's/\\-/-/g' man/mmrec.7 | grep -qw -- "$t" || miss="$miss $t"
done
is "$miss" "" "mmrec(7) names every target"
miss=""
for f in $(grep -ohE '`?(lib|tools|tests|man|docs|prompts)/[A-Za-z0-9_./-]+' README.md docs/architecture.md | tr -d '\`' | sort -u); do
    case $f in *NAME*) continue ;; esac
    ls -d "${f%.}"* > /dev/null 2>&1 || miss="$miss $f" # tools/mm-*.c is cut at the star
done
is "$miss" "" "paths in README and docs exist"

# What README quotes as refusals is what the tools say.
for t in 'mm-caption CAPTION=blip2' 'mm-embed TEXT_ENCODER=minilm' \
    'mm-embed IMAGE_ENCODER=resnet50' 'mm-ingest FORMAT=yelp'; do
    cp "$db" "$TMP/no.db"
    "$BIN/mm-status" --quiet --db "$TMP/no.db" "${t#* }" > "$TMP/out" 2>&1
    run "$BIN/${t% *}" --db "$TMP/no.db"
    want=$(grep -F "\`${t#* }\`" README.md | sed 's/.*"\(.*\)" |$/\1/')
    case "$RC $OUT" in
    [12]\ *"$want"*) [ -n "$want" ]; ok $? "${t#* } is refused as README says" ;;
    *) ok 1 "${t#* } is refused as README says: '$want'"; echo "# $RC $OUT" ;;
    esac
done

bad=$(awk 'length > 100 && !/^\|/ { print FILENAME ":" FNR }' README.md docs/*.md)
is "$bad" "" "no line of prose is longer than 100 columns"
if command -v mandoc > /dev/null; then
    for p in man/*.[17]; do
        is "$(mandoc -T lint -W warning "$p" 2>&1)" "" "mandoc has no complaint about $p"
    done
else
    skip "man pages: mandoc is not installed"
fi
finish
