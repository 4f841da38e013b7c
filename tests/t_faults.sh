#!/bin/sh
# Resources that fail: full disk, locks, no permission, closed outputs, signals,
# damaged files. A tool says one sentence, ends with 1, and the next run gets through.
# SPDX-License-Identifier: MIT
. tests/lib.sh
chmod 755 "$TMP"
SMALL=$TMP/small
trap 'umount "$SMALL" 2> /dev/null; chmod -R u+w "$TMP" 2> /dev/null; rm -rf "$TMP"' EXIT
ESC=$(printf '\033')
D=$TMP/d
toy "$D" 1500
TOOLS="mm-llm-summarize mm-caption mm-embed mm-reduce mm-train"

# tool NAME DB: with few, short epochs where it trains. TRAIN is one cell, seed and checkpoint.
printf 'proposed-text basic 0.3 1\n' > "$TMP/cell"
tool() {
    case $1 in
    mm-ingest) "$BIN/$1" --quiet --db "$2" "$D" ;;
    mm-train) "$BIN/$1" --quiet --db "$2" --experiment "$TMP/cell" --checkpoint-every 0.05 ;;
    *) "$BIN/$1" --quiet --db "$2" ;;
    esac
}
# one_line: the last run said one line that begins with the tool's name.
one_line() {
    case $OUT in
    mm-*:*) [ "$(printf '%s\n' "$OUT" | wc -l)" -eq 1 ] ;;
    *) false ;;
    esac
}
pack() { sqlite3 "$1" 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null; }

# An undisturbed run; before.TOOL is the database as TOOL finds it.
calm=$TMP/calm.db
tool mm-ingest "$calm"
for t in $TOOLS; do
    pack "$calm"
    cp "$calm" "$TMP/before.$t"
    t0=$(date +%s%N)
    tool "$t" "$calm" || echo "# $t failed"
    echo $((($(date +%s%N) - t0) / 1000000)) > "$TMP/ms.$t"
    digest "$calm" > "$TMP/after.$t"
done
pack "$calm"
like "$(cat "$TMP/after.mm-train")" "^prediction [0-9a-f]+ [1-9]" "an undisturbed run makes predictions"

# ---- full disk ----
size() { mount -o "remount,size=$1" "$SMALL"; }
fits() { # KIB: so much room is left
    size "$(($(df -k --output=used "$SMALL" | tail -1) + $1))k"
}
mkdir "$SMALL"
if mount -t tmpfs -o size=700k tmpfs "$SMALL" 2> /dev/null; then
    db=$SMALL/a.db
    run tool mm-ingest "$db"
    is "$RC" 1 "mm-ingest on a full disk ends with 1"
    one_line
    ok $? "and says one sentence: $OUT"
    like "$OUT" "disk is full" "which names the reason"
    size 64m
    is "$(q "$db" 'PRAGMA integrity_check; SELECT count(*) FROM review')" "ok
0" "the database is sound and has no half of the rows"
    run tool mm-ingest "$db"
    is "$RC" 0 "with space the next run succeeds $OUT"
    for t in $TOOLS; do
        # 24 KiB: too little to open it; 1500: mm-embed ends half-way.
        case $t in mm-caption) room=24 ;; mm-embed) room=1500 ;; *) room=100 ;; esac
        rm -f "$db" "$db"-*
        cp "$TMP/before.$t" "$db"
        fits $room
        run tool "$t" "$db"
        one_line
        is "$RC $?" "1 0" "$t with $room KiB of disk: 1 and one sentence: $OUT"
        like "$OUT" "disk is full" "with the reason"
        size 64m
        if [ "$t" = mm-embed ]; then
            n=$(q "$db" 'SELECT count(*) FROM embedding')
            [ "$n" -gt 0 ] && [ "$n" -lt "$(q "$calm" 'SELECT count(*) FROM embedding')" ]
            ok $? "half-way: $n vectors are kept"
        fi
        is "$(q "$db" 'PRAGMA integrity_check')" ok "$t: the database is sound"
        run tool "$t" "$db"
        is "$RC $(digest "$db" | cksum)" "0 $(cksum < "$TMP/after.$t")" "$t: the next run makes the same content $OUT"
    done
    umount "$SMALL"
else
    skip "full disk: mount is not allowed here"
fi

