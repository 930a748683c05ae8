#!/bin/sh
# install.sh HOST [SOURCE]: one small server for OkPuja payments on Debian 12 or Ubuntu 24.04. Run it as root, as often as
# you like: what is there stays, what is missing is added. SOURCE is a checkout of the code; without it, this one.
#
#   /opt/okpuja/releases/STAMP   the code with its virtual environment; /opt/okpuja/current points at one of them
#   /etc/okpuja/okpuja.env       the settings, written once with random secrets
#   /var/lib/okpuja              private files and backups
set -eu
host=${1:?usage: install.sh HOST [SOURCE]}
source=$(cd "${2:-$(dirname "$0")/../..}" && pwd)
here=$source/deploy/vps
settings=/etc/okpuja/okpuja.env
case $host in *[!A-Za-z0-9.-]*) echo "HOST is a name such as pay.example.com" >&2; exit 2 ;; esac
[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 1; }
step() { echo "== $*"; }
put() { sh "$here/put.sh" "$@"; }

step "packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends python3 python3-venv postgresql postgresql-client nginx certbot nftables \
    logrotate ca-certificates curl openssl

step "user and folders"
id okpuja >/dev/null 2>&1 || useradd --system --home-dir /var/lib/okpuja --shell /usr/sbin/nologin okpuja
install -d -m 755 /opt/okpuja /opt/okpuja/releases
install -d -m 750 -o root -g okpuja /etc/okpuja
install -d -m 700 -o okpuja -g okpuja /var/lib/okpuja /var/lib/okpuja/uploads /var/lib/okpuja/backups

step "database"
if [ ! -d /run/systemd/system ]; then service postgresql start; fi # a container, or a chroot
as_postgres() { (cd / && runuser -u postgres -- psql -qtA "$@"); }
if [ "$(as_postgres -c "SELECT 1 FROM pg_roles WHERE rolname = 'okpuja'")" != 1 ]; then
    as_postgres -c "CREATE ROLE okpuja LOGIN" # through the local socket: PostgreSQL asks the kernel who it is
fi
if [ "$(as_postgres -c "SELECT 1 FROM pg_database WHERE datname = 'okpuja'")" != 1 ]; then
    as_postgres -c "CREATE DATABASE okpuja OWNER okpuja ENCODING 'UTF8' TEMPLATE template0"
fi

step "settings"
if [ ! -e $settings ]; then
    umask 027
    # Here and not by arguments of a program, which everybody on the machine can read.
    python3 - "$host" "$source/.env.example" >$settings.new <<'PYTHON'
import re, secrets, sys
values = {
    "SECRET_KEY": secrets.token_urlsafe(40),
    "OPS_TOKEN": secrets.token_urlsafe(24),
    "DATA_KEYS": secrets.token_urlsafe(32),
    "BACKUP_KEY": secrets.token_urlsafe(33),
    "BACKUP_DIR": "/var/lib/okpuja/backups",
    "UPLOADS_DIR": "/var/lib/okpuja/uploads",
    "DATABASE_URL": "postgresql://okpuja@%2Fvar%2Frun%2Fpostgresql/okpuja",
    "PUBLIC_BASE_URL": "https://" + sys.argv[1],
    "ALLOWED_HOSTS": sys.argv[1] + ",127.0.0.1",
    "CORS_ALLOWED_ORIGINS": "",
    "EMAIL_URL": "file:///var/lib/okpuja/mail",
    "NUM_PROXIES": "1",
}
for line in open(sys.argv[2], encoding="utf-8"):
    name = re.match(r"(\w*)=?", line)[1]
    print(f"{name}={values[name]}" if line.startswith(f"{name}=") and name in values else line.rstrip("\n"))
PYTHON
    chown root:okpuja $settings.new
    chmod 640 $settings.new
    mv $settings.new $settings
    umask 022
    echo "written: $settings. Keep a copy of SECRET_KEY, DATA_KEYS and BACKUP_KEY in another place."
fi

step "units, proxy, firewall, wrapper"
install -m 755 "$here/okpuja" /usr/local/bin/okpuja
install -m 755 "$here/upgrade.sh" /usr/local/sbin/okpuja-upgrade
install -m 755 "$here/rollback.sh" /usr/local/sbin/okpuja-rollback
install -d -m 755 /etc/okpuja/nft.d /etc/okpuja/nginx.d
for unit in "$here"/systemd/*.service "$here"/systemd/*.socket "$here"/systemd/*.timer; do
    put "$unit" "/etc/systemd/system/${unit##*/}"
done
put "$here/systemd/journald@okpuja.conf" /etc/systemd/journald@okpuja.conf
put "$here/okpuja.nft" /etc/okpuja/okpuja.nft
put "$here/nginx/okpuja-limits.conf" /etc/nginx/conf.d/okpuja-limits.conf
put "$here/nginx/okpuja-proxy.conf" /etc/nginx/snippets/okpuja-proxy.conf
# Without a certificate only http, for certbot. The second run of this script, after certbot, opens https.
site=okpuja-http.conf
[ ! -e "/etc/letsencrypt/live/$host/fullchain.pem" ] || site=okpuja-https.conf
site_file=$(mktemp)
sed "s/HOST/$host/g" "$here/nginx/$site" >"$site_file"
put "$site_file" /etc/nginx/sites-available/okpuja
rm "$site_file"
ln -sf ../sites-available/okpuja /etc/nginx/sites-enabled/okpuja
rm -f /etc/nginx/sites-enabled/default
install -d -m 755 /var/www/certbot /etc/letsencrypt/renewal-hooks/deploy
# certbot.timer renews the certificate; nginx reads it again only when it is told to.
printf '#!/bin/sh\nexec systemctl reload nginx\n' >/etc/letsencrypt/renewal-hooks/deploy/okpuja
chmod 755 /etc/letsencrypt/renewal-hooks/deploy/okpuja
nginx -t
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi # before the release is started with these units

step "release"
/usr/local/sbin/okpuja-upgrade "$source"

step "services"
if [ -d /run/systemd/system ]; then
    systemctl enable -q --now okpuja-firewall.service okpuja-web@8001.socket okpuja-web@8002.socket \
        okpuja-web@8001.service okpuja-web@8002.service okpuja-worker.service okpuja-backup.timer
    systemctl reload-or-restart okpuja-firewall.service nginx.service
else
    echo "no systemd is running here: nothing was started"
fi

cat <<TEXT

Done. What is left is yours:
  1. point $host at this server, then: certbot certonly --webroot -w /var/www/certbot -d $host
     and run this script once more: it opens https and renews by itself (certbot.timer)
  2. edit $settings (PhonePe's credentials, mail, the shop's address), then: okpuja-upgrade --restart
  3. okpuja createsuperuser, then log in at https://$host/admin/
  4. okpuja doctor          whether everything can be reached, and whose fault it is if not
     okpuja golive          whether it may take real money
TEXT
