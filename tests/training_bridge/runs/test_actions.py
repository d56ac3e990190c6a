"""Register, request, cancel, resume."""

from pathlib import Path

import pytest

from annotate.accounts.models import AuditEntry, User
from annotate.campaigns.models import Campaign
from annotate.errors import NotAllowed
from tests.training_bridge.runs import rows
from tests.training_bridge.runs.rows import NOW
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import defaults
from training_bridge.runs import actions, models, sampling, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return rows.admin()


@pytest.fixture
def sums(ada: User) -> Campaign:
    return rows.campaign(ada)


@pytest.fixture
def base(tmp_path: Path) -> models.Checkpoint:
    return rows.checkpoint(tmp_path)


@pytest.fixture
def dataset(sums: Campaign, ada: User, runs_folder: Path) -> DatasetVersion:
    return rows.dataset(sums, ada)


def request(campaign: Campaign, base: models.Checkpoint, **more: object) -> models.Run:
    values: dict[str, object] = {
        "campaign": campaign,
        "method": "d2o",
        "base": base,
        "dataset": None,
        "hyperparameters": {},
        "sampling": {"count": 0},
        "by": None,
        "now": NOW,
    }
    return actions.request(**{**values, **more})  # type: ignore[arg-type]


def register(**more: object) -> models.Checkpoint:
    values: dict[str, object] = {"name": "base", "location": "gpt2", "by": None, "now": NOW}
    return actions.register_checkpoint(**{**values, **more})  # type: ignore[arg-type]


class TestRegisterCheckpoint:
    def test_takes_a_folder_and_records_who(self, tmp_path: Path, ada: User) -> None:
        made = register(location=rows.weights_folder(tmp_path), by=ada)
        assert (made.location, made.kind, made.parent) == (str(tmp_path), "full", None)
        assert AuditEntry.objects.get(subject=f"checkpoint:{made.pk}").actor == ada

    @pytest.mark.parametrize("name", ["gpt2", "Qwen/Qwen2.5-0.5B"])
    def test_takes_a_hugging_face_name(self, name: str) -> None:
        assert register(location=name).location == name

    @pytest.mark.parametrize("location", ["", "a b", "a/b/c", "https://example.org/x", "a\nb", "-x"])
    def test_refuses_what_is_neither_folder_nor_name(self, location: str) -> None:
        with pytest.raises(actions.CannotRegister) as caught:
            register(location=location)
        assert caught.value.field == "location"

    @pytest.mark.parametrize("location", ["../etc", "./here", "~/models"])
    def test_refuses_a_path_that_is_not_full(self, location: str) -> None:
        with pytest.raises(actions.CannotRegister, match="not a full path"):
            register(location=location)

    def test_refuses_a_pickle_folder_with_the_folders_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "model.pt").write_bytes(b"\x80\x02.")
        with pytest.raises(actions.CannotRegister, match=r"model\.pt, a pickle"):
            register(location=tmp_path)

    def test_refuses_a_folder_from_a_person_who_is_no_administrator(self, tmp_path: Path) -> None:
        person = User.objects.create_user(username="bo")
        with pytest.raises(NotAllowed):
            register(location=rows.weights_folder(tmp_path), by=person)
        assert register(location="gpt2", by=person).pk

    def test_twice_is_once_and_another_place_needs_another_name(self) -> None:
        assert register() == register()
        with pytest.raises(actions.CannotRegister) as caught:
            register(location="gpt2-large")
        assert caught.value.field == "name"

    def test_an_adapter_needs_its_parent(self, tmp_path: Path) -> None:
        folder = rows.weights_folder(tmp_path)
        (folder / "config.json").rename(folder / "adapter_config.json")
        with pytest.raises(actions.CannotRegister) as caught:
            register(location=folder, kind="adapter")
        assert caught.value.field == "parent"
        parent = register(name="parent")
        assert register(location=folder, kind="adapter", parent=parent).parent == parent

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb"])
    def test_refuses_a_bad_name(self, name: str) -> None:
        with pytest.raises(actions.CannotRegister) as caught:
            register(name=name)
        assert caught.value.field == "name"


