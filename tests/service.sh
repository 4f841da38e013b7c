# Helpers of the tests that talk to a service. Source after tests/lib.sh.
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
: "${O:=$PWD/build}"
SERVER_PID="" SERVED=$TMP/served
trap 'kill $SERVER_PID 2> /dev/null; chmod -R u+w "$TMP" 2> /dev/null; rm -rf "$TMP"' EXIT

# serve NAME [-] [options of tests/server.c]: a new service in place of the old; "-": a script
# comes on stdin (a here-document: behind a pipe this would be a subshell). Sets URL and LOG.
serve() {
    [ -z "$SERVER_PID" ] || { kill "$SERVER_PID" 2> /dev/null; wait "$SERVER_PID" 2> /dev/null; }
    LOG=$TMP/$1.requests
    shift
    rm -f "$TMP/port" "$LOG" "$SERVED"
    : > "$LOG"
    : > "$SERVED"
    : > "$TMP/script"
    [ "${1-}" != - ] || { shift; cat > "$TMP/script"; }
    "$O/tests/server" --port-file "$TMP/port" --log "$LOG" --script "$TMP/script" "$@" < /dev/null > /dev/null 2>&1 &
    SERVER_PID=$!
    while [ ! -s "$TMP/port" ]; do
        kill -0 "$SERVER_PID" 2> /dev/null || { echo "Bail out! the test server does not start"; exit 1; }
        sleep 0.02
    done
    URL=http://127.0.0.1:$(cat "$TMP/port")/v1
}
requests() { wc -l < "$LOG" | tr -d ' '; }
