#!/bin/sh
# mm-ingest as a user meets it: reading again, changes, removals, merging, bad input.
# SPDX-License-Identifier: MIT
. tests/lib.sh
I="$BIN/mm-ingest"
D=$TMP/d
toy "$D" 300
db=$TMP/a.db

run "$I" --db "$db" "$D"
is "$RC" 0 "a folder with a table, a manifest and photos is read"
is "$(q "$db" 'SELECT count(*), sum(labelled) FROM review')" "300|300" "every row is a review"
is "$(q "$db" "SELECT state, count(*) FROM image GROUP BY 1" | tr '\n' ' ')" "missing|1 ok|23 " "photos are known"
is "$(q "$db" "SELECT count(*) FROM review WHERE split = 'train' AND fold IS NULL OR split <> 'train' AND fold IS NOT NULL")" 0 "train rows have folds"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nothing leaks"
is "$(q "$db" "SELECT sum(positive), sum(rating >= 4), sum(rating = 4) > 9 FROM review" | awk -F '|' '{ print $1 - $2, $3 }')" "0 1" \
    "positive is from 4 stars on"
one=$(digest "$db")

run "$I" --db "$db"
like "$OUT" "nothing to do" "the same files again: nothing to do"
touch "$D/reviews.csv"
run "$I" --db "$db"
like "$OUT" "nothing to do" "a touched file is still the same file"
cp "$D/reviews.csv" "$D/copy" && mv "$D/copy" "$D/reviews.csv"
run "$I" --db "$db"
like "$OUT" "nothing to do" "a copy in its place (another inode) too"
is "$(digest "$db")" "$one" "and the content is the same"

# One review changes, one goes, one comes.
before=$(q "$db" "SELECT split || coalesce(fold, '') FROM review WHERE key <> 'r5' ORDER BY key" | cksum)
sed -e 's/^r5,\(u[0-9]*\),\(b[0-9]*\),[1-5]/r5,\1,\2,1/' -e 's/Visit 5\./Visit five./' "$D/reviews.csv" > "$D/x" && mv "$D/x" "$D/reviews.csv"
run "$I" --db "$db"
like "$OUT" "0 new, 1 changed, 0 removed" "a changed review replaces the old one"
is "$(q "$db" "SELECT rating, text LIKE '%five%' FROM review WHERE key = 'r5'")" "1.0|1" "with its new rating and text"
is "$(q "$db" "SELECT split || coalesce(fold, '') FROM review WHERE key <> 'r5' ORDER BY key" | cksum)" "$before" "and nobody moves to another split or fold"
like "$OUT" "[1-9] visible sets changed" "its visible sets follow"
n=$(printf '%s\n' "$OUT" | sed -n 's/.*; \([0-9]*\) visible sets changed.*/\1/p')
[ "$n" -le 14 ]
ok $? "only those that hold it ($n)"
printf 'r999,u1,b1,5,"new one",1600000000\n' >> "$D/reviews.csv"
run "$I" --db "$db"
like "$OUT" "1 new, 0 changed, 0 removed" "an appended review"
sed '/^r999,/d' "$D/reviews.csv" > "$D/x" && mv "$D/x" "$D/reviews.csv"
run "$I" --db "$db"
like "$OUT" "0 new, 0 changed, 1 removed" "a review that left its source is removed"
"$I" --quiet --db "$TMP/fresh.db" "$D"
is "$(digest "$db" | grep -v setting | tail -n +2)" "$(digest "$TMP/fresh.db" | grep -v setting | tail -n +2)" \
    "after all that the database is what a fresh one is"

