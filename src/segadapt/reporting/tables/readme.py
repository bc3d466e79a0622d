"""The short table of the README, made from a result CSV."""

from pathlib import Path

from segadapt.reporting.tables.main import read_cells


def readme_table(csv_path: Path) -> str:
    """Method, origin, mIoU with its spread, and seeds of our own rows, as Markdown."""
    cells = read_cells(csv_path)
    lines = ["| method | origin | mIoU | seeds |", "| --- | --- | ---: | ---: |"]
    for _, row in cells[cells["origin"] != "published"].iterrows():
        spread = f" ± {row['mIoU_sd']}" if row["mIoU_sd"] else ""
        lines.append(f"| {row['method']} | {row['origin']} | {row['mIoU']}{spread} | {row['seeds']} |")
    return "\n".join(lines)
