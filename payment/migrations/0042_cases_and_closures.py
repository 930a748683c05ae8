import core.texts
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


TRIGGER = """
CREATE TRIGGER notify_workers AFTER INSERT OR UPDATE OF outcome ON payment_closureitem
FOR EACH ROW WHEN (NEW.outcome = '') EXECUTE FUNCTION notify_workers()
"""


def create_trigger(apps, schema_editor):
    """As in 0030: in the database, so that no place that writes such a row can forget it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TRIGGER)


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER IF EXISTS notify_workers ON payment_closureitem")


class Migration(migrations.Migration):

    dependencies = [
        ('booking', '0024_waiting_networks'),
        ('payment', '0041_money_by_hand'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CaseNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=1000, validators=[core.texts.plain_text])),
                ('form', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='payment.payment')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Closure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_from', models.DateTimeField(help_text='the first start that is closed')),
                ('starts_before', models.DateTimeField(help_text='the first start that is not closed any more')),
                ('reason', models.CharField(help_text='as the customers read it', max_length=150, validators=[core.texts.plain_line])),
                ('form', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ClosureItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField(help_text='its time when the closure was decided')),
                ('then', models.CharField(choices=[('MOVE', 'move it'), ('OFFER', 'let its customer choose'), ('REFUND', 'cancel it and send all of the money back')], max_length=8)),
                ('outcome', models.CharField(blank=True, choices=[('', 'not carried out yet'), ('moved', 'Moved'), ('offered', 'Offered'), ('refunded', 'Refunded'), ('awaiting_approval', 'as it was: a second person must approve its refund'), ('no_room', 'as it was: no free time'), ('ended', 'as it was: moved, cancelled or completed meanwhile'), ('refused', 'as it was: see why')], default='', max_length=20)),
                ('detail', models.CharField(blank=True, max_length=200)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('booking', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='booking.booking')),
                ('closure', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='payment.closure')),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payment.payment')),
                ('slot', models.ForeignKey(blank=True, help_text='moved to', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='booking.slot')),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(condition=models.Q(('outcome', '')), fields=['id'], name='closure_item_waits')],
                'constraints': [models.UniqueConstraint(fields=('closure', 'booking'), name='closure_names_a_booking_once'), models.CheckConstraint(condition=models.Q(models.Q(('then', 'MOVE'), _negated=True), ('slot__isnull', False), _connector='OR'), name='closure_moves_to_a_slot'), models.CheckConstraint(condition=models.Q(models.Q(('done_at', None), ('outcome', '')), models.Q(models.Q(('outcome', ''), _negated=True), ('done_at__isnull', False)), _connector='OR'), name='closure_item_done_says_when')],
            },
        ),
        migrations.RunPython(create_trigger, drop_trigger),
    ]
