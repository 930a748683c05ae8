#!/bin/sh
# okpuja-rollback: back to the release that served before, at once and without a migration: its code works over the newer
# tables (tests/integration/upgrade). The database is not touched, so that no payment is lost.
set -eu
exec /usr/local/sbin/okpuja-upgrade --rollback
