#!/bin/sh
# The summaries' stage against a service over a real socket: nothing lost, nothing paid twice,
# nothing believed unchecked. tests/server.c answers by the bytes of a request alone, so runs
# can be compared; its fingerprint is the digest of the request's body.
# SPDX-License-Identifier: MIT
. tests/lib.sh
. tests/service.sh
: "${KILLS:=20}"
D=$TMP/d
toy "$D" 300
"$BIN/mm-ingest" --quiet --db "$TMP/0.db" "$D"
fresh() { cp "$TMP/0.db" "$TMP/$1.db"; echo "$TMP/$1.db"; }
ask() { db=$1; shift; "$BIN/mm-llm-summarize" --quiet --db "$db" --backend openai --url "$URL" --model tiny "$@"; }
what() { digest "$1" | grep -E '^(summary|price_tag|category|llm_answer) '; }

# ---- a run, and a second one ----
serve calm
db=$(fresh calm)
run ask "$db"
is "$RC" 0 "a run against a service"
[ -z "$OUT" ] || echo "# $OUT"
n=$(requests)
is "$(q "$db" "SELECT count(*) FROM visible v WHERE n_text > 0 AND NOT EXISTS (SELECT 1 FROM summary s
    WHERE s.visible_id = v.id AND s.set_digest = v.text_digest)")" 0 "every set has its summary"
is "$n" "$(q "$db" 'SELECT count(*) FROM llm_answer')" "one answer a request ($n)"
is "$(q "$db" "SELECT count(*) FROM price_tag WHERE tag NOT IN ('over-priced', 'fair', 'cheap', 'none')")" 0 "prices of the vocabulary"
is "$(q "$db" 'SELECT count(*) FROM v_leak')" 0 "nobody read what it may not"
is "$(q "$db" 'SELECT count(*) FROM summary s LEFT JOIN llm_answer a ON a.id = s.answer_id WHERE a.id IS NULL')" 0 \
    "every summary names its answer"
calm=$(what "$db")
run ask "$db"
is "$RC $(requests)" "0 $n" "a second run asks nothing"
"$BIN/mm-llm-summarize" --db "$db" --plan > "$TMP/plan"
is "$? $(wc -c < "$TMP/plan" | tr -d ' ')" "0 0" "and has nothing planned"
q "$db" 'DELETE FROM summary; DELETE FROM price_tag; DELETE FROM category'
run ask "$db"
is "$(requests) $(what "$db")" "$n $calm" "results that are gone come back without a request"
like "$(q "$db" "SELECT sum(uses) FROM v_cost")" '^[1-9]' "and v_cost says that the cache was used"
plan=$("$BIN/mm-llm-summarize" --db "$TMP/0.db" --plan --backend openai --model tiny)
like "$plan" "calls	$n	" "a plan counts the calls before they are made"

