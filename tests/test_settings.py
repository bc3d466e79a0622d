"""Settings and sweeps: further adaptations of a preset, and grids over one parameter."""

import copy

import pytest
from tiny import tiny_parameters

from segadapt.core.errors import UserError
from segadapt.core.parameters import Parameters, parameters_from
from segadapt.plan import Plan, make_plan
from segadapt.plan.rows import table_rows

GRID = [0.5, 0.1, 0.02]


def content(rows=("source_only", "maxsquare"), sweeps=(), more=(), **settings) -> dict:
    """The toy parameters with a table of these rows and sweeps, perhaps one of ``more`` rows, and these settings."""
    found = tiny_parameters()
    tiny = found["presets"]["tiny"]
    tiny["caches"]["other_val"] = tiny["caches"]["target_val"] | {"classes": "nthu13"}
    tiny["caches"]["other_source"] = tiny["caches"]["source_train"] | {"classes": "nthu13"}
    tiny["settings"] = settings
    found["experiments"] = {"table2": {"rows": list(rows), "sweeps": list(sweeps)}}
    found["experiments"] |= {"table3": {"rows": list(more)}} if more else {}
    return found


def parameters(*rows, **rest) -> Parameters:
    return parameters_from(content(rows, **rest), "tiny")


def plan_of(*rows, **rest) -> Plan:
    return make_plan(parameters(*rows, **rest))


def thirteen(title: str) -> dict:
    """A setting with labels of 13 classes."""
    part = {"source": "other_source"}
    return {
        "title": title,
        "model": {"classes": "nthu13"},
        **{stage: part for stage in ("pretrain", "adapt", "refine")},
        "evaluate_on": "other_val",
    }


def sweep(values=GRID, parameter="lambda_target", method="maxsquare") -> dict:
    return {"method": method, "parameter": parameter, "values": list(values)}


# --- settings -------------------------------------------------------------------------------------


def test_a_setting_replaces_keys_section_by_section():
    found = parameters("rome/maxsquare", rome=thirteen("Rome") | {"methods": {"maxsquare": {"lambda_target": 0.7}}})
    rome, base = found.resolved["rome"], found.resolved[None]
    assert (rome.preset.model.classes, base.preset.model.classes) == ("nthu13", "cityscapes19")
    assert rome.preset.model.backbone == base.preset.model.backbone
    assert (rome.preset.adapt.source, rome.preset.adapt.target) == ("other_source", "target_train")
    assert rome.preset.adapt.steps == base.preset.adapt.steps
    assert (rome.methods["maxsquare"].lambda_target, base.methods["maxsquare"].lambda_target) == (0.7, 0.1)


def test_jobs_of_a_setting_have_folders_of_their_own():
    plan = plan_of("rome/source_only", "rome/maxsquare", more=["maxsquare"], rome=thirteen("Rome"))
    job = plan.by_name["adapt/rome/maxsquare/seed1"]
    assert job.outputs["model"] == "work/tiny/models/rome/maxsquare/seed1/model.safetensors"
    assert job.input("model") == "work/tiny/sources/rome/source/seed1/model.safetensors"
    assert plan.by_name["evaluate/rome/source/seed1"].outputs["metrics"] == (
        "work/tiny/metrics/rome/source/seed1/metrics.json"
    )
    assert plan.by_name["prepare/other_val"].config["classes"] == "nthu13"
    assert plan.by_name["adapt/maxsquare/seed1"].input("model") == ("work/tiny/sources/source/seed1/model.safetensors")


