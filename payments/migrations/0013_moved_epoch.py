from typing import Any

from django.db import migrations, models
from django.db.models import F

FINAL = ["completed", "compensated", "resolved"]


def see_as_now(apps: Any, _schema_editor: Any) -> None:
    """What was seen of a saga before this is not known to be so still."""
    sagas = apps.get_model("payments", "SagaExecution").objects
    sagas.exclude(state__in=FINAL).update(moved_epoch=F("epoch"))


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0012_withdrawn_interventions"),
    ]

    operations = [
        migrations.AddField(
            model_name="sagaexecution",
            name="moved_epoch",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="The epoch at which anything came of it last: whoever has seen it since sees it as it is.",
            ),
        ),
        migrations.RunPython(see_as_now, migrations.RunPython.noop),
    ]
