"""Tables that put a paper's figures beside ours, and the runs behind them."""

import json

import pytest
from matplotlib import image

from fer_models.studies.paper_table import Column, PaperTable, Row, draw, summary
from fer_models.studies.planned_runs import finish_runs, plan_runs

COLUMNS = (Column("accuracy", "accuracy, %", scale=100, digits=1), Column("loss", digits=3))
ROWS = (
    Row("first", {"accuracy": 0.9}, {"accuracy": (0.5, 0.6, 0.7), "loss": (1.0, 1.5, 2.0)}),
    Row("second", {}, {"accuracy": (0.5,)}),
    Row("third", {"accuracy": 0.8}),
)


def test_a_row_has_the_paper_s_value_beside_mean_spread_and_interval():
    lines = PaperTable("Both", COLUMNS, ROWS, ["Nothing."]).markdown().splitlines()
    assert lines[2] == "| | accuracy, %: paper | ours | loss |"
    # Student's t with two degrees of freedom: 4.303 * 10 / sqrt(3) = 24.8.
    assert lines[4] == "| first | 90.0 | 60.0 ± 10.0 [35.2, 84.8] | 1.500 ± 0.500 [0.258, 2.742] |"
    assert lines[5] == "| second | | 50.0 | |"
    assert lines[6] == "| third | 80.0 | | |"
    assert "over 3 seeds" in "\n".join(lines)
    assert lines[-1] == "- Nothing."


def test_the_dictionary_has_every_value():
    found = json.loads(json.dumps(PaperTable("Both", COLUMNS, ROWS).to_dict()))
    assert found["rows"][0]["measured"]["loss"]["values"] == [1.0, 1.5, 2.0]
    assert found["rows"][0]["published"] == {"accuracy": 0.9}
    assert summary([3.0]) == {"values": [3.0], "mean": 3.0}


def test_unknown_columns_are_refused():
    with pytest.raises(ValueError, match=r"Received: \['f1'\] in 'first'"):
        PaperTable("Both", COLUMNS, [Row("first", {}, {"f1": (1.0,)})])


def test_the_picture(tmp_path):
    path = tmp_path / "report.png"
    draw([PaperTable("Both", COLUMNS, ROWS), PaperTable("One", COLUMNS[:1], ROWS[1:])], path)
    assert image.imread(path).std() > 0.05
    with pytest.raises(ValueError, match="measured value"):
        draw([PaperTable("None", COLUMNS, ROWS[2:])], path)


def test_runs_are_done_once_and_the_rest_after_a_stop(tmp_path):
    runs = plan_runs(("a b", "c"), 2, tmp_path)
    assert [(run.row, run.seed) for run in runs] == [("a b", 1), ("c", 1), ("a b", 2), ("c", 2)]
    done = []

    def train(run):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(run)
        return {"seed": run.seed}

    with pytest.raises(KeyboardInterrupt):
        finish_runs(runs, train, progress=False)
    assert [run.done for run in runs] == [True, True, True, False]
    done.clear()
    found = finish_runs(runs, train, progress=False)
    assert done == [runs[3]]
    assert [result["seed"] for result in found.values()] == [1, 1, 2, 2]


def test_a_result_that_is_damaged_or_another_s_is_named_before_anything_is_done(tmp_path):
    runs = plan_runs(("a", "b"), 1, tmp_path)
    finish_runs(runs, lambda run: {"accuracy": 0.5}, progress=False)
    path = runs[1].folder / "result.json"
    path.write_text((runs[0].folder / "result.json").read_text())
    more = plan_runs(("a", "b", "c"), 1, tmp_path)

    def train(run):
        raise AssertionError(run)

    with pytest.raises(ValueError, match=r"result\.json must be the result of .*'row': 'b'"):
        finish_runs(more, train, progress=False)
    for text in ("", "null", '{"accuracy": 0.5}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"remove .*seed1 to have it made again") as error:
            finish_runs(more, train, progress=False)
        assert str(path) in str(error.value)
    path.unlink()
    found = finish_runs(runs, lambda run: {"accuracy": 0.7}, progress=False)
    assert [result["accuracy"] for result in found.values()] == [0.5, 0.7]
    assert "run" not in found[runs[0]]
