#!/bin/sh
# models.sh: what it fetches, resumes, refuses and leaves behind; with a made-up list and a
# mirror on disk. Nothing here leaves the machine.
# SPDX-License-Identifier: MIT
. tests/lib.sh
unset MODELS_URL HF_ENDPOINT OFFLINE MM_MODELS
export no_proxy='*' PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1
if ! command -v curl > /dev/null; then
    skip "no curl here"
    finish
fi
mirror="$TMP/a mirror" into="$TMP/the models" table="$TMP/the list"
sha() { sha256sum < "$1" | cut -d ' ' -f 1; }
size() { wc -c < "$1" | tr -d ' '; }
# row MODEL FILE GET [HUB [PIP]]: a line of the list for a file of the mirror.
row() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\tMIT\n' "$1" "$2" "$3" "$(size "$mirror/$1/$2")" \
        "$(sha "$mirror/$1/$2")" "${4:--}" "${5:--}"
}
mm() { run sh models.sh --table "$table" --into "$into" --sources "${from:-mirror}" "$@"; }
# whole: every file of the list that has its name has its bytes; prints how many there are.
whole() {
    n=0
    while IFS='	' read -r m f _ _ want _; do
        [ -e "$into/$m/$f" ] || continue
        [ "$(sha "$into/$m/$f")" = "$want" ] || { echo "$m/$f is wrong"; return; }
        n=$((n + 1))
    done < "$table"
    echo $n
}
left() { find "$into" -name '*.part' -o -name '.pip*' | wc -l | tr -d ' '; }

mkdir -p "$mirror/one/1_sub" "$mirror/two"
awk 'BEGIN { for (i = 0; i < 40000; i++) print "weight", i, i * i }' > "$mirror/one/model.bin"
echo '{}' > "$mirror/one/config.json"
echo '{"a": 1}' > "$mirror/one/1_sub/config.json"
echo words > "$mirror/two/model.bin"
{
    echo '# a list'
    row one config.json must
    row one model.bin must
    row one 1_sub/config.json may
    row two model.bin ask
} > "$table"
cp "$table" "$TMP/list"
url="file://$mirror"

OFFLINE=1 MODELS_URL=$url mm
is "$RC $OUT" "0 models: OFFLINE=1, nothing fetched" "OFFLINE=1 does nothing and says so"
[ ! -e "$into" ]
ok $? "and makes no folder"

MODELS_URL=$url mm
is "$RC" 0 "files from a mirror with a space in its name"
is "$(whole)" 3 "all of them are right, also the one in a subfolder"
like "$OUT" "^models: one: fetched config.json model.bin 1_sub/config.json" "what was fetched is said"
[ ! -e "$into/two" ]
ok $? "a model marked 'ask' is not fetched unasked"
before=$(find "$into" -type f -exec stat -c '%n %i %Y' {} + | sort)
MODELS_URL="file:///nowhere" mm
is "$OUT" "models: one: complete" "the second run asks nobody"
is "$(find "$into" -type f -exec stat -c '%n %i %Y' {} + | sort)" "$before" "and writes no file"
MODELS_URL=$mirror mm two
is "$(whole) $RC" "4 0" "a named model is fetched; a folder serves as the mirror"
mm three
is "$RC" 2 "a model that is not in the list is wrong use"
is "$(left)" 0 "nothing is left over"

# A part of a file is resumed: the mirror's first half is other bytes now, so that only a
# transfer that starts where the part ends can be right.
rm -rf "$into"
mkdir -p "$into/one"
cp "$mirror/one/model.bin" "$TMP/model.bin"
half=$(($(size "$TMP/model.bin") / 2))
head -c $half "$TMP/model.bin" > "$into/one/model.bin.part"
{ head -c $half /dev/zero; tail -c +$((half + 1)) "$TMP/model.bin"; } > "$mirror/one/model.bin"
MODELS_URL=$url mm
is "$(whole)" 3 "a transfer that was cut off is resumed"
cp "$TMP/model.bin" "$mirror/one/model.bin"
rm "$into/one/model.bin"
head -c $half /dev/zero > "$into/one/model.bin.part"
MODELS_URL=$url mm
is "$(whole) $(left)" "3 0" "a part that was something else costs a second try, no more"
rm "$into/one/model.bin"
cp "$TMP/model.bin" "$into/one/model.bin.part"
MODELS_URL="file:///nowhere" mm
is "$(whole) $(left)" "3 0" "a part that is whole needs nobody"

