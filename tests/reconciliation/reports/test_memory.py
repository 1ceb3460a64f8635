"""A report of any length is read in the same memory: measured from outside, in processes that read nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.reconciliation.reports.books import MAIN, book, inline, number, shared
from tests.reconciliation.reports.test_workbooks import HEADER, NOON, STRINGS
from tests.sandbox import ROOT

FEW, MANY = 20_000, 200_000
A_LITTLE = 1.15

READING = """
import sys
from reconciliation.reports.errors import ReportError
from reconciliation.reports.reading import prove
from tests.reconciliation.reports.test_workbooks import HOW, Conventions
with open(sys.argv[1], "rb") as file:
    try:
        print(prove(file, conventions=HOW if file.name.endswith(".xlsx") else Conventions()).rows)
    except ReportError as error:
        print(error)
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""
"""Prints what came of it, and the most memory this process has held at a time, in KiB."""


def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (peak(sandbox_file(tmp_path / f"{rows}.csv", rows), str(rows)) for rows in (FEW, MANY))

    assert many < few * A_LITTLE


def test_ten_times_the_rows_of_a_sheet_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (peak(workbook(tmp_path / f"{rows}.xlsx", rows), str(rows)) for rows in (3_000, 30_000))

    assert many < few * A_LITTLE


def test_a_file_that_is_one_long_line_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    short, long = tmp_path / "short.csv", tmp_path / "long.csv"
    short.write_bytes(b"x" * (1 << 18))
    long.write_bytes(b"x" * (1 << 26))

    assert peak(long, "line 1: is longer") < peak(short, "line 1: is longer") * A_LITTLE


def peak(path: Path, expected: str) -> int:
    process = subprocess.run(
        [sys.executable, "-c", READING, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outcome, kibibytes = process.stdout.splitlines()
    assert outcome.startswith(expected)
    return int(kibibytes)


def sandbox_file(path: Path, rows: int) -> Path:
    when = "2026-01-31T10:00:00.000000+00:00"
    with path.open("w") as file:
        file.write("transaction_id,type,reference,created_at,currency,gross,fee,net,status,payout_id\n")
        for each in range(rows):
            file.write(f"cap_{each},charge,ord_{each},{when},USD,50.00,1.75,48.25,captured,\n")
        file.write(f"TOTAL,{rows},,,USD,{50 * rows}.00,{rows * 175 / 100:.2f},{rows * 4825 / 100:.2f},,\n")
    return path


def workbook(path: Path, rows: int) -> Path:
    lines = (
        f"<row>{inline(f'S{each}')}{shared(4)}{number(NOON, style=1)}{number('1.5')}</row>" for each in range(rows)
    )
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData><row>{"".join(HEADER)}</row>{"".join(lines)}</sheetData></worksheet>'
    path.write_bytes(book({"January": sheet}, strings=STRINGS))
    return path
