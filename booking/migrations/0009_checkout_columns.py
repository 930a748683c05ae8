import datetime

import django.db.models.deletion
from django.db import migrations, models


UNREAD = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Migration(migrations.Migration):
    """Columns for what `snapshot` and `address` hold. Without a package a row has not been read yet."""

    dependencies = [("booking", "0008_earlier_starts")]

    operations = [
        migrations.AddField(
            model_name="checkout",
            name="puja_service",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="booking.pujaservice",
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_title",
            field=models.CharField(default="", max_length=150),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_image_url",
            field=models.CharField(default="", max_length=500),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_description",
            field=models.TextField(default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_type",
            field=models.CharField(
                choices=[("HOME", "Home"), ("TEMPLE", "Temple"), ("ONLINE", "Online")],
                default="",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_duration_minutes",
            field=models.PositiveSmallIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_created_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="puja_updated_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="category_id",
            field=models.BigIntegerField(
                default=0, help_text="of a PujaCategory, which may have been deleted since"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="category_name",
            field=models.CharField(default="", max_length=100),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="category_created_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="category_updated_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="booking.package"
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_location",
            field=models.CharField(default="", max_length=100),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_language",
            field=models.CharField(
                choices=[
                    ("HINDI", "Hindi"),
                    ("ENGLISH", "English"),
                    ("SANSKRIT", "Sanskrit"),
                    ("REGIONAL", "Regional"),
                ],
                default="",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_type",
            field=models.CharField(
                choices=[
                    ("BASIC", "Basic"),
                    ("STANDARD", "Standard"),
                    ("PREMIUM", "Premium"),
                    ("CUSTOM", "Custom"),
                ],
                default="",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_description",
            field=models.TextField(default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="includes_materials",
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="priest_count",
            field=models.PositiveSmallIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_created_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="package_updated_at",
            field=models.DateTimeField(default=UNREAD),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_code_text",
            field=models.CharField(blank=True, default="", max_length=30),
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_description",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_percent",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_amount_paise",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_min_order_paise",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkout",
            name="promo_max_discount_paise",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_id",
            field=models.BigIntegerField(
                blank=True, help_text="of an Address, which its owner may have deleted since", null=True
            ),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_line1",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_line2",
            field=models.CharField(blank=True, default="", max_length=200),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_city",
            field=models.CharField(blank=True, default="", max_length=80),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_state",
            field=models.CharField(blank=True, default="", max_length=80),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_postal_code",
            field=models.CharField(blank=True, default="", max_length=12),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_country",
            field=models.CharField(blank=True, default="", max_length=60),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_is_default",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_created_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="checkout",
            name="address_updated_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        # For the way back: the next migration fills it.
        migrations.AlterField(
            model_name="checkout",
            name="snapshot",
            field=models.JSONField(help_text="the cart as it read on the wire", null=True),
        ),
    ]
