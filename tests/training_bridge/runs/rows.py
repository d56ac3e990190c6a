"""Rows and folders that runs need."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign
from annotate.campaigns.tags import TagDraft
from annotate.constraints.models import ConstraintSet
from annotate.intake.models import ImportBatch, Output, Prompt
from tests.training_bridge.runs.small_trainer import write_weights
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest
from training_bridge.runs import actions, models

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def admin(name: str = "ada") -> User:
    return User.objects.create_superuser(username=name, password="a long enough password")


def campaign(by: User, slug: str = "sums") -> Campaign:
    drafts = [TagDraft(name="Wrong sum", kind="factual"), TagDraft(name="Rambling", kind="format")]
    return campaign_actions.create(by=by, slug=slug, name=slug.title(), tags=drafts, now=NOW)


def batch(of: Campaign, texts: Sequence[str], purpose: str = "annotate", model: str = "base") -> ImportBatch:
    made = ImportBatch.objects.create(
        campaign=of, source="file", purpose=purpose, name="given.jsonl", state="done", created_at=NOW, updated_at=NOW
    )
    for number, text in enumerate(texts):
        prompt, _ = Prompt.objects.get_or_create(
            campaign=of, sha256=f"{number:064}", defaults={"text": f"question {number}"}
        )
        Output.objects.create(
            campaign=of,
            batch=made,
            prompt=prompt,
            text=text,
            text_sha256="0" * 64,
            content_key=f"{made.pk}-{number}",
            model=model,
            created_at=NOW,
        )
    return made


def weights_folder(at: Path) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    (at / "config.json").write_text('{"model_type": "llama"}')
    write_weights(at)
    return at


def checkpoint(at: Path, name: str = "base", **more: Any) -> models.Checkpoint:
    return actions.register_checkpoint(name=name, location=weights_folder(at / name), by=None, now=NOW, **more)


def constraint_set(of: Campaign, by: User) -> ConstraintSet:
    return ConstraintSet.objects.create(campaign=of, revision=1, sha256="0" * 64, approved_by=by, approved_at=NOW)


def dataset(of: Campaign, by: User, format: str = "d2o", state: str = "ready") -> DatasetVersion:
    version = of.dataset_versions.count() + 1
    folder = Path(settings.DATASETS) / of.slug / f"v{version}"
    folder.mkdir(parents=True)
    row = {"id": "1", "prompt": "question 0", "rejected": "bad", "spans": [], "constraints": [], "severity": "major"}
    (folder / "train.jsonl").write_text(json.dumps(row) + "\n")
    return DatasetVersion.objects.create(
        campaign=of,
        constraint_set=of.constraint_sets.first() or constraint_set(of, by),
        version=version,
        format=format,
        state=state,
        manifest_sha256=manifest.write(folder, {"rows": 1}),
        folder=str(folder),
        last_judgment_id=0,
        requested_at=NOW,
        ready_at=NOW,
    )
