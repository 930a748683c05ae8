"""The files of deploy/: programs that read them accept them, and what they name exists.

A program that is not here is skipped, and the reason says what was not checked.
"""

import re
import shutil
import subprocess

import pytest
import yaml
from django.core.management import get_commands

from tests.harness import ROOT
from worker.management.commands.work import THREADS

VPS = ROOT / "deploy/vps"
SCRIPTS = [*sorted(VPS.glob("*.sh")), VPS / "okpuja"]
UNITS = sorted((VPS / "systemd").glob("okpuja*"))
ENVIRONMENT = (ROOT / ".env.example").read_text()


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        pytest.skip(f"NOT CHECKED: {name} is not here")
    return found


def run(*arguments: object) -> str:
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_plain_shell(script):
    run("sh", "-n", script)
    assert script.stat().st_mode & 0o100
    assert "set -eu" in script.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script):
    assert run(program("shellcheck"), "--shell=sh", script) == ""


def test_the_install_script_can_be_read_in_five_minutes():
    assert len((VPS / "install.sh").read_text().splitlines()) <= 120


def test_every_setting_that_the_script_writes_is_one():
    written = re.findall(r"(?m)^    \"(\w+)\": ", (VPS / "install.sh").read_text())

    assert len(written) > 8
    assert [name for name in written if not re.search(rf"(?m)^{name}=", ENVIRONMENT)] == []


@pytest.mark.parametrize(
    "file", [*SCRIPTS, *UNITS, ROOT / "deploy/prometheus/okpuja.rules.yml"], ids=lambda path: path.name
)
def test_every_command_that_a_file_names_is_one(file):
    named = re.findall(r"(?:manage\.py|[\s`:]okpuja|manage \"\$release\") ([a-z_]+)", file.read_text())
    named += re.findall(r"\[\w+\] \"(\w+)\"", file.read_text())

    # Words of sentences, and the user that is named okpuja.
    assert {name for name in named if name not in get_commands()} <= {"okpuja", "as", "or", "of", "exec"}


@pytest.mark.parametrize("certificate", [False, True], ids=["http", "https"])
def test_nginx_accepts_the_files(tmp_path, certificate):
    nginx = program("nginx")
    limits, proxy = VPS / "nginx/okpuja-limits.conf", VPS / "nginx/okpuja-proxy.conf"
    site = (VPS / f"nginx/okpuja-http{'s' if certificate else ''}.conf").read_text()
    site = site.replace("HOST", "pay.example.com").replace(
        "/etc/nginx/snippets/okpuja-proxy.conf", str(proxy)
    )
    site = site.replace("/etc/letsencrypt/live/pay.example.com", str(tmp_path))
    site = site.replace("/var/log/nginx", str(tmp_path))
    if certificate:
        run(
            *(
                program("openssl"),
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                2,
                "-subj",
                "/CN=a",
            ),
            *("-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"),
        )
    (tmp_path / "site.conf").write_text(site)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n"
        + "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"access_log off;\ninclude {limits};\ninclude {tmp_path}/site.conf;\n}}\n"
    )

    assert "successful" in run(nginx, "-t", "-e", "stderr", "-c", tmp_path / "nginx.conf", "-p", tmp_path)


def test_the_proxy_waits_for_longer_than_an_answer_may_take(settings):
    site, proxy = ((VPS / f"nginx/okpuja-{name}.conf").read_text() for name in ("https", "proxy"))
    seconds = int(re.search(r"proxy_read_timeout (\d+)s", site)[1])

    assert seconds > settings.PHONEPE_DEADLINE + 8  # and the queue of clicks (okpuja/lanes.py)
    assert "$proxy_add_x_forwarded_for" not in proxy


@pytest.mark.parametrize("file", ["vps/nginx/okpuja-https.conf", "compose/nginx.conf"])
def test_no_bound_of_an_address_holds_for_webhooks(file):
    """nginx hands a bound of the server down to every location that has none of its own."""
    text = re.sub(r"#.*", "", (ROOT / "deploy" / file).read_text())
    bound = r"limit_(?:req|conn) (?:zone=)?okpuja"
    webhooks = re.search(r"location /api/payments/webhook/ \{(.*?)\}", text, re.DOTALL)[1]
    others = re.findall(r"location (?!/api/payments/webhook/)[^{]*\{([^}]*proxy_pass[^}]*)\}", text)

    assert others
    assert all(re.search(bound, location) for location in others)
    assert not re.search(bound, webhooks)
    assert not re.search(bound, re.sub(r"location [^{]*\{.*?\}", "", text, flags=re.DOTALL))


