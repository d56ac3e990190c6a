"""The whole loop through the pages alone: from an invitation to a new checkpoint whose answers are judged again.

Only what a worker does is done by hand between the steps, by calling its tasks; the model is random and very small.
"""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotate import clock
from annotate.accounts import actions as account_actions
from annotate.campaigns.models import Campaign
from annotate.constraints.models import Constraint
from annotate.intake.models import ImportBatch
from annotate.judgments.models import Judgment
from tests.browser.conftest import Open
from tests.training_bridge.trainer import toys
from training_bridge.exports.models import DatasetVersion
from training_bridge.runs.models import Run
from worker.tasks import constraints as constraint_tasks
from worker.tasks import exports as export_tasks
from worker.tasks import intake as intake_tasks
from worker.tasks import runs as run_tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

HOME = "/c/sums/"
OUTPUTS = [
    {"id": f"sum-{n}", "prompt": f"{n} + {n} = ", "output": f"{2 * n + n % 2} it is.", "model": "base"}
    for n in range(2, 10)
]
BROKEN = '{"id": "cut", "prompt": "1 + 1 = ", "outp'
SETTINGS = {"h-learning_rate": "0.001", "h-max_steps": "4", "h-batch_size": "4", "h-device": "cpu"}
SAMPLING = {"s-count": "4", "s-max_new_tokens": "8"}
PASSWORD = "several ordinary words"


def _join(page: Page, *, name: str, username: str) -> None:
    page.fill("#name", name)
    page.fill("#username", username)
    page.fill("input[type=password]", PASSWORD)
    page.get_by_role("button", name="Make my account").click()
    page.wait_for_url(lambda url: "/invite/" not in url)


def _invite(page: Page, name: str) -> str:
    page.goto(f"{HOME}people/")
    page.fill("main [name=name]", name)
    page.get_by_role("button", name="Make a link").click()
    return page.locator("#invitation-link").inner_text()


def _import(page: Page, folder: Path) -> None:
    """Eight sums of which four are wrong, and one line that was cut: its neighbours are not lost."""
    file = folder / "sums.jsonl"
    lines = [json.dumps(each) for each in OUTPUTS]
    file.write_text("\n".join([*lines[:3], BROKEN, *lines[3:]]) + "\n")
    page.goto(f"{HOME}import/")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Import").click()
    intake_tasks.run_import(ImportBatch.objects.get().pk)
    expect(page.locator("#status")).to_contain_text("done")
    expect(page.locator("main")).to_contain_text("not valid JSON")


def _judge(page: Page) -> int:
    """By keyboard, until nothing is left: a wrong sum is marked at its number, with a severity and a critique."""
    count = before = Judgment.objects.count()
    page.goto(f"{HOME}work/")
    while page.locator("#output").count():
        left, right = page.locator("#prompt .hostile").inner_text().strip(" =\n").split(" + ")
        said = page.locator("#output").inner_text().split(" ")[0]
        keys = page.keyboard
        if said.isdigit() and int(said) != int(left) + int(right):
            keys.press("ArrowRight")
            keys.press("Shift+ArrowLeft")
            for key in ("2", "M", "e"):
                keys.press(key)
            keys.type("the sum is wrong")
            keys.press("Escape")
            expect(page.locator("#violations li")).to_have_count(1)
        else:
            keys.press("g")
        keys.press("Control+Enter")
        count += 1
        expect(page.locator("#last-says")).to_contain_text("Saved: ")
        _wait_for_count(count)
        page.goto(f"{HOME}work/")
    expect(page.locator("h1:visible")).to_have_text("Nothing left to judge")
    return count - before


def _wait_for_count(count: int) -> None:
    """Until the judgments are in the database: the page shows the next output before its submit has answered."""
    until = time.monotonic() + 60
    while Judgment.objects.count() < count:
        assert time.monotonic() < until
        time.sleep(0.05)


