#!/bin/sh
# okpuja-upgrade SOURCE: installs a checkout as a new release and goes over to it, one process after the other.
# okpuja-upgrade --restart: the same release again, after a change of settings.
# A request never meets a closed door: the sockets belong to systemd, and one web process serves while the other starts.
set -eu
base=/opt/okpuja
keep=3
[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 1; }
exec 9>/run/okpuja-upgrade.lock
flock -n 9 || { echo "another upgrade is under way" >&2; exit 1; }

install_release() {
    source=$(cd "$1" && pwd)
    release=$base/releases/$(date -u +%Y%m%dT%H%M%SZ)
    mkdir "$release"
    # The code without a developer's own files: neither their settings nor their database.
    tar -C "$source" --exclude=./.git --exclude=./.venv --exclude=./.env --exclude='*.sqlite3*' --exclude=__pycache__ \
        --exclude=./mail --exclude=./uploads --exclude=./backups --exclude=./.pytest_cache --exclude=./.mypy_cache \
        -cf - . | tar -C "$release" -xf -
    python3 -m venv "$release/.venv"
    sh "$release/tools/install.sh" "$release/.venv/bin/python" "$release/requirements.lock"
    "$release/.venv/bin/python" -m compileall -q "$release" -x '/\.venv/' || true
    chown -R root:root "$release"
    chmod -R u=rwX,go=rX "$release"
}

manage() { OKPUJA_RELEASE=$1 /usr/local/bin/okpuja "$2" "$3" "$4"; }

if [ "${1:?usage: okpuja-upgrade SOURCE | --restart}" = --restart ]; then
    release=$(readlink -f $base/current)
else
    install_release "$1"
fi
# The settings must be right, and the old code goes on working over the new tables: then it is safe to go over.
manage "$release" check --fail-level ERROR
[ ! -e $base/current ] || manage "$release" backup --to /var/lib/okpuja/backups
manage "$release" migrate --verbosity 1

if [ "$(readlink -f $base/current 2>/dev/null || true)" != "$release" ]; then
    [ ! -e $base/current ] || ln -sfn "$(readlink -f $base/current)" $base/previous
    ln -sfn "$release" $base/current.new
    mv -T $base/current.new $base/current
fi

if [ -d /run/systemd/system ] && systemctl is-enabled -q okpuja-worker.service 2>/dev/null; then
    for port in 8001 8002; do
        systemctl restart "okpuja-web@$port.service"
        tries=0
        until curl -fsS -o /dev/null --max-time 5 -H 'Host: 127.0.0.1' "http://127.0.0.1:$port/readyz"; do
            tries=$((tries + 1))
            [ $tries -lt 30 ] || { echo "okpuja-web@$port is not ready: run okpuja-rollback" >&2; exit 1; }
            sleep 1
        done
    done
    systemctl restart okpuja-worker.service
fi

# Old releases, but never the two that may be needed.
for old in $(find $base/releases -mindepth 1 -maxdepth 1 -type d | sort -r | tail -n +$((keep + 1))); do
    [ "$old" = "$(readlink -f $base/current)" ] || [ "$old" = "$(readlink -f $base/previous)" ] || rm -rf "$old"
done
echo "running: $release"
