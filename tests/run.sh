#!/bin/sh
# Runs the given TAP tests (C programs and t_*.sh) with prove(1) and closes with one line
# "N passed, N failed, N skipped". Exit 1 when anything failed or nothing ran.
# SPDX-License-Identifier: MIT
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
prove --timer --merge --verbose -e '' "$@" > "$log" 2>&1
status=$?
# A log of every assertion is long: show what failed, what was skipped, what was measured,
# and prove's own table.
grep -E '^(not ok|#|Bail out)|# SKIP|^(tests|.*/tests)/.*\.{3}|^Result|^Files=|^All tests|Failed|Wstat|Parse errors|Non-zero|^\[' "$log"
passed=$(grep -cE '^ok ' "$log")
skipped=$(grep -cE '^ok .*# SKIP' "$log")
failed=$(grep -cE '^not ok ' "$log")
# prove may die between two tests: what it said last is then all there is to go by.
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || { failed=1; echo "prove: status $status"; tail -3 "$log"; }
[ "$passed" -gt 0 ] || status=1
echo "$((passed - skipped)) passed, $failed failed, $skipped skipped"
exit $status
