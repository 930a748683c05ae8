import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Every check-out has been read by now. One that has not, or whose amounts cannot be, stops the upgrade here."""

    dependencies = [("booking", "0010_read_snapshots")]

    operations = [
        migrations.AlterField(
            model_name="checkout",
            name="puja_service",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="booking.pujaservice"
            ),
        ),
        migrations.AlterField(
            model_name="checkout",
            name="package",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="booking.package"
            ),
        ),
        migrations.AlterField(
            model_name="checkout",
            name="price_paise",
            field=models.PositiveIntegerField(help_text="of the package"),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.CheckConstraint(
                condition=models.Q(("discount_paise", 0), ("promo_code__isnull", False), _connector="OR"),
                name="checkout_discount_has_a_promo_code",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("promo_amount_paise", None),
                        ("promo_code", None),
                        ("promo_code_text", ""),
                        ("promo_percent", None),
                    ),
                    models.Q(
                        ("promo_code__isnull", False),
                        ("promo_min_order_paise__isnull", False),
                        models.Q(("promo_code_text", ""), _negated=True),
                        models.Q(
                            models.Q(
                                ("promo_amount_paise", None),
                                ("promo_percent__isnull", False),
                                ("promo_percent__range", (1, 100)),
                            ),
                            models.Q(
                                ("promo_amount_paise__gte", 1),
                                ("promo_amount_paise__isnull", False),
                                ("promo_percent", None),
                            ),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="checkout_promo_is_percent_or_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.CheckConstraint(
                condition=models.Q(("puja_title", ""), _negated=True), name="checkout_names_its_puja"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("address_line1", ""), _negated=True),
                    models.Q(
                        ("address_city", ""),
                        ("address_id", None),
                        ("address_line2", ""),
                        ("address_state", ""),
                        ("address_country", ""),
                        ("address_postal_code", ""),
                    ),
                    _connector="OR",
                ),
                name="checkout_address_whole_or_none",
            ),
        ),
    ]
