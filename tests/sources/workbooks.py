"""Workbooks written by hand: what no spreadsheet program would write."""

from __future__ import annotations

import base64
import zipfile
import zlib
from pathlib import Path

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def write_xlsx(
    path: Path, rows: str, *, before: str = "", after: str = "", shared: str = "<sst/>"
) -> Path:
    """Write an XLSX of one sheet whose rows are given as XML."""
    data = f"{before}<sheetData>{rows}</sheetData>{after}"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"/>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONSHIPS}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="List" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONSHIPS}">'
        f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
        f'Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/sharedStrings.xml": shared,
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}">{data}</worksheet>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            archive.writestr(name, _HEAD + xml)
    return path


def write_ods(path: Path, rows: str) -> Path:
    """Write an ODS of one sheet whose rows are given as XML."""
    content = (
        f'<office:document-content xmlns:office="{_ODF}:office:1.0" '
        f'xmlns:table="{_ODF}:table:1.0" xmlns:text="{_ODF}:text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="List">{rows}</table:table>'
        f"</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", _HEAD + manifest)
        archive.writestr("content.xml", _HEAD + content)
    return path


def ods_row(*cells: str, repeated: int = 1) -> str:
    texts = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
        f"</table:table-cell>"
        for cell in cells
    )
    head = f'<table:table-row table:number-rows-repeated="{repeated}">'
    return f"{head}{texts}</table:table-row>"


# A workbook of Excel 97 (BIFF8), as xlwt 1.3.0 writes one: zlib, base64.
_XLS = """
eNrtWE1oE0EU/mY3/zR/NRVaoYSCUWsjiBcvbdraWhASohe1CJqYRULTpIQeqget1hwFwZPipVAPXqpe/EFF
RQ8ehIoeBEFI9NiTouChzfrm7camtUIDWqzst8zbmffmffN253f39VywPH2nrYIV6IGKqu6Go04nKLlrhQDI
rusyW7u7KOkWNhTcLupIhx0Pva+csg9lf1eg4LbtGUngI6VjGEOikNfC64h+jiElZAzdJAWuk8aHVo6qmeVJ
lptY3uKaj1j2suYSy26qWxbDmIslOveao/iI0sE2HyTvPfZ5z5rdaMFLOYrPXRZGXTv6itlUboMZ2m1NmAF1
6JCW14qy7McNeICjhGg8Hh0YKCNEnT2Db3oY+Fqb1U/Dln599QKk/75c7/yN3kWduFJ/RbEBk9BP8CQp0aDe
ZzMmclIrjOW0BQzzwuwyJvdgNJ7K5qhGIjWqUflAIZvXMirQd0rzAql8vndilzaRGiVXO8QL5OkKQ42QMV1I
LxnJpb+Q9sgtgZeQwLIlxMtTq4lkBn7OB3mCBSiOhZuf38TTydhx1kxyZMbmslU+C3Sclx7k7GOLylJaOtlj
J8sLzLqF820sQzT66R5JtpiZ/VNc5yJbI9TOHsbb2La6/HbKl+YP3m8vfYrtoPzsUOVMaPZdbBodtNllyF9e
U+gSXeLaVYkHsdpdmAvRB5atvyxKLiVgxq6bO6gfi3IaEoIsjZJ8O+JnSTHflVFSqaSaXGIVLsFcNrO+YC47
lR5TbIJ4mnH3uWQ8y1ySRVmFRWEWh8li9JfTZFGY5csTyTKvSpYehVilCy21S/DAggULFixYsGDBwj8PwQdO
45AtD5F28wDvNP/rLFKqWr9J/lscQoGucfrEG6QPvXEUcbqh8bMZdlHjEmv0qf0vlDhMrRcxgjTHMdLw+KXP
E1H/PGt2DPy5KdRo+9VG4vzL7f8AO43o1A==
"""


def write_xls(path: Path) -> Path:
    """Write an XLS of two people, with a date, a whole number and text beyond Latin-1."""
    path.write_bytes(zlib.decompress(base64.b64decode(_XLS)))
    return path