def test_source_models_that_are_trained_alike_are_shared():
    cities = {name: thirteen(name.title()) for name in ("rome", "rio")}
    cities["rio"]["adapt"] = cities["rio"]["adapt"] | {"learning_rate": 0.5}
    switched = {"protocol": {"guidance_mask": "winner"}}
    wider = {"protocol": {"aspp_branches": 4}}
    shorter = {"precision": {"bf16": True}}
    rows = [f"{setting}/maxsquare" for setting in ("rome", "rio", "mask", "wider", "half")]
    plan = plan_of(*rows[:2], more=rows[2:], **cities, mask=switched, wider=wider, half=shorter)
    trained = [job.name for job in plan.jobs if job.stage == "pretrain"]
    own = ("half/source", "rome/source", "source", "wider/source")
    assert sorted(trained) == [f"pretrain/{name}/seed1" for name in own]
    assert plan.by_name["adapt/half/maxsquare/seed1"].config["precision"]["bf16"]
    sources = {row: plan.by_name[f"adapt/{row}/seed1"].input("model").split("/")[3] for row in rows}
    assert list(sources.values()) == ["rome", "rome", "source", "wider", "half"]


def test_a_method_of_other_branches_starts_from_a_source_model_of_its_own():
    """It is shared with a setting that trains it alike; everything else is where it was."""
    found = content(("source_only", "maxsquare", "cbst", "adaptsegnet"))
    own = found["presets"]["tiny"]["methods"]
    own["cbst"] = {"aspp_branches": 4, "self_training": {"rounds": 1}}
    own["adaptsegnet"] = own["adaptsegnet"] | {"aspp_branches": 4}
    for settings, prefix in (({}, "4_branches/"), ({"wider": {"protocol": {"aspp_branches": 4}}}, "wider/")):
        found["presets"]["tiny"]["settings"] = settings
        plan = make_plan(parameters_from(found, "tiny"))
        pretrained = {job.name: job for job in plan.jobs if job.stage == "pretrain"}
        assert pretrained.keys() == {f"pretrain/{name}/seed1" for name in (
            "source", f"{prefix}source", f"{prefix}source_multi",
        )}  # fmt: skip
        branches = {
            job.name.split("/")[1]: job.config["aspp_branches"]
            for job in plan.jobs
            if job.stage in ("adapt", "refine", "self_train", "pseudo_label", "evaluate")
        }
        four = ("cbst", "cbst-round1", "adaptsegnet")
        assert branches == {"source": 2, "maxsquare": 2} | dict.fromkeys(four, 4)
        for name, source in (("refine/adaptsegnet", "source_multi"), ("self_train/cbst-round1", "source")):
            start = plan.by_output[plan.by_name[f"{name}/seed1"].input("model")]
            assert start is pretrained[f"pretrain/{prefix}{source}/seed1"] and start.config["aspp_branches"] == 4
        assert plan.by_name["self_train/cbst-round1/seed1"].outputs["model"].startswith("work/tiny/models/cbst-round1/")
        shown = plan.by_name["figure/qualitative"].config["models"]
        assert {key: each["aspp_branches"] for key, each in shown.items()} == {
            "source_only": 2, "maxsquare": 2, "cbst": 4, "adaptsegnet": 4,
        }  # fmt: skip
        said = [row["protocol"] for row in plan.by_name["table/table2"].config["rows"]]
        assert said == ["released"] * 2 + ["released with aspp_branches=4"] * 2
    found["protocols"]["released"]["aspp_branches"] = 4
    pretrained = [job.name for job in make_plan(parameters_from(found, "tiny")).jobs if job.stage == "pretrain"]
    assert pretrained == ["pretrain/source/seed1", "pretrain/source_multi/seed1"]


