"""Every write to drafted statements. No transaction is open while a model is asked.

A draft's row is claimed, the model asked, and the statement put in place only if the constraint is still a candidate
that nobody named, with the medoid that the model was asked about. Locks: a draft's row, then its constraint.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from annotate.asking import client, configured
from annotate.constraints.drafting import queries, wording
from annotate.constraints.drafting.models import Draft
from annotate.constraints.models import Constraint

PAUSE = timedelta(minutes=5)
"""How long a constraint waits whose model failed."""


def draft(*, constraint_id: int, now: datetime) -> bool:
    """Have the configured model word a candidate that nobody named, from its medoid and the members nearest to it.

    A draft of the same medoid is used again without asking. Returns False where the model failed: no use asking more
    now. Otherwise True, whatever became of it; twice, and by two workers at once, asks once.
    """
    model = settings.MODELS.get(settings.DRAFTS_BY)
    constraint = Constraint.objects.filter(queries.wanted(), pk=constraint_id).first()
    if model is None or constraint is None:
        return True
    claimed = _claimed(constraint, model, now)
    if claimed is None:
        return True
    if not claimed.statement:
        try:
            claimed.statement = _asked(constraint, model)
        except wording.Unusable as error:
            _note(claimed, f"What {model.name} drafted cannot stand: {error}.", again_at=now, is_try=True)
            return True
        except client.ModelFailed as error:
            _note(claimed, str(error), again_at=now + PAUSE, is_try=error.is_of_this)
            return False
    _put(claimed, now)
    return True


@transaction.atomic
def _claimed(constraint: Constraint, model: configured.Model, now: datetime) -> Draft | None:
    """Return the constraint's draft, this worker's until it is kept; None when it is another's or nothing is to be
    done. It has a statement where one was drafted from this very medoid."""
    medoid_id = constraint.medoid_id or 0
    Draft.objects.get_or_create(constraint=constraint, defaults={"medoid_id": medoid_id, "drafted_by": model.name})
    found = Draft.objects.select_for_update().get(constraint=constraint)
    if found.again_at is not None and found.again_at > now:
        return None
    if found.medoid_id != medoid_id:
        found.medoid_id, found.statement, found.problem, found.try_count = medoid_id, "", "", 0
    if not found.statement:
        found.drafted_by, found.drafted_at = model.name, now
    found.again_at = now + timedelta(seconds=60 + 2 * model.timeout)
    found.save()
    return found


def _asked(constraint: Constraint, model: configured.Model) -> str:
    """Raises ModelFailed, and Unusable, too where there is nothing to draft from."""
    material = queries.material(constraint=constraint)
    if not material.is_worded:
        raise wording.Unusable("no member has a word of critique or a quote")
    with client.opened(model) as http:
        reply = client.ask(http=http, model=model, messages=wording.messages(material, mark=secrets.token_hex(12)))
    return wording.read(reply.text)


@transaction.atomic
def _note(claimed: Draft, problem: str, *, again_at: datetime, is_try: bool) -> None:
    """Keep what went wrong, unless another worker took over meanwhile."""
    ours = Draft.objects.filter(pk=claimed.pk, again_at=claimed.again_at)
    ours.update(problem=problem[:500], again_at=again_at, try_count=F("try_count") + int(is_try))


@transaction.atomic
def _put(claimed: Draft, now: datetime) -> None:
    """Keep the statement and put it in place, unless another worker or a person was there first."""
    ours = Draft.objects.filter(pk=claimed.pk, again_at=claimed.again_at)
    if not ours.update(statement=claimed.statement, problem="", again_at=None):
        return
    candidate = Constraint.objects.filter(
        pk=claimed.pk, state=Constraint.State.CANDIDATE, named_by=None, medoid=claimed.medoid_id
    )
    candidate.update(statement=claimed.statement, updated_at=now)
