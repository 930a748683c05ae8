"""No receipt without amounts, none whose amounts do not add up, none whose number is too long."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0010_receipts_of_all_money'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='receipt',
            name='receipt_numbers_begin_at_one',
        ),
        migrations.AlterField(
            model_name='receipt',
            name='price_paise',
            field=models.BigIntegerField(),
        ),
        migrations.AlterField(
            model_name='receipt',
            name='total_paise',
            field=models.BigIntegerField(help_text='what came'),
        ),
        migrations.AddConstraint(
            model_name='receipt',
            constraint=models.CheckConstraint(condition=Q(number=None) | Q(number__range=(1, 99_999_999)), name='receipt_number_fits_sixteen_characters'),
        ),
        migrations.AddConstraint(
            model_name='receipt',
            constraint=models.CheckConstraint(condition=Q(year__range=(2000, 2099)), name='receipt_year_has_two_digits'),
        ),
        migrations.AddConstraint(
            model_name='receipt',
            constraint=models.CheckConstraint(condition=Q(total_paise=F('price_paise') - F('discount_paise') + F('difference_paise')), name='receipt_adds_up'),
        ),
        migrations.AddConstraint(
            model_name='receipt',
            constraint=models.CheckConstraint(condition=Q(price_paise__gte=0, discount_paise__gte=0, total_paise__gte=1), name='receipt_is_for_money'),
        ),
        migrations.AddConstraint(
            model_name='receiptcounter',
            constraint=models.CheckConstraint(condition=Q(last__lte=99_999_999), name='receipt_counter_fits_sixteen_characters'),
        ),
    ]
