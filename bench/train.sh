#!/bin/sh
# SPDX-License-Identifier: MIT
. bench/lib.sh
make -s build/tests/test_dlrm
BENCH=1 build/tests/test_dlrm | grep '^# epoch' | sed 's/^# //'
python3 "$MM_SHARED/peers/dlrm_peer.py" 2048 5
