"""The forms of a table: Markdown, LaTeX and HTML hold every cell of the CSV and say where it comes from."""

import html
import re
from html.parser import HTMLParser

from test_tables import HEADER, NASTY, TWO, example, row, written  # noqa: F401 - a fixture is used by name

from segadapt.reporting import (
    BUILT_IN_NOTE,
    TableHeader,
    build_table,
    read_table,
    write_table,
)
from segadapt.reporting.tables.cells import legend, read_cells, table_csv
from segadapt.reporting.tables.intervals import LEVEL, POWER
from segadapt.reporting.tables.latex import latex_twin
from segadapt.reporting.tables.markdown import markdown_twin, provenance_lines


def test_every_twin_says_what_the_comparison_is(written):
    for suffix in (".md", ".tex", ".html"):
        assert "of the same seed" in written.with_suffix(suffix).read_text()
        assert "weight in training" in written.with_suffix(suffix).read_text()
    said = legend(read_cells(written))
    assert f"{LEVEL:.0%}".replace("%", " %") in said and "four of five" in said and POWER == 4 / 5
    assert "without one, the first row of its setting" in said
    assert legend(read_cells(table_csv(build_table([row()], TWO)))) == ""


def test_all_twins_are_written_and_the_same_bytes_again(written, tmp_path):
    suffixes = {".csv", ".md", ".tex", ".html", ".json"}
    assert {each.name for each in written.parent.iterdir()} == {f"table9{suffix}" for suffix in suffixes}
    again = tmp_path / "again" / "table9.csv"
    write_table(again, read_table(written), HEADER)
    # The metrics, which are unrounded, are those of the table that was written first.
    for suffix in suffixes - {".json"}:
        assert again.with_suffix(suffix).read_bytes() == written.with_suffix(suffix).read_bytes()


def test_every_twin_says_where_it_comes_from(written):
    facts = [BUILT_IN_NOTE, "streets", "2 cores & no GPU", "abc_123", "0, 1", "released"]
    assert all(fact in "\n".join(provenance_lines(written.with_suffix(".md").read_text())) for fact in facts)
    page = Page(written.with_suffix(".html").read_text())
    assert all(fact in page.text for fact in facts)
    caption = next(
        line for line in written.with_suffix(".tex").read_text().splitlines() if line.startswith(r"\caption")
    )
    assert all(fact in unescaped_latex(caption) for fact in facts)
    for suffix in (".md", ".html"):
        content = written.with_suffix(suffix).read_text()
        assert content.index(BUILT_IN_NOTE) < content.index("ResNet-50")


def test_without_a_note_none_is_shown(tmp_path):
    write_table(tmp_path / "t.csv", example(), TableHeader("paper", "", "", "abc", (), "released"))
    assert provenance_lines((tmp_path / "t.md").read_text()) == [
        "preset: paper; protocol: released; seeds: unknown; commit: abc; machine: unknown"
    ]
    assert 'class="note"' not in (tmp_path / "t.html").read_text()


class Page(HTMLParser):
    """The cells of a page's table, row by row, and all of its visible text."""

    def __init__(self, content):
        super().__init__()
        self.rows, self.text, self.tags, self.best, self.in_cell = [], "", set(), [], False
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.in_cell = True
            self.rows[-1].append("")
            if "best" in (dict(attributes).get("class") or "").split():
                self.best.append((len(self.rows) - 1, len(self.rows[-1]) - 1))

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data


def markdown_cells(text):
    for line in text.splitlines():
        if line.startswith("|"):
            cells = [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]
            cells = [re.sub(r"^\*\*(.*)\*\*$", r"\1", each) for each in cells]
            yield [html.unescape(re.sub(r"\\(.)", r"\1", each)) for each in cells]


LATEX_SIGNS = {
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"$\lambda$": "λ",
    r"$\times$": "×",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    "{[}": "[",
    "{]}": "]",
    r"\textbackslash{}": "\0",
}


def unescaped_latex(text):
    for spelled, sign in LATEX_SIGNS.items():
        text = text.replace(spelled, sign)
    text = re.sub(r"\\textbf\{([^{}]*)\}", r"\1", text)
    return re.sub(r"\\([&%$#_{}])", r"\1", text).replace("\0", "\\")


def latex_cells(text):
    for line in text.splitlines():
        if line.endswith(r"\\"):
            yield [unescaped_latex(each.strip()) for each in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))]


def test_twins_hold_every_cell_of_the_csv(written):
    cells = read_cells(written)
    expected = [list(cells.columns), *cells.values.tolist()]
    assert expected[2][0] == NASTY
    markdown = list(markdown_cells(written.with_suffix(".md").read_text()))
    assert [markdown[0], *markdown[2:]] == expected
    assert list(latex_cells(written.with_suffix(".tex").read_text())) == expected
    page = Page(written.with_suffix(".html").read_text())
    assert [each for each in page.rows if len(each) == len(cells.columns)] == expected


def test_special_signs_are_escaped(written):
    page = written.with_suffix(".html").read_text()
    assert "A&amp;B_c &lt;i&gt;" in page
    assert "i" not in Page(page).tags
    latex = written.with_suffix(".tex").read_text()
    assert r"50 \% of A\&B\_c \textless{}i\textgreater{}\textbackslash{}x" in latex
    assert r"\{\#1\} | \$5 \textasciitilde{} \textasciicircum{} *$\lambda$*=0 {[}36{]}" in latex
    assert "mIoU\\_sd" in latex
    assert r"\| $5 \~ ^ \*λ\*=0 \[36\]" in written.with_suffix(".md").read_text()


def test_latex_braces_and_rules(written):
    latex = written.with_suffix(".tex").read_text()
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    order = re.findall(r"\\(?:toprule|midrule|bottomrule)|^(?:Ours|Only|Never|Theirs)", latex, re.MULTILINE)
    assert order == [
        r"\toprule",
        r"\midrule",
        "Ours",
        r"\midrule",
        "Only",
        "Never",
        r"\midrule",
        "Theirs",
        r"\bottomrule",
    ]


def test_best_own_values_are_bold_but_not_published_ones(written):
    page = Page(written.with_suffix(".html").read_text())
    shown = {page.rows[line][0]: [] for line, _ in page.best}
    for line, column in page.best:
        shown[page.rows[line][0]].append(page.rows[line][column])
    assert shown == {NASTY: ["61.5", "61.5"], "Only forwarded, λ=0": ["90.0"]}
    latex = written.with_suffix(".tex").read_text()
    assert re.findall(r"\\textbf\{([\d.]+)\}", latex) == ["61.5", "61.5", "90.0"]
    assert re.findall(r"\*\*([\d.]+)\*\*", written.with_suffix(".md").read_text()) == ["61.5", "61.5", "90.0"]


def test_rows_of_one_origin_stand_together_and_stay_whole():
    rows = [row("b", "control"), row("a"), row("c", "control", seeds=[(0.9, 0.8)])]
    cells = read_cells(table_csv(build_table(rows, TWO)))
    order = [each[0] for each in latex_cells(latex_twin(cells, "t", {}, ""))]
    assert order == ["method", "b", "c", "a"]
    bold = [line for line in latex_twin(cells, "t", {}, "").splitlines() if r"\textbf" in line]
    assert len(bold) == 1 and bold[0].startswith("c ")
    assert [each[0] for each in markdown_cells(markdown_twin(cells, "t", {}, ""))] == ["method", "---", "b", "a", "c"]


def test_the_page_needs_nothing_else(written):
    page = written.with_suffix(".html").read_text()
    assert not re.search(r"(src|href)=|https?:|@import|<script", page)
