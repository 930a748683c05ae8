#!/bin/sh
# okpuja-rollback: back to the release before, at once and without a migration: its code works over the newer tables
# (tests/integration/upgrade). The database is not touched, so that no payment is lost.
set -eu
base=/opt/okpuja
[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 1; }
before=$(readlink -e $base/previous) || { echo "there is no release before this one" >&2; exit 1; }
now=$(readlink -f $base/current)
ln -sfn "$before" $base/current.new
mv -T $base/current.new $base/current
ln -sfn "$now" $base/previous
if [ -d /run/systemd/system ]; then
    systemctl restart okpuja-web@8001.service
    systemctl restart okpuja-web@8002.service
    systemctl restart okpuja-worker.service
fi
echo "running: $before"