def test_a_method_may_change_keys_of_its_stage():
    found = content(("maxsquare", "minent"))
    found["presets"]["tiny"]["caches"]["further"] = found["presets"]["tiny"]["caches"]["source_train"]
    found["presets"]["tiny"]["methods"]["maxsquare"] = {"training": {"steps": 5, "blur": 0, "source": "further"}}
    plan = make_plan(parameters_from(found, "tiny"))
    own, other = (plan.by_name[f"adapt/{name}/seed1"] for name in ("maxsquare", "minent"))
    assert own.input("source") == "work/tiny/cache/further/manifest.json"
    assert own.config["training"] == other.config["training"] | {"steps": 5, "blur": 0}
    assert plan.by_name["evaluate/maxsquare/seed1"].config["last_step"] == 5
    assert "training" not in own.config["method"] and "aspp_branches" not in own.config["method"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"training": {"step": 5}}, r"methods\.maxsquare\.training: step: unknown key"),
        ({"training": {"steps": 0}}, r"methods\.maxsquare\.training\.steps"),
        ({"training": {"steps": 50}}, r"methods\.maxsquare\.training\.horizon: must be at least steps"),
        ({"training": {"source": "nowhere"}}, r"methods\.maxsquare\.training\.source: 'nowhere' is not defined"),
        ({"training": {"source": "target_train"}}, r"methods\.maxsquare\.training\.source: cache .* has no labels"),
        ({"training": {"source": "other_source"}}, r"adapt\.source: the labels of cache 'other_source' are nthu13"),
        ({"training": {"crop": "999x9"}}, r"methods\.maxsquare\.training\.crop"),
        ({"aspp_branches": 3}, r"methods\.maxsquare\.aspp_branches"),
    ],
)
def test_keys_that_make_no_sense_for_a_method_are_refused(change, expected):
    found = content(("maxsquare",))
    found["methods"]["maxsquare"] |= change
    with pytest.raises(UserError, match=expected):
        parameters_from(found, "tiny")


def test_a_method_with_data_of_its_own_says_them_anew_in_a_setting_of_other_data():
    """Else it would train on what the preset's method reads, in a setting that was made for another domain."""
    found = content(("maxsquare", "dark/maxsquare"), dark={"adapt": {"source": "night"}})
    tiny = found["presets"]["tiny"]
    tiny["caches"] |= dict.fromkeys(("further", "night"), tiny["caches"]["source_train"])
    tiny["methods"]["maxsquare"] = {"training": {"source": "further"}}
    with pytest.raises(UserError, match=r"settings\.dark\.methods\.maxsquare\.training\.source: is missing, .* night"):
        parameters_from(found, "tiny")
    tiny["settings"]["dark"]["methods"] = {"maxsquare": {"training": {"source": "night"}}}
    plan = make_plan(parameters_from(found, "tiny"))
    sources = [
        plan.by_name[f"adapt/{row}/seed1"].input("source").split("/")[3] for row in ("maxsquare", "dark/maxsquare")
    ]
    assert sources == ["further", "night"]


def test_members_of_an_ensemble_sum_the_same_branches():
    found = content(("advent_ensemble",))
    found["methods"]["advent"]["aspp_branches"] = 4
    with pytest.raises(
        UserError, match=r"methods\.advent_ensemble\.ensemble\[1\]: 'advent_minent' has other aspp_branches"
    ):
        parameters_from(found, "tiny")


def test_titles_name_the_setting_where_a_table_holds_several():
    both = {"rome": thirteen("Rome"), "rio": thirteen("Rio")}
    titles = [row.title for row in table_rows(parameters("rome/maxsquare", "rio/source_only", **both), "table2")]
    assert titles == ["Rome: MaxSquare", "Rio: Source only"]
    assert [row.title for row in table_rows(parameters("rome/maxsquare", **both), "table2")] == ["MaxSquare"]
    of_cities = content(("rome/maxsquare", "rio/maxsquare"), **both)
    assert table_rows(parameters_from(of_cities, "tiny"), "table2")[1].paper_row == "MaxSquare"
    of_cities["experiments"]["table2"]["published"] = 6  # where the paper's rows are of cities
    assert table_rows(parameters_from(of_cities, "tiny"), "table2")[1].paper_row == "Rio: MaxSquare"


def test_the_unadapted_model_of_a_setting_has_a_row_of_the_paper():
    rows = table_rows(
        parameters("source_only", "wide/source_only", wide={"source_paper_row": "Source only [36]"}), "table2"
    )
    assert [row.paper_row for row in rows] == ["Source only", "Source only [36]"]


