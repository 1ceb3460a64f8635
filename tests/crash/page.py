"""`docs/reliability.md`, from the records of a run. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from string import Template
from textwrap import fill
from typing import Any, Final

from tests.crash.record import PAIRS

Record = Mapping[str, Any]
WIDTH: Final = 120
DATABASES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_SIDES: Final = ("before commit", "after commit", "before call", "after call", PAIRS)
_NOTHING: Final = "-"

_PAGE: Final = Template("""\
# Reliability

This page is written by `make reliability`, which does all of what it says, and fails if any of it does not hold. The
figures are those of the last run. You can run it too: it brings its own servers, and takes from half an hour on.

## What has to hold

Whatever is done to Paydesk, these are checked afterwards over the whole database. The oracle is the journal of the
[sandbox gateway](sandbox.md), a process that shares nothing with Paydesk and remembers every call. A test breaks each
of them on purpose and has to see it fail.

$invariants

## How

* **Nothing is declared by hand.** An unharmed purchase is counted: each COMMIT, each write outside of a transaction,
  and each call to gateway or carrier is a *point*. Then a real process is killed with SIGKILL before each point and
  after it, and another takes over: a worker, or the client's repeated request. In *pairs*, that one is killed too, at
  each of its own points.
* **Every way an order can go** is gone: to its good end; refunded; voided; approved and rejected in review; challenged
  by 3D Secure and passed, and failed; cancelled meanwhile; refunded on request; called back after shipping; with an
  authorization too many that a remedy voids. Together they pass every step of every saga, in both directions; a test
  says so.
* **A witness in the database** logs each write to a saga and its steps. On PostgreSQL it knows by which connection, so
  that a write by a worker that has lost its lease is seen even if it does no harm.
* **What is random has a seed**, which a failure prints. `PAYDESK_SEED=...` repeats it.

The ordinary suite (`make test`) does the same with a sample of the pairs, fewer timers and a small chaos run.

## The matrix

Each row is a test; the numbers are its cases. *$all_of_them* means all of the above, for every order of the test.

$matrix

## Where somebody was killed

Each kill point counts for the steps that its commit writes down, or for the step that calls. Both databases together.

$deaths

## The chaos run

$chaos

## Again

```
make reliability                                     # all of it, and this page
make reliability ARGS="--seed $seed"
.venv/bin/python -m tests.crash.chaos --help         # the chaos run alone
make test ARGS="tests/crash"                         # the matrix, with a sample of the pairs
```
""")


def page(records: Sequence[Record], chaos: Record, *, machine: str, when: str) -> str:
    """`records` of the databases, the figures of the chaos run, and where and when it was, in general terms."""
    return _PAGE.substitute(
        invariants="\n".join(f"* {sentence}" for sentence in records[0]["invariants"]),
        all_of_them="every invariant",
        matrix=_table(("what is done", "what holds", *DATABASES.values(), "test"), _rows(records)),
        deaths=_table(
            ("saga", "direction", "step", *(f"{side}s".replace("ss", "s") for side in _SIDES)), _deaths(records)
        ),
        chaos=_chaos(chaos, machine=machine, when=when),
        seed=chaos["seed"],
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in chain([head, ["---"] * len(head)], rows)).replace(
        "| --- ", "|---"
    )


def _rows(records: Sequence[Record]) -> Iterator[tuple[str, ...]]:
    """One for each fault, in the order of the tests, its parameters and both databases together."""
    tests: dict[tuple[str, str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for test in record["tests"]:
            name = test["test"].partition("[")[0]
            tests[test["row"]["fault"], test["row"]["holds"], name][record["database"]].append(test)
    for (fault, holds, name), results in sorted(tests.items(), key=lambda row: _place(row[0][2])):
        yield fault, holds, *(_result(results[database]) for database in DATABASES), f"`{name}`"


def _place(test: str) -> tuple[bool, bool, str]:
    """The matrix itself first, what is proved elsewhere last."""
    return not test.startswith("tests/crash"), "test_matrix" not in test, test


def _result(tests: Sequence[Record]) -> str:
    outcomes = {test["outcome"] for test in tests}
    if "failed" in outcomes:
        return "**FAILED**"
    return str(sum(test.get("cases") or 1 for test in tests)) if "passed" in outcomes else _NOTHING


def _deaths(records: Sequence[Record]) -> Iterator[tuple[str, ...]]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for test in chain.from_iterable(record["tests"] for record in records):
        for saga, direction, step, side, times in test.get("deaths", ()):
            counts[saga, direction, step, side] += times
    for saga, direction, step in sorted({of[:3] for of in counts}, reverse=False):
        numbers = (str(counts[saga, direction, step, side] or _NOTHING) for side in _SIDES)
        words = (
            (saga, direction, f"`{step}`") if step else (_NOTHING, _NOTHING, "no step: a saga begun, claimed or parked")
        )
        yield (*words, *numbers)


def _chaos(told: Record, *, machine: str, when: str) -> str:
    faults, verdict = sum(told["faults"].values()), "**FAILED**" if told["violations"] else "every invariant held"
    pieces = [
        f"{told['checkouts']} checkouts over HTTP and {faults} faults, seed `{told['seed']}`, on {when}, {machine}:"
        f" {verdict}.",
        f"It took {told['seconds']} seconds, {told['seconds under faults']} of them under faults; then everything"
        f" settled. Gateway and carrier were called {told['calls']} times, and {told['unanswered calls']} calls had no"
        f" answer. {told['leases taken over']} leases were taken over from somebody who was gone or stood still;"
        f" {told['stale answers refused']} answers came to somebody who had lost theirs. Remedies that were"
        f" needed: {told['remedies']}; refunds on request: {told['refunds on request']}.",
        _table(("fault", "times"), _counts(told["faults"])),
        "What the clients were told in the end:",
        _table(("answer", "orders"), _counts(told["ends"])),
        "What was in front of a person:" if told["people"] else "Nothing was in front of a person.",
    ]
    if told["people"]:
        pieces.append(_table(("why", "sagas"), _counts(told["people"])))
    return "\n\n".join(piece if piece.startswith("|") else fill(piece, WIDTH) for piece in pieces)


def _counts(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    yield from ((name, str(count)) for name, count in counts.items())
