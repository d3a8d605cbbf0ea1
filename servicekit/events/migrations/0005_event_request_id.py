from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0004_event_actor'),
    ]

    operations = [
        migrations.AddField(
            model_name='event',
            name='request_id',
            field=models.CharField(max_length=128, null=True),
        ),
    ]
