"""A world in which every page has something to show, and some of it is long, hostile or in another script."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any

from annotate import clock
from annotate.accounts import actions as accounts
from annotate.accounts.models import User
from annotate.campaigns import actions as campaigns
from annotate.campaigns.tags import TagDraft
from annotate.constraints import actions as constraints
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import running
from annotate.constraints.models import Constraint
from annotate.constraints.scorecard import scoring
from annotate.intake.models import RefusedLine
from annotate.quality import actions as quality
from annotate.queue import actions as queue
from annotate.queue.models import Lease
from annotate.verification import actions as verification
from annotate.verification import verdicts
from tests import factories
from tests.frontend import test_mine as mine
from tests.frontend.test_demo import TABLE
from tests.frontend.test_quality import plant
from tests.training_bridge.evaluations.test_queries import judge, sample
from tests.training_bridge.runs import rows
from training_bridge.demo import actions as demo
from training_bridge.exports import actions as exports
from training_bridge.formats import rundir
from training_bridge.runs import models as runs
from training_bridge.runs import schedule_actions

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen" * 2
HOSTILE = '<b onclick="x">bold</b> \u202egnp.exe\u200b'
MARKDOWN = """# A heading

Bloom was released on **31 August 2018** by `EMI`, see [the page](https://example.org).

| Album | Year |
|---|---|
| Bloom | 2018 |

```python
print("one very long line of code that goes on and on and on and on and on and on and on and on and on and on")
```

1. first
2. second
"""
ARABIC = "صدر الألبوم في 31 أغسطس 2018."
CHAT = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": f"When does Bloom come out? {LONG_WORD}"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "search", "arguments": '{"q": "Bloom"}'}}],
    },
    {"role": "tool", "name": "search", "content": '{"found": ["Bloom, 31 August 2018"]}'},
]
TAGS = (
    TagDraft(name="Invented fact", kind="factual", description="States what is not so.", example="“by EMI”"),
    TagDraft(name=f"Fluency/{LONG_WORD}"[:110], kind="format", severity_rule="optional"),
    TagDraft(name="Unsafe", kind="safety", span_rule="none"),
    TagDraft(name="Contradicts itself", kind="logical", span_rule="required"),
)
GUIDELINES = f"# Mark little\n\nMark the **shortest** span that is wrong.\n\n* one\n* two {LONG_WORD}\n"


class World:
    """Its parts have the names that the addresses of pages give their parameters: `arguments` says which is which."""

    def __init__(self, folder: Path) -> None:
        self.now = clock.now()
        self.ada = factories.superuser("ada", name=f"Ada {LONG_WORD}"[:140])
        self.campaign = campaigns.create(
            by=self.ada,
            slug="answers",
            name=f"Helpdesk answers {LONG_WORD}"[:120],
            description="Answers of a model to a helpdesk's questions.",
            guidelines=GUIDELINES,
            tags=TAGS,
            overlap=2,
            now=self.now,
        )
        self.empty = campaigns.create(by=self.ada, slug="empty", name="Empty", tags=TAGS[:1], now=self.now)
        self._people()
        self._outputs()
        self._judgments()
        self._training(folder)
        self._demo()

    def _people(self) -> None:
        self.bob = factories.member(self.campaign, "annotator", user=factories.user("bob"))
        factories.member(self.campaign, "annotator", user=factories.user("gpt", kind="model", name="A model"))
        self.invitation = campaigns.invite(
            campaign=self.campaign, by=self.ada, name="Grace", role="reviewer", now=self.now
        )
        accounts.create_token(user=self.ada, name=f"box {LONG_WORD}"[:90], scopes=["runs:read"], now=self.now)
        self.spare = accounts.invite(by=self.ada, name="Carl", now=self.now)[1]

    def _outputs(self) -> None:
        self.batch = factories.batch(self.campaign, name="answers.jsonl", state="failed", reason="The disk is full.")
        RefusedLine.objects.create(batch=self.batch, line=3, reason="not valid JSON", excerpt=f'{{"id": "{LONG_WORD}')
        chat = factories.prompt(self.campaign, "When does Bloom come out?")
        chat.messages = CHAT
        chat.save()
        texts = (
            f"Bloom {HOSTILE} came out in 2018.",
            MARKDOWN,
            ARABIC,
            LONG_WORD,
            *(f"The answer is {n} and no other." for n in range(4)),
        )
        self.outputs = [factories.output(self.campaign, text, prompt=chat, batch=self.batch) for text in texts]
        for model in ("base", f"model-{LONG_WORD}"[:100]):
            factories.output(self.campaign, f"Said by {model}", batch=self.batch, model=model)

    def _judgments(self) -> None:
        spanned = {
            "start": 0,
            "end": 5,
            "severity": "critical",
            "critique": f"Not so. {LONG_WORD}",
            "correction": "No.",
        }
        for output in self.outputs[:4]:
            for by in (self.bob, self.ada):
                factories.judgment(output, annotator=by, violations=[spanned, {"tag": "unsafe", "severity": "minor"}])
        factories.judgment(self.outputs[4], "nothing_wrong", annotator=self.bob, comment="Fine.")
        factories.judgment(self.outputs[4], "cannot_tell", annotator=self.ada)
        constraints.regroup(campaign_id=self.campaign.pk, now=self.now)
        found = Constraint.objects.living().filter(campaign=self.campaign)
        for each in found:
            constraints.accept(constraint=each, by=self.ada, now=self.now)
        self.constraint = found[0]
        constraints.rename(constraint=self.constraint, statement=f"Invents {LONG_WORD}", by=self.ada, now=self.now)
        self.constraint_set = constraints.approve(campaign=self.campaign, by=self.ada, now=self.now)
        self._by_ada()
        self._check()
        verification.start(constraint=self.constraint, by=self.ada, now=self.now, tagged=4, random=4, overlap=1)
        scoring.measure(campaign_id=self.campaign.pk, now=self.now)
        for pk in quality.due(now=self.now):
            quality.compute(assessment_id=pk, clock=lambda: self.now)

    def _check(self) -> None:
        """A check that agrees with people about some outputs and not about others."""
        asked = verdicts.by_output
        text = f"# {LONG_WORD}\ncheck: repeated_ngram\nwords: 1\n"
        life = check_actions.save(constraint=self.constraint, text=text, by=self.ada, now=self.now)
        check_actions.step(life=life, to="shadow", by=self.ada, now=self.now, asked=asked)
        running.run(check_id=life.pk, now=self.now)
        check_actions.weigh(check_id=life.pk, now=self.now, asked=asked)

    def _by_ada(self) -> None:
        """Judged as the page does it, gold among it; one output is skipped by everybody."""
        wrong, fine = plant(self.campaign), plant(self.campaign, is_wrong=False)
        factories.judgment(wrong, annotator=self.ada, violations=[{"start": 18, "end": 20}])
        factories.judgment(fine, "nothing_wrong", annotator=self.ada)
        for _ in range(2):
            mine.submit(self._leased(self.ada), "rejected")
        for person in (self.bob, self.ada):
            queue.skip(token=self._leased(person).token, annotator=person, reason=f"Why {LONG_WORD}", now=self.now)
        self.lease = self._leased(self.ada)

    def _leased(self, person: User) -> Lease:
        lease = queue.lease_next(campaign=self.campaign, annotator=person, now=self.now)
        assert lease is not None
        return lease

    def _training(self, folder: Path) -> None:
        asked = exports.request(
            campaign=self.campaign, constraint_set=self.constraint_set, format="kto", by=self.ada, now=self.now
        )
        self.dataset = exports.build(dataset_id=asked.pk, clock=lambda: self.now)
        self.base = rows.checkpoint(folder)
        self.checkpoint = rows.checkpoint(folder, name="child", campaign=self.campaign, parent=self.base)
        script = factories.user("checker", kind="script")
        judge(sample(self.base, self.campaign, 6), {0, 1, 2}, script, self.constraint)
        judge(sample(self.checkpoint, self.campaign, 6), {2, 3}, script, self.constraint)
        place = rundir.RunDir(path=folder / "run")
        place.path.mkdir()
        for step in range(1, 30):
            place.append_event({"kind": "step", "step": step, "loss": 1 / step, "learning_rate": 1e-5})
        place.stderr.write_text(f"{HOSTILE}\n{LONG_WORD}\n")
        self.run = self._run(state="running", phase="training", step=29, total_steps=90, folder=str(place.path))
        self._run(state="failed", reason=f"Out of memory. {LONG_WORD}", ended_at=self.now)
        self._run(state="succeeded", ended_at=self.now)
        draft = schedule_actions.Draft(
            name=f"nightly {LONG_WORD}"[:100], method="d2o", base=self.base, at_time=time(2, 30)
        )
        self.schedule = schedule_actions.save(campaign=self.campaign, draft=draft, by=self.ada, now=self.now)

    def _run(self, **fields: Any) -> runs.Run:
        return runs.Run.objects.create(
            campaign=self.campaign, base=self.base, method="kto", dataset=self.dataset, requested_at=self.now, **fields
        )

    def _demo(self) -> None:
        run = demo.request(seed=1, size="full", by=self.ada, now=self.now)
        claim = demo.take(run_id=run.pk, now=self.now)
        demo.belongs_to(run_id=run.pk, claim=claim, campaign=self.campaign, now=self.now)
        demo.finish(run_id=run.pk, claim=claim, table=TABLE, now=self.now)

    def arguments(self, url_name: str) -> dict[str, Any]:
        """What stands in the address of a page."""
        token = self.spare if url_name == "invitation" else self.lease.token
        return {
            "slug": self.campaign.slug,
            "token": token,
            "user_id": self.bob.pk,
            "batch_id": self.batch.pk,
            "output_id": self.outputs[0].pk,
            "constraint_id": self.constraint.pk,
            "revision": self.constraint_set.revision,
            "version": self.dataset.version,
            "run_id": self.run.pk,
            "checkpoint_id": self.checkpoint.pk,
            "schedule_id": self.schedule.pk,
            "token_id": 1,
            "invitation_id": 1,
            "name": "manifest.json",
            "form": "md",
        }
