"""All rows of the table, by name."""

from tests.system.lab import dependencies, network, settings, storage, two, webhook

CASES = {
    case.name: case
    for case in (
        *network.rows(),
        *settings.rows(),
        *dependencies.rows(),
        *storage.rows(),
        *webhook.rows(),
        *two.rows(),
    )
}
