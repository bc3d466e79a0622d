"""The page that shows a run in a real headless Chromium, which CI installs."""

import json
import os

import browser
import pytest
from scored import matrices
from toy_report import ROWS, SEEDS, TITLE

from segadapt.evaluation import miou_from_matrix
from segadapt.labels import CITYSCAPES19

pytestmark = pytest.mark.skipif(
    browser.PROGRAM is None and not os.environ.get("CI"), reason="no Chromium here; apt-get install chromium"
)


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1400, "dark"), (2600, "light")])
def test_it_opens_without_complaint_or_request_and_miou_is_seen(page, width, scheme):
    with browser.Page(page, width, 900, scheme) as shown:
        assert shown.run("document.documentElement.scrollWidth") <= width
        shown.run(
            "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('tables').scrollIntoView()"
        )
        shown.until("document.querySelector('.viewer').dataset.drawn")
        # However far the table has been moved sideways, name and mIoU stay.
        shown.run("document.querySelector('.frame.main').scrollLeft = 1e6")
        box = "document.querySelector('.frame.main td[data-column=mIoU]').getBoundingClientRect()"
        name = "document.querySelector('.frame.main tbody th').getBoundingClientRect()"
        assert 0 <= shown.run(f"{name}.left") < shown.run(f"{box}.left") and shown.run(f"{box}.right") <= width
        seen = f"document.elementFromPoint({box}.left + 8, {box}.top + 8).closest('td').dataset.column"
        assert shown.run(seen) == "mIoU"
        assert shown.run("getComputedStyle(document.body).backgroundColor") == (
            "rgb(15, 19, 25)" if scheme == "dark" else "rgb(247, 246, 243)"
        )
        assert shown.complaints == []
        assert [each for each in shown.requests if not each.startswith("data:")] == [page.resolve().as_uri()]


def test_a_click_on_a_heading_sorts(page):
    column = "[...document.querySelectorAll('.frame.main tbody tr')].map(row => row.cells[{}].textContent.trim())"
    with browser.Page(page) as shown:
        own = [shown.run(column.format(place)) for place in (0, 1)]
        click = "document.querySelectorAll('.frame.main thead button')[{}].click()"
        shown.run(click.format(1))
        known = [float(each) for each in own[1] if each]
        assert [float(each) for each in shown.run(column.format(1)) if each] == sorted(known, reverse=True)
        assert shown.run("document.querySelectorAll('.frame.main thead th')[1].ariaSort") == "descending"
        shown.run(click.format(1))
        assert [float(each) for each in shown.run(column.format(1)) if each] == sorted(known)
        shown.run(click.format(1))
        assert [shown.run(column.format(place)) for place in (0, 1)] == own
        # Of what is not known nothing is said: it comes last in either order.
        shown.run(click.format(3) + ";" + click.format(3))
        values = shown.run(column.format(3))
        assert "" in values and values == sorted((each for each in values if each), key=float) + [""] * values.count("")
        assert shown.complaints == []


def test_a_number_opens_its_story_and_a_key_closes_it(page):
    with browser.Page(page) as shown:
        has_title = f"row => row.cells[0].textContent === {json.dumps(TITLE)}"
        row = f"[...document.querySelectorAll('.frame.main tr')].find({has_title})"
        shown.run(f"{row}.querySelector('td[data-column=car]').click()")
        assert shown.run("document.getElementById('story').open")
        told = shown.run("document.querySelector('.told').textContent")
        assert told.startswith(f"{TITLE}, car") and "adapt/maxsquare/seed3" in told and "snakemake --cores 2" in told
        shown.press("Escape")
        shown.until("!document.getElementById('story').open")
        shown.run("document.querySelector('.chart .number').focus(); document.activeElement.click()")
        assert shown.run("document.querySelector('.told h2').textContent") == "Source only, mIoU"
        assert shown.complaints == []


def test_slider_keys_errors_and_classes(page):
    def pixel(side: str, x: int) -> list[int]:
        return shown.run(
            f"""(() => {{
              const context = new OffscreenCanvas(1, 1).getContext("2d", {{ willReadFrequently: true }});
              context.drawImage(document.querySelector("canvas.{side}"), {x}, 8, 1, 1, 0, 0, 1, 1);
              return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
            }})()"""
        )

    def drawn() -> None:
        shown.until(f"Number(document.querySelector('.viewer').dataset.drawn) > {before}")

    road, sidewalk = (list(CITYSCAPES19.palette[index]) for index in (0, 1))
    with browser.Page(page) as shown:
        look = "Number(document.querySelector('.viewer').dataset.drawn || 0)"
        before = 0
        shown.run("document.getElementById('gallery').scrollIntoView()")
        drawn()
        # The last row takes four columns of road for sidewalk, the first none.
        last = len(ROWS) - 1
        assert pixel("left", 0) == road and pixel("right", last - 1) == sidewalk and pixel("right", last) == road
        shown.run("document.querySelector('.viewer .slide').focus()")
        for _ in range(7):
            shown.press("ArrowRight")
        assert shown.run("document.querySelector('.viewer').style.getPropertyValue('--x')") == "57%"
        assert "inset(0px 43% 0px 0px)" in shown.run("getComputedStyle(document.querySelector('canvas.left')).clipPath")
        before = shown.run(look)
        shown.press("e")
        drawn()
        assert pixel("right", last - 1) == sidewalk and pixel("right", last) == [0, 0, 0]
        before = shown.run(look)
        shown.press("e")
        drawn()
        before = shown.run(look)
        shown.press("ArrowDown")
        drawn()
        assert shown.run("document.querySelector('.which').textContent").startswith(
            "2 of 3 (of 60): <b>image 1, 4.0 points"
        )
        before = shown.run(look)
        shown.run("[...document.querySelectorAll('.classes button')].find(each => each.textContent === 'road').click()")
        drawn()
        grey = pixel("left", 0)
        assert grey != road and len(set(grey)) == 1 and pixel("right", 0) == sidewalk
        before = shown.run(look)
        shown.press("s")
        drawn()
        assert pixel("left", 0) == sidewalk and shown.complaints == []


