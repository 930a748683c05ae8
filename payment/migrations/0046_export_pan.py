from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('payment', '0045_server_event_id'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='donation',
            options={'permissions': [('export_pan', 'Can take the PANs of donors along')]},
        ),
    ]
