"""The table on the terminal: it fits, it is aligned, and it shows the warning."""

import io
import re

import pytest
from test_tables import FOLDER, HEADER, example, row
from tiny import REPOSITORY

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


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """One that nothing is told of."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def printed(tmp_path, frame, screen=None):
    """The lines of a table as they are printed."""
    write_table(tmp_path / "table9.csv", frame, HEADER)
    print_table(tmp_path / "table9.csv", screen := screen or io.StringIO())
    return screen.getvalue().splitlines()


def wide_table(paper_data=False):
    same = {name: [1.0, 1.0] for name in CITYSCAPES19.classes}
    rising = {name: [place / 18] for place, name in enumerate(CITYSCAPES19.classes)}
    own = [
        TableRow("x" * 60, "ResNet-101", "ours", same | {"mIoU": [1.0, 0.4]}, "MaxSquare"),
        TableRow("short", "ResNet-101", "control", rising | {"mIoU": [0.5]}),
        TableRow("not run", "ResNet-101", "control"),
    ]
    return build_table(own, CITYSCAPES19.classes, published_rows(2, folder=FOLDER), paper_data)


@pytest.mark.parametrize("paper_data", [False, True])
def test_columns_are_aligned_and_rows_grouped(paper_data, tmp_path):
    lines = printed(tmp_path, wide_table(paper_data))
    (head,) = (line for line in lines if line.startswith("method "))
    titles = head.split()
    assert all(len(title) <= 6 for title in titles) and ("paper" in titles) == paper_data
    end = head.index(" mIoU") + len(" mIoU")
    shown = {line.split()[0]: line[:end].split()[-1] for line in lines if line.startswith(("x", "short", "CBST-SP"))}
    assert shown == {"x" * 60: "70.0", "short": "50.0", "CBST-SP": "46.2"}
    assert [re.sub("─+", "─", line) for line in lines].count("─") == 3  # below the head, and between three origins


@pytest.mark.parametrize(("width", "has_classes"), [(220, True), (150, False), (100, False)])
def test_a_terminal_too_narrow_for_the_classes_shows_the_means(width, has_classes, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = [re.sub("\x1b.*?m", "", line).rstrip() for line in printed(tmp_path, wide_table(), Terminal())]
    table = lines[next(place for place, line in enumerate(lines) if line.startswith("method ")) :]
    assert max(map(len, table)) <= width
    assert ("sidew" in table[0]) == has_classes and " mIoU" in table[0]
    (needed,) = [re.findall(r"The 19 classes need (\d+) columns", line) for line in table if "classes" in line] or [[]]
    assert bool(needed) != has_classes and all(int(each) > width for each in needed)
    assert "50.0" in next(line for line in table if line.startswith("short"))


def test_a_long_name_is_wrapped_and_no_number(tmp_path, monkeypatch):
    frame = build_table([TableRow("word " * 40, "", "ours", {"road": [0.5], "mIoU": [0.5]}, control=[0.4])], ["road"])
    monkeypatch.setenv("COLUMNS", "90")
    lines = printed(tmp_path, frame, Terminal())
    assert sum(line.count("word") for line in lines) == 2 * 40
    (compared,) = (line for line in lines if "cannot tell" in line)
    assert compared.startswith("word word") and "10.00" in compared


def test_below_the_table_stands_what_each_row_is_against_the_control(tmp_path):
    columns = {"road": [0.5, 0.6], "mIoU": [0.5, 0.6]}
    own = [
        TableRow("y" * 100, "", "ours", columns, control=[0.4, 0.5001]),
        TableRow("Ours", "", "ours", {"road": [0.5], "mIoU": [0.5]}, control=[0.4]),
        TableRow("the control", "", "control", columns),
    ]
    lines = [line.rstrip() for line in printed(tmp_path, build_table(own, ["road"]))]
    place = next(place for place, line in enumerate(lines) if line.startswith("from the control"))
    head, _, first, second = lines[place:]
    assert first.split() == ["y" * 100, "9.99", "9.93", "to", "10.06", "0.08", "better"]
    assert second.split() == ["Ours", "10.00", "cannot", "tell"]
    assert head.index("verdict") == first.index("better") == second.index("cannot")
    assert "λ" not in head
    assert not any(line.startswith("from the control") for line in printed(tmp_path, build_table(own[2:], ["road"])))


def test_the_table_shows_the_warning_and_its_numbers(tmp_path):
    lines = printed(tmp_path, example(paper_data=True))
    assert BUILT_IN_NOTE in lines and "\x1b" not in "".join(lines)
    said = [" ".join(line.split()) for line in lines]
    assert "Ours ours 60.0 30.0 45.0 10.6 2 60.7 -15.7" in said
    assert "Ours 0.737 0.1 10.00 -21.77 to 41.77 40.84 cannot tell" in said


def test_what_looks_like_markup_is_text(tmp_path):
    frame = build_table([TableRow("[bold]x[/bold] [36]", "", "ours", {"road": [0.5], "mIoU": [0.5]})], ["road"])
    assert any(line.startswith("[bold]x[/bold] [36]") for line in printed(tmp_path, frame))


@pytest.mark.parametrize(
    ("name", "value", "bold"),
    [("NO_COLOR", "", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False), ("TERM", "xterm-256color", True)],
)
def test_best_values_are_bold_on_a_terminal_that_wants_it(tmp_path, monkeypatch, name, value, bold):
    monkeypatch.setenv(name, value)
    shown = "\n".join(printed(tmp_path, example(), Terminal()))
    assert bool(re.search(r"\x1b\[1m *61\.5\x1b\[0m", shown)) == bold
    assert ("\x1b" in shown) == bold and not re.search(r"\x1b\[1m *45\.0", shown)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"method,backbone,origin,road,mIoU\n"])
def test_a_foreign_csv_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"t\.csv.*result table"):
        read_table(path)


@pytest.mark.parametrize(
    ("column", "text"),
    [("road", "n/a"), ("sky", "61,5"), ("mIoU_sd", "nan"), ("mIoU", "inf"), ("seeds", "1.5"), ("gpu_hours", "0x1")],
)
def test_text_in_the_place_of_a_number_is_refused_with_row_and_column(column, text, tmp_path):
    path = tmp_path / "t.csv"
    write_table(path, example(), HEADER)
    cells = read_cells(path)
    cells.loc[1, column] = text
    cells.to_csv(path, index=False)
    said = rf"t\.csv, row 2 \({re.escape(cells.method[1])}\), column {column}: '{text}' is no number; "
    for read in (read_table, read_cells, print_table):
        with pytest.raises(UserError, match=said):
            read(path)


@pytest.mark.parametrize("number", [1, 2])
def test_a_table_that_was_cut_anywhere_is_refused_with_the_row(number, tmp_path):
    whole = table_csv(build_table([row("a, b"), row('say "c"')], ("road", "sky"))).splitlines(keepends=True)
    assert len(read_cells(b"".join(whole))) == 2
    last = whole[number]
    for end in range(1, last.rindex(b",")):
        (tmp_path / "t.csv").write_bytes(b"".join(whole[:number]) + last[:end])
        # Within quotes nobody can tell what was to follow.
        said = (
            rf"t\.csv is not a result table \((row {number} \(.* has \d+ cells|unexpected end of data).*\); delete it"
        )
        with pytest.raises(UserError, match=said):
            read_cells(tmp_path / "t.csv")


def test_the_committed_tables_are_whole():
    tables = [path for path in (REPOSITORY / "results").rglob("*.csv") if b",gpu_hours,commit\n" in path.read_bytes()]
    assert len(tables) > 15 and all(len(read_cells(path)) for path in tables)


def test_a_missing_csv_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*t\.csv"):
        print_table(tmp_path / "t.csv", screen := io.StringIO())
    assert screen.getvalue() == ""
