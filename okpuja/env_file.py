"""`python -m okpuja.env_file`: writes .env once, from .env.example, with random secrets for its owner alone."""

import re
import secrets
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
BYTES_OF = {"SECRET_KEY": 40, "OPS_TOKEN": 18, "DEMO_PASSWORD": 9}


def write() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    for name, size in BYTES_OF.items():
        text = re.sub(rf"(?m)^{name}=$", f"{name}={secrets.token_urlsafe(size)}", text)
    # `make run PORT=…` decides the address (okpuja.serving_address), and a person reads the log.
    text = text.replace("\nPUBLIC_BASE_URL=", "\n# PUBLIC_BASE_URL=")
    text = text.replace("\nLOG_FORMAT=json\n", "\nLOG_FORMAT=console\n")
    path = BASE_DIR / ".env"
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)


if __name__ == "__main__":
    write()