def test_the_control_of_a_row_is_that_of_its_setting():
    rows = ("rome/source_only", "rome/maxsquare", "rio/maxsquare", "rio/target_forwarded")
    plan = plan_of(*rows, rome=thirteen("Rome"), rio=thirteen("Rio"))
    baselines = {row["key"]: row["baseline"] for row in plan.by_name["statistics/table2"].config["rows"]}
    assert baselines == {
        "rome/source_only": "rome/source_only",
        "rome/maxsquare": "rome/source_only",
        "rio/maxsquare": "rio/target_forwarded",
        "rio/target_forwarded": "rio/target_forwarded",
    }


def test_a_switch_of_a_setting_reaches_its_jobs_and_the_table():
    plan = plan_of("maxsquare", "no_half/maxsquare", no_half={"protocol": {"max_squares_half": False}})
    halves = [
        plan.by_name[f"adapt/{row}/seed1"].config["protocol"]["max_squares_half"]
        for row in ("maxsquare", "no_half/maxsquare")
    ]
    assert halves == [True, False]
    protocols = [row["protocol"] for row in plan.by_name["table/table2"].config["rows"]]
    assert protocols == ["released", "released with max_squares_half=False"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": {"backbones": "x"}}, "presets.tiny.settings.rome.model.backbones"),
        ({"evaluate_on": "nowhere"}, "presets.tiny.settings.rome.evaluate_on"),
        ({"adapt": {"steps": 0}}, "presets.tiny.settings.rome.adapt.steps"),
        ({"adapt": {"snapshots": 2}}, "presets.tiny.settings.rome.adapt"),
        ({"protocol": {"halves": True}}, "presets.tiny.settings.rome.protocol.halves"),
        ({"protocol": {"evaluation_size": "native"}}, "presets.tiny.settings.rome.protocol.evaluation_size"),
        ({"methods": {"maxsquares": {}}}, "presets.tiny.settings.rome.methods"),
        ({"methods": {"maxsquare": {"lambda_target": -1}}}, "presets.tiny.settings.rome.methods.maxsquare"),
        ({"datasets": {}}, "presets.tiny.settings.rome.datasets"),
    ],
)
def test_a_senseless_setting_is_refused_with_its_path(change, expected):
    with pytest.raises(UserError) as caught:
        parameters("source_only", rome=change)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("rome/source_only",), "experiments.table2.rows[0]: 'rome'"),
        (("rio/maxsquares",), "experiments.table2.rows[0]: 'maxsquares'"),
        (("source_only", "rio/source_only"), "experiments.table2"),  # 19 classes and 13 in one table
        (("halves/source_only",), "presets.tiny.settings.halves.pretrain.source"),
        (("scored/source_only",), "presets.tiny.settings.scored.evaluate_on"),  # on more classes than it knows
        (("rio/oracle",), "presets.tiny.settings.rio.oracle"),
        (("Rio/maxsquare",), "experiments.table2.rows[0]"),
    ],
)
def test_a_row_that_cannot_be_is_refused(rows, expected):
    halves, scored = {"model": {"classes": "nthu13"}}, thirteen("Rio") | {"evaluate_on": "target_val"}
    found = content(rows, rio=thirteen("Rio"), halves=halves, scored=scored)
    found["presets"]["tiny"]["oracle"] = None
    with pytest.raises(UserError) as caught:
        parameters_from(found, "tiny")
    assert expected in str(caught.value)


# --- sweeps ---------------------------------------------------------------------------------------


