# SPDX-License-Identifier: MIT
: "${BIN:=$PWD/bin}" "${MM_SHARED:=../shared}"
# Variables given to `make bench-NAME` are ours, not those of the pipelines that are run here.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
TMP=$(mktemp -d) || exit 1
trap 'rm -rf "$TMP"' EXIT
[ -d "$MM_SHARED/data" ] || { echo "no real data in $MM_SHARED (set MM_SHARED): nothing measured"; exit 0; }
now() { date +%s.%N; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
# or_say COMMAND...: what it says on stderr is shown, and all ends, if it fails
or_say() {
    "$@" 2> "$TMP/said" || { cat "$TMP/said" >&2; exit 1; }
}
# seconds COMMAND...: wall time, output thrown away
seconds() {
    _t=$(now)
    "$@" > /dev/null 2>&1
    calc %.3f "$(now) - $_t"
}