def test_systemd_accepts_the_units(tmp_path):
    analyze = program("systemd-analyze")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/okpuja/current/.venv/bin/gunicorn", "/bin/true")
        text = text.replace("/opt/okpuja/current/.venv/bin/python", "/bin/true").replace(
            "/usr/sbin/nft", "/bin/true"
        )
        (tmp_path / unit.name).write_text(text)
    names = [tmp_path / unit.name.replace("@", "@8001") for unit in UNITS if unit.suffix != ".conf"]
    for unit, name in zip(UNITS, names, strict=False):
        if "@" in unit.name:
            shutil.copy(tmp_path / unit.name, name)
    told = run(analyze, "verify", "--man=no", "--recursive-errors=no", *names)

    ours = [line for line in told.splitlines() if "okpuja" in line and "Unknown" in line]
    assert ours == [], told


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda path: path.name
)
def test_every_program_of_ours_may_do_little(unit):
    text = unit.read_text()
    is_firewall = "firewall" in unit.name  # loads the rules of the kernel, as root
    for wanted in (
        *(
            ["CapabilityBoundingSet=CAP_NET_ADMIN\n"]
            if is_firewall
            else ["User=okpuja", "CapabilityBoundingSet=\n"]
        ),
        *("NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0077"),
    ):
        assert wanted in text


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda path: path.name
)
def test_systemd_finds_every_program_of_ours_well_confined(unit):
    """Its measure goes from 0 to 10; a service without any bounds has 9.6."""
    told = run(program("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)

    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told)[1]) <= 2.5


def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_every_service_of_compose_runs_a_program_that_is_there():
    services = compose()["services"]

    assert {"database", "valkey", "migrate", "web", "worker", "proxy"} <= services.keys()
    ours = [service for service in services.values() if service.get("build")]
    commands = [service["command"] for service in ours if "command" in service]
    assert {command[2] for command in commands if command[1] == "manage.py"} <= get_commands().keys()
    assert {command[0] for command in commands} <= {"python", "celery"}
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        named = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert all(name.startswith("./") or name in compose()["volumes"] for name in named)
        assert all((ROOT / name).exists() for name in named if name.startswith("./"))


def test_celery_runs_in_an_image_that_has_it_and_every_log_is_bounded():
    services = compose()["services"]
    celery = [service for service in services.values() if service.get("command", [""])[0] == "celery"]
    plain = {service["image"] for service in services.values() if service.get("build") == "."}

    assert [service["build"]["args"] for service in celery] == [{"CELERY": "1"}] * 2
    assert not plain & {service["image"] for service in celery}
    assert all(service["logging"]["options"]["max-size"] for service in services.values())


def test_every_setting_of_compose_is_one():
    named = set().union(*(service.get("environment", {}) for service in compose()["services"].values()))
    settings = {name for name in named if not name.startswith("POSTGRES_")}

    assert len(settings) > 5
    assert [name for name in settings if not re.search(rf"(?m)^{name}=", ENVIRONMENT)] == []


def test_no_container_of_ours_is_root_or_writes_to_its_own_code():
    for service in compose()["services"].values():
        if service.get("build"):
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 10001" in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines)


def test_the_image_is_built_from_what_is_here_and_from_the_lock_file():
    text = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) /", text)
    files = [name for line in copied for name in line.split()]

    assert all((ROOT / name).exists() for name in files)
    assert "--require-hashes" in text
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", ".venv", "uploads", "backups"} <= set(ignored)


def test_hadolint_finds_nothing():
    run(program("hadolint"), ROOT / "Dockerfile")


def test_celery_gets_as_many_threads_as_a_worker_has():
    """A silent PhonePe then leaves the same threads for other work in both."""
    threads = sum(count for _, count in THREADS)
    for file in ("compose.yaml", "okpuja/celery.py", "docs/scaling.md"):
        numbers = re.findall(r'--concurrency[ ,]+"?(\d+)', (ROOT / file).read_text(encoding="utf-8"))
        assert numbers, file
        assert {int(number) for number in numbers} == {threads}, file
