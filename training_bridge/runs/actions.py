"""Checkpoints and runs: register, request, advance, cancel, resume. Schedules: schedule_actions.py."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from annotate import errors
from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import defaults, spec
from training_bridge.formats.checks import declared
from training_bridge.runs import checkpoint_folder, folder, models, progress, sampling, states

LONGEST_LOCATION = 1000
# As the Hub has it: "gpt2" or "owner/name".
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class CannotRegister(errors.RuleError):
    """These weights cannot become a checkpoint."""


class CannotRequest(errors.RuleError):
    """A run cannot be made of these parts."""


@transaction.atomic
def register_checkpoint(  # noqa: PLR0913 - what a checkpoint is
    *,
    name: str,
    location: str | Path,
    by: User | None,
    now: datetime,
    campaign: Campaign | None = None,
    parent: models.Checkpoint | None = None,
    kind: str = models.Checkpoint.Kind.FULL,
) -> models.Checkpoint:
    """Register a folder of weights on this server, or a model of the Hugging Face Hub by name (not looked up).

    The same name and place again return the first. Of people only superusers may name a folder: NotAllowed.
    Raises CannotRegister with what is wrong with the folder.
    """
    place = str(location).strip()
    is_folder = _is_folder(place)
    if is_folder and by is not None and by.kind == User.Kind.PERSON and not by.is_superuser:
        raise errors.NotAllowed("Only administrators of this server may register a folder on it.", field="location")
    if kind == models.Checkpoint.Kind.ADAPTER and parent is None:
        raise CannotRegister("An adapter needs the checkpoint it belongs to. Choose its parent.", field="parent")
    name = _checked_name(name)
    if len(place) > LONGEST_LOCATION:
        raise CannotRegister(f"The place is longer than {LONGEST_LOCATION} characters.", field="location")
    if is_folder:
        place = _checked_folder(place, kind)
    elif not HUB_NAME.fullmatch(place):
        raise CannotRegister(
            f"{place!r} is neither a full path (/srv/models/mine) nor a Hugging Face name (owner/model).",
            field="location",
        )
    checkpoint, is_new = models.Checkpoint.objects.get_or_create(
        name=name,
        defaults={"location": place, "kind": kind, "campaign": campaign, "parent": parent, "created_at": now},
    )
    if not is_new and (checkpoint.location, checkpoint.kind) != (place, kind):
        raise CannotRegister(f"There is another checkpoint named {name!r} already. Choose another name.", field="name")
    if is_new:
        account_actions.record(
            actor=by, verb="register", subject=f"checkpoint:{checkpoint.pk}", now=now, detail={"location": place}
        )
    return checkpoint


@transaction.atomic
def link_samples(*, checkpoint: models.Checkpoint, batch: ImportBatch) -> models.SampleBatch:
    """Say that an imported batch was sampled from `checkpoint`, so that it can be compared with its children."""
    linked, _ = models.SampleBatch.objects.get_or_create(batch=batch, defaults={"checkpoint": checkpoint})
    if linked.checkpoint_id != checkpoint.pk:
        raise CannotRequest(f"The batch {batch} is already known to come from {linked.checkpoint}.")
    return linked


@transaction.atomic
def request(  # noqa: PLR0913 - what a run is made of
    *,
    campaign: Campaign,
    method: str,
    base: models.Checkpoint,
    dataset: DatasetVersion | None,
    hyperparameters: dict[str, Any],
    sampling: dict[str, Any],
    by: User | None,
    now: datetime,
    checks: Sequence[dict[str, Any]] = (),
    schedule: models.Schedule | None = None,
    due_key: str | None = None,
) -> models.Run:
    """Ask for a run; the sweep launches it. The same `due_key` again returns the first run.

    `method` "sample" trains nothing and samples `base`; "nsr" and "w_reinforce" answer the campaign's prompts and
    are told by `checks` what is right; the others need a ready dataset of the format they train on.
    `sampling` {} takes every default; {"count": 0} samples nothing. Raises CannotRequest or BadSampling with the field.
    """
    if due_key is not None:
        known = models.Run.objects.filter(due_key=due_key).first()
        if known is not None:
            return known
    _check_parts(campaign=campaign, method=method, base=base, dataset=dataset)
    _check_checks(campaign, method, checks)
    run = models.Run.objects.create(
        campaign=campaign,
        method=method,
        base=base,
        dataset=dataset,
        hyperparameters=checked_hyperparameters(
            {**usual(method=method, base=base, dataset=dataset), **hyperparameters}
        ),
        sampling=_checked_sampling(sampling, method, campaign),
        checks=list(checks),
        schedule=schedule,
        due_key=due_key,
        requested_by=by,
        requested_at=now,
    )
    account_actions.record(actor=by, verb="request", subject=f"run:{run.pk}", now=now, detail={"method": method})
    return run


def advance(*, run_id: int, clock: Callable[[], datetime]) -> models.Run:
    """Do the next thing for the run: launch, observe or harvest. Safe to call from many places at once."""
    progress.advance(run_id=run_id, clock=clock)
    return models.Run.objects.get(pk=run_id)


@transaction.atomic
def cancel(*, run: models.Run, by: User | None, now: datetime) -> models.Run:
    """End a waiting run at once; ask a running trainer to stop, which `advance` then sees to. Twice equals once."""
    row = models.Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if row.state == states.CANCELLED or (row.state in states.ON_MACHINE and row.cancel_requested_at):
        return row
    if row.state not in states.UNFINISHED:
        raise states.WrongState(f"Run {row.pk} has already {_ended(row.state)}; there is nothing to cancel.")
    if row.phase == "importing":
        raise states.WrongState(f"Run {row.pk} has finished training; its outputs are being imported.")
    row.cancel_requested_at = now
    if row.state == states.REQUESTED:
        row.state, row.ended_at, row.reason = states.CANCELLED, now, "Cancelled before it was started."
    row.save(update_fields=["cancel_requested_at", "state", "ended_at", "reason"])
    account_actions.record(actor=by, verb="cancel", subject=f"run:{row.pk}", now=now)
    place = folder.of(row)
    if row.folder and place.path.is_dir():
        transaction.on_commit(place.cancel.touch)
    return row


@transaction.atomic
def resume(*, run: models.Run, by: User | None, now: datetime) -> models.Run:
    """Put a lost, failed or cancelled run in line again; it continues in its own folder from the last saved step."""
    row = models.Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if row.state in states.UNFINISHED:
        return row
    states.check(state=row.state, to=states.REQUESTED)
    folder.of(row).cancel.unlink(missing_ok=True)
    row.state, row.reason, row.phase = states.REQUESTED, "", ""
    row.cancel_requested_at = row.ended_at = None
    row.launcher_handle = {}
    row.save()
    account_actions.record(actor=by, verb="resume", subject=f"run:{row.pk}", now=now)
    return row


def usual(*, method: str, base: models.Checkpoint, dataset: DatasetVersion | None) -> dict[str, Any]:
    """What a run takes for settings that nobody chose: the method's own at the size of its base.

    A base whose size cannot be seen, because it is downloaded by name, is taken for a large one.
    """
    full = base
    while full.kind == models.Checkpoint.Kind.ADAPTER and full.parent is not None:
        full = full.parent
    counts = (dataset.manifest if dataset else {}).get("counts", {})
    return defaults.of(
        method,
        parameters=checkpoint_folder.parameter_count(folder=Path(full.location)) or defaults.LARGE_SIZE,
        has_accepted=dataset is None or dataset.format != DatasetVersion.Format.KTO or bool(counts.get("accepted")),
    )


def checked_hyperparameters(values: dict[str, Any]) -> dict[str, Any]:
    """Return every hyperparameter, defaults filled in. Raises CannotRequest naming the field."""
    try:
        return dataclasses.asdict(spec.hyperparameters(values))
    except spec.BadSpec as error:
        found = re.search(r"hyperparameters\.(\w+)|field '(\w+)'", str(error))
        name = (found[1] or found[2]) if found else "hyperparameters"
        raise CannotRequest(f"{error}.", field=name) from error


def _checked_sampling(values: dict[str, Any], method: str, campaign: Campaign) -> dict[str, Any]:
    choice = sampling.parse(values)
    if method == models.Method.SAMPLE and choice.count == 0:
        raise CannotRequest("A run that only samples needs at least one prompt.", field="count")
    batch_id = choice.prompt_batch
    if batch_id is not None and not ImportBatch.objects.filter(pk=batch_id, campaign=campaign).exists():
        raise CannotRequest(f"This campaign has no batch {batch_id}.", field="prompt_batch")
    if choice.count and not folder.prompts(campaign_id=campaign.pk, choice=choice).exists():
        raise CannotRequest("There are no prompts to sample from. Import outputs first.", field="prompt_batch")
    return dataclasses.asdict(choice)


def _check_parts(*, campaign: Campaign, method: str, base: models.Checkpoint, dataset: DatasetVersion | None) -> None:
    if method not in models.Method.values:
        raise CannotRequest(f"The method may be one of {', '.join(models.Method.values)}.", field="method")
    if base.campaign_id not in (None, campaign.pk):
        raise CannotRequest("The base checkpoint belongs to another campaign.", field="base")
    _check_base(base)
    if method in models.WITHOUT_DATASET:
        if dataset is not None:
            raise CannotRequest(f"A run of {models.Method(method).label} takes no dataset.", field="dataset")
        return
    if dataset is None or dataset.campaign_id != campaign.pk:
        raise CannotRequest("Choose a dataset version of this campaign.", field="dataset")
    if dataset.state != DatasetVersion.State.READY:
        raise CannotRequest(f"Dataset v{dataset.version} is {dataset.state}, not ready yet.", field="dataset")
    wanted = spec.ROWS[method]
    if dataset.format not in wanted:
        labels = " or ".join(DatasetVersion.Format(each).label for each in wanted)
        raise CannotRequest(
            f"Dataset v{dataset.version} is in {dataset.get_format_display()} format; "
            f"{models.Method(method).label} trains on {labels} rows.",
            field="dataset",
        )


def _check_checks(campaign: Campaign, method: str, checks: Sequence[dict[str, Any]]) -> None:
    label = models.Method(method).label
    if method not in spec.ON_POLICY:
        if checks:
            raise CannotRequest(
                f"Checks judge a model's own answers while it is trained; {label} has none.", field="checks"
            )
        return
    if not checks:
        raise CannotRequest(f"{label} needs checks: they say which of the model's answers are right.", field="checks")
    try:
        declared.read(checks)
    except ValueError as error:
        said = str(error)
        raise CannotRequest(f"{said[0].upper()}{said[1:]}.", field="checks") from error
    if not folder.prompts(campaign_id=campaign.pk, choice=sampling.Choice()).exists():
        raise CannotRequest("There are no prompts to answer. Import outputs first.", field="method")


def _check_base(base: models.Checkpoint) -> None:
    parent = base.parent
    if base.kind == models.Checkpoint.Kind.ADAPTER:
        if parent is None or parent.kind == models.Checkpoint.Kind.ADAPTER:
            raise CannotRequest(
                f"{base.name} is an adapter on an adapter. Merge it into full weights and register those.", field="base"
            )
        _check_weights(parent)
    _check_weights(base)


def _check_weights(checkpoint: models.Checkpoint) -> None:
    if not _is_folder(checkpoint.location):
        return
    try:
        checkpoint_folder.check(folder=Path(checkpoint.location), kind=checkpoint.kind)
    except checkpoint_folder.BadFolder as error:
        raise CannotRequest(str(error), field="base") from error


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise CannotRegister("Give the checkpoint a name of 1 to 200 printable characters.", field="name")
    return name


def _checked_folder(place: str, kind: str) -> str:
    path = Path(place)
    if not path.is_absolute():
        raise CannotRegister(
            f"{place} is not a full path. Give it from the root, like /srv/models/mine.", field="location"
        )
    try:
        checkpoint_folder.check(folder=path.resolve(), kind=kind)
    except checkpoint_folder.BadFolder as error:
        raise CannotRegister(str(error), field="location") from error
    return str(path.resolve())


def _is_folder(place: str) -> bool:
    return place.startswith(("/", ".", "~"))


def _ended(state: str) -> str:
    return {states.SUCCEEDED: "succeeded", states.FAILED: "failed", states.LOST: "been lost"}[state]
