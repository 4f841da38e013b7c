#!/bin/sh
# Data, file names and arguments that would steer a terminal are shown as text.
# SPDX-License-Identifier: MIT
. tests/lib.sh
ESC=$(printf '\033')
H=$TMP/h
toy "$H" 60
printf 'r\033[31m1,u\033]0;x\007,b1,many,"\033[2Jgone",1\nr900,\302\2331m,b\033c,5,"fine \033[5m\302\233",1600000000\n' >> "$H/reviews.csv"
printf 'p\033[1m\tno\033[2J.jpg\tx\033[0m\tb1\n' >> "$H/images.tsv"
mv "$H/images/pic3.jpg" "$H/images/cut$ESC[31m.jpg"
printf 'p98\tcut\033[31m.jpg\tx\tb1\n' >> "$H/images.tsv"
db=$TMP/h.db
{
    "$BIN/mm-ingest" --verbose --db "$db" "$H"
    for t in mm-llm-summarize mm-caption mm-embed mm-reduce mm-status; do
        "$BIN/$t" --verbose --db "$db"
    done
    "$BIN/mm-status" --db "$db" --settings
    "$BIN/mm-status" --db "$db" --digest
    "$BIN/mm-status" --db "$db$ESC[31m"
    "$BIN/mm-status" --db "$db$(printf '\233')31m"
    "$BIN/mm-status" --db "$db" "SPLIT=$ESC[31m"
    "$BIN/mm-ingest" --db "$TMP/h2.db" "$H/$ESC[31m"
    "$BIN/mm-embed" --image "$H/$ESC[31m"
} > "$TMP/said" 2>&1
is "$(tr -cd '\033\007\233' < "$TMP/said" | wc -c | tr -d ' ')" 0 "no control byte of the data reaches stdout or stderr"
like "$(cat "$TMP/said")" '\\x1b' "what was said shows them as text"
is "$(q "$db" "SELECT count(*) > 0 FROM review WHERE instr(text, char(27))")" 1 "the database keeps them as they were"
finish