def test_number_keys_choose_the_sides_and_a_score_opens_its_story(page):
    with browser.Page(page) as shown:
        shown.run("document.getElementById('gallery').scrollIntoView()")
        shown.until("document.querySelector('.viewer').dataset.drawn")
        shown.run("document.querySelector('.viewer .slide').focus()")
        for key, view, told in (("2", "truth", None), ("6", "row:maxsquare", f"{TITLE} · 52.0")):
            before = shown.run("Number(document.querySelector('.viewer').dataset.drawn)")
            shown.press(key)
            shown.until(f"Number(document.querySelector('.viewer').dataset.drawn) > {before}")
            assert shown.run("document.querySelector('select[data-side=right]').value") == view
            assert shown.run("document.querySelector('.tag.right').disabled") == (told is None)
        assert shown.run("document.querySelector('.tag.right').textContent") == told
        shown.run("document.querySelector('.tag.right').click()")
        assert shown.run("document.querySelector('.told h2').textContent") == f"{TITLE}, mIoU"
        assert shown.complaints == []


def test_a_difference_tells_of_both_sides(page):
    has_title = f"row => row.cells[0].textContent === {json.dumps(TITLE)}"
    row = f"[...document.querySelectorAll('.frame.main tr')].find({has_title})"
    with browser.Page(page) as shown:
        shown.run(f"{row}.querySelector('td[data-column=vs_control]').click()")
        told = shown.run("document.querySelector('.told').textContent")
        assert told.startswith(f"{TITLE} against target forwarded, λ=0")
        assert "adapt/maxsquare/seed3" in told and "adapt/target_forwarded/seed3" in told
        differences = shown.run(
            "[...document.querySelectorAll('.told table')[0].rows].map(r => r.cells[3].textContent)"
        )
        means = {key: [miou_from_matrix(matrices(key, seed).sum(axis=0)) for seed in SEEDS] for key in ROWS[1:3]}
        wanted = [ours - theirs for ours, theirs in zip(means["maxsquare"], means["target_forwarded"], strict=True)]
        assert [float(each.split()[0]) for each in differences[1:]] == pytest.approx(
            [100 * each for each in wanted], abs=0.0051
        )
        # A table of statistics may compare with another row than the control.
        shown.press("Escape")
        other = f"[...document.querySelectorAll('details tr[data-against]')].find({has_title})"
        shown.run(f"{other}.dataset.against = {other}.dataset.story - 2")
        shown.run(f"{other}.querySelector('td[data-column=difference]').click()")
        assert shown.run("document.querySelector('.told h2').textContent") == f"{TITLE} against Source only"
        assert shown.complaints == []


def test_classes_are_shaded_by_the_difference_from_the_control(page):
    shade = "getComputedStyle({}).backgroundImage"
    cell = "document.querySelector('.frame.main tbody tr:nth-child({}) td[data-column=sidewalk]')"
    with browser.Page(page) as shown:
        control, other = cell.format(2), cell.format(3)
        before = shown.run(shade.format(other))
        shown.run("document.querySelector('input.gains').click()")
        ours, theirs = (float(shown.run(f"{each}.textContent")) for each in (other, control))
        colour = "rgba(0, 114, 178" if ours > theirs else "rgba(213, 94, 0"
        assert colour in shown.run(shade.format(other)) != before and shown.run(shade.format(control)) == "none"
        assert shown.run(f"{other}.title") == f"{ours - theirs:+.1f} from the control" and shown.complaints == []


def test_a_method_among_the_curves_can_be_hidden_and_a_line_opens_its_story(page):
    visible = "[...document.querySelectorAll('#curves .panels polyline[data-row=\"2\"]')]"
    visible += ".filter(each => each.getClientRects().length).length"
    with browser.Page(page) as shown:
        assert shown.run(visible) >= 3 * 4
        line = "document.querySelector('#curves polyline[data-row=\"2\"]')"
        shown.run(f"{line}.dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))")
        assert shown.run("document.querySelector('.told h2').textContent") == f"{TITLE}, mIoU"
        shown.press("Escape")
        shown.run("document.querySelector('.legend button[data-row=\"2\"]').click()")
        assert shown.run(visible) == 0 and shown.complaints == []