# ---- one changed review ----
cp -r "$D" "$TMP/d2"
sed -i '0,/The soup was/s//The cold pea soup was/' "$TMP/d2/reviews.csv"
cp "$D/reviews.csv" "$TMP/reviews.old" && cp "$TMP/d2/reviews.csv" "$D/reviews.csv"
"$BIN/mm-ingest" --quiet --db "$db" "$D"
sets=$(q "$db" "SELECT count(DISTINCT text_digest) FROM visible v WHERE n_text > 0 AND NOT EXISTS
    (SELECT 1 FROM summary s WHERE s.visible_id = v.id AND s.set_digest = v.text_digest)")
run ask "$db"
is "$(requests)" $((n + sets)) "one changed review: just the $sets sets that hold it"
cp "$TMP/reviews.old" "$D/reviews.csv"

# ---- prompts ----
mkdir "$TMP/own"
cp prompts/user.txt prompts/business.txt "$TMP/own"
db=$(fresh prompts)
ask "$db" --prompts "$TMP/own"
before=$(requests)
printf '\n' >> "$TMP/own/user.txt"
users=$(q "$db" "SELECT count(DISTINCT text_digest) FROM visible WHERE kind = 'user' AND n_text > 0")
like "$("$BIN/mm-llm-summarize" --db "$db" --plan)" "calls	$users	" "an edited prompt of users: $users calls are planned"
ask "$db"
is "$(($(requests) - before))" "$users" "and made, and no other"
cat > "$TMP/rule" <<'X'
body "over-price, fair price or low price" content "Fair price."
body "in the form" content "'noodle house', 'cafe'"
X
serve paper - < "$TMP/rule"
ask "$db" --prompts paper
places=$(q "$db" "SELECT count(DISTINCT text_digest) FROM visible WHERE kind = 'business' AND n_text > 0")
is "$(requests)" $((users + 3 * places)) "the paper asks three times about a place"
cp -r prompts/paper "$TMP/p2" && ask "$db" --prompts "$TMP/p2" && printf '\n' >> "$TMP/p2/price.txt"
before=$(requests)
ask "$db"
is "$(($(requests) - before))" "$places" "an edited price prompt asks for the price alone"
like "$(q "$db" "SELECT group_concat(name) FROM method WHERE task = 'summary'")" 'tiny/own,tiny/p2,tiny/paper' \
    "the paper's prompts are another method beside the first"
is "$(q "$db" "SELECT count(DISTINCT task) FROM llm_answer")" 4 "with four tasks"
"$BIN/mm-llm-summarize" --db "$db" --show-prompt business:b3 > "$TMP/shown"
is "$(grep -c '"messages"' "$TMP/shown") $(requests)" "3 $(requests)" "--show-prompt prints the requests and sends none"
like "$(cat "$TMP/shown")" 'The .* was .*Visit' "with the texts"

# ---- replay ----
a=$TMP/answers.db
"$BIN/mm-llm-summarize" --quiet --db "$TMP/calm.db" --export-answers "$a"
db=$(fresh replay)
before=$(requests)
run "$BIN/mm-llm-summarize" --db "$db" --backend replay --model tiny
is "$RC" 1 "a replay without answers fails"
like "$(q "$db" 'SELECT reason FROM failure LIMIT 1')" 'no answer to request [0-9a-f]{64}#0' "and names the request"
"$BIN/mm-llm-summarize" --quiet --db "$db" --import-answers "$a"
run "$BIN/mm-llm-summarize" --db "$db" --backend replay
is "$RC $(requests)" "0 $before" "with the answers imported it runs without a network"
is "$(what "$db" | grep -v llm_answer)" "$(echo "$calm" | grep -v llm_answer)" "to the same results"
is "$(q "$db" 'SELECT total(usd) FROM v_cost')" 0.0 "imported answers cost nothing here"
cp "$a" "$TMP/odd.answers" && q "$TMP/odd.answers" "UPDATE answer SET request = request || ' ' WHERE rowid = 3"
run "$BIN/mm-llm-summarize" --db "$(fresh odd)" --import-answers "$TMP/odd.answers"
like "$RC $(echo $OUT)" "^1 .*1 rows were left out" "an answer under a wrong digest is left out"
run "$BIN/mm-llm-summarize" --db "$(fresh odd)" --import-answers "$D/reviews.csv"
is "$RC" 1 "a file that is none is refused"

q "$TMP/odd.answers" "CREATE TABLE x AS SELECT * FROM answer; DROP TABLE answer; ALTER TABLE x RENAME TO answer;
    UPDATE answer SET nth = 'many' WHERE rowid = 5"
run "$BIN/mm-llm-summarize" --db "$(fresh odd)" --import-answers "$TMP/odd.answers"
like "$RC $(echo $OUT)" '^1 .*2 rows were left out' "so is one of another type"

# ---- money ----
run "$BIN/mm-llm-summarize" --db "$TMP/0.db" --plan --backend openai --model tiny --url http://localhost.example/v1
like "$RC $OUT" '^2 .*no price is known' "a name that begins as this machine's is not free"
printf 'tiny\t2020-01-01\t10\t5\t40\n' > "$TMP/prices.tsv"
db=$(fresh money)
run ask "$db" --prices "$TMP/prices.tsv"
like "$RC $OUT" '^2 .*costs money.*BUDGET' "a model with a price needs a budget"
run ask "$db" --prices "$TMP/prices.tsv" --budget 0.30
like "$RC $OUT" '^1 .*budget of .0.3000' "a budget that is used up stops the run"
spent=$(q "$db" 'SELECT sum(spent_usd + held_usd + lost_usd) FROM budget')
is "$(q "$db" "SELECT $spent <= 0.30 AND $spent > 0.1")" 1 "before it is passed: $spent of 0.30"
is "$(q "$db" "SELECT abs(total(usd) - $spent) < 1e-9 FROM llm_answer")" 1 "and is what the answers cost"
ask "$db" --budget 100
is "$? $(what "$db" | grep -v llm_answer)" "0 $(echo "$calm" | grep -v llm_answer)" "a higher one goes on where it stood"
db=$(fresh killed)
ask "$db" --prices "$TMP/prices.tsv" --budget 100 --limit 3
q "$db" "UPDATE budget SET held_usd = 99.9"
run "$BIN/mm-llm-summarize" --db "$db"
like "$RC $OUT" 'a run that was killed had reserved .99.9' "money that a killed run had held counts as spent"

serve slow --latency 20
printf 'eyes\t2020-01-01\t10\t5\t40\n' >> "$TMP/prices.tsv"
db=$(fresh both)
ask "$db" --prices "$TMP/prices.tsv" --budget 0.2 --concurrency 2 2> "$TMP/one" &
one=$!
"$BIN/mm-caption" --quiet --db "$db" --caption http --url "$URL" --model eyes --prices "$TMP/prices.tsv" --budget 0.2 \
    --concurrency 2 2> "$TMP/two"
two=$?
wait $one
like "$? $two" '1' "two tools side by side stop at the budget"
spent=$(q "$db" 'SELECT sum(spent_usd + held_usd + lost_usd) FROM budget')
is "$(q "$db" "SELECT $spent <= 0.2 AND $spent > 0.1 AND count(*) = 2 FROM budget WHERE spent_usd > 0")" 1 \
    "and do not pass it together: $spent of 0.2"

# ---- two writers of summaries side by side ----
serve calm
db=$(fresh writers)
ask "$db"
"$BIN/mm-llm-summarize" --quiet --db "$db" --backend extractive
for t in caption embed reduce; do "$BIN/mm-$t" --quiet --db "$db"; done
q "$db" "INSERT INTO block (name, inputs, summaries) SELECT 'tiny_text', inputs, 'tiny' FROM block WHERE name = 'text';
    INSERT INTO model (name, kind, dense, sparse, blocks, tags) SELECT 'by-tiny', kind, dense, sparse, 'tiny_text', 'tiny'
    FROM model WHERE name = 'proposed-text';
    INSERT INTO experiment (model, stopping, decay) VALUES ('by-tiny', 'loss', 5)"
"$BIN/mm-reduce" --quiet --db "$db" && "$BIN/mm-train" --quiet --db "$db" --seeds 1
is "$?" 0 "trained on both writers' summaries"
is "$(q "$db" "SELECT count(DISTINCT method_id) FROM summary")" 2 "which stand side by side"
is "$(q "$db" "SELECT count(*) FROM v_table2 WHERE model IN ('by-tiny', 'proposed-text') AND setting LIKE '%loss%'")" 2 "and are compared"
is "$(q "$db" "SELECT count(DISTINCT feature_digest) FROM reducer WHERE name IN ('text', 'tiny_text') AND current = 1 AND mode = 'folds'")" 2 \
    "by features of their own"

# ---- a pilot ----
db=$(fresh pilot)
ask "$db" --pilot 3
is "$(q "$db" "SELECT count(DISTINCT v.entity_id) FROM summary s JOIN visible v ON v.id = s.visible_id WHERE v.kind = 'business'")" 3 \
    "a pilot asks about three businesses"
is "$(q "$db" "SELECT count(*) FROM visible v WHERE v.kind = 'user' AND v.n_text > 0 AND
    EXISTS (SELECT 1 FROM summary s WHERE s.visible_id = v.id) <> (v.entity_id IN (SELECT r.user_id FROM review r
    WHERE r.business_id IN (SELECT w.entity_id FROM summary s JOIN visible w ON w.id = s.visible_id WHERE w.kind = 'business')))")" 0 \
    "and about all who reviewed them"
for t in caption embed reduce train; do "$BIN/mm-$t" --quiet --db "$db"; done
is "$(q "$db" "SELECT count(DISTINCT r.business_id) FROM prediction p JOIN review r ON r.id = p.review_id")" 3 "and trains on their reviews"
"$BIN/mm-llm-summarize" --quiet --db "$db" --pilot 0
is "$(what "$db" | grep -v llm_answer)" "$(echo "$calm" | grep -v llm_answer)" "then the rest, as if there had been no pilot"

# ---- answers that cannot be used ----
serve obeys - <<'X'
body "Visit 7." content "{\"summary\": \"\", \"price\": \"FREE!!!\", \"categories\": []}"
body "Visit 8." finish length
body "Visit 9." null-content
body "Visit 11." times 1 content "I'm sorry, but I can't help with that."
X
db=$(fresh bad)
run ask "$db" --max-failures 100%
like "$(q "$db" "SELECT group_concat(DISTINCT reason) FROM failure")" 'user: .*' "items fail with a reason: $(q "$db" 'SELECT reason FROM failure LIMIT 1')"
is "$(q "$db" "SELECT count(*) FROM price_tag WHERE tag NOT IN ('over-priced', 'fair', 'cheap', 'none')")" 0 \
    "no answer that obeys a review gets into the table"
is "$(q "$db" "SELECT min(n) || ' ' || max(n) FROM (SELECT count(*) AS n FROM llm_answer WHERE verdict IS NOT NULL
    GROUP BY digest HAVING max(nth) > 0 AND sum(verdict IS NULL) = 0)")" "3 3" "each was asked for three times, and all are kept"
like "$(q "$db" "SELECT count(*) FROM llm_answer WHERE nth = 1 AND verdict IS NULL")" '^[1-9]' "one that got better on asking again is used"
before=$(requests)
run ask "$db" --max-failures 100%
is "$(requests)" "$before" "what failed for good is not asked again"

# ---- hostile reviews ----
mkdir "$TMP/hostile"
cp "$D/reviews.csv" "$TMP/hostile"
i=0
while IFS= read -r line; do
    i=$((i + 1))
    printf 'h%d,u%d,b5,3,"%s",%d\n' $i $i "$line" $((1600000000 + i)) >> "$TMP/hostile/reviews.csv"
done < tests/golden/llm/hostile.txt
is "$i" 30 "30 hostile reviews"
serve calm
db=$TMP/hostile.db
"$BIN/mm-ingest" --quiet --db "$db" "$TMP/hostile"
ask "$db"
q "$db" "ATTACH '$TMP/calm2.db' AS c" 2> /dev/null
cp "$TMP/0.db" "$TMP/calm2.db" && ask "$TMP/calm2.db"
is "$(q "$db" "ATTACH '$TMP/calm2.db' AS c; SELECT count(*) FROM main.summary s JOIN main.visible v ON v.id = s.visible_id
    JOIN c.summary t ON t.set_digest = s.set_digest WHERE t.text <> s.text")" 0 "no answer of another set changes"
is "$(q "$db" "SELECT count(*) FROM price_tag WHERE tag NOT IN ('over-priced', 'fair', 'cheap', 'none')")" 0 "prices stay in their vocabulary"
is "$(grep -cE '^[0-9]' tests/golden/llm/hostile.txt)" 0 "(the reviews hold no line that would be a row of its own)"

# ---- faults on the way ----
serve rough - <<'X'
nth 3 reset
nth 6 reset-body
nth 9 status 429 "slow down" header "Retry-After: 0"
nth 12 status 500 "<html>oops</html>"
nth 15 status 503 "{\"error\":{\"message\":\"Loading model\",\"code\":503}}"
nth 18 truncated-json
nth 21 no-choices
nth 24 chunked
nth 27 gzip
nth 30 bad-utf8
nth 33 delay 200
X
db=$(fresh rough)
run ask "$db"
is "$RC" 0 "faults that pass cost no item"
is "$(q "$db" 'SELECT count(*) FROM failure')" 0 "no failure is left"
is "$(q "$db" 'SELECT count(DISTINCT digest) FROM llm_answer')" "$n" "and as many requests as on a calm day"
for f in 'status 401 "bad key"|--key-file' 'status 404 "no such model"|tiny|404' \
    'status 429 "{\"error\":{\"message\":\"You exceeded your current quota\",\"code\":\"insufficient_quota\"}}"|quota'; do
    printf '%s\n' "${f%%|*}" > "$TMP/rule"
    serve stop - < "$TMP/rule"
    run ask "$(fresh stop)"
    like "$RC $OUT" "^1 .*(${f#*|})" "stops at once: ${f%%|*}"
    [ "$(requests)" -le 20 ]
    ok $? "after $(requests) requests"
done

serve stop - --latency 200 <<'X'
nth 5 status 401 "no"
X
db=$(fresh drain)
run ask "$db"
is "$RC $(q "$db" 'SELECT count(*) FROM llm_answer')" "1 $(($(requests) - 1))" "what was under way when a run had to stop is kept"

# ---- long sets in parts ----
serve calm
db=$(fresh parts)
run ask "$db" --context 1100
is "$RC" 0 "a model of 1,100 tokens"
like "$(q "$db" "SELECT count(*) FROM llm_answer WHERE request LIKE '%\"answers\":%'")" '^[1-9]' "parts are merged"

# ---- two at once, SIGINT ----
serve slow --latency 100
db=$(fresh twice)
ask "$db" --concurrency 2 &
sleep 0.7
run ask "$db"
like "$RC $OUT" '^1 .*already running' "a second run of the stage is refused"
kill -INT "$(cat "$TMP/twice.db.d/summarize.lock")"
wait $!
is "$?" 130 "SIGINT: exit 130"
[ "$(q "$db" 'SELECT count(*) FROM llm_answer')" -gt 0 ]
ok $? "what was under way is kept: $(q "$db" 'SELECT count(*) FROM llm_answer') answers"
serve calm
ask "$db"
is "$(what "$db")" "$calm" "the next run ends as the calm one"

# ---- the key ----
key=sk-test-31415926535
printf '%s\n' "$key" > "$TMP/key" && chmod 600 "$TMP/key"
serve slow - --latency 50 <<'X'
nth 5 echo-key
X
db=$(fresh key)
"$BIN/mm-llm-summarize" --verbose --db "$db" --backend openai --url "$URL" --model tiny --key-file "$TMP/key" \
    --concurrency 2 > "$TMP/key.log" 2>&1 &
sleep 0.5
pid=$(cat "$TMP/key.db.d/summarize.lock")
tr '\0' ' ' < "/proc/$pid/cmdline" > "$TMP/key.proc"
tr '\0' ' ' < "/proc/$pid/environ" >> "$TMP/key.proc" 2> /dev/null
kill -ABRT "$pid"
wait $!
LLM_API_KEY=$key "$BIN/mm-llm-summarize" --verbose --db "$db" >> "$TMP/key.log" 2>&1 &
sleep 0.3
tr '\0' ' ' < "/proc/$!/environ" >> "$TMP/key.proc" 2> /dev/null
wait $!
is "$(grep -rlF "$key" "$TMP" --include='key.*' --include='core*' | tr '\n' ' ')$(ls core* 2> /dev/null)" "" \
    "the key is in no database, log, argument, environment or core"
is "$(grep -aF "$key" "$TMP/key.db" "$TMP"/key.db-* 2> /dev/null | wc -l | tr -d ' ')" 0 "not in the bytes of the database either"
chmod 644 "$TMP/key"
run "$BIN/mm-llm-summarize" --db "$(fresh key2)" --backend openai --url "$URL" --model tiny --key-file "$TMP/key"
like "$RC $OUT" '^2 .*chmod 600' "a key file that others may read is refused"

# ---- captions ----
serve calm
db=$(fresh captions)
run "$BIN/mm-caption" --quiet --db "$db" --caption http --url "$URL" --model eyes
is "$RC" 0 "captions of a service"
is "$(requests)" "$(q "$db" "SELECT count(DISTINCT content_id) FROM image i WHERE state = 'ok' AND business_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.item LIKE 'photo ' || i.key || ' %')")" "one request a different photo"
is "$(q "$db" "SELECT count(*) FROM image i JOIN caption c ON c.image_id = i.id")" \
    "$(q "$db" "SELECT count(*) FROM image i WHERE state = 'ok' AND NOT EXISTS
    (SELECT 1 FROM failure f WHERE f.item LIKE 'photo ' || i.key || ' %')")" "one caption a photo"
