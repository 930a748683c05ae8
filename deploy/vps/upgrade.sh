#!/bin/sh
# okpuja-upgrade SOURCE: installs a checkout as a new release and switches to it, one process after the other.
# okpuja-upgrade --restart: restarts the same release, after a change of settings.
# okpuja-upgrade --rollback: back to the release that served before (okpuja-rollback).
# No request is refused: systemd keeps the sockets open, and one web process serves while the other starts.
#
# A release that has answered /readyz has a file .was-ready. `previous` points at no other, and the newest is never deleted:
# after any number of upgrades that failed there is one to go back to.
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
        --exclude=./.was-ready -cf - . | tar -C "$release" -xf -
    python3 -m venv "$release/.venv"
    sh "$release/tools/install.sh" "$release/.venv/bin/python" "$release/requirements.lock"
    "$release/.venv/bin/python" -m compileall -q "$release" -x '/\.venv/' || true
    chown -R root:root "$release"
    chmod -R u=rwX,go=rX "$release"
}

manage() { OKPUJA_RELEASE=$1 /usr/local/bin/okpuja "$2" "$3" "$4"; }

runs() { [ -d /run/systemd/system ] && systemctl is-enabled -q okpuja-worker.service 2>/dev/null; }

ready() { curl -fsS -o /dev/null --max-time 5 -H 'Host: 127.0.0.1' "http://127.0.0.1:$1/readyz"; }

# The release that answered last, without the one that is named.
newest_ready() {
    find $base/releases -mindepth 2 -maxdepth 2 -name .was-ready -printf '%T@ %h\n' | sort -rn | cut -d ' ' -f 2- |
        grep -vxF "$1" | head -n 1
}

go_over() {
    ln -sfn "$release" $base/current.new
    mv -T $base/current.new $base/current
    # A rollback must not lead to a release that did not answer.
    back=$(newest_ready "$release")
    [ -z "$before" ] || [ "$before" = "$release" ] || [ ! -e "$before/.was-ready" ] || back=$before
    if [ -n "$back" ]; then ln -sfn "$back" $base/previous; else rm -f $base/previous; fi
}

restart_processes() {
    unready=
    for port in 8001 8002; do
        tries=0
        # It fails at once when the process ends at its start.
        systemctl restart "okpuja-web@$port.service" || tries=30
        until ready $port; do
            tries=$((tries + 1))
            [ $tries -lt 30 ] || { unready="$unready $port"; break; }
            sleep 1
        done
        # The other process still serves. After a rollback there is no better release.
        [ -z "$unready" ] || [ "$1" = --rollback ] || break
    done
    if [ -z "$unready" ]; then touch "$release/.was-ready"; fi
    if [ -z "$unready" ] || [ "$1" = --rollback ]; then
        systemctl restart okpuja-worker.service || unready="$unready worker"
    else
        # Requests would wait in its socket. Refused there, nginx takes them to the other process at once.
        systemctl stop "okpuja-web@$port.socket" "okpuja-web@$port.service"
        if [ $port = 8001 ]; then other="8002 serves alone, as before"; else other="8001 serves alone, with $release"; fi
        echo "okpuja-web@$port was stopped: okpuja-web@$other" >&2
    fi
    [ -z "$unready" ] || { echo "not ready:$unready. okpuja doctor says why, okpuja-rollback goes back" >&2; exit 1; }
}

before=$(readlink -e $base/current || true)
# A release of before these marks, or the first one of a server: both processes answer, and so it is one to go back to.
if [ -n "$before" ] && [ ! -e "$before/.was-ready" ] && runs && ready 8001 2>/dev/null && ready 8002 2>/dev/null; then
    touch "$before/.was-ready"
fi
case ${1:?usage: okpuja-upgrade SOURCE | --restart | --rollback} in
    --rollback)
        release=$(readlink -e $base/previous) || { echo "there is no release to go back to" >&2; exit 1; }
        ;;
    *)
        if [ "$1" = --restart ]; then release=${before:?nothing is installed}; else install_release "$1"; fi
        # The settings must be right, and the old code works with the new tables: then it is safe to switch.
        manage "$release" check --fail-level ERROR
        [ -z "$before" ] || manage "$release" backup --to /var/lib/okpuja/backups
        manage "$release" migrate --verbosity 1
        ;;
esac
[ "$release" = "$before" ] || go_over
if runs; then restart_processes "$1"; fi

# Old releases, but never one that may be needed.
for old in $(find $base/releases -mindepth 1 -maxdepth 1 -type d | sort -r | tail -n +$((keep + 1))); do
    case $old in
        "$release" | "$(readlink -f $base/previous)" | "$(newest_ready "")" | "$(newest_ready "$release")") ;;
        *) rm -rf "$old" ;;
    esac
done
echo "running: $release"
