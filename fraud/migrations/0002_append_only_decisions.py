from django.db import migrations

from orders.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("fraud", "0001_initial")]

    operations = [append_only("fraud_decision")]
