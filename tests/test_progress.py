"""Progress in a log: few whole lines, the last one always, and what a run says of its losses."""

import re

import pytest

from segadapt.core import progress
from segadapt.core.progress import LINE_SECONDS, progress_bar
from segadapt.training.history import History


@pytest.fixture
def clock(monkeypatch):
    """A clock that only stands still or is moved."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_a_log_has_at_most_a_line_in_ten_seconds_and_the_last(clock, capsys):
    with progress_bar("work", 100, unit="step") as bar:
        bar.mininterval = 0  # tqdm's own clock is another
        for _ in range(100):
            bar.update()
            bar.refresh()
            clock[0] += LINE_SECONDS / 10
    found = lines(capsys)
    assert len(found) == 1 + 9 + 1
    assert found[0].startswith("work: 0/100 (0 %)") and found[-1].startswith("work: 100/100 (100 %)")


def test_losses_stand_at_the_end_of_the_line(clock, capsys):
    history = History(("loss_mixed", "sure_share"))
    history.rows.append([49, 0.1, 0.123456, None, -2.0, 0.5])
    assert history.latest() == "source 0.1235, mixed -2, sure_share 0.5"
    with progress_bar("work", 1) as bar:
        bar.set_postfix_str(history.latest(), refresh=False)
        bar.update()
    assert re.fullmatch(r"work: 1/1 \(100 %\), .* left, source 0.1235, mixed -2, sure_share 0.5", lines(capsys)[-1])
