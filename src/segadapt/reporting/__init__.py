"""Tables with their twins, published reference values, and qualitative pictures."""

from typing import TYPE_CHECKING

from segadapt.core.lazy import exports

if TYPE_CHECKING:
    from segadapt.reporting.console import print_table
    from segadapt.reporting.picture import colour_label, panel
    from segadapt.reporting.published import PublishedRow, published_frame, published_rows
    from segadapt.reporting.table import TableRow, build_table, read_table
    from segadapt.reporting.twins import BUILT_IN_NOTE, TableHeader, write_table

__all__ = [
    "BUILT_IN_NOTE",
    "PublishedRow",
    "TableHeader",
    "TableRow",
    "build_table",
    "colour_label",
    "panel",
    "print_table",
    "published_frame",
    "published_rows",
    "read_table",
    "write_table",
]

__getattr__ = exports(__name__, __file__)