# Wrong bytes.
rm "$into/one/model.bin"
tr 0 1 < "$TMP/model.bin" > "$mirror/one/model.bin"
MODELS_URL=$url mm
like "$OUT" "model.bin: what mirror sent has another sha256" "wrong bytes are said"
like "$OUT" "^models: one: lacks model.bin .*MODELS_URL=URL" "and what to do, in one line"
is "$RC $(whole) $(left)" "0 2 0" "nothing of them is left; not an error"
cat "$TMP/model.bin" "$TMP/model.bin" > "$mirror/one/model.bin"
MODELS_URL=$url mm
like "$OUT" "larger than models.tsv says" "a file larger than listed is refused"
is "$(whole) $(left)" "2 0" "and not kept"
ln -sf /dev/zero "$mirror/one/model.bin"
ulimit -S -f 200000 # should the cap fail, the disk must not fill
MODELS_URL=$url mm
ulimit -S -f unlimited
like "$OUT" "^models: one: lacks model.bin .mirror: larger" "an endless file is cut off"
is "$(printf '%s\n' "$OUT" | grep -vc '^models: ')" 0 "without noise"
rm "$mirror/one/model.bin"
cat "$TMP/model.bin" "$TMP/model.bin" > "$mirror/one/model.bin"
HF_ENDPOINT="file://$TMP/hub" from="mirror hub" MODELS_URL=$url mm
is "$(printf '%s\n' "$OUT" | grep -c 'hub:')" 0 "the hub is not asked for a row that names none"
mkdir -p "$TMP/hub/someone/one/resolve/abc123"
cp "$TMP/model.bin" "$TMP/hub/someone/one/resolve/abc123"
sed "s,\(model.bin	must	.*\)	-	-	,\1	someone/one@abc123	-	," "$TMP/list" > "$table"
HF_ENDPOINT="file://$TMP/hub" from="mirror hub" MODELS_URL=$url mm
is "$(whole) $RC" "3 0" "after a bad mirror the next source is tried"
like "$OUT" "last from hub" "and named"
cp "$TMP/list" "$table"

# What the user put there stays.
echo mine > "$into/one/config.json"
MODELS_URL=$url mm
like "$OUT" "complete; other bytes than the list has, left as they are: config.json" "another file by hand is said"
is "$(cat "$into/one/config.json")" mine "and left alone"
rm -rf "$into"

# Missing files, and nobody there.
cp "$TMP/model.bin" "$mirror/one/model.bin"
mv "$mirror/one/1_sub/config.json" "$TMP/sub.json"
MODELS_URL=$url mm
like "$OUT" "fetched config.json model.bin .*without 1_sub/config.json, which the tools do not need" "a file that may lack may lack"
mv "$TMP/sub.json" "$mirror/one/1_sub/config.json"
rm -rf "$into"
mm
is "$RC $(printf '%s\n' "$OUT" | wc -l | tr -d ' ')" "0 1" "no source at all: one line, exit 0"
t=$(date +%s)
MODELS_URL="http://127.0.0.1:1/x" HF_ENDPOINT="http://127.0.0.1:1" from="mirror hub" mm one two
is "$RC $(printf '%s\n' "$OUT" | grep -c 'lacks .*mirror: ')" "0 2" "a closed port: one line a model, exit 0"
[ $(($(date +%s) - t)) -le 5 ]
ok $? "and quickly"
[ ! -e "$into/one" ]
ok $? "no empty folder that looks like a model"

# The list.
for bad in 's,one	config,one	../config,' 's,1_sub/config,1_sub/../../config,' 's,one	config,one	/etc/config,' \
    's,^one	config,..	config,' 's,^one	,a/b	,' 's,	must	[0-9]*	[0-9a-f]*,	must	3	abc,' \
    's,	must	[0-9]*	,	must	-	,' 's,	-	-	MIT,	x/y@../../z	-	MIT,' 's,	MIT,,' '$p' '2{h;d};${p;x}'; do
    sed "$bad" "$TMP/list" > "$table"
    MODELS_URL=$url mm
    like "$RC $OUT" "^1 models.sh: .*line [0-9]+: .*nothing fetched" "a list with '$bad' is refused"
done
run sh models.sh --table "$TMP/none"
is "$RC" 1 "no list is an error"
run sh models.sh --into
is "$RC" 2 "an option without its value is wrong use"
run sh models.sh --sources "mirror ftp"
is "$RC" 2 "so is a source that there is none of"
[ ! -e "$into/one" ]
ok $? "and nothing of all that was fetched"
run sh models.sh --help
like "$RC $OUT" "^0 Fetches" "--help"
awk 'NR > 1 && !/^#/ && $1 ~ /^all-MiniLM/ && $3 == "must" { print $2 }' FS='\t' models.tsv | sort | tr '\n' ' ' > "$TMP/need"
is "$(cat "$TMP/need")" "config.json model.safetensors vocab.txt " "the list that ships needs of MiniLM what the tools read"
into2=$TMP/ships
run sh models.sh --into "$into2" --sources mirror resnet50.tv_in1k
like "$RC $OUT" "^0 models: resnet50.tv_in1k: lacks model.safetensors" "the list that ships is one that models.sh takes"

