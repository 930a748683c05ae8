"""All rows of the table, by name."""

from tests.system.lab import (
    answers,
    boxes,
    dependencies,
    flicker,
    limits,
    lines,
    names,
    network,
    once,
    settings,
    starvation,
    storage,
    two,
    webhook,
)

MODULES = (
    network, names, lines, limits, settings, dependencies, storage, webhook, two, flicker, boxes, answers, starvation,
    once,
)  # fmt: skip
CASES = {case.name: case for module in MODULES for case in module.rows()}
