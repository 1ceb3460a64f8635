"""XLSX: what a sheet shows is what is read, and no workbook can exhaust the machine."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import pytest

from reconciliation.reports import workbooks
from reconciliation.reports.conventions import ColumnMapping, Conventions
from reconciliation.reports.errors import Problem, ReportError
from reconciliation.reports.reading import Report, doctor
from reconciliation.reports.rows import Row, RowType
from tests.reconciliation.reports.books import MAIN, book, inline, number, shared, sheet
from tests.reconciliation.reports.files import at, row

MAPPING = ColumnMapping(
    transaction_id="Id",
    type="Kind",
    occurred_at="At",
    gross="Amount",
    currency_code="EUR",
    types={"sale": RowType.CHARGE},
)
HOW = Conventions(zone="Europe/Berlin", mapping=MAPPING)
STRINGS = ("Id", "Kind", "At", "Amount", "sale")
HEADER = tuple(shared(place) for place in range(4))
NOON = "46053.458333333336"
"""31 January 2026, 11:00, as Excel keeps it."""
SALE = (inline("S1"), shared(4), number(NOON, style=1), number("12.34"))
EXPECTED = row(2, RowType.CHARGE, "sale", "S1", 1234, 0, currency="EUR")


def read(data: bytes, how: Conventions = HOW) -> list[Row]:
    return list(Report(BytesIO(data), conventions=how))


def refused(data: bytes, how: Conventions = HOW) -> Problem:
    with pytest.raises(ReportError) as refusal:
        read(data, how)
    return refusal.value.problem


def of(*rows: Sequence[str], is_1904: bool = False) -> bytes:
    return book({"January": sheet([HEADER, *rows])}, strings=STRINGS, is_1904=is_1904)


def test_texts_numbers_and_dates_are_read_as_they_are_shown() -> None:
    assert read(of(SALE)) == [EXPECTED]


@pytest.mark.parametrize(
    ("stored", "minor"),
    [("1.1000000000000001", 110), ("0.28999999999999998", 29), ("-3", -300), ("1E+2", 10000), ("4.5", 450), ("0", 0)],
)
def test_a_binary_fraction_is_the_number_that_excel_shows(stored: str, minor: int) -> None:
    (sale,) = read(of((*SALE[:3], number(stored, style=2))))

    assert sale.gross_minor == minor


@pytest.mark.parametrize("stored", ["12.345", "5.5511151231257827E-17"])
def test_a_number_finer_than_the_minor_unit_is_refused(stored: str) -> None:
    assert refused(of((*SALE[:3], number(stored)))).line == 2


@pytest.mark.parametrize("stored", ["1234567890123456", "1E+400", "NaN", "twelve"])
def test_a_number_that_excel_has_rounded_or_that_is_none_is_refused(stored: str) -> None:
    assert refused(of(SALE, (number(stored), *SALE[1:]))).line == 3


@pytest.mark.parametrize("cell", [number("99999999999", style=1), shared(99)])
def test_a_date_or_a_text_that_there_is_not_is_refused(cell: str) -> None:
    assert refused(of((SALE[0], SALE[1], cell, SALE[3]))).line in {1, 2}


def test_how_a_text_is_pronounced_is_no_part_of_it() -> None:
    spoken = f'<sst xmlns="{MAIN}"><si><t>S</t><rPh sb="0" eb="1"><t>es</t></rPh><r><t>1</t></r></si></sst>'
    data = book({"January": sheet([[inline(text) for text in STRINGS[:4]], (shared(0), inline("sale"), *SALE[2:])])},
                more={"xl/sharedStrings.xml": spoken})  # fmt: skip

    assert read(data) == [EXPECTED]


def test_a_whole_number_may_be_a_name() -> None:
    (sale,) = read(of((number("4711"), *SALE[1:])))

    assert sale.transaction_id == "4711"


def test_a_decimal_comma_is_for_texts_and_does_not_change_numbers() -> None:
    sales = of(SALE, (inline("S2"), *SALE[1:3], inline("1,5")))

    assert [sale.gross_minor for sale in read(sales, replace(HOW, decimal=","))] == [1234, 150]


def test_days_may_be_counted_from_1904() -> None:
    (sale,) = read(of((*SALE[:2], number("44591.458333333336", style=1), SALE[3]), is_1904=True))

    assert sale.occurred_at == at(10)


def test_a_date_may_be_a_text_of_its_own_format() -> None:
    how = replace(HOW, mapping=replace(MAPPING, date_format="%d.%m.%Y %H:%M"))
    sales = of(SALE, (inline("S2"), SALE[1], inline("31.01.2026 11:00"), SALE[3]))

    assert [sale.occurred_at for sale in read(sales, how)] == [at(10), at(10)]


def test_lines_are_the_sheets_rows_and_empty_cells_may_be_left_out() -> None:
    header = {"B3": "<t>Id</t>", "C3": "<t>Kind</t>", "E3": "<r><t>A</t></r><r><t>t</t></r>", "AA3": "<t>Amount</t>"}
    names = "".join(f'<c r="{place}" t="inlineStr"><is>{text}</is></c>' for place, text in header.items())
    sale = (
        '<c r="B7" t="str"><f>A1</f><v>S1</v></c><c r="C7" t="s"><v>4</v></c>'
        f'<c r="E7" s="1"><v>{NOON}</v></c><c r="AA7"><v>12.34</v></c>'
    )
    rows = f'<row r="3">{names}</row><row r="7">{sale}</row>'
    gaps = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'

    assert read(book({"January": gaps}, strings=STRINGS)) == [replace(EXPECTED, line=7)]


def test_the_mapping_may_name_the_sheet() -> None:
    both = book({"Notes": sheet([[inline("nothing")]]), "January": sheet([HEADER, SALE])}, strings=STRINGS)
    named = replace(HOW, mapping=replace(MAPPING, sheet="January"))
    missing = replace(HOW, mapping=replace(MAPPING, sheet="February"))

    assert read(both, named) == [EXPECTED]
    assert "Notes, January" in refused(both, missing).reason


def test_every_problem_is_named_with_its_row_and_column() -> None:
    problems = doctor(BytesIO(of(SALE, (inline("S2"), shared(4), inline("today"), inline("#REF!")))), conventions=HOW)

    assert [(problem.line, problem.column) for problem in problems] == [(3, "Amount"), (3, "At")]


def test_a_row_that_is_there_twice_is_refused() -> None:
    assert refused(of(SALE, SALE)).line == 3


def test_a_workbook_that_was_cut_off_is_refused_wherever() -> None:
    whole = of(SALE)

    for size in range(4, len(whole) - 1, 7):
        refused(whole[:size])


def test_a_damaged_part_is_refused() -> None:
    whole = bytearray(of(*[(inline(f"S{n}"), *SALE[1:]) for n in range(500)]))
    middle = whole.index(b"xl/worksheets/sheet1.xml") + 200
    whole[middle : middle + 20] = bytes(20)

    assert "damaged" in refused(bytes(whole)).reason


@pytest.mark.parametrize("path", ["workbook", "sharedStrings", "styles", "worksheets/sheet1"])
def test_a_document_type_is_refused_and_with_it_every_entity(path: str) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///a">]><a>&b;</a>'
    data = book({"January": sheet([HEADER, SALE])}, strings=STRINGS, more={f"xl/{path}.xml": bomb})

    assert "document type" in refused(data).reason


@pytest.mark.parametrize(("size", "reason"), [(workbooks.MAX_EXPANDED, "unpacks to"), (100, "damaged")])
def test_a_workbook_that_unpacks_to_more_than_any_report_or_than_it_says_is_refused(size: int, reason: str) -> None:
    """Bombs come in two kinds: one says how large it is, the other lies."""
    file = BytesIO(of(*[(inline(f"S{n}"), *SALE[1:]) for n in range(500)]))
    with ZipFile(file, "a") as archive:
        archive.getinfo("xl/worksheets/sheet1.xml").file_size = size
        archive.writestr("docProps/app.xml", "<Properties/>")

    assert reason in refused(file.getvalue()).reason


def test_a_tag_or_a_cell_that_would_not_fit_into_memory_is_refused() -> None:
    tag = f'<worksheet xmlns="{MAIN}" a="{"b" * (2 << 20)}"/>'

    assert "tag" in refused(book({"January": tag}, strings=STRINGS)).reason
    assert "characters" in refused(of((inline("x" * 40_000), *SALE[1:]))).reason


@pytest.mark.parametrize("reference", ["XFE2", "A2", "Ä2", "b2"])
def test_a_cell_where_none_can_be_is_refused(reference: str) -> None:
    assert refused(of((SALE[0], f'<c r="{reference}"/>'))).line == 2


def test_an_old_workbook_and_one_with_a_password_say_what_to_do() -> None:
    assert "save it as .xlsx" in refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)).reason


def test_any_other_archive_is_no_workbook() -> None:
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")

    assert "no sheet" in refused(file.getvalue()).reason
