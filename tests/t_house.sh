#!/bin/sh
# The rules of the house that a machine can check.
# SPDX-License-Identifier: MIT
. tests/lib.sh

bad=$(awk 'BEGIN { n = split("base db source image llm nn model train report", a, " "); for (i = 1; i <= n; i++) o[a[i]] = i }
    FNR == 1 { split(FILENAME, p, "/"); me = o[p[2]] }
    match($0, /#include "[a-z]+\//) { d = substr($0, RSTART + 10, RLENGTH - 11); if (me && o[d] > me) print FILENAME ": " d }' \
    lib/*/*.[ch])
is "$bad" "" "a room includes only itself and rooms to its left"

bad=$(grep -lE '#include <(cblas|curl/|png|jpeglib|cjson/|csv|dnnl)' tools/*.c)
is "$bad" "" "tools touch no floats, sockets, pixels or JSON"

bad=$(awk 'FNR == 1 { s = 0 } /^\{/ { s = FNR } /^\}/ { if (s && FNR - s > 100) print FILENAME ":" s; s = 0 }' lib/*/*.c tools/*.c)
is "$bad" "" "no function is longer than 100 lines"

bad=$(wc -l lib/*/*.[ch] tools/*.c | awk '$2 != "total" && $1 > 500 { print $2 }')
is "$bad" "" "no source file is longer than 500 lines"

bad=$(awk 'length > 100 { print FILENAME ":" FNR }' lib/*/*.[ch] tools/*.c schema.sql)
is "$bad" "" "no line is longer than 100 columns"

bad=$(for f in tests/t_*.sh; do [ -x "$f" ] || echo "$f"; done)
is "$bad" "" "every shell test may be executed: prove(1) stops at the first that may not"

bad=$(grep -lE '\bexit\(' lib/*/*.c | grep -vE 'base/(util|opts)\.c')
is "$bad" "" "the library never exits"

bad=""
for f in lib/*/*.c lib/*/*.h tools/*.c; do
    head -1 "$f" | grep -q 'SPDX-License-Identifier: MIT' || bad="$bad $f"
done
is "$bad" "" "every source file names its licence"

for t in tools/mm-*.c; do
    n=$(basename "$t" .c)
    [ -f "man/$n.1" ]
    ok $? "$n has a man page"
    "$BIN/$n" --help > "$TMP/help" 2> "$TMP/err"
    is "$? $(wc -c < "$TMP/err" | tr -d ' ')" "0 0" "$n --help: exit 0, nothing on stderr"
    miss=""
    for o in $(grep -oE '^  --[a-z-]+' "$TMP/help"); do
        sed 's/\\-/-/g' "man/$n.1" 2> /dev/null | grep -q -- "$o" || miss="$miss $o"
    done
    is "$miss" "" "$n: the man page names every option of --help"
    "$BIN/$n" --no-such-option > "$TMP/out" 2> "$TMP/err"
    is "$? $(wc -c < "$TMP/out" | tr -d ' ')" "2 0" "$n: an unknown option is wrong use, exit 2"
    run "$BIN/$n" --threads 99999
    is "$RC" 2 "$n: an option out of range is wrong use"
    like "$("$BIN/$n" --version)" "^$n [0-9.]+$" "$n --version"
done
"$BIN/mm-status" --help > /dev/full 2> /dev/null
is $? 1 "a full disk behind stdout is not a success"
finish