like "$(q "$db" "SELECT reason FROM failure WHERE stage = 'caption'")" 'pic3.jpg' "a corrupt photo is a failure row"
before=$(requests)
run "$BIN/mm-caption" --quiet --db "$db"
is "$RC $(requests)" "0 $before" "a second run asks nothing"
mv "$D/images/pic3.jpg" "$TMP/pic3.jpg" && cp "$D/images/pic9.jpg" "$D/images/pic3.jpg"
"$BIN/mm-ingest" --quiet --db "$db" "$D" && "$BIN/mm-caption" --quiet --db "$db"
is "$? $(q "$db" "SELECT count(*) FROM failure WHERE stage = 'caption'") $(q "$db" "SELECT count(*) FROM caption c
    JOIN image i ON i.id = c.image_id WHERE i.path LIKE '%pic3.jpg'")" "0 0 1" "a photo that was mended is asked about"
before=$(requests)
like "$("$BIN/mm-caption" --db "$db" --plan --side 64)" "calls	$before	" "another size is planned to be asked anew"
run "$BIN/mm-caption" --quiet --db "$db" --api image-to-text --url "${URL%/v1}/models/blip" --model blip
is "$RC" 0 "an image-to-text service too"
like "$(q "$db" "SELECT count(*) FROM method WHERE task = 'caption'")" '^2$' "as another method"

