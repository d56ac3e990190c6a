"""The embedded PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Cluster:
    home: Path

    def url(self) -> str:
        return f"postgresql:///negativa?host={self.home}"
