"""Tables with their twins, published reference values, and qualitative pictures."""

from typing import TYPE_CHECKING

from segadapt.core.lazy import exports

if TYPE_CHECKING:
    from segadapt.reporting.figures.qualitative import colour_label, panel
    from segadapt.reporting.tables.cells import read_table
    from segadapt.reporting.tables.console import print_table
    from segadapt.reporting.tables.formats import BUILT_IN_NOTE, TableHeader, write_table
    from segadapt.reporting.tables.main import TableRow, build_table
    from segadapt.reporting.tables.published import published_frame, published_rows

__getattr__ = exports(__name__, __file__)
