"""Shows figures as a table in the terminal and in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import contest

AIMS: Final = {"commits": "<= 6", "statements": "<= 45"}
REPLAY_AIMS: Final = {"p50_ms": "<= 1.5 x", "web_cpu_ms": "<= 1.5 x", "commits": "0"}
LIST_AIMS: Final = {"p50_ms": "<= 1.3 x"}
WEBHOOK_AIMS: Final = {"rate": ">= 1000"}
WAITING_AIMS: Final = {"p99_ms": "<= 1.5 x"}
ENGINE_AIM: Final = ">= 3"

CHECKOUT_ROWS: Final = {
    "rate": "requests/s",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "web_cpu_ms": "CPU ms of the web server",
    "postgresql_cpu_ms": "CPU ms of PostgreSQL",
    "sandbox_cpu_ms": "CPU ms of the sandbox gateway",
    "statements": "SQL statements",
    "commits": "commits",
}
WEBHOOK_ROWS: Final = {
    "rate": "events/s",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "web_cpu_ms": "CPU ms of the web server",
}
SIDES: Final = {
    "chained": "Paydesk, chained",
    "committed": "Paydesk, committed",
    "dbos": "DBOS {version}",
}


@dataclass(frozen=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def show(self) -> None:
        table = RichTable(title=self.title, title_justify="left")
        for number, name in enumerate(self.header):
            table.add_column(name, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        Console().print(table)

    def as_markdown(self) -> str:
        ruler = ["---", *("---:" for _ in self.header[1:])]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.header, ruler, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, ""])


def checkouts(measured: dict[str, Any]) -> Table:
    ours, reference = measured["checkout"], measured["reference"]
    rows = [
        (name, _number(ours[key]), _number(reference[key]), _ratio(ours[key], reference[key]), AIMS.get(key, ""))
        for key, name in CHECKOUT_ROWS.items()
        if key in ours
    ]
    return Table("A checkout over HTTP", ("each request", "checkout", "GET of an order", "ratio", "aim"), rows)


def replays(measured: dict[str, Any]) -> Table:
    ours, reference = measured["replay"], measured["reference"]
    rows = [
        (name, _number(ours[key]), _number(reference[key]), _ratio(ours[key], reference[key]), REPLAY_AIMS.get(key, ""))
        for key, name in CHECKOUT_ROWS.items()
        if key in ours and not key.startswith("sandbox")
    ]
    return Table("A replay over HTTP", ("each request", "replay", "GET of an order", "ratio", "aim"), rows)


def webhooks(measured: dict[str, Any]) -> Table:
    header = ("each event", "Paydesk", "plain view", "ratio", "aim")
    return Table("Webhooks taken in", header, _compared(measured["paydesk"], measured["plain"], WEBHOOK_AIMS))


def waiting(measured: dict[str, Any]) -> Table:
    header = ("each event", "beside a worker", "without", "ratio", "aim")
    rows = _compared(measured["beside a worker"], measured["alone"], WAITING_AIMS)
    return Table("Webhooks while a worker acts on them", header, rows)


def _compared(ours: dict[str, float], reference: dict[str, float], aims: dict[str, str]) -> list[Sequence[str]]:
    return [
        (name, _number(ours[key]), _number(reference[key]), _ratio(ours[key], reference[key]), aims.get(key, ""))
        for key, name in WEBHOOK_ROWS.items()
        if key in ours
    ]


def lists(measured: dict[str, Any]) -> Table:
    first, deep = measured["first_page"], measured["deep_page"]
    rows = [
        (name, _number(deep[key]), _number(first[key]), _ratio(deep[key], first[key]), LIST_AIMS.get(key, ""))
        for key, name in CHECKOUT_ROWS.items()
        if key in deep
    ]
    header = (f"of {measured['charges']:,} charges", f"page {measured['deep']:,}", "page 1", "ratio", "aim")
    return Table("A list over HTTP", header, rows)


def engine(measured: dict[str, list[dict[str, Any]]]) -> Table:
    reference = contest.median(measured["dbos"], "rate")
    rows = []
    for side, name in SIDES.items():
        rounds = measured[side]
        rate = contest.median(rounds, "rate")
        rates = [figures["rate"] for figures in rounds]
        rows.append(
            (
                name.format(**rounds[0]),
                _number(rate),
                f"{_number(min(rates))} - {_number(max(rates))}",
                _number(contest.median(rounds, "cpu_ms")),
                f"{rate / reference:.2f}",
                ENGINE_AIM if side != "dbos" else "",
            )
        )
    return Table("Eight steps that do nothing", ("", "sagas/s", "range", "CPU ms", "x DBOS", "aim"), rows)


def office(measured: dict[str, Any]) -> Table:
    few, many = measured["few"], measured["many"]
    rows = [
        (
            name,
            _number(page["ms"]),
            _number(few["pages"][name]["ms"]),
            _ratio(page["ms"], few["pages"][name]["ms"]),
            str(page["statements"]),
            str(few["pages"][name]["statements"]),
        )
        for name, page in many["pages"].items()
    ]
    header = (
        "ms in the web server", f"{many['orders']:,} orders", f"{few['orders']:,}", "ratio", "statements", "with few",
    )  # fmt: skip
    return Table("The back office", header, rows)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _ratio(ours: float, reference: float) -> str:
    return f"{ours / reference:.2f}" if reference else ""