class TestRequest:
    def test_keeps_every_setting_that_will_be_used(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion
    ) -> None:
        run = request(sums, base, dataset=dataset, hyperparameters={"learning_rate": 1e-4})
        assert run.state == "requested"
        assert run.hyperparameters["learning_rate"] == 1e-4
        assert "beta" in run.hyperparameters
        assert run.sampling["count"] == 0

    def test_what_nobody_chose_is_the_methods_own(
        self, sums: Campaign, ada: User, base: models.Checkpoint, dataset: DatasetVersion
    ) -> None:
        run = request(sums, base, dataset=dataset, hyperparameters={"stop_below": 0.5})
        usual = defaults.of("d2o", parameters=4)
        assert run.hyperparameters["learning_rate"] == usual["learning_rate"]
        assert run.hyperparameters["stop_below"] == 0.5
        hub = actions.register_checkpoint(name="hub", location="owner/large", by=None, now=NOW)
        large = request(sums, hub, dataset=dataset)
        assert large.hyperparameters["learning_rate"] < usual["learning_rate"]

    def test_rejected_rows_alone_have_nothing_that_a_guard_could_watch(self, base: models.Checkpoint) -> None:
        alone, both = (DatasetVersion(format="kto", manifest={"counts": {"accepted": count}}) for count in (0, 3))
        assert "stop_below" not in actions.usual(method="kto", base=base, dataset=alone)
        assert actions.usual(method="kto", base=base, dataset=both)["stop_below"] > 0

    @pytest.mark.parametrize(
        ("values", "field"),
        [({"learning_rate": "fast"}, "learning_rate"), ({"max_steps": 0}, "max_steps"), ({"no_such": 1}, "no_such")],
    )
    def test_refuses_bad_hyperparameters_by_field(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion, values: dict[str, object], field: str
    ) -> None:
        with pytest.raises(actions.CannotRequest) as caught:
            request(sums, base, dataset=dataset, hyperparameters=values)
        assert caught.value.field == field

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"count": -1}, "count"),
            ({"temperature": float("nan")}, "temperature"),
            ({"top_p": True}, "top_p"),
            ({"purpose": "fun"}, "purpose"),
            ({"prompt_batch": "1"}, "prompt_batch"),
            ({"prompt_batch": 999_999}, "prompt_batch"),
            ({"count": 5}, "prompt_batch"),
            ({"what": 5}, "what"),
        ],
    )
    def test_refuses_bad_sampling_by_field(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion, values: dict[str, object], field: str
    ) -> None:
        with pytest.raises((actions.CannotRequest, sampling.BadSampling)) as caught:
            request(sums, base, dataset=dataset, sampling=values)
        assert caught.value.field == field

    @pytest.mark.parametrize(("format", "state"), [("kto", "ready"), ("d2o", "building")])
    def test_refuses_a_dataset_of_another_format_or_one_not_ready(
        self, sums: Campaign, base: models.Checkpoint, ada: User, runs_folder: Path, format: str, state: str
    ) -> None:
        dataset = rows.dataset(sums, ada, format=format, state=state)
        with pytest.raises(actions.CannotRequest) as caught:
            request(sums, base, dataset=dataset)
        assert caught.value.field == "dataset"

    @pytest.mark.parametrize(
        ("method", "format", "is_taken"),
        [
            ("dpo", "pairs", True),
            ("orpo", "pairs", True),
            ("sft", "pairs", True),
            ("sft", "kto", True),
            ("dpo", "kto", False),
            ("kto", "pairs", False),
            ("sft", "d2o", False),
        ],
    )
    def test_takes_the_formats_that_the_method_trains_on(
        self,
        sums: Campaign,
        base: models.Checkpoint,
        ada: User,
        runs_folder: Path,
        method: str,
        format: str,
        is_taken: bool,
    ) -> None:
        dataset = rows.dataset(sums, ada, format=format)
        if is_taken:
            assert request(sums, base, method=method, dataset=dataset).dataset == dataset
            return
        with pytest.raises(actions.CannotRequest, match="trains on") as caught:
            request(sums, base, method=method, dataset=dataset)
        assert caught.value.field == "dataset"
        assert ("KTO or pairs rows" in caught.value.message) == (method == "sft")

    def test_refuses_the_parts_of_another_campaign(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion, ada: User, tmp_path: Path
    ) -> None:
        other = rows.campaign(ada, slug="other")
        with pytest.raises(actions.CannotRequest):
            request(other, base, dataset=dataset)
        with pytest.raises(actions.CannotRequest) as caught:
            request(other, rows.checkpoint(tmp_path, name="theirs", campaign=sums), method="sample")
        assert caught.value.field == "base"

    def test_refuses_a_base_whose_weights_have_gone(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion
    ) -> None:
        (Path(base.location) / "model.safetensors").unlink()
        with pytest.raises(actions.CannotRequest, match="holds no weights"):
            request(sums, base, dataset=dataset)

    def test_sample_takes_no_dataset_and_needs_prompts(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion
    ) -> None:
        rows.batch(sums, ["a", "b"])
        assert request(sums, base, method="sample", sampling={"count": 2}).dataset is None
        with pytest.raises(actions.CannotRequest):
            request(sums, base, method="sample", sampling={"count": 2}, dataset=dataset)
        with pytest.raises(actions.CannotRequest):
            request(sums, base, method="sample", sampling={"count": 0})
        with pytest.raises(actions.CannotRequest):
            request(sums, base, method="d2o", dataset=None)

    def test_the_same_due_key_twice_is_one_run(
        self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion
    ) -> None:
        first = request(sums, base, dataset=dataset, due_key="1:2026-11-21T03:00")
        assert request(sums, base, dataset=dataset, due_key="1:2026-11-21T03:00") == first
        assert models.Run.objects.count() == 1


