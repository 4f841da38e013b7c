#!/bin/sh
# Makes the sample anew: builds make_sample and runs it.
# usage: sample/make.sh                        into this folder
#        sample/make.sh [--scale N] FOLDER     into another one, N times as large
#        sample/make.sh --build PROGRAM        only builds
# SPDX-License-Identifier: MIT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=${here%/*}

build() {
    # A test run says by O which library it has built; else build one.
    if [ -n "${O-}" ] && [ -f "$O/libmm.a" ]; then
        lib=$O/libmm.a
    else
        lib=$top/build/libmm.a
        make -s -C "$top" build/libmm.a
    fi
    case $lib in
    */build-san/*) san="-fsanitize=address,undefined -fno-sanitize-recover=undefined" ;;
    *) san="" ;;
    esac
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
        -Wmissing-prototypes -Wpointer-arith -Wvla -Wwrite-strings -ffp-contract=off \
        ${CFLAGS:--O2 -g} $san -I"$top/lib" -o "$1" "$here"/*.c "$lib" -ljpeg -lpng -lz -lm
}

if [ "${1-}" = --build ]; then
    build "${2:?PROGRAM}"
    exit
fi
program=$(mktemp)
trap 'rm -f "$program"' EXIT
build "$program"
case $# in
0) "$program" "$here" ;;
*) "$program" "$@" ;;
esac