def test_the_value_that_a_method_has_anyway_is_the_method_itself():
    rows = table_rows(parameters("target_forwarded", sweeps=[sweep()]), "table2")
    assert [row.key for row in rows] == [
        "target_forwarded",
        "maxsquare-lambda_target-0.5",
        "maxsquare",
        "maxsquare-lambda_target-0.02",
    ]
    assert [row.title for row in rows[1:]] == [f"MaxSquare, λ_T = {value}" for value in ("0.5", "0.1", "0.02")]
    assert rows[1].paper_row == "MaxSquare, λ_T = 0.5"


def test_a_row_that_is_listed_and_swept_is_shown_as_the_row():
    plan = plan_of("source_only", "maxsquare", sweeps=[sweep([0.1, 0.2])])
    for job in ("figure/figure2", "figure/gallery"):
        titles = {key: each["title"] for key, each in plan.by_name[job].config["models"].items()}
        assert titles == {"source_only": "Source only", "maxsquare": "MaxSquare"}, job
    assert [row["key"] for row in plan.by_name["figure/figure4"].config["rows"]] == ["source_only", "maxsquare"]


def test_a_cell_differs_from_its_method_in_the_swept_number_alone():
    plan = plan_of(sweeps=[sweep([0.25, 0.2], "image_weight.alpha", "maxsquare_iw")])
    cell, base = (plan.by_name[f"adapt/maxsquare_iw{ending}/seed1"] for ending in ("-image_weight.alpha-0.25", ""))
    assert cell.config["method"]["image_weight"] == {"alpha": 0.25}
    expected = copy.deepcopy(base.config)
    expected["method"]["image_weight"]["alpha"] = 0.25
    assert cell.config == expected and cell.inputs == base.inputs


def test_a_whole_value_of_a_float_stays_a_float():
    methods = parameters(sweeps=[sweep([1, 0])]).resolved[None].methods
    weights = [methods[f"maxsquare-lambda_target-{value}"].lambda_target for value in (1, 0)]
    assert list(map(repr, weights)) == ["1.0", "0.0"]


def test_a_value_more_is_one_cell_more():
    before, after = (plan_of("source_only", sweeps=[sweep(values)]) for values in (GRID, [*GRID, 0.3]))
    fresh = {job.name for job in after.jobs} - {job.name for job in before.jobs}
    assert fresh == {"adapt/maxsquare-lambda_target-0.3/seed1", "evaluate/maxsquare-lambda_target-0.3/seed1"}
    altered = {job.name for job in before.jobs if job.identity() != after.by_name[job.name].identity()}
    pages = ("table", "scoring", "statistics", "measures", "costs")
    assert altered == {*(f"{page}/table2" for page in pages), "figure/table2_robustness"}


def test_a_sweep_in_a_setting_is_of_the_setting():
    cells = sweep([0.7], method="rome/maxsquare")
    plan = plan_of(sweeps=[cells], rome=thirteen("Rome"))
    job = plan.by_name["adapt/rome/maxsquare-lambda_target-0.7/seed1"]
    assert job.input("model") == "work/tiny/sources/rome/source/seed1/model.safetensors"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"method": "maxsquares"}, "experiments.table2.sweeps[0].method"),
        ({"method": "source_only"}, "experiments.table2.sweeps[0].method"),
        ({"method": "rome/maxsquare"}, "experiments.table2.sweeps[0].method"),
        ({"parameter": "lambda"}, "experiments.table2.sweeps[0].parameter"),
        ({"parameter": "image_weight.alpha"}, "experiments.table2.sweeps[0].parameter"),  # MaxSquare has no weights
        ({"parameter": "title"}, "experiments.table2.sweeps[0]"),
        ({"values": [0.1, 0.1]}, "experiments.table2.sweeps[0].values"),
        ({"values": [-1.0]}, "experiments.table2.sweeps[0].lambda_target"),
        ({"values": []}, "experiments.table2.sweeps[0].values"),
    ],
)
def test_a_senseless_sweep_is_refused_with_its_path(change, expected):
    with pytest.raises(UserError) as caught:
        parameters(sweeps=[sweep() | change])
    assert expected in str(caught.value)
