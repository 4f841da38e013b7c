#!/bin/sh
# Tools killed with SIGKILL at random moments: whatever is committed stays, a rerun finishes
# the work, and the content is that of an undisturbed run. KILLS=1000 for a soak.
# SPDX-License-Identifier: MIT
. tests/lib.sh
: "${KILLS:=30}"
D=$TMP/d
toy "$D" 240
# Checkpoints every few epochs, so that kills hit them too.
pipeline() { "$BIN/mm-ingest" --quiet --db "$1" "$D" && stages "$1" --checkpoint-every 0.03 --seeds 1; }

t0=$(date +%s%N)
pipeline "$TMP/calm.db"
calm_ms=$((($(date +%s%N) - t0) / 1000000))
want=$(digest "$TMP/calm.db")
like "$want" "^prediction [0-9a-f]+ [1-9]" "an undisturbed run makes predictions (${calm_ms} ms)"

# Runs the pipeline in its own session and kills all of it after $2 ms. 0: it was killed.
kill_after() {
    setsid sh -c '. tests/lib.sh; D=$2; "$BIN/mm-ingest" --quiet --db "$1" "$D" &&
        stages "$1" --checkpoint-every 0.03 --seeds 1 && touch "$1.finished"' x "$1" "$D" > /dev/null 2>> "$TMP/log" &
    pid=$!
    sleep "$(awk -v ms="$2" 'BEGIN { printf "%.3f", ms / 1000 }')"
    kill -s KILL -- "-$pid" 2> /dev/null
    wait "$pid" 2> /dev/null
    [ ! -e "$1.finished" ]
}

kills=0 within=0 round=0 same=0
while [ "$kills" -lt "$KILLS" ] && [ "$round" -lt $((KILLS * 2)) ]; do
    round=$((round + 1))
    db=$TMP/k$round.db
    # The same database is killed again and again until a run gets through.
    while :; do
        r=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
        ms=$((15 + calm_ms * 8 / 10 * r / 65536))
        kill_after "$db" "$ms" || break
        kills=$((kills + 1))
        # First commit: the schema is there. Last commit: not yet, since it did not finish.
        [ "$(q "$db" 'PRAGMA user_version' 2> /dev/null || echo 0)" != 0 ] && within=$((within + 1))
        [ "$kills" -lt "$KILLS" ] || break
    done
    pipeline "$db" || echo "# the run after the kills failed"
    got=$(digest "$db")
    if [ "$got" = "$want" ]; then
        same=$((same + 1))
    else
        printf '%s\n' "$got" > "$TMP/got"
        printf '%s\n' "$want" | diff - "$TMP/got" | sed 's/^/# /'
    fi
    [ "$(q "$db" 'PRAGMA integrity_check')" = ok ] || echo "# integrity check failed"
    rm -rf "$db" "$db"-* "$db".*
done
is "$same" "$round" "after $kills kills on $round databases the content is that of the calm run"
echo "# $within of $kills kills fell between the first and the last commit"
[ $((within * 100)) -ge $((kills * 80)) ]
ok $? "at least 80 % of the kills fell between the first and the last commit"
is "$(grep -c 'is locked' "$TMP/log")" 0 "no 'database is locked'"

# SIGINT: exit 130 and a database that goes on.
"$BIN/mm-ingest" --quiet --db "$TMP/i.db" "$D"
stages "$TMP/i.db" --seeds 1 --limit 0 > /dev/null 2>&1
"$BIN/mm-train" --quiet --db "$TMP/i.db" --seeds 1 --threads 1 &
pid=$!
sleep 0.15
kill -INT "$pid" 2> /dev/null
wait "$pid"
rc=$?
[ $rc -eq 130 ] || [ $rc -eq 0 ]
ok $? "SIGINT ends mm-train with 130 (got $rc)"
"$BIN/mm-train" --quiet --db "$TMP/i.db"
is "$(digest "$TMP/i.db")" "$want" "and the next run finishes to the same content"
finish
