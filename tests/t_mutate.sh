#!/bin/sh
# Planted defects that the suite must notice. Each tests/mutations/NAME.sed changes one line of
# the file it names; the test it names passes without and must fail with the change.
# ONLY="a b" plants just these.
# SPDX-License-Identifier: MIT
. tests/lib.sh
TREE=$TMP/tree
FILES=$(ls tests/mutations/*.sed)
[ -z "${ONLY:-}" ] || FILES=$(printf 'tests/mutations/%s.sed\n' $ONLY)
mkdir "$TREE"
# With times and objects: only what a mutation touches is compiled again.
cp -a Makefile schema.sql prices.tsv pipeline.mk lib tools tests prompts man docs README.md "$TREE"
for d in build build-san; do
    [ ! -d "$d" ] || cp -a "$d" "$TREE"
done
# O and BIN of a surrounding make would lead out of the copy.
unset O BIN
head_of() { sed -n "s/^# $2: //p" "$1"; }

# build DIR TEST: what the test needs; a test in shell needs the tools.
build() {
    case $2 in
    t_caption.sh) make -s -C "$1" all "$OBJ/tests/test_blip2" ;;
    t_*) make -s -C "$1" all "$OBJ/tests/server" ;;
    *) make -s -C "$1" "$OBJ/tests/$2" ;;
    esac > "$1.log" 2>&1
}
run_test() {
    case $2 in
    t_*) cd "$1" && BIN=$1/${BIN_DIR} FAIL_FAST=1 KILLS=1 timeout 90 sh "tests/$2" ;;
    *) cd "$1" && timeout 60 "$OBJ/tests/$2" ;;
    esac > "$1.out" 2>&1
}
# mutate FILE: in a copy of the tree; its verdict goes to $TMP/NAME.verdict.
mutate() (
    name=$(basename "$1" .sed) file=$(head_of "$1" file) t=$(head_of "$1" test) copy=$TMP/m-$(basename "$1" .sed)
    cp -a "$TREE" "$copy"
    sed -f "$1" "$file" > "$copy/$file"
    if cmp -s "$file" "$copy/$file"; then
        echo "1 $name does not apply to $file"
    elif ! build "$copy" "$t"; then
        echo "1 $name does not compile"
        sed 's/^/# /' "$copy.log" | tail -5
    elif (run_test "$copy" "$t"); then
        echo "1 $name: $t did not notice that $(sed -n 3p "$1" | cut -c3-)"
    else
        seen=$(grep -m1 '^not ok' "$copy.out" | sed 's/^not ok [0-9]* - //')
        echo "0 $name is caught by $t: ${seen:-it ended early}"
    fi > "$TMP/$name.verdict"
    rm -rf "$copy"
)

# The same folders as the make that calls: build, or build-san with SAN=1.
OBJ=build BIN_DIR=bin
case " ${MAKEFLAGS:-} " in *" SAN="*) OBJ=build-san BIN_DIR=build-san/bin ;; esac
bad=""
for t in $(sed -n 's/^# test: //p' $FILES | sort -u); do
    build "$TREE" "$t" && (run_test "$TREE" "$t") || bad="$bad $t"
done
is "$bad" "" "without a mutation the tests pass"
i=0
for f in $FILES; do
    mutate "$f" &
    i=$((i + 1))
    [ $((i % 2)) -ne 0 ] || wait
done
wait
for f in $FILES; do
    v=$TMP/$(basename "$f" .sed).verdict
    read -r status what < "$v"
    ok "$status" "$what"
    sed 1d "$v"
done
is "$i" "$(find "$TMP" -name '*.verdict' -size +0 | wc -l | tr -d ' ')" "$i mutations have a verdict"
finish
