from datetime import UTC, datetime
from typing import Any

import pytest
from django.forms import ValidationError

from orders.api.filters import IdField, MomentField
from orders.models import Order
from tests.orders.builders import make_stock
from tests.payments.builders import Api


@pytest.fixture
def api(db: None) -> Api:
    make_stock("TEE")
    return Api()


def faults(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.content
    return [(fault["field"], fault["code"]) for fault in answer.json()["errors"]]


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


class TestMoments:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
            ("2026-03-01T12:30:00", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
            ("2026-03-01T12:30:00Z", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
            ("2026-03-01T12:30:00.25+02:00", datetime(2026, 3, 1, 10, 30, 0, 250_000, tzinfo=UTC)),
        ],
    )
    def test_a_date_or_a_date_with_a_time_is_read(self, text: str, moment: datetime) -> None:
        assert MomentField().clean(text) == moment

    @pytest.mark.parametrize(
        "text",
        [
            "soon",
            "1767225600",
            "10/25/2026",
            "2026-W01-1",
            "20260301T000000Z",
            "2026-03-01 12:30:00",
            "2026-03-01T12:30",
            "2026-02-30",
            "2026-03-01T24:00:00Z",
            "2026-06-30T23:59:60Z",
            "2026-03-01T12:30:00+2:00",
            "\u0662026-03-01",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "0000-01-01",
        ],
    )
    def test_everything_else_is_a_fault(self, text: str) -> None:
        with pytest.raises(ValidationError):
            MomentField().clean(text)


@pytest.mark.parametrize("text", ["x", "ch_01h455vb4pex5vsknk084sn02q", "ord_", "01h455vb4pex5vsknk084sn02q"])
def test_an_id_of_another_kind_is_a_fault(text: str) -> None:
    with pytest.raises(ValidationError, match="begins with ord_"):
        IdField(prefix="ord").clean(text)


class TestQueryStrings:
    def test_moments_at_the_ends_of_time_are_read_or_refused(self, api: Api) -> None:
        order = api.order()

        assert found(api.get("orders", created_after="0001-01-01T00:00:00Z")) == [order.public_id]
        assert found(api.get("orders", created_before="9999-12-31T23:59:59Z")) == [order.public_id]
        assert faults(api.get("orders", created_after="9999-12-31T23:59:59-14:00")) == [("created_after", "invalid")]

    def test_every_fault_is_named_at_once(self, api: Api) -> None:
        api.order()

        answer = api.get(
            "orders?status=paid&stauts=open&created_after=soon&reference=&created_before=2026-01-01&created_before=2027-01-01"
        )

        assert sorted(faults(answer)) == [
            ("created_after", "invalid"),
            ("created_before", "twice"),
            ("reference", "blank"),
            ("status", "invalid_choice"),
            ("stauts", "unknown"),
        ]

    @pytest.mark.parametrize("name", ["orders", "charges", "refunds", "sagas", "fraud/decisions"])
    def test_no_list_guesses_what_an_unknown_parameter_means(self, api: Api, name: str) -> None:
        assert faults(api.get(name, limit="5")) == [("limit", "unknown")]

    def test_blanks_are_a_part_of_a_text(self, api: Api) -> None:
        order = api.order(reference=" a ")
        api.order(reference="a")

        assert found(api.get("orders", reference=" a ")) == [order.public_id]
        assert Order.objects.count() == 2
