"""The table on the terminal: it fits, it is aligned, and it shows the warning."""

import io

import pytest
from test_tables import FOLDER, HEADER, example

from segadapt.core.errors import UserError
from segadapt.labels import CITYSCAPES19
from segadapt.reporting import (
    BUILT_IN_NOTE,
    TableRow,
    build_table,
    print_table,
    published_rows,
    read_table,
    write_table,
)
from segadapt.reporting.tables.cells import read_cells, table_csv
from segadapt.reporting.tables.console import WIDTH, comparison_lines, table_lines


@pytest.mark.parametrize("paper_data", [False, True])
def test_the_terminal_table_fits_and_is_aligned(paper_data):
    same = {name: [1.0, 1.0] for name in CITYSCAPES19.classes}
    rising = {name: [place / 18] for place, name in enumerate(CITYSCAPES19.classes)}
    own = [
        TableRow("x" * 60, "ResNet-101", "ours", same | {"mIoU": [1.0, 0.4]}, "MaxSquare"),
        TableRow("short", "ResNet-101", "control", rising | {"mIoU": [0.5]}),
        TableRow("not run", "ResNet-101", "control"),
    ]
    frame = build_table(own, CITYSCAPES19.classes, published_rows(2, folder=FOLDER), paper_data)
    lines = table_lines(read_cells(table_csv(frame)))
    assert max(map(len, lines)) <= WIDTH
    assert set(lines[1]) == {"-"}
    titles = lines[0].split()
    assert all(len(title) <= 6 for title in titles)
    end = lines[0].index(" mIoU") + len(" mIoU")
    assert [line[:end].split()[-1] for line in lines if line.startswith(("x", "short", "CBST-SP"))] == [
        "70.0",
        "50.0",
        "46.2",
    ]
    assert lines[2].startswith("xxxxx") and ".. ours" in lines[2]
    assert ("paper" in titles) == paper_data


def test_below_the_table_stands_what_each_row_is_against_the_control():
    columns = {"road": [0.5, 0.6], "mIoU": [0.5, 0.6]}
    own = [
        TableRow("y" * 100, "", "ours", columns, control=[0.4, 0.5001]),
        TableRow("Ours", "", "ours", {"road": [0.5], "mIoU": [0.5]}, control=[0.4]),
        TableRow("the control", "", "control", columns),
    ]
    head, *lines = comparison_lines(read_cells(table_csv(build_table(own, ["road"]))))
    assert [line.split()[-1] for line in (head, *lines)] == ["verdict", "better", "tell"] and len(lines) == 2
    assert lines[0].startswith("yyy") and ".. " in lines[0] and max(map(len, (head, *lines))) <= WIDTH
    assert lines[0].split()[1:5] == ["9.99", "9.93", "to", "10.06"] and lines[1].split() == [
        "Ours",
        "10.00",
        "cannot",
        "tell",
    ]
    assert {line.index(word) for line, word in zip((head, *lines), ("verdict", "better", "cannot"), strict=True)} == {
        head.index("verdict")
    }
    assert "λ" not in head
    assert comparison_lines(read_cells(table_csv(build_table(own[2:], ["road"])))) == []


def test_the_terminal_shows_the_warning(tmp_path):
    written = tmp_path / "table9.csv"
    write_table(written, example(paper_data=True), HEADER)
    screen = io.StringIO()
    print_table(written, screen)
    assert BUILT_IN_NOTE in screen.getvalue()
    assert "\x1b" not in screen.getvalue()
    assert "45.0 10.6 2  60.7 -15.7" in screen.getvalue()
    assert "0.737       0.1  10.00 -21.77 to 41.77      40.84  cannot tell" in screen.getvalue()
    assert any(
        "\x1b[1m 61.5\x1b[0m" in line or "\x1b[1m61.5\x1b[0m" in line for line in table_lines(read_cells(written), True)
    )


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"method,backbone,origin,road,mIoU\n"])
def test_a_foreign_csv_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"t\.csv.*result table"):
        read_table(path)


def test_a_missing_csv_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*t\.csv"):
        print_table(tmp_path / "t.csv")
