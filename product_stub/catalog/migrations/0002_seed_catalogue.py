"""The catalogue that the stub starts with. Products 1 and 2 are those of the examples: 30.00 and 20.00 make 50.00."""

from decimal import Decimal

from django.core.management.color import no_style
from django.db import migrations

# Load tests buy the first two hundreds of thousands of times; they should not sell out in the middle of one.
PLENTY = 100_000_000

CATALOGUE = [
    (1, "Mechanical Keyboard", Decimal("30.00"), PLENTY),
    (2, "Wireless Mouse", Decimal("20.00"), PLENTY),
    (3, "USB-C Cable", Decimal("7.50"), 500),
    (4, "Laptop Stand", Decimal("42.90"), 40),
    (5, "Noise-Cancelling Headphones", Decimal("249.00"), 10),
    (6, "Limited Edition Desk Mat", Decimal("64.00"), 0),
]


def seed(apps, schema_editor):
    Product = apps.get_model("catalog", "Product")
    for product_id, name, price, stock in CATALOGUE:
        Product.objects.create(id=product_id, name=name, price=price, stock=stock, supplied=stock)
    # PostgreSQL's sequence knows nothing of ids that were given by hand; the next product would be number 1 again.
    for statement in schema_editor.connection.ops.sequence_reset_sql(no_style(), [Product]):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
