from django.db import migrations, models


class Migration(migrations.Migration):
    """Other names in Python for the same columns; nothing is done to the database."""

    dependencies = [
        ('orders', '0004_refunds_seen'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField('order', 'postponed', 'retry_count'),
                migrations.AlterField('order', 'retry_count', models.PositiveSmallIntegerField(db_column='postponed', default=0)),
                migrations.RenameField('order', 'ask_tries', 'ask_retry_count'),
                migrations.AlterField('order', 'ask_retry_count', models.PositiveSmallIntegerField(db_column='ask_tries', db_default=0, default=0)),
            ],
        ),
    ]
