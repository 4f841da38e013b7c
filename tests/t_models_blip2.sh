#!/bin/sh
# models.sh where BLIP-2 asks more of it: files without a stated digest, digests that are not
# computed again, room on the disk, sizes beyond 4 GiB, transfers that break off and go on. With
# made-up lists; nothing here leaves the machine.
# SPDX-License-Identifier: MIT
. tests/lib.sh
unset MODELS_URL HF_ENDPOINT OFFLINE MM_MODELS MAKEFLAGS
export no_proxy='*'
if ! command -v curl > /dev/null; then
    skip "no curl here"
    finish
fi
mirror=$TMP/mirror into=$TMP/models table=$TMP/list stubs=$TMP/stubs
commit=0123456789abcdef0123456789abcdef01234567
sha() { sha256sum < "$1" | cut -d ' ' -f 1; }
size() { wc -c < "$1" | tr -d ' '; }
# row MODEL FILE GET: a line with the digest of the mirror's file. open: one without a digest.
row() { printf '%s\t%s\t%s\t%s\t%s\t-\t-\tMIT\n' "$1" "$2" "$3" "$(size "$mirror/$1/$2")" "$(sha "$mirror/$1/$2")"; }
open() { printf '%s\t%s\t%s\t%s\t-\tsome/one@%s\t-\tMIT\n' "$1" "$2" "$3" "$4" "${5:-$commit}"; }
mm() { run sh models.sh --table "$table" --into "$into" --sources mirror "$@"; }
lines() { printf '%s\n' "$OUT" | wc -l | tr -d ' '; }
left() { find "$into" -name '*.part' -o -name '.curl' -o -name '*.new' | wc -l | tr -d ' '; }

# sha256sum and df are watched, and df says what it is told.
mkdir -p "$stubs" "$mirror/one" "$mirror/big"
real=$(command -v sha256sum)
cat > "$stubs/sha256sum" << X
#!/bin/sh
echo x >> "$TMP/hashed"
exec $real "\$@"
X
cat > "$stubs/df" << X
#!/bin/sh
[ -s "$TMP/free" ] || exec $(command -v df) "\$@"
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a b 1 1 %s 9%% /a mount\n' "\$(cat "$TMP/free")"
X
chmod +x "$stubs/sha256sum" "$stubs/df"
PATH=$stubs:$PATH
hashed() { wc -l < "$TMP/hashed" | tr -d ' '; }

awk 'BEGIN { for (i = 0; i < 40000; i++) print "weight", i, i * i }' > "$mirror/big/model.bin"
echo small > "$mirror/one/model.bin"
echo '{"a": 1}' > "$mirror/big/config.json"
printf '#version: 0.2\na b\n' > "$mirror/big/merges.txt"
{
    row one model.bin must
    open big config.json ask 1000
    row big model.bin ask
    open big merges.txt ask 1000
    open big extra.json may 1000
} > "$table"
cp "$table" "$TMP/first"
cp -r "$mirror" "$TMP/whole"
restore() {
    rm -rf "$into" "$mirror"
    cp -r "$TMP/whole" "$mirror"
    cp "$TMP/first" "$table"
}
export MODELS_URL="file://$mirror"

# Asked for.
mm
is "$OUT" "models: one: fetched model.bin (last from mirror)" "a model with a row 'ask' is not fetched unasked, nor a row 'may' of it"
mm --also big
like "$OUT" "^models: one: complete" "--also leaves the others in"
like "$OUT" "^models: big: fetched config.json model.bin merges.txt .*none.: config.json merges.txt; without extra.json" "what has no digest is fetched, and said to have none"
(cd "$into/big" && sha256sum -c SHA256SUMS) > "$TMP/out" 2>&1
is "$? $(grep -c ': OK' "$TMP/out")" "0 3" "sha256sum -c takes SHA256SUMS"
mm --also nobody
is "$RC" 2 "--also takes models of the list"
mm big
is "$(lines)" 1 "a model that is named comes alone"
for v in 'BLIP2=1:--also blip2-opt-2.7b' 'BLIP2=0:' 'MODELS=x:x' 'BLIP2=1 MODELS=x:--also blip2-opt-2.7b x'; do
    got=$(make --no-print-directory -n models ${v%%:*} | sed 's/^sh models.sh *//; s/  */ /g; s/ $//')
    is "$got" "${v#*:}" "make models ${v%%:*} asks for '${v#*:}'"
