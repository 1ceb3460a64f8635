from django.db import migrations

from orders.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [
        append_only("payments_ledgerposting"),
        append_only("payments_gatewayoutcome"),
        append_only("payments_sagaevent"),
    ]
