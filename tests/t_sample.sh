#!/bin/sh
# The shipped sample: made again it is the same, the whole pipeline takes it, and what it is
# said to hold is in it.
# SPDX-License-Identifier: MIT
. tests/lib.sh
M=$TMP/make_sample

run sh sample/make.sh --build "$M"
is "$RC$OUT" 0 "make_sample builds without a word"
run "$M" "$TMP/again"
is "$RC" 0 "and runs"
cmp -s "$TMP/again/reviews.csv" sample/reviews.csv
ok $? "reviews.csv is made again byte for byte"
cmp -s "$TMP/again/images.tsv" sample/images.tsv
ok $? "images.tsv too"
is "$(ls "$TMP/again/images")" "$(ls sample/images)" "the same photos"
if diff -rq "$TMP/again/images" sample/images > /dev/null; then
    ok 0 "photos are made again byte for byte"
else
    # Another release of a library compresses the same pixels to other bytes.
    run "$M" --compare "$TMP/again" sample
    is "$RC$OUT" 0 "photos are made again (other libraries: same size, pixels within 2 levels)"
fi
cp -r "$TMP/again" "$TMP/other"
cp sample/images/p0001.jpg "$TMP/other/images/p0000.jpg"
run "$M" --compare "$TMP/other" sample
is "$RC" 1 "a photo of something else is noticed"
bytes=$(cat sample/*.* sample/images/* | wc -c)
[ "$bytes" -lt 5000000 ]
ok $? "all of it is under 5 MB ($bytes bytes)"
"$M" --scale 3 "$TMP/large"
rows=$(grep -cE '^("|u|-u|1)' "$TMP/large/reviews.csv")
[ "$rows" -gt 4300 ] && [ "$rows" -lt 5200 ]
ok $? "--scale 3 writes about three times the reviews ($rows)"
is "$(ls "$TMP/large/images" | wc -l)" "$(ls sample/images | wc -l)" "but no more photo files"
run "$M" --scale 0 "$TMP/none"
is "$RC" 2 "--scale 0: wrong use"
run "$M" "$TMP/no/such/folder"
is "$RC" 1 "a folder that cannot be made: failure"

db=$TMP/a.db
run "$BIN/mm-ingest" --db "$db" sample
is "$RC" 0 "the sample is read"
one() { q "$db" "$1"; }
is "$(one 'SELECT count(*) BETWEEN 1400 AND 1600 FROM review')" 1 "about 1,500 reviews"
is "$(one 'SELECT avg(positive) BETWEEN 0.84 AND 0.90 FROM review')" 1 "of which 10 to 16 % are negative ($(one 'SELECT round(1 - avg(positive), 3) FROM review'))"
is "$(one 'SELECT count(*) FROM business')" 40 "40 places"
is "$(one 'SELECT count(*) BETWEEN 150 AND 160 FROM user')" 1 "150 users, and those of the odd rows"
for why in 'blank row' "rating is no number: 'Like'" 'rating is missing' "rating is out of range: '11'" \
    'user is missing' 'business is missing' '7 fields where the header has 6' \
    '4 fields where the header has 6' '5 fields where a photo has 2 to 4' 'the same review again%'; do
    is "$(q "$db" "SELECT count(*) > 0 FROM reject WHERE reason LIKE '$(printf %s "$why" | sed "s/'/''/g")'")" 1 "hazard: $why"
done
is "$(one "SELECT sum(repaired) > 0 FROM source")" 1 "hazard: bytes that are no UTF-8"
is "$(one "SELECT count(*) > 0 FROM user WHERE length(key) > 20")" 1 "hazard: ids beyond 64 bits"
is "$(one "SELECT count(*) > 0 FROM user WHERE key LIKE '-%'")" 1 "hazard: ids that begin with a dash"
is "$(one "SELECT count(*) FROM review WHERE text IS NULL")" 2 "hazard: no text"
is "$(one "SELECT count(*) > 2 FROM review WHERE rating <> round(rating)")" 1 "hazard: half stars"
is "$(one "SELECT count(*) > 0 FROM review WHERE text LIKE '%' || char(10) || '%'")" 1 "hazard: line ends in a text"
is "$(one "SELECT count(*) > 0 FROM review WHERE text LIKE '%\"%'")" 1 "hazard: quotes in a text"
is "$(one "SELECT count(*) > 0 FROM review WHERE at = 0")" 1 "hazard: times that are none"
is "$(one "SELECT group_concat(key) FROM (SELECT key FROM image WHERE state = 'missing' ORDER BY key)")" "p0104,p9999,x_gone" "hazard: photos that are missing"
is "$(one "SELECT key FROM image WHERE state = 'refused'")" x_outside "hazard: a path that leads outside"
is "$(one "SELECT count(DISTINCT content_id) < count(*) FROM image WHERE state = 'ok'")" 1 "hazard: two photo ids with one content"
is "$(one "SELECT business_id IS NULL FROM image WHERE key = 'x_alone'")" 1 "hazard: a photo that no review has"
is "$(head -c 4 sample/images/p0023.jpg | od -An -c | tr -d ' ')" '211PNG' "hazard: an extension that lies"

stages "$db"
ok $? "every stage takes it, within the failures allowed"
like "$(one "SELECT item || reason FROM failure")" "^photo .*p0047.jpg: .*JPEG" "hazard: the truncated photo, and only that, failed"
is "$(one 'SELECT count(*) FROM v_leak')" 0 "nothing leaks"
is "$(one "SELECT count(DISTINCT tag) FROM price_tag WHERE tag <> 'none'")" 3 "all three price tags are found"
is "$(one "SELECT count(DISTINCT name) >= 10 FROM category")" 1 "ten and more categories too"
echo "# test AUC: $(one "SELECT group_concat(model || ' ' || round(auc, 3), ', ') FROM v_table2")"
is "$(one "SELECT count(*) FROM v_table2 WHERE model LIKE 'proposed%' AND auc > 0.55")" 6 "the proposed models are better than a coin"
finish
