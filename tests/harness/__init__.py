"""What tests share: rows, servers, a real PostgreSQL, a scripted PhonePe, and the money invariants in SQL."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
