"""What the check-outs of earlier versions keep as JSON, read into columns, and written back on the way back.

`snapshot` and `address` are saved answers of the API. Every earlier version wrote the same keys. What is missing, or
cannot be read, is taken from the row of the catalogue that the check-out is for. The columns are then compared with
the JSON: a key that no version wrote, or a value that no column holds, is named in the log, for it is dropped.
"""

import logging
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db import migrations, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

BATCH = 500
NAMED = 10  # check-outs in one line of the log
SMALL, LARGE, ID = 32_767, 2_147_483_647, 2**63 - 1  # the largest numbers of the columns
log = logging.getLogger("booking.migrations")

PUJA = {
    "title": "puja_title",
    "image_url": "puja_image_url",
    "description": "puja_description",
    "type": "puja_type",
    "duration_minutes": "puja_duration_minutes",
    "created_at": "puja_created_at",
    "updated_at": "puja_updated_at",
}
CATEGORY = {
    "id": "category_id",
    "name": "category_name",
    "created_at": "category_created_at",
    "updated_at": "category_updated_at",
}
PACKAGE = {
    "location": "package_location",
    "language": "package_language",
    "package_type": "package_type",
    "description": "package_description",
    "includes_materials": "includes_materials",
    "priest_count": "priest_count",
    "created_at": "package_created_at",
    "updated_at": "package_updated_at",
}
ADDRESS_LINES = {
    "address_line1": "address_line1",
    "address_line2": "address_line2",
    "city": "address_city",
    "state": "address_state",
    "postal_code": "address_postal_code",
    "country": "address_country",
}


def read_snapshots(apps, schema_editor):
    """In batches, each in a transaction of its own: whoever is interrupted goes on where it stopped."""
    Checkout = apps.get_model("booking", "Checkout")
    unread = Checkout.objects.filter(package=None).select_related(
        "cart__puja_service__category", "cart__package", "promo_code"
    )
    dropped, first = Counter(), defaultdict(list)
    for rows in batches(unread):
        catalogue = Catalogue(apps, rows)
        columns = {row.pk: columns_of(row, catalogue) for row in rows}
        write(schema_editor.connection, Checkout, columns)
        for row in rows:
            for key in lost_keys(row, columns[row.pk]):
                dropped[key] += 1
                if len(first[key]) < NAMED:
                    first[key].append(row.pk)
    for key, count in sorted(dropped.items()):
        log.warning("%s of %d check-outs is not kept, among them %s", key, count, first[key])


def write_snapshots(apps, schema_editor):
    Checkout = apps.get_model("booking", "Checkout")
    for rows in batches(Checkout.objects.filter(snapshot__isnull=True)):
        written = {}
        for row in rows:
            columns = {field.attname: getattr(row, field.attname) for field in Checkout._meta.concrete_fields}
            written[row.pk] = {"snapshot": snapshot_of(columns), "address": address_of(columns)}
        write(schema_editor.connection, Checkout, written)


def batches(rows):
    """All of them by id, BATCH at a time."""
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield batch
        last = batch[-1].pk


def write(connection, model, columns):
    """`columns` by primary key; each row with the same names. One prepared UPDATE for the whole batch."""
    names = [*next(iter(columns.values()))]
    fields = [next(f for f in model._meta.concrete_fields if f.attname == name) for name in names]
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    statement = f"UPDATE {quote(model._meta.db_table)} SET {assignments} WHERE id = %s"  # noqa: S608 - our own names
    values = [
        [*(field.get_db_prep_save(row[field.attname], connection) for field in fields), pk]
        for pk, row in columns.items()
    ]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.executemany(statement, values)


class Catalogue:
    """The services and packages that the snapshots of a batch name, as they are today; else those of the cart."""

    def __init__(self, apps, rows):
        parts = [part(row.snapshot) for row in rows]
        services = apps.get_model("booking", "PujaService").objects.select_related("category")
        self.services = services.in_bulk(
            {whole(part(p.get("puja_service")).get("id"), ID) for p in parts} - {None}
        )
        packages = apps.get_model("booking", "Package").objects
        self.packages = packages.in_bulk(
            {whole(part(p.get("package")).get("id"), ID) for p in parts} - {None}
        )

    def service(self, row, pk):
        return self.services.get(pk) or row.cart.puja_service

    def package(self, row, pk):
        return self.packages.get(pk) or row.cart.package


# --- from JSON to columns ----------------------------------------------------------------------


def columns_of(row, catalogue):
    snapshot = part(row.snapshot)
    puja, package = part(snapshot.get("puja_service")), part(snapshot.get("package"))
    service = catalogue.service(row, whole(puja.get("id"), ID))
    sold = catalogue.package(row, whole(package.get("id"), ID))
    category = part(puja.get("category_detail"))
    if whole(category.get("id"), ID) is None:
        category = category | {"id": puja.get("category")}
    read = {
        "puja_service_id": service.pk,
        "package_id": sold.pk,
        **columns_from(row, puja, PUJA, service),
        **columns_from(row, category, CATEGORY, service.category),
        **columns_from(row, package, PACKAGE, sold),
        **promo_columns(row, part(snapshot.get("promo_code"))),
        **address_columns(row),
    }
    if not read["puja_title"].strip():
        read["puja_title"] = service.title
    return read


def columns_from(row, found, names, today):
    """Each column from its key, else from the row of today."""
    read = {}
    for key, column in names.items():
        value = value_for(row._meta.get_field(column), found.get(key))
        read[column] = getattr(today, key) if value is None else value
    return read