def _approve(page: Page) -> None:
    constraint_tasks.regroup(Campaign.objects.get().pk)
    page.goto(f"{HOME}constraints/")
    row = page.locator("li.constraint").first
    row.locator("summary").click()
    row.locator("[name=statement]").fill("States a sum that is not the sum")
    row.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("named by Ada")
    page.locator("li.constraint").first.get_by_role("button", name="Accept").click()
    expect(page.locator("li.constraint").first.locator(".badge.is-accepted")).to_be_visible()
    page.get_by_role("link", name="Approve a constraint set").click()
    page.get_by_role("button", name="Approve constraint set 1").click()
    expect(page.locator("body")).to_contain_text("Constraint set 1 is approved")
    assert Constraint.objects.get(state="accepted").statement == "States a sum that is not the sum"


def _dataset(page: Page) -> None:
    page.goto(f"{HOME}datasets/new/")
    page.check("[name=format][value=kto]")
    page.get_by_role("button", name="Request this version").click()
    page.wait_for_url("**/datasets/1/")
    export_tasks.build(DatasetVersion.objects.get().pk)
    expect(page.locator("main")).to_contain_text("Load it")


def _base(page: Page, folder: Path) -> None:
    page.goto(f"{HOME}checkpoints/new/")
    page.fill("#name", "Toy base")
    page.fill("#location", str(toys.bare_base(folder / "bare")))
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".field-error")).to_contain_text("holds no weights")
    assert page.input_value("#name") == "Toy base"
    page.fill("#location", str(toys.base(folder / "base")))
    page.get_by_role("button", name="Register").click()
    expect(page.locator("h1:visible")).to_have_text("Toy base")


def _train(page: Page) -> None:
    page.goto(f"{HOME}runs/new/")
    page.check("[name=method][value=kto]")
    page.select_option("#base", label="Toy base")
    page.select_option("#dataset", index=1)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for name, value in (SETTINGS | SAMPLING).items():
        page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Request the run").click()
    page.wait_for_url("**/runs/*/")
    run, until = Run.objects.get(), time.monotonic() + 250
    while not run.is_over:
        assert time.monotonic() < until, f"still {run.state}, {run.phase}"
        run_tasks.advance(run.pk)
        run.refresh_from_db()
        time.sleep(0.1)
    assert run.state == "succeeded", run.reason
    expect(page.locator(".badge.is-succeeded")).to_be_visible()  # the page asked by itself


def _schedule(page: Page) -> None:
    page.goto(f"{HOME}schedules/new/")
    page.fill("#name", "Every night")
    page.check("[name=method][value=kto]")
    page.select_option("#base", label="Toy base")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Retrain with KTO from Toy base")


def _token(page: Page) -> str:
    page.goto("/account/")
    page.fill("#token-name", "a program")
    page.check("[name=scopes][value='judgments:read']")
    page.get_by_role("button", name="Make the token").click()
    return page.locator("#made-token").inner_text()


def _judgments(url: str, token: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/api/v1{HOME.replace('/c/', '/campaigns/')}judgments")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, Any]] = json.load(answer)["results"]
    return found


def test_the_whole_loop_through_the_pages(open_page: Open, live_server: Any, tmp_path: Path) -> None:
    _, first = account_actions.invite(by=None, name="Ada", now=clock.now(), makes_admin=True)
    ada = open_page(f"/invite/{first}/")
    _join(ada, name="Ada", username="ada")
    ada.goto("/campaigns/new/")
    ada.fill("#name", "Sums")
    ada.get_by_role("button", name="Create the campaign").click()
    ada.wait_for_url(f"**{HOME}")
    ben = open_page(_invite(ada, "Ben"))
    _join(ben, name="Ben", username="ben")

    ben.goto(f"{HOME}work/")
    expect(ben.locator("h1:visible")).to_have_text("No outputs yet")
    _import(ada, tmp_path)
    assert _judge(ben) == len(OUTPUTS)
    assert Judgment.objects.filter(verdict="rejected").count() == 4

    _approve(ada)
    _dataset(ada)
    _base(ada, tmp_path)
    _train(ada)
    run = Run.objects.get()
    sampled = run.sample_batch.batch.new_count
    assert _judge(ben) == sampled > 0

    ada.goto(f"{HOME}checkpoints/")
    ada.get_by_role("link", name=run.checkpoint.name).click()
    expect(ada.locator("main")).to_contain_text("No prompt has judged evaluation outputs of both")
    _schedule(ada)
    assert len(_judgments(live_server.url, _token(ada))) == len(OUTPUTS) + sampled