# Another seed deals reviews and folds anew; the shares stay.
"$I" --quiet --db "$TMP/seed.db" --split-seed 2 "$D"
moved=$(q "$TMP/seed.db" "ATTACH '$TMP/fresh.db' AS f; SELECT sum(s.split <> o.split) > 30, sum(s.fold <> o.fold) > 60
    FROM review s JOIN f.review o USING (key)")
is "$moved" "1|1" "another SPLIT_SEED is another split, and other folds"
like "$(q "$TMP/seed.db" "SELECT count(*) FROM review WHERE split = 'train'")" "^2[1-6][0-9]$" "of about the same size"

# The paper's files: history is merged with labels, and hidden with them.
G=$TMP/g
mkdir "$G"
cat > "$G/filter_all_t.json" <<'JSON'
{"train":[{"business_id":"b1","user_id":"101074926318992653684","rating":5,"review_text":"the soup was good","pics":["AF1"],"history_reviews":[["101074926318992653684_b2","the bread was dry"],["101074926318992653684_b3","noodles \ud83c\udf5c fine"]]},{"business_id":"b2","user_id":"u3","rating":2,"review_text":"slow","pics":[],"history_reviews":[]}],"val":[{"business_id":"b1","user_id":"u2","rating":4,"review_text":"nice","pics":[],"history_reviews":[]}],"test":[{"business_id":"b3","user_id":"u4","rating":1,"review_text":"noise","pics":["AF2"],"history_reviews":[["u4_b3","noise"],["u4_b3","noise again"],["u4_b1","calm"]]}]}
JSON
printf '%s\r\n%s\r\n' '{"business_id":"b3","user_id":"u4","rating":1,"review_text":"noise","pics":[{"id":"AF3"}]}' \
    '{"business_id":"b9","user_id":"u9","rating":5,"review_text":"lone \ud800 surrogate \u0000 here","pics":[{"id":"AF4"}]}' > "$G/image_review_all.json"
run "$I" --db "$TMP/g.db" --images none "$G"
is "$RC" 0 "the paper's two files are read"
is "$(q "$TMP/g.db" "SELECT labelled, split, count(*) FROM review GROUP BY 1, 2" | tr '\n' ' ')" "0|none|4 0|test|1 1|test|1 1|train|2 1|val|1 " \
    "history is merged; what is left beside a label is hidden with it"
mkdir "$TMP/pair"
cat > "$TMP/pair/filter_all_t.json" <<'JSON'
{"train":[{"business_id":"b1","user_id":"u1","rating":5,"review_text":"good soup","pics":[],"history_reviews":[["u1_b1","a word from another day"]]},{"business_id":"b2","user_id":"u2","rating":2,"review_text":"slow","pics":[],"history_reviews":[]}],"val":[],"test":[{"business_id":"b1","user_id":"u1","rating":1,"review_text":"bad soup","pics":[],"history_reviews":[]}]}
JSON
run "$I" --db "$TMP/pair.db" --images none "$TMP/pair"
is "$RC $(q "$TMP/pair.db" "SELECT split FROM review WHERE labelled = 0")" "0 test" \
    "between a train and a test label of one pair it is hidden with the test"
is "$(q "$TMP/g.db" "SELECT group_concat(i.key) FROM (SELECT key, review_id FROM image ORDER BY key) i JOIN review r ON r.id = i.review_id WHERE r.split = 'test'")" \
    "AF2,AF3" "the second file adds photos to the labelled review"
is "$(q "$TMP/g.db" "SELECT count(*) FROM user WHERE key = '101074926318992653684'")" 1 "ids beyond 64 bits keep their digits"
is "$(q "$TMP/g.db" "SELECT length(text), sum(repaired) FROM review, source WHERE text LIKE 'lone%'")" "23|2" "a lone surrogate and a NUL become U+FFFD and are counted"
is "$(q "$TMP/g.db" "SELECT value FROM setting WHERE name = 'split_rule'")" "provided" "the split of the files is kept"

# Splits.
for s in user time random; do
    "$I" --quiet --db "$TMP/$s.db" --split $s "$D"
    is "$(q "$TMP/$s.db" 'SELECT count(*) FROM v_leak')" 0 "split by $s: nothing leaks"
done
is "$(q "$TMP/user.db" "SELECT count(*) FROM (SELECT user_id FROM review GROUP BY 1 HAVING count(DISTINCT split || coalesce(fold, '')) > 1)")" 0 "by user: no user is torn apart"
is "$(q "$TMP/time.db" "SELECT max(CASE split WHEN 'train' THEN at END) < min(CASE split WHEN 'val' THEN at END) AND max(CASE split WHEN 'val' THEN at END) < min(CASE split WHEN 'test' THEN at END) FROM review")" 1 "by time: train, then validation, then test"
is "$(q "$TMP/random.db" "SELECT count(*) FROM (SELECT user_id, business_id FROM review GROUP BY 1, 2 HAVING count(DISTINCT split || coalesce(fold, '')) > 1)")" 0 "random: no user and business pair is torn apart"

# Bad input: one sentence, the right status, nothing changed.
bad() { # NAME PATTERN STATUS ARGS...
    n=$1 p=$2 want=$3
    shift 3
    run "$I" "$@"
    is "$RC" "$want" "$n: exit $want"
    like "$OUT" "$p" "$n: says what is wrong"
}
bad "missing file" "no/such/file" 1 --db "$TMP/n.db" no/such/file
mkdir "$TMP/empty"
bad "empty folder" "empty" 1 --db "$TMP/n.db" "$TMP/empty"
: > "$TMP/empty.csv"
bad "empty file" "empty.csv" 1 --db "$TMP/n2.db" "$TMP/empty.csv"
head -c 5000 /dev/urandom > "$TMP/noise.csv"
bad "binary garbage" "noise.csv" 1 --db "$TMP/n3.db" "$TMP/noise.csv"
bad "unknown format" "not one of" 2 --db "$TMP/n4.db" --format nonsense "$D"
head -c 400 "$G/filter_all_t.json" > "$TMP/half.json"
bad "half a JSON" "half.json.*ends" 1 --db "$TMP/n5.db" --images none "$TMP/half.json"
is "$(q "$TMP/n5.db" 'SELECT count(*) FROM review')" 0 "half a JSON: nothing of it is visible"
mkfifo "$TMP/pipe.csv"
bad "a fifo" "pipe.csv" 1 --db "$TMP/n6.db" "$TMP/pipe.csv"
bad "another INPUT for the same database" "name another database" 2 --db "$db" "$G"
sqlite3 "$TMP/alien.db" 'CREATE TABLE t (x)'
bad "somebody else's database" "another program" 1 --db "$TMP/alien.db" "$D"
bad "a text file as database" "not an SQLite database" 1 --db "$D/reviews.csv" "$D"
q "$TMP/fresh.db" 'PRAGMA user_version = 99'
bad "a database of a newer version" "newer mmrec" 1 --db "$TMP/fresh.db"
bad "a folder as database" "not a regular file" 1 --db "$TMP/empty" "$D"
bad "split-seed out of range" "SPLIT_SEED" 2 --db "$TMP/n7.db" --split-seed -1 "$D"
bad "columns that do not exist" "Reviewer" 1 --db "$TMP/n8.db" --columns user=Reviewer,business=business,text=text,rating=rating "$D/reviews.csv"
if [ "$(id -u)" -ne 0 ]; then
    chmod 444 "$db"
    bad "a read-only database" "cannot be written" 1 --db "$db"
    chmod 644 "$db"
else
    skip "a read-only database: root may write anyway"
fi
flock -s "$db.d/ingest.lock" sleep 3 & # a tool must want it for itself alone
sleep 0.3
printf 'r998,u1,b1,5,"newer",1600000000\n' >> "$D/reviews.csv"
bad "a second run of the same stage" "already running in process" 1 --db "$db"
wait

# Photos that must not be followed.
P=$TMP/p
toy "$P" 60
ln -s /etc/passwd "$P/images/out.jpg"
ln -s loop.jpg "$P/images/loop.jpg"
mkfifo "$P/images/fifo.jpg"
printf 'p90\t../reviews.csv\tx\tb1\np91\tout.jpg\tx\tb1\np92\tloop.jpg\tx\tb1\np93\tfifo.jpg\tx\tb1\np94\t\tx\tb1\np95\t/etc/passwd\tx\tb1\n' >> "$P/images.tsv"
run timeout 20 "$I" --db "$TMP/p.db" "$P"
is "$RC" 0 "hostile photo paths do not stop a run"
is "$(q "$TMP/p.db" "SELECT group_concat(key || ' ' || state) FROM (SELECT * FROM image WHERE key GLOB 'p9?' ORDER BY key)")" \
    "p90 refused,p91 refused,p92 refused,p93 refused,p94 missing,p95 missing" "each is a row with its reason"
finish
