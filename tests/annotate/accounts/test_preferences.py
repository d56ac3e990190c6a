"""What people prefer: stored only where it differs from the usual, refused with a sentence."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts import actions
from annotate.accounts.models import AuditEntry, User
from annotate.accounts.preferences import PreferencesRefused
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


def change(user: User, **changes: Any) -> dict[str, Any]:
    return actions.set_preferences(user=user, changes=changes, now=NOW)


def test_set_preferences_keeps_what_is_not_named(ada: User) -> None:
    change(ada, view="raw")
    change(ada, single_keys=False)
    change(ada, keys={"minor": ["x"]})
    change(ada, keys={"major": ["X"]})
    ada.refresh_from_db()
    assert ada.preferences == {"view": "raw", "single_keys": False, "keys": {"minor": ["x"], "major": ["X"]}}


def test_set_preferences_twice_is_once(ada: User) -> None:
    change(ada, keys={"minor": ["x"]})
    change(ada, keys={"minor": ["x"]})
    assert AuditEntry.objects.filter(verb="prefer").count() == 1


def test_set_preferences_resets_one_or_all(ada: User) -> None:
    change(ada, keys={"minor": ["x"], "major": ["X"]})
    assert change(ada, keys={"minor": []}) == {"keys": {"major": ["X"]}}
    assert change(ada, keys={"major": ["M"]}) == {}
    change(ada, keys={"minor": ["x"]})
    assert change(ada, keys=None) == {}


def test_set_preferences_swaps_two_keys_at_once(ada: User) -> None:
    assert change(ada, keys={"minor": ["M"], "major": ["m"]})["keys"] == {"minor": ["M"], "major": ["m"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"view": "sideways"},
        {"single_keys": "yes"},
        {"keys": ["m"]},
        {"keys": {"fly": ["f"]}},
        {"keys": {"minor": "m"}},
        {"keys": {"minor": [1]}},
        {"keys": {"minor": ["Ctrl"]}},
        {"keys": {"minor": ["g"]}},
        {"keys": {"minor": ["Ctrl+W"]}},
    ],
)
def test_set_preferences_refuses(ada: User, changes: dict[str, Any]) -> None:
    with pytest.raises(PreferencesRefused) as refused:
        change(ada, **{"single_keys": False, **changes})
    assert refused.value.message
    ada.refresh_from_db()
    assert ada.preferences == {}


def test_set_preferences_refuses_the_key_of_a_tag_but_not_one_that_a_tag_took_later(ada: User) -> None:
    taken = {"1": "“invented fact” in Answers"}
    with pytest.raises(PreferencesRefused, match="“1” cannot be “minor”: it is the key of “invented fact” in Answers"):
        actions.set_preferences(user=ada, changes={"keys": {"minor": ["1"]}}, now=NOW, taken=taken)
    change(ada, keys={"minor": ["1"]})
    actions.set_preferences(user=ada, changes={"keys": {"major": ["x"]}}, now=NOW, taken=taken)
    assert ada.preferences["keys"] == {"minor": ["1"], "major": ["x"]}


def test_set_preferences_locks_the_person(ada: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        change(ada, view="raw")
    assert any("FOR UPDATE" in query["sql"] for query in queries)
