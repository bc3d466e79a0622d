"""What README and docs show is there and works: the committed table, links, commands, targets."""

import argparse
import importlib
import json
import re
import shlex
import statistics
from pathlib import Path

import pytest
import tiny
import yaml

from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan
from segadapt.reporting.tables.cells import read_cells
from segadapt.reporting.tables.markdown import readme_table

README = (tiny.REPOSITORY / "README.md").read_text()
PAGES = [tiny.REPOSITORY / "README.md", tiny.REPOSITORY / "CHANGELOG.md", *sorted(tiny.REPOSITORY.glob("docs/*.md"))]
PAGES += sorted(tiny.REPOSITORY.glob("results/*/README.md"))
COMMANDS = [
    pytest.param(page, command, id=f"{page.name}: {command}")
    for page in PAGES
    for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.S | re.M)
    for line in block.replace("\\\n", " ").splitlines()
    for command in [line.partition("#")[0].strip()]
    if command.split(" ")[0] in ("segadapt", "snakemake")
]


def table_rows(text: str) -> list[str]:
    """The lines of the first Markdown table in a page."""
    return re.search(r"(?:^\|.*\n)+", text, re.M).group().splitlines()


def test_the_first_table_is_that_of_the_committed_run_row_by_row():
    assert table_rows(README) == readme_table(tiny.REPOSITORY / "results/streets/table2.csv").splitlines()


@pytest.mark.parametrize("table", ["table2", "table2_compared", "table7"])
def test_the_page_on_photographs_shows_the_committed_tables(table):
    page = tiny.REPOSITORY / "results/camvid/README.md"
    assert readme_table(page.with_name(f"{table}.csv")) in page.read_text()


def test_what_is_said_of_the_probes_on_photographs_is_what_they_measured():
    page = " ".join((tiny.REPOSITORY / "results/camvid/README.md").read_text().split())
    models = json.loads((tiny.REPOSITORY / "results/camvid/probes.json").read_text())["results"].values()
    of_source, of_target = re.search(
        r"from the source have ([\d, and]+) points .*? target labels ([\d, and]+)\.", page
    ).groups()
    for which, said in (("source", of_source), ("target", of_target)):
        stages = [
            statistics.mean(model["mIoU"][stage][which] for model in models)
            for stage in ("layer1", "layer2", "layer3", "layer4")
        ]
        assert [int(number) for number in re.findall(r"\d+", said)] == [round(mean) for mean in stages]


def test_the_oracle_beside_it_is_the_committed_one():
    *_, oracle = readme_table(tiny.REPOSITORY / "results/streets/oracle.csv").splitlines()
    assert oracle.split(" | ")[2] in re.search(r"An oracle[^.]*\.\d[^.]*\.\d", README).group()


def test_what_is_said_of_robustness_is_what_the_table_has():
    cells = read_cells(tiny.REPOSITORY / "results/streets/table5_lambda.csv")
    cells = cells[cells["origin"] != "published"].set_index("method")
    said = r"at (\d+) times its λ, MinEnt has lost ([\d.]+) points and MaxSquare nothing"
    times, lost = re.search(said, README).groups()
    paper = float(cells.loc["MaxSquare, λ_T = 0.1"]["paper_lambda"])
    minent, maxsquare = (cells.loc[f"{title}, λ_T = {paper * int(times):g}"] for title in ("MinEnt", "MaxSquare"))
    assert f"{-float(minent['vs_control']):.1f}" == lost and minent["verdict"] == "worse"
    assert maxsquare["verdict"] == "cannot tell"


def test_what_is_said_of_the_cities_is_what_the_table_has():
    cells = read_cells(tiny.REPOSITORY / "results/streets/table6.csv")
    rows = cells[cells["origin"] == "ours"].set_index("method")
    said = re.search(r"MaxSquare\+IW is better than the control by (.*?)\(\[numbers", README, re.S).group(1)
    better, unknown = said.split("cannot be told")
    found = {city: number for number, city in re.findall(r"([\d.]+) (?:points )?in\s(\w+)", better)}
    assert len(found) == 2 and set(found) | set(re.findall(r"[A-Z]\w+", unknown)) == {
        "Rome", "Rio", "Tokyo", "Taipei",
    }  # fmt: skip
    for city in ("Rome", "Rio", "Tokyo", "Taipei"):
        row = rows.loc[f"{city}: MaxSquare+IW"]
        assert row["verdict"] == ("better" if city in found else "cannot tell")
        assert found.get(city, row["vs_control"]) == row["vs_control"]


def test_the_ledger_s_effects_are_those_of_the_committed_run():
    lineage = json.loads((tiny.REPOSITORY / "results/streets/ledger.provenance.json").read_text())["lineage"]
    scores = {row["key"]: row["values"]["mIoU"] for row in lineage["rows"]}
    page = (tiny.REPOSITORY / "docs/ledger.md").read_text()
    found = re.findall(r"\| ((?:`\w+/\w+`(?:, )?)+) \| ([-+]\d.*) \|", page)
    effects = [each for rows, told in found for each in zip(rows.split(", "), told.split(", "), strict=True)]
    assert len(effects) == 8
    for row, told in effects:
        row = row.strip("`")
        pairs = zip(scores[row], scores[row.split("/")[1]], strict=True)
        points = [100 * (turned - plain) for turned, plain in pairs]
        assert f"{statistics.mean(points):+.2f} ± {statistics.stdev(points):.2f}" == told, row


def test_the_first_table_has_the_rows_that_make_table2_makes(monkeypatch):
    monkeypatch.chdir(tiny.REPOSITORY)
    makefile = Path("Makefile").read_text()
    assert re.search(r"^table2:.*\n.*snakemake.* table2 ", makefile, re.M)
    parameters = load_parameters("params.yaml")
    assert parameters.preset == "streets" and len(parameters.seeds) == 3 and "with three seeds" in README
    seeds = re.search(r"^table2-more:.*\n.*seeds=\[(.*?)\]", makefile, re.M).group(1).split(",")
    assert {row.split(" | ")[-1] for row in table_rows(README)[2:]} == {f"{len(seeds)} |"} and len(seeds) == 8
    titles = ["Source only"] + [parameters.methods[row].title for row in parameters.experiments["table2"].rows[1:]]
    assert [row.split(" | ")[0].removeprefix("| ") for row in table_rows(README)[2:]] == titles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(tiny.REPOSITORY)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, section = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        titles = re.findall(r"^#+ (.*)", linked.read_text(), re.M) if section else []
        slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
        assert not section or section in slugs, target


def test_every_target_of_make_is_one():
    targets = re.findall(r"^([\w-]+):", (tiny.REPOSITORY / "Makefile").read_text(), re.M)
    named = {name for page in PAGES for name in re.findall(r"(?:`|^    )make ([a-z][\w-]*)", page.read_text(), re.M)}
    assert {"table2", "test"} <= named <= set(targets)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_is_one(page, command, monkeypatch):
    monkeypatch.chdir(tiny.REPOSITORY)
    program, *words = shlex.split(command)
    if program == "segadapt":
        module = importlib.import_module(f"segadapt.commands.{words[0].replace('-', '_')}")
        parser = argparse.ArgumentParser(exit_on_error=False)
        module.add_arguments(parser)
        parser.parse_args(words[1:])
    else:
        before, _, config = command.partition("--config ")
        given = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in shlex.split(config))}
        made = make_plan(load_parameters("params.yaml", given)).by_output
        asked = [word for word in shlex.split(before) if word.startswith("results/")]
        assert [path for path in asked if path not in made] == []