done

# Not read through again.
: > "$TMP/hashed"
before=$(stat -c '%i %Y' "$into/big/SHA256SUMS")
mm --also big
is "$(hashed) $(stat -c '%i %Y' "$into/big/SHA256SUMS")" "0 $before" "files of the size, time and inode that they had are not read again"
like "$OUT" "^models: big: complete; without extra.json" "they are complete"
touch "$into/big/model.bin"
mm --also big
is "$(hashed)" 1 "a touched one is read"
mm --also big
is "$(hashed)" 1 "once"
cp -p "$into/big/model.bin" "$TMP/copy"
mv "$TMP/copy" "$into/big/model.bin"
mm --also big
is "$(hashed)" 2 "a copy is read, though its time is that of the first"
tr 0 1 < "$TMP/whole/big/model.bin" > "$into/big/model.bin"
mm big
mm big
like "$(hashed) $OUT" "^4 .*other bytes than the list has, left as they are: model.bin" "another file of that size is said, each time"
echo >> "$into/big/model.bin"
mm big
like "$(hashed) $OUT" "^4 .*left as they are: model.bin" "one of another size need not be read for that"
cp "$TMP/whole/big/model.bin" "$into/big/model.bin"
rm "$into/big/SHA256SUMS"
mm big
like "$OUT" "^models: big: complete; .*none.: config.json merges.txt" "files put there by hand are looked at once"
(cd "$into/big" && sha256sum --quiet -c SHA256SUMS)
ok $? "and written down"
mkdir "$TMP/sums"
mv "$into/big/SHA256SUMS" "$TMP/sums"
mkdir -p "$into/big/SHA256SUMS.new/x"
mm big
like "$RC $OUT" "^0 models: big: complete" "where nothing can be written down it works too"
rm -r "$into/big/SHA256SUMS.new"
mv "$TMP/sums/SHA256SUMS" "$into/big"

# The digest that came first holds.
echo '{"a": 2}' > "$into/big/config.json"
mm big
like "$OUT" "other bytes than at first, left as they are: config.json" "a file that is no longer what came first is said"
is "$(cat "$into/big/config.json")" '{"a": 2}' "and left alone"
rm "$into/big/config.json"
echo '{"a": 2}' > "$mirror/big/config.json"
mm big
like "$OUT" "big/config.json: what mirror sent has another sha256 than at first" "nor is another one taken when it is fetched again"
like "$RC $OUT" "big: lacks config.json .mirror: wrong digest" "it lacks then"
cp "$TMP/whole/big/config.json" "$mirror/big/config.json"
mm big
is "$(cat "$into/big/config.json") $(left)" '{"a": 1} 0' "the first one is"
sed "s/$commit/9999999999999999999999999999999999999999/" "$TMP/first" > "$table"
mm big
like "$OUT" "of another commit than the list has, left as they are: config.json merges.txt" "a list with another commit does not take them for its own"
rm "$into/big/config.json"
echo '{"a": 3}' > "$mirror/big/config.json"
mm big
like "$OUT" "big: fetched config.json .*commit than the list has.*: merges.txt; .*none.: config.json" "and fetches its own"

restore
mkdir -p "$TMP/hub/some/one/resolve/$commit"
mv "$mirror/big/config.json" "$TMP/hub/some/one/resolve/$commit"
HF_ENDPOINT="file://$TMP/hub" run sh models.sh --table "$table" --into "$into" --sources "mirror hub pip" big
like "$OUT" "^models: big: fetched config.json model.bin" "the hub is asked for it at that commit"

# What cannot be the file is told without a digest, too.
for bad in 'config.json:<html>404</html>' 'config.json:{"a": 1, "b' 'config.json:' 'config.json:x {}' 'merges.txt: <!DOCTYPE html>' 'merges.txt:'; do
    restore
    printf '%s\n' "${bad#*:}" > "$mirror/big/${bad%%:*}"
    [ -n "${bad#*:}" ] || : > "$mirror/big/${bad%%:*}"
    mm big
    like "$RC $OUT" "^0 .*what mirror sent is a web page, or cut off" "$bad is not taken"
    [ ! -e "$into/big/${bad%%:*}" ]
    ok $? "and not kept"
