"""The whole loop, told once from top to bottom, through the same actions that the pages use.

Each step first looks for what it would make, so a story that was interrupted goes on where it was, and one told twice
adds nothing. A worker may act on the same rows meanwhile: every action claims what it works on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from annotate.accounts import actions as account_actions
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign, Membership
from annotate.intake import actions as intake_actions
from annotate.intake.models import ImportBatch
from annotate.judgments import imports
from annotate.judgments.models import Judgment
from training_bridge.demo import actions, annotator, base_model, campaign_design, curation, models, sizes, table
from training_bridge.demo import stage as stages
from training_bridge.demo.stage import DemoFailed, Stage
from training_bridge.demo.telling import Telling
from training_bridge.demo.training import dataset, trained
from training_bridge.formats import rundir
from training_bridge.runs import actions as run_actions
from training_bridge.runs.models import Checkpoint

# Where each phase of the base model's training begins, as a share of the step, and how much of the step it takes.
_PHASES = {"training": (0.05, 0.8), "saving": (0.85, 0.0), "sampling": (0.85, 0.15)}


def tell(*, run: models.DemoRun, size: sizes.DemoSize, book: Telling) -> dict[str, Any]:
    """Close the loop and return the table. Raises DemoFailed, TrainerFailed or ClaimLost."""
    stage = _stage(run, size, book)
    with book.step("base"):
        answers, base = _base(stage)
    with book.step("campaign"):
        campaign = _campaign(stage)
        held_in = _brought_in(stage, campaign, base, answers.held_in, ImportBatch.Purpose.ANNOTATE)
        held_out = _brought_in(stage, campaign, base, answers.held_out, ImportBatch.Purpose.EVALUATE)
        book.note(f"{held_in.new_count} answers to train on, {held_out.new_count} to compare with later")
    with book.step("judge"):
        _judge(stage, campaign, held_in, expected=size.judged + size.held_out)
        book.note(_verdicts(stage, held_in))
    with book.step("constraints"):
        constraints = curation.approved(stage=stage, campaign=campaign)
    with book.step("datasets"):
        rejected = dataset(stage=stage, constraint_set=constraints, form="d2o")
        judged = dataset(stage=stage, constraint_set=constraints, form="kto")
        book.note(f"D2O: {rejected.rows_done} rejected answers; KTO: {judged.rows_done} answers of both verdicts")
    with book.step("d2o"):
        after_d2o = trained(stage=stage, base=base, rows=rejected, hyperparameters=size.d2o, asked=held_out)
    with book.step("kto"):
        after_kto = trained(stage=stage, base=base, rows=judged, hyperparameters=size.kto, asked=held_out)
    with book.step("evaluate"):
        count = _judge(stage, campaign, held_in, expected=2 * size.held_out)
        curation.settle_new(stage=stage, campaign=campaign, constraint_set=constraints)
        book.note(f"{count} more answers judged" if count else "all answers judged")
    with book.step("compare"):
        found = table.measure(stage=stage, base=base, d2o=after_d2o, kto=after_kto, constraint_set=constraints)
        book.note(table.headline(found))
    return found


def _stage(run: models.DemoRun, size: sizes.DemoSize, book: Telling) -> Stage:
    return Stage(
        run=run,
        size=size,
        book=book,
        operator=account_actions.ensure_annotator(username="demo", name="Demo operator (script)", kind="script"),
        script=account_actions.ensure_annotator(username="demo-script", name="Demo script", kind="script"),
    )


def _base(stage: Stage) -> tuple[base_model.Base, Checkpoint]:
    """Train the base model with the trainer, as any run is trained, and register it."""
    name = f"{stage.slug}/base"

    def watch(status: rundir.Status) -> None:
        at, share = _PHASES.get(status.phase, (0.0, 0.0))
        done = status.step / status.total_steps if status.total_steps else 0.0
        total = f", {status.step} of {status.total_steps}" if status.total_steps else ""
        stage.book.move(at + share * done, f"{status.phase}{total}")

    answers = base_model.prepare(seed=stage.run.seed, size=stage.size, name=name, watch=watch)
    checkpoint = run_actions.register_checkpoint(
        name=name, location=answers.checkpoint, by=stage.operator, now=stage.now()
    )
    steps = stage.size.pretrain["max_steps"]
    stage.book.note(f"{steps} steps from random weights" + (", taken from the cache" if answers.was_cached else ""))
    return answers, checkpoint


def _campaign(stage: Stage) -> Campaign:
    campaign = Campaign.objects.filter(slug=stage.slug).first() or campaign_actions.create(
        by=stage.operator,
        slug=stage.slug,
        name=f"Demo: word problems (seed {stage.run.seed})",
        tags=campaign_design.TAGS,
        now=stage.now(),
        description=campaign_design.DESCRIPTION,
        guidelines=campaign_design.GUIDELINES,
    )
    campaign_actions.add_member(
        campaign=campaign, user=stage.script, role=Membership.Role.ANNOTATOR, now=stage.now(), by=stage.operator
    )
    actions.belongs_to(run_id=stage.run.pk, claim=stage.book.claim, campaign=campaign, now=stage.now())
    return campaign


def _brought_in(
    stage: Stage, campaign: Campaign, checkpoint: Checkpoint, path: Path, purpose: ImportBatch.Purpose
) -> ImportBatch:
    """Bring answers of the base model in through the door that every file comes through. Raises DemoFailed."""
    name = f"{checkpoint.name}, {path.stem} questions"
    batch = ImportBatch.objects.filter(campaign=campaign, name=name).first() or intake_actions.create_batch(
        campaign=campaign,
        source=ImportBatch.Source.CHECKPOINT,
        name=name,
        path=path,
        by=stage.operator,
        now=stage.now(),
        purpose=purpose,
    )
    run_actions.link_samples(checkpoint=checkpoint, batch=batch)

    def is_done() -> bool:
        seen = imports.run(batch_id=batch.pk, clock=stage.now)
        return seen.state in (ImportBatch.State.DONE, ImportBatch.State.FAILED)

    stages.wait(stage=stage, what=f"importing {name}", is_done=is_done)
    batch.refresh_from_db()
    if batch.state == ImportBatch.State.FAILED:
        raise DemoFailed(f"The answers could not be imported: {batch.reason}")
    return batch


def _judge(stage: Stage, campaign: Campaign, held_in: ImportBatch, *, expected: int) -> int:
    return annotator.judge_open(
        campaign=campaign,
        annotator=stage.script,
        left=annotator.left_for_people(batch=held_in, judged=stage.size.judged),
        clock=stage.now,
        on_judged=lambda count: stage.book.move(count / expected, f"{count} answers judged"),
    )


def _verdicts(stage: Stage, batch: ImportBatch) -> str:
    mine = Judgment.objects.filter(annotator=stage.script, is_current=True, output__batch=batch)
    count = mine.count()
    rejected = mine.filter(verdict=Judgment.Verdict.REJECTED).count()
    return f"{rejected} of {count} rejected, {batch.new_count - count} left for you"