# Killed at any moment: a name is never given to half a file.
cp "$TMP/list" "$table"
truncate -s 96M "$mirror/one/model.bin"
sed "/^one	model/d" "$TMP/list" > "$table"
row one model.bin must | sed -i '2r /dev/stdin' "$table"
hit=0 bad=""
for d in 0.02 0.04 0.06 0.08 0.1 0.12 0.15 0.2 0.25 0.3; do
    rm -rf "$into/one/model.bin"
    MODELS_URL=$url setsid sh models.sh --table "$table" --into "$into" --sources mirror > "$TMP/out" 2>&1 &
    pid=$!
    sleep $d
    kill -9 -$pid 2> /dev/null && hit=$((hit + 1))
    wait $pid 2> /dev/null
    case $(whole) in *wrong*) bad="$bad $d" ;; esac
done
is "$bad" "" "kill -9 leaves no half file under its name"
[ $hit -gt 0 ]
ok $? "$hit of 10 kills hit a running transfer"
MODELS_URL=$url mm
is "$(whole) $(left)" "3 0" "and the next run completes"
cp "$TMP/model.bin" "$mirror/one/model.bin"
cp "$TMP/list" "$table"
rm -rf "$into"

# Two at once: the second leaves it to the first.
if command -v flock > /dev/null; then
    mkdir -p "$into"
    exec 8> "$into/.lock"
    flock 8
    MODELS_URL=$url mm 8>&-
    like "$RC $OUT" "^0 models: another make models is at work" "two at once do not write one file"
    exec 8>&-
    MODELS_URL=$url mm
    is "$(whole)" 3 "and after that it goes on"
    rm -rf "$into"
else
    skip "no flock here"
fi

# A server that knows no ranges, a stranger's wheel: with Python where there is one.
if command -v python3 > /dev/null; then
    : > "$TMP/http"
    (cd "$mirror" && exec python3 -u -m http.server --bind 127.0.0.1 0) > "$TMP/http" 2>&1 &
    pid=$!
    port=""
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$TMP/http")
        [ -z "$port" ] || break
        sleep 0.25
    done
    mkdir -p "$into/one"
    head -c $half "$TMP/model.bin" > "$into/one/model.bin.part"
    MODELS_URL="http://127.0.0.1:$port/" mm
    is "$(whole) $(left)" "3 0" "a server without ranges: the part is fetched anew"
    mv "$mirror/one/config.json" "$TMP/config.json"
    rm "$into/one/config.json"
    MODELS_URL="http://127.0.0.1:$port" mm
    like "$OUT" "lacks config.json .mirror: .*404" "404 is the reason given"
    kill $pid
    wait $pid 2> /dev/null
    mv "$TMP/config.json" "$mirror/one/config.json"
    rm -rf "$into"
else
    skip "no python3: no server without ranges"
fi
if python3 -m pip --version > /dev/null 2>&1; then
    mkdir "$TMP/wheels"
    python3 - "$mirror/one" "$TMP/wheels" << 'PY'
import io, sys, tarfile, zipfile
src, out = sys.argv[1:]
info = "made_up_weights-1.0.dist-info/"
with zipfile.ZipFile(out + "/made_up_weights-1.0-py3-none-any.whl", "w") as z:
    z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: made-up-weights\nVersion: 1.0\n")
    z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(info + "RECORD", "")
    z.writestr("../../evil", "x")
    z.write(src + "/model.bin", "pkg/model/model.bin")
    z.writestr("pkg/model/config.json", '{"edited": 1}\n')
def tar(name, files):
    with tarfile.open(out + "/" + name, "w:gz") as t:
        for path, text in files.items():
            i = tarfile.TarInfo(path)
            i.size = len(text)
            t.addfile(i, io.BytesIO(text.encode()))
tar("made_up_source-1.0.tar.gz", {
    "made_up_source-1.0/PKG-INFO": "Metadata-Version: 2.1\nName: made-up-source\nVersion: 1.0\n",
    "made_up_source-1.0/setup.py": "open(%r, 'w')\nfrom setuptools import setup\nsetup()\n" % (out + "/ran")})
PY
    export PIP_FIND_LINKS="file://$TMP/wheels"
    { row one model.bin must - "made-up-weights==1.0:pkg/model"; row one config.json may - "made-up-weights==1.0:pkg/model"; } > "$table"
    from=pip mm
    like "$OUT" "one: fetched model.bin .last from pip.; without config.json" "a wheel gives the file that is right, not the edited one"
    is "$(whole) $(left) $(find "$TMP" -name evil | wc -l | tr -d ' ')" "1 0 0" "and nothing else of it is unpacked"
    rm -rf "$into"
    row one model.bin must - "made-up-source==1.0:pkg/model" > "$table"
    from=pip mm
    like "$RC $OUT" "^0 models: one: lacks model.bin .pip: no made-up-source==1.0 to be had" "a source package is not taken"
    [ ! -e "$TMP/wheels/ran" ]
    ok $? "and none of its code runs"
else
    skip "no pip here"
fi
finish
