#!/bin/sh
# Installs what mmrec is built from (Debian and Ubuntu packages, only those that are missing),
# builds it, and tries to fetch the models. Running it again does nothing new.
# usage: ./setup.sh [--print]     --print lists the missing packages and does nothing
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")"

packages="gcc libc6-dev make perl sqlite3 ca-certificates curl libsqlite3-dev libcurl4-openssl-dev
libcjson-dev libopenblas-dev libpng-dev libjpeg-dev zlib1g-dev libutf8proc-dev libcsv-dev
uthash-dev libssl-dev libxxhash-dev libmicrohttpd-dev"
# Faster matrix products; not on every architecture and release. The build does without.
optional="libdnnl-dev"

case "${1-}" in
'' | --print) ;;
-h | --help) sed -n '2,4p' "$0" | sed 's/^# //'; exit 0 ;;
*) echo "setup.sh: unknown argument '$1'; try --help" >&2; exit 2 ;;
esac

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
    echo "setup.sh: this is not Debian or Ubuntu (no apt-get). Install what these packages hold" >&2
    echo "with your own package manager, then run 'make':" >&2
    # shellcheck disable=SC2086 # on one line
    echo $packages >&2
    exit 1
fi

# A package counts as installed also when another one provides it (libjpeg-dev).
installed() { dpkg-query -W -f '${Status}\n' "$1" 2> /dev/null | grep -q 'install ok installed'; }
offered() { apt-cache show "$1" 2> /dev/null | grep -q '^Package:'; }

missing="" extra=""
for p in $packages; do
    installed "$p" || missing="$missing $p"
done
for p in $optional; do
    installed "$p" || extra="$extra $p"
done

if [ "${1-}" = --print ]; then
    echo "missing packages:${missing:- none}"
    [ -z "$extra" ] || echo "missing, and optional:$extra"
    exit 0
fi

sudo=""
apt_install() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "$@" > /dev/null
}
may_install() {
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo > /dev/null || return 1
        sudo=sudo
    fi
}

if [ -n "$missing" ]; then
    echo "setup.sh: installing$missing"
    may_install || {
        echo "setup.sh: run as root, or install sudo, to install:$missing" >&2
        exit 1
    }
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # one word a package
    apt_install $missing
fi
# After the update above: before it a fresh machine knows no package.
for p in $extra; do
    if offered "$p" && may_install; then
        echo "setup.sh: installing $p"
        apt_install "$p" || echo "setup.sh: $p cannot be installed; building without it"
    else
        echo "setup.sh: no $p to be had here; building without it"
    fi
done

make -s -j"$(nproc)" all
[ "${OFFLINE-}" = 1 ] || make -s models
echo "setup.sh: ready; try: make -f pipeline.mk all"
