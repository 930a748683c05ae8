#!/bin/sh
# put.sh FILE TARGET, of install.sh: a file of ours is renewed. One that was changed on this server stays, and ours is
# beside it as TARGET.new. What we wrote last is in /etc/okpuja/installed; without that (before 2026-12) TARGET.old is kept.
set -eu
ours=/etc/okpuja/installed/$(echo "$2" | tr / _)
if [ -e "$2" ] && [ -e "$ours" ] && ! cmp -s "$2" "$ours"; then
    install -m 644 "$1" "$2.new"
    echo "kept, because it was changed here: $2 (ours: $2.new)"
    exit
fi
if [ -e "$2" ] && [ ! -e "$ours" ] && ! cmp -s "$1" "$2"; then cp -p "$2" "$2.old"; fi
install -D -m 644 "$1" "$2"
install -D -m 644 "$1" "$ours"
