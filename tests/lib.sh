# Helpers of the shell tests: TAP, a scratch folder that goes away, a toy data set.
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
: "${BIN:=$PWD/bin}" "${MM_SHARED:=../shared}"
TAP_N=0 TAP_BAD=0
TMP=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$TMP" 2> /dev/null; rm -rf "$TMP"' EXIT
export LC_ALL=C.UTF-8
# Tests run on the built-in encoders, so that they say the same with and without fetched
# models; those of the networks name REAL_MODELS themselves.
REAL_MODELS=${MM_MODELS:-$PWD/models}
export MM_MODELS="$TMP/no-models"

# ok STATUS NAME: STATUS 0 is a pass. is GOT WANT NAME. like TEXT PATTERN NAME.
ok() {
    TAP_N=$((TAP_N + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $TAP_N - $2"
    else
        echo "not ok $TAP_N - $2"
        TAP_BAD=1
        [ -z "${FAIL_FAST:-}" ] || exit 1 # a planted defect: one assertion is enough
    fi
}
is() {
    [ "$1" = "$2" ]
    ok $? "$3"
    [ "$1" = "$2" ] || printf '#   got  %s\n#   want %s\n' "$1" "$2"
}
like() {
    printf '%s\n' "$1" | grep -qE -- "$2"
    r=$?
    ok $r "$3"
    [ $r -eq 0 ] || printf '#   %s\n#   does not match %s\n' "$1" "$2"
}
skip() {
    TAP_N=$((TAP_N + 1))
    echo "ok $TAP_N # SKIP $1"
}
finish() {
    echo "1..$TAP_N"
    exit $TAP_BAD
}

q() { sqlite3 "$@"; }

# run COMMAND...: stderr and stdout into $OUT, exit status into $RC.
run() {
    OUT=$("$@" 2>&1)
    RC=$?
}

# toy DIR ROWS: reviews.csv, images.tsv and photos. Texts, tastes and ratings hang together a
# little; the seed is fixed.
toy() {
    mkdir -p "$1/images"
    awk -v rows="$2" 'BEGIN {
        srand(7); split("soup noodles pizza biryani coffee cake burger salad", dish, " ")
        split("lovely great tasty friendly fresh", good, " "); split("cold rude bland slow dirty", bad, " ")
        print "review_id,user,business,rating,text,time"
        for (i = 1; i <= rows; i++) {
            u = int(rand() * 40); b = int(rand() * 12); p = rand() < (b % 3 ? 0.8 : 0.4)
            w = p ? good[1 + int(rand() * 5)] : bad[1 + int(rand() * 5)]
            printf "r%d,u%d,b%d,%d,\"The %s was %s. We sat %d minutes and paid a %s price.\nVisit %d.\",%d\n", i, u, b,
                p ? 4 + (rand() < 0.5) : 1 + int(rand() * 3), dish[1 + b % 8], w, 5 + int(rand() * 50),
                rand() < 0.3 ? "high" : "reasonable", i, 1500000000 + i * 86400
        }
    }' > "$1/reviews.csv"
    awk 'BEGIN { for (i = 0; i < 24; i++)
        printf "p%d\tpic%d.jpg\ta plate of food number %d on a %s table\tb%d\n", i, i, i % 5, i % 2 ? "clean" : "dirty", i % 12 }' \
        > "$1/images.tsv"
    i=0
    while [ $i -lt 24 ]; do
        case $((i % 6)) in
        0) f=baseline.jpg ;; 1) f=rgb.png ;; 2) f=progressive.jpg ;; 3) f=grey.jpg ;; 4) f=palette.png ;; *) f=444.jpg ;;
        esac
        cp "tests/golden/image/pictures/$f" "$1/images/pic$i.jpg"
        i=$((i + 1))
    done
    cp tests/golden/image/pictures/cut.jpg "$1/images/pic3.jpg"
    rm "$1/images/pic7.jpg"
}

# stages DB [train options]: every stage once, without make.
stages() {
    _db=$1
    shift
    "$BIN/mm-llm-summarize" --quiet --db "$_db" && "$BIN/mm-caption" --quiet --db "$_db" &&
        "$BIN/mm-embed" --quiet --db "$_db" && "$BIN/mm-reduce" --quiet --db "$_db" &&
        "$BIN/mm-train" --quiet --db "$_db" "$@"
}

digest() { "$BIN/mm-status" --db "$1" --digest; }
