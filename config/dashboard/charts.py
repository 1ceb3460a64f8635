"""Where the lines and columns of a chart stand; the template draws them. Lengths are in units of the drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.dashboard.money import DayOfCheckouts, declined_url
from orders.admin.marks import in_words

LEFT, TOP, HEIGHT, STEP, COLUMN = 40, 14, 110, 38, 22
"""Of the chart of days: its margins, the height of its tallest column, and a column's distance and width."""
BAR_WIDTH, BAR_STEP, BAR_LEFT = 300, 28, 150
MOST_BARS: Final = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One day. `y` is where a part begins, from above."""

    x: int
    middle: int
    start: datetime
    succeeded_y: int
    succeeded_height: int
    failed_y: int
    failed_height: int
    under_way_y: int
    under_way_height: int
    day: DayOfCheckouts


@dataclass(frozen=True, slots=True)
class Columns:
    columns: Sequence[Column]
    rate_lines: Sequence[str]
    """Points of the success rate's line; a day without an ended checkout breaks it."""
    rate_points: Sequence[tuple[int, int]]
    most: int
    width: int = LEFT + 14 * STEP + 40
    height: int = TOP + HEIGHT + 26
    left: int = LEFT
    top: int = TOP
    bottom: int = TOP + HEIGHT
    right: int = LEFT + 14 * STEP
    told: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    y: int
    text_y: int
    length: int
    value_x: int
    label: str
    count: int
    share: int
    url: str


@dataclass(frozen=True, slots=True)
class Bars:
    bars: Sequence[Bar]
    height: int
    told: str
    width: int = BAR_LEFT + BAR_WIDTH + 50
    left: int = BAR_LEFT
    label_x: int = BAR_LEFT - 8


def columns(days: Sequence[DayOfCheckouts]) -> Columns:
    most = max((day.total for day in days), default=0)
    points = [_rate_point(position, day) for position, day in enumerate(days)]
    ended, succeeded = sum(day.succeeded + day.failed for day in days), sum(day.succeeded for day in days)
    rate = f" {round(100 * succeeded / ended)} % of the ended ones succeeded." if ended else ""
    return Columns(
        columns=[_column(position, day, most or 1) for position, day in enumerate(days)],
        rate_lines=[" ".join(f"{x},{y}" for x, y in run) for run in _runs(points)],
        rate_points=[point for point in points if point],
        most=most,
        told=f"{sum(day.total for day in days):,} checkouts in {len(days)} days.{rate}",
    )


def _column(position: int, day: DayOfCheckouts, most: int) -> Column:
    x = LEFT + position * STEP + (STEP - COLUMN) // 2
    succeeded, failed, under_way = (HEIGHT * count // most for count in (day.succeeded, day.failed, day.under_way))
    ground = TOP + HEIGHT
    return Column(
        x=x,
        middle=x + COLUMN // 2,
        start=day.start,
        succeeded_y=ground - succeeded,
        succeeded_height=succeeded,
        failed_y=ground - succeeded - failed,
        failed_height=failed,
        under_way_y=ground - succeeded - failed - under_way,
        under_way_height=under_way,
        day=day,
    )


def _rate_point(position: int, day: DayOfCheckouts) -> tuple[int, int] | None:
    if day.rate is None:
        return None
    return LEFT + position * STEP + STEP // 2, TOP + HEIGHT - HEIGHT * day.rate // 100


def _runs(points: Sequence[tuple[int, int] | None]) -> list[list[tuple[int, int]]]:
    runs: list[list[tuple[int, int]]] = [[]]
    for point in points:
        if point:
            runs[-1].append(point)
        else:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def bars(counts: Mapping[str, int]) -> Bars:
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_BARS]
    total, most = sum(counts.values()), max(counts.values(), default=1)
    return Bars(
        bars=[_bar(position, code, count, most, total) for position, (code, count) in enumerate(ranked)],
        height=BAR_STEP * len(ranked) + 4,
        told=f"{total:,} declined charges in 14 days.",
    )


def _bar(position: int, code: str, count: int, most: int, total: int) -> Bar:
    length = max(2, BAR_WIDTH * count // most)
    return Bar(
        y=position * BAR_STEP + 4,
        text_y=position * BAR_STEP + 19,
        length=length,
        value_x=BAR_LEFT + length + 6,
        label=in_words(code or "no reason given"),
        count=count,
        share=round(100 * count / total),
        url=declined_url(code, created="14-days"),
    )