done
restore
head -c 1001 /dev/zero | tr '\0' ' ' > "$mirror/big/merges.txt"
mm big
like "$OUT" "lacks merges.txt .mirror: larger than models.tsv says" "nor what is larger than the list allows"
restore
mkdir -p "$into/big"
printf '{"b": [' > "$into/big/config.json.part"
mm big
is "$(cat "$into/big/config.json") $(left)" '{"a": 1} 0' "without a digest nothing is resumed"
for bad in "s,some/one@$commit,-," "s,some/one@$commit,some/one@abc123," 's,	-	MIT,	x==1:y	MIT,' 's,	1000	,	100000000	,' \
    's,config.json,SHA256SUMS,' 's,config.json,a/SHA256SUMS.new,' 's,config.json,config.json.part,'; do
    sed "2$bad" "$TMP/first" > "$table"
    mm big
    like "$RC $OUT" "^1 models.sh: .*line 2: .*nothing fetched" "a list with '$bad' is refused"
done

# Room on the disk.
restore
echo 600 > "$TMP/free"
mm one big
is "$(printf '%s\n' "$OUT" | tail -1)" "models: big needs 1 MB, $into has 0 MB free: nothing fetched" "a model that the disk has no room for is said"
is "$RC $(lines) $(find "$into" -type f -name '*.*' ! -name .lock | wc -l | tr -d ' ')" "0 2 1" "in one line, it is no error, and what fits is fetched"
mkdir -p "$into/big"
head -c 300000 "$mirror/big/model.bin" > "$into/big/model.bin.part"
mm big
like "$OUT" "big: fetched config.json model.bin" "what is there of it already needs no room"
is "$(stat -c %s "$into/big/model.bin")" "$(size "$mirror/big/model.bin")" "and is resumed"
for kib in 9668160 20000000 30000000; do
    echo $kib > "$TMP/free"
    run sh models.sh --into "$TMP/ships" --sources mirror blip2-opt-2.7b
    case $kib in
    9668160) want="models: blip2-opt-2.7b needs 15.0 GB, $TMP/ships has 9.9 GB free: nothing fetched (its packed copy will need about 7.5 GB more)" ;;
    20000000) want="models: blip2-opt-2.7b: 15.0 GB to fetch, $TMP/ships has 20.4 GB free; its packed copy will need about 7.5 GB more, which is not there" ;;
    *) want="models: blip2-opt-2.7b: 15.0 GB to fetch, $TMP/ships has 30.7 GB free; its packed copy will need about 7.5 GB more" ;;
    esac
    is "$RC $(printf '%s\n' "$OUT" | head -1)" "0 $want" "the list that ships, $kib KiB free"
done
is "$(find "$TMP/ships" -type f ! -name .lock | wc -l | tr -d ' ')" 0 "nothing of it was begun"
: > "$TMP/free"

# Beyond 4 GiB: the end of a sparse file is fetched; its digest is that of the last megabyte.
cat > "$stubs/sha256sum" << X
#!/bin/sh
if [ "\$(stat -L -c %s /dev/stdin)" -gt 1000000000 ]; then
    tail -c 1000000 | $real
else
    exec $real "\$@"
fi
X
restore
rm "$mirror/big/model.bin"
mkdir -p "$into/big"
if truncate -s 5000000000 "$mirror/big/model.bin" && truncate -s 4999000000 "$into/big/model.bin.part" 2> /dev/null; then
    echo end | dd of="$mirror/big/model.bin" bs=1 seek=4999999996 conv=notrunc 2> /dev/null
    sed -i '/model.bin	ask/d' "$table"
    row big model.bin ask >> "$table"
    mm big
    like "$OUT" "^models: big: fetched .*model.bin" "a part of 4.999 GB is resumed"
    is "$(stat -c %s "$into/big/model.bin") $(tail -c 4 "$into/big/model.bin")" "5000000000 end" "at its end"
else
    skip "no sparse files of 5 GB here"