# ---- SIGKILL ----
serve slow --latency 15
db=$(fresh kill)
: > "$TMP/before"
again=0 lost=0 most=0 k=0 within=0
while [ $k -lt "$KILLS" ]; do
    k=$((k + 1))
    if [ "$(q "$db" 'SELECT count(*) FROM llm_answer')" -ge $((n * 9 / 10)) ]; then
        rm -f "$db" "$db"-* && db=$(fresh kill) && : > "$TMP/before"
    fi
    setsid "$BIN/mm-llm-summarize" --quiet --db "$db" --backend openai --url "$URL" --model tiny > "$TMP/kill.log" 2>&1 &
    pid=$!
    r=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
    sleep "$(awk -v r="$r" 'BEGIN { printf "%.3f", 0.03 + 0.35 * r / 65536 }')"
    kill -KILL $pid 2> /dev/null && within=$((within + 1))
    wait $pid 2> /dev/null
    sleep 0.05
    q "$db" "SELECT fingerprint FROM llm_answer" | sort > "$TMP/committed"
    # What was served since the last kill and is not committed, and what was served again.
    awk 'NR > from { print $4 }' from="$(wc -l < "$SERVED" | tr -d ' ')" "$LOG" | sort > "$TMP/round"
    gone=$(comm -13 "$TMP/committed" "$TMP/round" | wc -l | tr -d ' ')
    again=$((again + $(comm -12 "$TMP/before" "$TMP/round" | wc -l)))
    lost=$((lost + gone))
    [ "$gone" -gt "$most" ] && most=$gone
    cp "$TMP/committed" "$TMP/before"
    cp "$LOG" "$SERVED"
done
is "$again" 0 "after $k kills no committed answer was asked for again"
echo "# $within of $k kills hit a running tool; $lost requests had to be sent again, at most $most a kill (8 under way, 533 a second)"
[ "$most" -le $((8 + 533)) ]
ok $? "lost are at most the requests under way and what just came in"
ask "$db"
is "$(what "$db")" "$calm" "and the content is that of the calm run"
finish
