from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("simulator", "0003_a_clock_from_the_start")]

    operations = [
        migrations.RenameModel("Luck", "FaultRate"),
        migrations.AlterModelOptions("FaultRate", {"verbose_name_plural": "fault rates"}),
    ]
