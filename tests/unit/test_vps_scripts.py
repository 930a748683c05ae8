"""deploy/vps as it is run on a server: its scripts in a folder of their own, with programs of the system replaced.

Replaced are what needs root, packages or systemd; what the scripts decide and write is their own.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import ROOT

HOST = "pay.example.com"
PROGRAMS = {
    "id": 'case "$1" in -u) echo 0 ;; -un) echo root ;; esac',
    "apt-get": "",
    "chown": "",
    "nginx": "",
    "nft": "",
    "sleep": "",
    # An owner cannot be given without being root.
    "install": 'for word; do shift; case $word in okpuja | root | -o | -g) ;; *) set -- "$@" "$word" ;; esac; done\n'
    'exec /usr/bin/install "$@"',
    "runuser": 'shift 3; case $1 in psql) echo 1 ;; *) exec "$@" ;; esac',
    # Each moment is a second later than the one before.
    "date": 'n=$(cat SERVER/moment); echo $((n + 1)) >SERVER/moment; printf "20260101T%06dZ\\n" "$n"',
    "python3": 'case "$*" in "-m venv "*) mkdir -p "$3/bin"; printf "#!/bin/sh\\n" >"$3/bin/python"\n'
    'chmod +x "$3/bin/python" ;; *) exec /usr/bin/python3 "$@" ;; esac',
    # A process answers when the release that it was started with is good, or good on its port. A dead one ends at its
    # start.
    "systemctl": 'echo "$*" >>SERVER/systemctl\n'
    'case "$*" in "is-enabled "*) [ -e SERVER/enabled ] ;; "enable "*) touch SERVER/enabled\n'
    "for port in 8001 8002; do cp SERVER/opt/okpuja/current/state SERVER/state-$port.service; done ;;\n"
    '"restart okpuja-web@"*) cp SERVER/opt/okpuja/current/state "SERVER/state-${2#okpuja-web@}"\n'
    "! grep -qx dead SERVER/opt/okpuja/current/state ;; esac",
    "curl": 'port=$(echo "$*" | sed "s|.*1:\\([0-9]*\\)/readyz|\\1|")\n'
    'grep -qx -e good -e "good on $port" "SERVER/state-$port.service"',
}


class Server:
    def __init__(self, folder: Path) -> None:
        self.folder, self.vps = folder, folder / "checkout/deploy/vps"
        shutil.copytree(ROOT / "deploy/vps", self.vps)
        for file in (path for path in self.vps.rglob("*") if path.is_file()):
            text = re.sub(r"(?<![\w.}])/(etc|opt|var|run|usr/local)/", rf"{folder}/\1/", file.read_text())
            file.write_text(text)
        for name in ("etc/systemd/system", "etc/nginx/sites-available", "etc/nginx/sites-enabled"):
            (folder / name).mkdir(parents=True)
        for name in ("run/systemd/system", "usr/local/bin", "usr/local/sbin", "bin", "checkout/tools"):
            (folder / name).mkdir(parents=True)
        shutil.copy(ROOT / ".env.example", folder / "checkout")
        (folder / "checkout/tools/install.sh").touch()
        (folder / "moment").write_text("1")
        for name, text in PROGRAMS.items():
            (folder / "bin" / name).write_text("#!/bin/sh\n" + text.replace("SERVER", str(folder)) + "\n")
            (folder / "bin" / name).chmod(0o755)

    def run(self, *words: str) -> str:
        """Returns what was said; a script that fails says so in the last line."""
        path = f"{self.folder}/bin:{self.folder}/usr/local/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", *words], capture_output=True, text=True, check=False, timeout=60, env={"PATH": path}
        )
        return done.stdout + done.stderr + (f"failed: {done.returncode}" if done.returncode else "")

    def install(self, word: str = "good") -> str:
        self.state(word)
        told = self.run(str(self.vps / "install.sh"), HOST, str(self.folder / "checkout"))
        assert "failed" not in told, told
        return told

    def state(self, word: str) -> None:
        """Of the release that is installed next: whether it will be ready."""
        (self.folder / "checkout/state").write_text(f"{word}\n")

    def upgrade(self, word: str) -> str:
        self.state(word)
        return self.run(f"{self.folder}/usr/local/sbin/okpuja-upgrade", str(self.folder / "checkout"))

    def rollback(self) -> str:
        return self.run(f"{self.folder}/usr/local/sbin/okpuja-rollback")

    @property
    def current(self) -> Path:
        return (self.folder / "opt/okpuja/current").resolve()

    @property
    def releases(self) -> list[Path]:
        return sorted((self.folder / "opt/okpuja/releases").iterdir())


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    made.install()
    return made


def test_no_secret_is_an_argument_of_a_program(tmp_path):
    """Everybody on the machine can read the arguments of every process."""
    server = Server(tmp_path)
    for name in ("python3", "sed"):
        real = shutil.which(name)
        original = (
            (tmp_path / "bin" / name).read_text() if name in PROGRAMS else f'#!/bin/sh\nexec {real} "$@"\n'
        )
        (tmp_path / "bin" / name).write_text(
            original.replace("#!/bin/sh\n", f'#!/bin/sh\necho "$*" >>{tmp_path}/arguments\n')
        )
        (tmp_path / "bin" / name).chmod(0o755)
    server.install()
    written = dict(
        line.split("=", 1)
        for line in (tmp_path / "etc/okpuja/okpuja.env").read_text().splitlines()
        if re.match(r"\w+=", line)
    )

    assert written["ALLOWED_HOSTS"] == f"{HOST},127.0.0.1"
    assert written.keys() == dict(re.findall(r"(?m)^(\w+)=(.*)", (ROOT / ".env.example").read_text())).keys()
    seen = (tmp_path / "arguments").read_text()
    for secret in ("SECRET_KEY", "OPS_TOKEN", "DATA_KEYS", "BACKUP_KEY"):
        assert len(written[secret]) >= 32
        assert written[secret] not in seen


@pytest.mark.proof(every=4)
@pytest.mark.parametrize(
    "file",
    [
        "etc/systemd/system/okpuja-worker.service",
        "etc/okpuja/okpuja.nft",
        "etc/nginx/sites-available/okpuja",
        "etc/nginx/conf.d/okpuja-limits.conf",
    ],
)
def test_what_an_operator_changed_outlives_the_script(server, file):
    changed = server.folder / file
    untouched = server.folder / "etc/systemd/system/okpuja-backup.timer"
    text = changed.read_text()
    changed.write_text(text + "# changed here\n")
    timer = server.vps / "systemd/okpuja-backup.timer"
    timer.write_text(timer.read_text() + "# newer\n")

    for _ in range(2):
        assert str(changed) in server.install()
        assert changed.read_text() == text + "# changed here\n"
        assert Path(f"{changed}.new").read_text() == text
        assert untouched.read_text() == timer.read_text()


def test_new_units_are_read_before_the_release_is_started_and_the_firewall_after(server):
    (server.folder / "systemctl").unlink()
    server.install()

    told = (server.folder / "systemctl").read_text().splitlines()
    assert told.index("daemon-reload") < told.index("restart okpuja-web@8001.service")
    assert any("reload-or-restart okpuja-firewall.service" in line for line in told)


def test_nginx_is_reloaded_after_each_renewal_of_the_certificate(server):
    hook = server.folder / "etc/letsencrypt/renewal-hooks/deploy/okpuja"
    (server.folder / "systemctl").unlink()

    assert os.access(hook, os.X_OK)
    assert server.run(str(hook)) == ""
    assert (server.folder / "systemctl").read_text() == "reload nginx\n"


def test_after_upgrades_that_failed_rollback_goes_to_the_release_that_served(server):
    assert "running" in server.upgrade("good")
    served = server.current
    for _ in range(3):
        assert "not ready: 8001." in server.upgrade("broken")
    assert server.current != served

    assert f"running: {served}" in server.rollback()
    assert server.current == served
    assert "running" in server.upgrade("good")
    assert served in server.releases
    assert f"running: {served}" in server.rollback()


def test_the_release_that_served_outlives_any_number_of_failures(server):
    first = server.current
    for word in ("broken", "broken", "broken", "broken", "good", "broken", "broken", "broken", "broken"):
        server.upgrade(word)

    second = server.current
    told = server.rollback()
    assert "failed" not in told
    assert server.current not in {first, second}
    assert (server.current / "state").read_text() == "good\n"


def test_a_rollback_is_taken_back_only_to_what_served(server):
    first = server.current
    server.upgrade("good")
    second = server.current
    server.rollback()
    assert server.current == first
    server.rollback()
    assert server.current == second

    server.upgrade("broken")
    server.rollback()
    assert server.current == second
    assert f"running: {first}" in server.rollback()


def test_without_a_release_that_served_nothing_is_changed(tmp_path):
    made = Server(tmp_path)
    made.install("broken")
    only = made.current

    made.upgrade("broken")
    broken = made.current
    assert broken != only
    assert "there is no release to go back to" in made.rollback()
    assert made.current == broken


def test_a_rollback_to_a_release_that_ends_at_its_start_restarts_all_of_it(server):
    """Nothing better is there: each process is tried, and the script says what does not answer."""
    server.upgrade("good")
    (server.folder / "opt/okpuja/previous/state").write_text("dead\n")
    (server.folder / "systemctl").unlink()

    assert "not ready: 8001 8002." in server.rollback()
    restarted = re.findall(r"(?m)^restart (.*)$", (server.folder / "systemctl").read_text())
    assert restarted == ["okpuja-web@8001.service", "okpuja-web@8002.service", "okpuja-worker.service"]


def test_old_releases_are_deleted(server):
    for _ in range(6):
        server.upgrade("good")

    assert len(server.releases) == 3
    assert server.current == server.releases[-1]


@pytest.mark.parametrize("word", ["broken", "dead"])
def test_the_release_before_serves_on_while_the_new_one_is_not_ready(server, word):
    told = server.upgrade(word)

    assert "okpuja-web@8001 was stopped: okpuja-web@8002 serves alone, as before" in told
    assert "okpuja-rollback goes back" in told
    assert (server.folder / "state-8002.service").read_text() == "good\n"
    # Requests do not wait in the socket of the other one.
    assert "stop okpuja-web@8001.socket" in (server.folder / "systemctl").read_text()
    assert "restart okpuja-worker" not in (server.folder / "systemctl").read_text()


def test_a_release_that_is_ready_on_the_first_port_only_serves_there(server):
    told = server.upgrade("good on 8001")

    assert f"okpuja-web@8002 was stopped: okpuja-web@8001 serves alone, with {server.current}" in told
    assert "not ready: 8002." in told