class TestCancelAndResume:
    @pytest.fixture
    def run(self, sums: Campaign, base: models.Checkpoint, dataset: DatasetVersion) -> models.Run:
        return request(sums, base, dataset=dataset)

    def test_cancel_ends_a_waiting_run_at_once_and_twice_is_once(self, run: models.Run, ada: User) -> None:
        assert actions.cancel(run=run, by=ada, now=NOW).state == "cancelled"
        assert actions.cancel(run=run, by=ada, now=NOW).state == "cancelled"
        assert AuditEntry.objects.filter(verb="cancel").count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_cancel_of_a_running_run_asks_the_trainer(self, run: models.Run, runs_folder: Path) -> None:
        folder = runs_folder / str(run.pk)
        folder.mkdir(parents=True)
        models.Run.objects.update(state="running", folder=str(folder))
        after = actions.cancel(run=run, by=None, now=NOW)
        assert (after.state, after.cancel_requested_at) == ("running", NOW)
        assert (folder / "cancel").exists()

    @pytest.mark.parametrize(
        ("state", "phase"), [("succeeded", ""), ("failed", ""), ("lost", ""), ("running", "importing")]
    )
    def test_cancel_refuses_what_is_over(self, run: models.Run, state: str, phase: str) -> None:
        models.Run.objects.update(state=state, phase=phase)
        with pytest.raises(states.WrongState):
            actions.cancel(run=run, by=None, now=NOW)

    @pytest.mark.parametrize("state", ["failed", "lost", "cancelled"])
    def test_resume_puts_the_run_in_line_again_and_twice_is_once(
        self, run: models.Run, runs_folder: Path, state: str
    ) -> None:
        folder = runs_folder / str(run.pk)
        folder.mkdir(parents=True)
        (folder / "cancel").touch()
        models.Run.objects.update(state=state, ended_at=NOW, cancel_requested_at=NOW, folder=str(folder), attempt=1)
        for _ in range(2):
            after = actions.resume(run=run, by=None, now=NOW)
            assert (after.state, after.ended_at, after.cancel_requested_at) == ("requested", None, None)
        assert not (folder / "cancel").exists()

    def test_resume_refuses_a_run_that_succeeded(self, run: models.Run) -> None:
        models.Run.objects.update(state="succeeded")
        with pytest.raises(states.WrongState):
            actions.resume(run=run, by=None, now=NOW)