def promo_columns(row, found):
    """Empty without a promo code: the check-out itself says whether there was one."""
    if row.promo_code is None:
        none = dict.fromkeys(("promo_percent", "promo_amount_paise", "promo_min_order_paise"))
        return {"promo_code_text": "", "promo_description": "", **none, "promo_max_discount_paise": None}
    promo = row.promo_code
    percent = amount = None
    if found.get("discount_type") == "PERCENTAGE":
        percent = whole(found.get("discount"), 100) or None
    elif found.get("discount_type") == "FIXED":
        amount = paise(found.get("discount")) or None
    if percent is None and amount is None:
        percent, amount = promo.percent, promo.amount_paise
    least = paise(found.get("min_order_amount"))
    is_capped = found.get("max_discount_amount", promo.max_discount_paise) is not None
    most = paise(found.get("max_discount_amount")) if is_capped else None
    names = {"code": "promo_code_text", "description": "promo_description"}
    read = columns_from(row, found, names, promo)
    return {
        **read,
        "promo_code_text": read["promo_code_text"] or promo.code,
        "promo_percent": percent,
        "promo_amount_paise": amount,
        "promo_min_order_paise": promo.min_order_paise if least is None else least,
        "promo_max_discount_paise": promo.max_discount_paise if is_capped and most is None else most,
    }


def address_columns(row):
    """An address of one text, or without its first line, is kept in the first line."""
    found = row.address if isinstance(row.address, dict) else {"address_line1": row.address}
    lines = {
        column: value_for(row._meta.get_field(column), found.get(key)) or ""
        for key, column in ADDRESS_LINES.items()
    }
    if not lines["address_line1"]:
        lines["address_line1"] = ", ".join(filter(None, lines.values()))[:200]
    is_there = bool(lines["address_line1"])
    return {
        **lines,
        "address_id": whole(found.get("id"), ID) if is_there else None,
        "address_is_default": is_there and found.get("is_default") is True,
        "address_created_at": moment(found.get("created_at")) if is_there else None,
        "address_updated_at": moment(found.get("updated_at")) if is_there else None,
    }


def part(value):
    return value if isinstance(value, dict) else {}


def value_for(field, value):
    """In the type of the column; None when it is missing or cannot be read."""
    kind = field.get_internal_type()
    if kind in ("CharField", "TextField"):
        return value[: field.max_length] if isinstance(value, str) else None
    if kind == "DateTimeField":
        return moment(value)
    if kind == "BooleanField":
        return value if isinstance(value, bool) else None
    return whole(value, SMALL if kind == "PositiveSmallIntegerField" else ID)


def whole(value, largest):
    number = decimal(value)
    is_whole = number is not None and number == number.to_integral_value() and 0 <= number <= largest
    return int(number) if is_whole else None


def paise(rupees):
    """From "1100.00", "1,100", 1100.5 or 1100."""
    number = decimal(rupees)
    return None if number is None else whole(number * 100, LARGE)


def decimal(value):
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def moment(value):
    if not isinstance(value, str):
        return None
    try:
        read = parse_datetime(value)
    except ValueError:
        return None
    return timezone.make_aware(read) if read is not None and timezone.is_naive(read) else read


# --- from columns to JSON ----------------------------------------------------------------------


def snapshot_of(columns):
    """As every earlier version wrote it."""
    puja = {key: spelled(columns[column]) for key, column in PUJA.items()}
    category = {key: spelled(columns[column]) for key, column in CATEGORY.items()}
    package = {key: spelled(columns[column]) for key, column in PACKAGE.items()}
    start = timezone.localtime(columns["starts_at"])
    return {
        "puja_service": {
            **{"id": columns["puja_service_id"], "is_active": True, **puja},
            **{"category": category["id"], "category_detail": category},
        },
        "package": {
            **{"id": columns["package_id"], "puja_service": columns["puja_service_id"], "is_active": True},
            **{"price": rupees(columns["price_paise"]), **package},
        },
        "selected_date": start.date().isoformat(),
        "selected_time": f"{start:%H:%M}",
        "promo_code": promo_of(columns) if columns["promo_code_id"] else None,
    }


def promo_of(columns):
    percent, most = columns["promo_percent"], columns["promo_max_discount_paise"]
    return {
        "id": columns["promo_code_id"],
        "code": columns["promo_code_text"],
        "description": columns["promo_description"],
        "discount": str(percent) if percent else rupees(columns["promo_amount_paise"]),
        "discount_type": "PERCENTAGE" if percent else "FIXED",
        "min_order_amount": rupees(columns["promo_min_order_paise"]),
        "max_discount_amount": None if most is None else rupees(most),
        "is_valid": True,
        "validity_message": "",
    }


def address_of(columns):
    if not columns["address_line1"]:
        return None
    return {
        "id": columns["address_id"],
        **{key: columns[column] for key, column in ADDRESS_LINES.items()},
        "is_default": columns["address_is_default"],
        "created_at": spelled(columns["address_created_at"]),
        "updated_at": spelled(columns["address_updated_at"]),
    }


def spelled(value):
    return timezone.localtime(value).isoformat() if isinstance(value, datetime) else value


def rupees(paise):
    return f"{paise // 100}.{paise % 100:02}"


# --- what no column keeps ----------------------------------------------------------------------


def lost_keys(row, columns):
    kept = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields} | columns
    yield from differences("snapshot", row.snapshot, snapshot_of(kept))
    yield from differences("address", row.address, address_of(kept))


def differences(path, before, after):
    """The keys of `before` that `after` does not have, or has with another meaning. Nothing is lost of an empty value."""
    if before in (None, "", {}, []) or before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            yield from differences(f"{path}.{key}", value, after.get(key))
        return
    if moment(before) is not None and moment(before) == moment(after):
        return
    if decimal(before) is not None and decimal(before) == decimal(after):
        return
    yield path


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("booking", "0009_checkout_columns")]

    operations = [migrations.RunPython(read_snapshots, write_snapshots)]
