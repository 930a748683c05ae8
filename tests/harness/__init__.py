"""What tests share: rows, servers, a real PostgreSQL, a scripted PhonePe, and the money invariants in SQL."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `make proofs` runs every case of the tests marked `proof`; `make test` every n-th or none, others on each database.
PROOFS = os.environ.get("PROOFS") == "1"
# `make test-fast` without ARGS plays a part of the unit tests.
FAST = os.environ.get("FAST") == "1"
