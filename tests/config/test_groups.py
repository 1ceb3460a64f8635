import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection

from config.groups import GROUPS, make_groups

pytestmark = pytest.mark.django_db


def granted(name: str) -> set[str]:
    rows = Permission.objects.filter(group__name=name).values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def test_the_groups_are_there_after_a_migration() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(GROUPS)


def test_an_api_client_never_sees_reviews_nor_other_clients_objects() -> None:
    client = granted("API client")

    assert {"orders.add_order", "orders.view_order", "payments.add_chargeattempt"} <= client
    assert not {name for name in client if "review" in name} | client & {"orders.access_all_clients"}


@pytest.mark.parametrize("name", ["Operator", "Fraud analyst", "Finance", "Auditor"])
def test_those_who_work_for_the_house_see_all_clients_objects(name: str) -> None:
    assert "orders.access_all_clients" in granted(name)


def test_reviews_are_for_operators_and_analysts_and_sagas_for_operators() -> None:
    assert {name for name in GROUPS if "fraud.change_reviewcase" in granted(name)} == {"Operator", "Fraud analyst"}
    assert {name for name in GROUPS if "payments.change_sagaexecution" in granted(name)} == {"Operator"}


def test_an_auditor_reads_everything_of_ours_and_changes_nothing() -> None:
    views = {
        f"{label}.{codename}"
        for label, codename in Permission.objects.filter(
            content_type__app_label__in=["orders", "fraud", "payments", "reconciliation"], codename__startswith="view_"
        ).values_list("content_type__app_label", "codename")
    }

    assert views <= granted("Auditor")
    assert all(".view_" in name for name in granted("Auditor") - {"orders.access_all_clients"})


def test_what_an_administrator_added_stays_and_what_is_missing_is_added() -> None:
    group = Group.objects.get(name="Finance")
    extra, missing = Permission.objects.get(codename="add_user"), Permission.objects.get(codename="view_refund")
    group.permissions.add(extra)
    group.permissions.remove(missing)

    make_groups(using=connection.alias, apps=apps)

    assert {"auth.add_user", "payments.view_refund"} <= granted("Finance")


@pytest.mark.django_db(transaction=True)
def test_a_second_migration_changes_nothing() -> None:
    before = {name: granted(name) for name in GROUPS}

    call_command("migrate", verbosity=0)

    assert {name: granted(name) for name in GROUPS} == before