fi
rm -r "$stubs"
PATH=${PATH#*:}

# A server that sends 4 MiB of each request (breaks), nothing (dead), or 1 MiB a second (slow).
if ! command -v python3 > /dev/null; then
    skip "no python3: no server that breaks off"
    finish
fi
cat > "$TMP/server.py" << 'PY'
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    seen = 0
    def do_GET(self):
        _, how, model, name = self.path.split("/")
        with open(os.path.join(sys.argv[1], model, name), "rb") as f:
            whole = f.read()
        begin = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        with open(sys.argv[2], "a") as log:
            log.write("%s %s %d\n" % (how, name, begin))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(whole) - 1, len(whole)))
        self.send_header("Content-Length", str(len(whole) - begin))
        self.end_headers()
        rest = whole[begin:]
        if how == "lost" and name == "model.bin": # broken off, then nothing, then all
            Handler.seen += 1
            how = {1: "breaks", 2: "dead"}.get(Handler.seen, "whole")
        if how == "slow" and len(rest) > 1 << 20:
            for i in range(0, len(rest), 1 << 18):
                self.wfile.write(rest[i:i + (1 << 18)])
                time.sleep(0.25)
        else:
            self.wfile.write(rest[:{"breaks": 4 << 20, "dead": 0}.get(how, len(rest))])
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
PY
restore
awk 'BEGIN { for (i = 0; i < 600000; i++) printf "%018d\n", i * i % 1000003 }' > "$mirror/big/model.bin"
{ open big config.json ask 1000; row big model.bin ask; } > "$table"
python3 "$TMP/server.py" "$mirror" "$TMP/log" > "$TMP/port" 2> /dev/null &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -s "$TMP/port" ] && break
    sleep 0.25
done
url=http://127.0.0.1:$(cat "$TMP/port")
MODELS_URL=$url/breaks mm big
like "$OUT $(left)" "^models: big: fetched config.json model.bin .last from mirror.; .* 0$" "a transfer that breaks off again and again is taken up as often"
is "$(grep model.bin "$TMP/log" | cut -d ' ' -f 3 | tr '\n' ' ')" "0 4194304 8388608 " "each time where it broke off"
rm "$into/big/model.bin" "$TMP/log"
MODELS_URL=$url/lost mm big
like "$(grep model.bin "$TMP/log" | cut -d ' ' -f 3 | tr '\n' ' ') $OUT" "^0 4194304 4194304 .*fetched model.bin" "and after a pause, too, when nothing came"
rm "$into/big/model.bin" "$TMP/log"
MODELS_URL=$url/dead mm big
like "$RC $(wc -l < "$TMP/log" | tr -d ' ') $OUT" "^0 1 models: big: lacks model.bin .mirror: " "one that brings nothing is not tried again"

# Ended from outside: what came stays, curl ends too, the next run goes on.
started() {
    rm -f "$TMP/log"
    MODELS_URL=$url/slow env --default-signal=INT setsid sh models.sh --table "$table" --into "$into" \
        --sources mirror big > "$TMP/out" 2>&1 &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -s "$into/big/model.bin.part" ] && break
        sleep 0.25
    done
}
if env --default-signal=INT true 2> /dev/null; then
    for sig in 'INT -' 'TERM '; do # Ctrl-C reaches all of them, kill PID one
        rm -rf "$into"
        started
        kill -"${sig% *}" "${sig#* }$pid"
        wait $pid
        is "$?" 130 "${sig% *} ends it"
        like "$(cat "$TMP/out")" "^models: big: as they came, .*: config.json" "what came without a digest is said all the same"
        had=$(size "$into/big/model.bin.part")
        sleep 0.6
        is "$(size "$into/big/model.bin.part") $(find "$into" -name .curl)" "$had " "and curl with it"
        MODELS_URL=$url/whole mm big
        is "$([ "$had" -gt 0 ] && tail -1 "$TMP/log")" "whole model.bin $had" "the next run goes on where it was ($had bytes)"
        is "$(sha "$into/big/model.bin") $(left)" "$(sha "$mirror/big/model.bin") 0" "and has it whole"
    done
else
    skip "env without --default-signal: nothing to send SIGINT to"
fi

# A bar on a terminal, and nowhere else.
rm -rf "$into"
if command -v script > /dev/null; then
    MODELS_URL=$url/whole script -qec "sh models.sh --table '$table' --into '$into' --sources mirror big" /dev/null > "$TMP/out" 2>&1 < /dev/null
    like "$(tr '\r' '\n' < "$TMP/out" | grep -c '^100 10.8M')" '^[1-9]' "a terminal shows how far a large file is"
    like "$(cat "$TMP/out")" "models: big: fetched config.json model.bin .last from mirror" "and what came of it"
else
    skip "no script(1): no terminal to show it on"
fi
rm -rf "$into"
MODELS_URL=$url/whole mm big
is "$(lines)" 1 "a log does not"
kill $server
wait $server 2> /dev/null
finish
