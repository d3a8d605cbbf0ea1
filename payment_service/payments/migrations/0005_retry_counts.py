from django.db import migrations, models


class Migration(migrations.Migration):
    """Other names in Python for the same columns; nothing is done to the database."""

    dependencies = [
        ('payments', '0004_blocked'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField('payment', 'tries', 'retry_count'),
                migrations.AlterField('payment', 'retry_count', models.PositiveIntegerField(db_column='tries', default=0)),
                migrations.RenameField('payment', 'notice_tries', 'notice_retry_count'),
                migrations.AlterField('payment', 'notice_retry_count', models.PositiveIntegerField(db_column='notice_tries', default=0)),
                migrations.RenameField('refund', 'tries', 'retry_count'),
                migrations.AlterField('refund', 'retry_count', models.PositiveIntegerField(db_column='tries', default=0)),
            ],
        ),
    ]
