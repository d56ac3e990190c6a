"""YAML in which a check is written: plain data only, and no aliases, by which a short text could mean a huge one."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import AliasEvent


class _Plain(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(AliasEvent):
            raise ValueError("aliases (*) are not taken")
        return super().compose_node(parent, index)


def read(text: str) -> list[Any]:
    """Return the list that the text is, or a list of the one thing it is. Raises ValueError.

    >>> read("check: max_length")
    [{'check': 'max_length'}]
    """
    try:
        found = yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe loader, with less
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ValueError(f"{error.problem or 'it cannot be read'}{where}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("it cannot be read as YAML") from error
    checks = found if isinstance(found, list) else [found]
    if not checks:
        raise ValueError("the list is empty")
    return checks