# ---- locks ----
for t in mm-ingest $TOOLS; do
    db=$TMP/lock.db
    cp "$TMP/before.$t" "$db" 2> /dev/null || cp "$calm" "$db"
    (echo 'BEGIN EXCLUSIVE;' && sleep 2 && echo 'COMMIT;') | sqlite3 "$db" > /dev/null &
    sleep 0.3
    t0=$(date +%s%N)
    run tool "$t" "$db"
    ms=$((($(date +%s%N) - t0) / 1000000))
    wait
    [ "$RC" -eq 0 ] && [ "$ms" -ge 1000 ]
    ok $? "$t waits for a lock and goes on ($ms ms) $OUT"
    rm -rf "$db" "$db"-* "$db".d
done
same=0
for i in 0 1 2 3 4 5 6 7 8 9; do
    db=$TMP/two.db
    cp "$TMP/before.mm-llm-summarize" "$db"
    tool mm-llm-summarize "$db" > "$TMP/log.a" 2>&1 &
    a=$!
    tool mm-caption "$db" > "$TMP/log.b" 2>&1 &
    b=$!
    wait $a && wait $b && [ "$(digest "$db")" = "$(cat "$TMP/after.mm-caption")" ] && same=$((same + 1))
    sed 's/^/# /' "$TMP/log.a" "$TMP/log.b"
    rm -rf "$db" "$db"-* "$db".d
done
is "$same" 10 "summaries and captions side by side, ten times: no lock, the same content"
cp "$TMP/before.mm-embed" "$TMP/e1.db"
cp "$TMP/before.mm-embed" "$TMP/e2.db"
tool mm-embed "$TMP/e1.db" &
tool mm-embed "$TMP/e2.db"
wait
want=$(cksum < "$TMP/after.mm-embed")
is "$(digest "$TMP/e1.db" | cksum) $(digest "$TMP/e2.db" | cksum)" "$want $want" "one stage on two databases side by side"
none=$(printf '%0200d' 0)
for j in 1 2 3 4; do
    for i in $(seq 50); do "$BIN/mm-status" --db "$none" 2>> "$TMP/lines"; done &
done
wait
is "$(sort "$TMP/lines" | uniq -c | sed 's/^ *//; s/:.*//')" "200 mm-status" "tools that speak at the same time do not mix their lines"

# ---- not allowed ----
R=$TMP/ro
mkdir "$R"
cp "$TMP/before.mm-embed" "$R/a.db"
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
if [ "$(id -u)" -eq 0 ] && nobody "$BIN/mm-status" --version > /dev/null 2>&1; then
    for how in "444 555" "644 777" "666 555"; do
        rm -rf "$R"/a.db-* "$R"/a.db.d
        chmod "${how% *}" "$R/a.db"
        chmod "${how#* }" "$R"
        run nobody "$BIN/mm-embed" --quiet --db "$R/a.db"
        one_line
        is "$RC $?" "1 0" "a file of mode ${how% *} in a folder of ${how#* }: $OUT"
        like "$OUT" "cannot be written|[Pp]ermission denied" "and why"
        run nobody "$BIN/mm-status" --db "$R/a.db"
        [ "$RC" -eq 0 ] || { [ "$RC" -eq 1 ] && one_line; }
        ok $? "mm-status there: $RC, $(printf '%s\n' "$OUT" | head -1)"
    done
    chmod 755 "$R"
    is "$(digest "$R/a.db")" "$(digest "$TMP/before.mm-embed")" "and nothing was changed"
else
    skip "read-only database: no other user to run as"
fi

# ---- outputs ----
for c in "mm-status" "mm-status --digest" "mm-status --settings" "mm-train --help"; do
    # shellcheck disable=SC2086
    set -- $c
    t=$1
    shift
    "$BIN/$t" --db "$calm" "$@" > /dev/full 2> "$TMP/err"
    is "$?" 1 "$c into a full device: 1, $(head -1 "$TMP/err")"
