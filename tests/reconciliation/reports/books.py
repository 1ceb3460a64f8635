"""XLSX workbooks as spreadsheet programs write them: a ZIP archive of XML."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Final
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
Parts = Mapping[str, str]
STYLES: Final = (
    f'<styleSheet xmlns="{MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy\\ hh:mm"/>'
    '<numFmt numFmtId="165" formatCode="0.00&quot; dry&quot;"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)


def shared(place: int) -> str:
    return f'<c t="s"><v>{place}</v></c>'


def inline(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{escape(text)}</t></is></c>'


def number(text: str, *, style: int = 0) -> str:
    """Styles: 0 is plain, 1 a date, 2 a number with a word behind it."""
    return f'<c s="{style}"><v>{text}</v></c>'


def sheet(rows: Iterable[Sequence[str]]) -> str:
    lines = (f'<row r="{at}">{"".join(cells)}</row>' for at, cells in enumerate(rows, 1))
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def book(
    sheets: Mapping[str, str], *, strings: Sequence[str] = (), is_1904: bool = False, more: Parts | None = None
) -> bytes:
    """Sheets by their names; `more` are parts by their paths, also in the place of those made here."""
    named = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="rId{at}"/>' for at, name in enumerate(sheets, 1)
    )  # fmt: skip
    targets = "".join(
        f'<Relationship Id="rId{at}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><workbookPr date1904="{int(is_1904)}"/>'
        f"<sheets>{named}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{targets}</Relationships>',
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>',
        **{f"xl/worksheets/sheet{at}.xml": text for at, text in enumerate(sheets.values(), 1)},
        **(more or {}),
    }
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return file.getvalue()
