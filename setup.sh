#!/bin/sh
# Installs what mmrec is built from (Debian and Ubuntu packages, only those that are missing),
# builds it, and tries to fetch the models. Running it again does nothing new.
# usage: ./setup.sh [--print]     --print lists the missing packages and does nothing
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")"

packages="gcc libc6-dev make perl sqlite3 ca-certificates libsqlite3-dev libcurl4-openssl-dev
libcjson-dev libopenblas-dev libpng-dev libjpeg-dev zlib1g-dev libutf8proc-dev libcsv-dev
uthash-dev libssl-dev"

case "${1-}" in
'' | --print) ;;
-h | --help) sed -n '2,4p' "$0" | sed 's/^# //'; exit 0 ;;
*) echo "setup.sh: unknown argument '$1'; try --help" >&2; exit 2 ;;
esac

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    echo "setup.sh: this is not Debian or Ubuntu (no apt-get). Install what these packages hold" >&2
    echo "with your own package manager, then run 'make':" >&2
    echo $packages >&2
    exit 1
fi

missing=""
for p in $packages; do
    # A package counts as installed also when another one provides it (libjpeg-dev).
    dpkg-query -W -f '${Status}\n' "$p" 2> /dev/null | grep -q 'install ok installed' ||
        missing="$missing $p"
done

if [ "${1-}" = --print ]; then
    echo "missing packages:${missing:- none}"
    exit 0
fi

if [ -n "$missing" ]; then
    echo "setup.sh: installing$missing"
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo > /dev/null || {
            echo "setup.sh: run as root, or install sudo, to install:$missing" >&2
            exit 1
        }
        sudo=sudo
    fi
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing > /dev/null
fi

make -s -j"$(nproc)" all
[ "${OFFLINE-}" = 1 ] || make -s models
echo "setup.sh: ready; try: make -f pipeline.mk all"