done
echo soup | "$BIN/mm-embed" --text > /dev/full 2> /dev/null
is "$?" 1 "mm-embed --text into a full device: 1"
if command -v script > /dev/null && script -qec true /dev/null < /dev/null > /dev/null 2>&1; then
    escapes() { # ASSIGNMENT: escape bytes that mm-train sends to a terminal
        cp "$TMP/before.mm-train" "$TMP/tty.db"
        script -qec "env $1 '$BIN/mm-train' --db '$TMP/tty.db' --experiment '$TMP/cell'" /dev/null < /dev/null > "$TMP/tty"
        rm -rf "$TMP"/tty.db*
        tr -cd '\033' < "$TMP/tty" | wc -c | tr -d ' '
    }
    [ "$(escapes TERM=xterm)" -gt 0 ]
    ok $? "a terminal sees a progress bar"
    is "$(escapes TERM=dumb)" 0 "TERM=dumb: no escape byte"
    escapes "TERM=xterm NO_COLOR=1" > /dev/null
    is "$(grep -c "$ESC\[[0-9;]*m" "$TMP/tty")" 0 "NO_COLOR: no colour"
else
    skip "terminal: no script(1), or no pseudo-terminal to be had"
fi

# ---- signals ----
# A tool is told to stop after a part of its time.
tries=0 stopped=0
for t in $TOOLS; do
    [ "$t" = mm-caption ] && continue # too short to be met
    for sig in INT TERM; do
        db=$TMP/sig.db good=1 note=""
        for tenth in 2 4 6 8; do
            cp "$TMP/before.$t" "$db"
            tool "$t" "$db" 2> "$TMP/err" &
            sleep "$(awk -v ms="$(cat "$TMP/ms.$t")" -v p=$tenth 'BEGIN { printf "%.3f", 0.015 + ms * p / 10000 }')"
            pid=$(cat "$db.d/${t#mm-}.lock" "$db.d/summarize.lock" 2> /dev/null | head -1)
            kill -s $sig "${pid:-0}" 2> /dev/null
            wait $!
            rc=$?
            tries=$((tries + 1))
            [ $rc -ne 130 ] || stopped=$((stopped + 1))
            [ $rc -eq 130 ] || [ $rc -eq 0 ] || { good=0; note="$note exit $rc"; }
            tool "$t" "$db" || { good=0; note="$note rerun failed"; }
            [ "$(digest "$db")" = "$(cat "$TMP/after.$t")" ] || { good=0; note="$note other content"; }
            rm -rf "$db" "$db"-* "$db".d
        done
        is "$good$note" 1 "SIG$sig during $t: 130 or 0, and a rerun comes to the same content"
    done
done
[ $((stopped * 3)) -ge "$tries" ]
ok $? "$stopped of $tries signals met a running tool"

# ---- threads ----
for n in 1 2 3; do
    db=$TMP/n$n.db
    "$BIN/mm-ingest" --quiet --threads $n --db "$db" "$D"
    for t in mm-llm-summarize mm-caption mm-embed mm-reduce; do
        "$BIN/$t" --quiet --threads $n --db "$db"
    done
    "$BIN/mm-train" --quiet --threads $n --db "$db" --experiment "$TMP/cell"
    is "$(digest "$db" | cksum)" "$(cksum < "$TMP/after.mm-train")" "$n threads: the same content"
    rm -rf "$db" "$db"-* "$db".d
done

# ---- damage ----
pages=$(($(wc -c < "$calm") / 8192)) crashed="" talked="" told=0 i=0
while [ $i -lt 12 ]; do
    db=$TMP/bad.db
    cp "$calm" "$db"
    # 4000 bytes in the middle of a page: some pages hold tables, some rows, some long blobs.
    awk -v s=$i 'BEGIN { srand(s); for (j = 0; j < 4000; j++) printf "%c", 1 + int(rand() * 127) }' |
        dd of="$db" bs=1 seek=$((i * pages / 12 * 8192 + (i % 2 ? 3000 : 96))) conv=notrunc 2> /dev/null
    for c in "mm-status" "mm-status --digest" mm-ingest mm-llm-summarize mm-embed mm-reduce mm-train mm-report; do
        # shellcheck disable=SC2086
        set -- $c
        t=$1
        shift
        OUT=$(timeout 60 "$BIN/$t" --quiet --db "$db" "$@" 2>&1 > /dev/null)
        RC=$?
        [ $RC -le 2 ] || crashed="$crashed $c:$i:$RC"
        if [ $RC -eq 1 ]; then
            told=$((told + 1))
            one_line || { talked="$talked $c:$i"; printf '%s\n' "$OUT" | sed 's/^/# /'; }
        fi
    done
    rm -rf "$db" "$db"-* "$db".d
    i=$((i + 1))
done
is "$crashed" "" "12 damaged databases: nobody crashes or hangs"
is "$talked" "" "who refuses says one sentence"
[ "$told" -ge 12 ]
ok $? "damage was noticed $told times"

# ---- memory ----
case $BIN in *san*) VALGRIND="" ;; *) VALGRIND=$(command -v valgrind) ;; esac
if [ -n "$VALGRIND" ]; then
    toy "$TMP/v" 60
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        "$BIN/mm-ingest" --quiet --db "$TMP/v.db" "$TMP/v" > "$TMP/vg" 2>&1
    is $? 0 "valgrind has no complaint about mm-ingest"
    [ ! -s "$TMP/vg" ] || head -20 "$TMP/vg" | sed 's/^/# /'
else
    skip "valgrind: not installed, or this build has AddressSanitizer"
fi
finish
