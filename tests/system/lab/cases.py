"""All rows of the table, by name."""

from tests.system.lab import (
    answers,
    boxes,
    dependencies,
    flicker,
    network,
    once,
    settings,
    starvation,
    storage,
    two,
    webhook,
)

MODULES = (network, settings, dependencies, storage, webhook, two, flicker, boxes, answers, starvation, once)
CASES = {case.name: case for module in MODULES for case in module.rows()}
