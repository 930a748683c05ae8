#!/bin/sh
# install.sh PYTHON LOCK: installs exactly what the lock names, file by file as its hashes say. pip is heard only if it fails.
set -eu
python=$1 lock=$2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing $lock (the first time takes about a minute)"
if ! "$python" -m pip install --disable-pip-version-check --require-hashes -r "$lock" >"$log" 2>&1; then
    cat "$log" >&2
    echo "installing $lock failed: what pip said stands above" >&2
    exit 1
fi
