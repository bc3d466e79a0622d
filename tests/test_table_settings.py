"""Tables whose rows stand in several settings: ``settings`` of an experiment."""

import copy

import pytest
from test_settings import content, sweep, thirteen
from tiny import shipped

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.plan import make_plan
from segadapt.plan.rows import table_rows


def test_a_table_may_stand_in_several_settings():
    found = content(("maxsquare",), rio=thirteen("Rio"), rome=thirteen("Rome"))
    found["experiments"]["table2"] |= {"settings": ["rome", "rio"], "rows": ["source_only", "maxsquare"]}
    rows = [row.key for row in table_rows(parameters_from(found, "tiny"), "table2")]
    assert rows == ["rome/source_only", "rome/maxsquare", "rio/source_only", "rio/maxsquare"]
    # What a preset says otherwise of one key leaves the other, whichever preset is active.
    for preset, change, expected in (
        ("tiny", {"rows": ["source_only"]}, ["rome/source_only", "rio/source_only"]),
        ("tiny", {"settings": ["rio"]}, ["rio/source_only", "rio/maxsquare"]),
        ("streets", {"settings": ["rio"]}, rows),
    ):
        changed = copy.deepcopy(found)
        changed["presets"][preset]["experiments"] = {"table2": change}
        assert [row.key for row in table_rows(parameters_from(changed, "tiny"), "table2")] == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": ["source_only", "rome/maxsquare"]}, r"rows\[1\]: 'rome/maxsquare' has a setting of its own"),
        ({"rows": [], "sweeps": [sweep()]}, "settings: there are no rows that stand in them"),
        ({"settings": ["rome", "rome"]}, "settings: one stands there twice; list each once"),
        ({"rows": ["maxsquares"]}, "'maxsquares' is not defined"),
    ],
)
def test_settings_of_a_table_that_make_no_sense_are_refused(change, told):
    found = content(("maxsquare",), rome=thirteen("Rome"))
    found["experiments"]["table2"] |= {"settings": ["rome"]} | change
    with pytest.raises(UserError, match=told):
        parameters_from(found, "tiny")


def test_a_setting_without_a_title_is_called_by_its_name():
    """Else two rows of a table would have one title, and the page would tell of one what it knows of the other."""
    found = content(("source_only", "long/maxsquare", "rome/maxsquare"), long={}, rome={"title": "Rome"})
    rows = table_rows(parameters_from(found, "tiny"), "table2")
    assert [row.title for row in rows] == ["Source only", "long: MaxSquare", "Rome: MaxSquare"]
    found["experiments"]["table2"]["rows"] = ["long/source_only", "long/maxsquare"]
    rows = table_rows(parameters_from(found, "tiny"), "table2")
    assert [row.title for row in rows] == ["Source only", "MaxSquare"]


@pytest.mark.parametrize("title", ["MaxSquare", "maxsquare"])
def test_two_rows_of_one_title_are_refused(title):
    """In whatever case they are written, as ``explain`` takes them; in two tables they may be."""
    found = content(("source_only", "maxsquare", "minent"))
    found["methods"]["minent"]["title"] = title
    told = rf"^params\.yaml: experiments\.table2: rows 'maxsquare' and 'minent' are both titled '{title}'; give [^\n]+$"
    with pytest.raises(UserError, match=told):
        make_plan(parameters_from(found, "tiny"))
    cities = content(("rome/maxsquare", "rio/maxsquare"), rome={"title": "Rome"}, rio={"title": "Rome"})
    with pytest.raises(UserError, match="'rome/maxsquare' and 'rio/maxsquare' are both titled 'Rome: MaxSquare'"):
        make_plan(parameters_from(cities, "tiny"))
    found["experiments"] = {"table2": {"rows": ["maxsquare"]}, "table3": {"rows": ["minent"]}}
    make_plan(parameters_from(found, "tiny"))


def test_two_rows_of_one_title_are_refused_where_a_row_has_a_part_a_task():
    found = shipped() | {"preset": "digits", "seeds": [1]}
    found["methods"]["dann"]["title"] = found["methods"]["entmin"]["title"]
    with pytest.raises(UserError, match="rows 'dann' and 'entmin' are both titled"):
        make_plan(parameters_from(found, "tiny"))
