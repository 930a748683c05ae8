"""All rows of the table, by name."""

from tests.system.lab import doorbell, house, settings, two, way

CASES = {
    case.name: case for case in (*way.rows(), *settings.rows(), *house.rows(), *doorbell.rows(), *two.rows())
}
