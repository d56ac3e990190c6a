"""What `manage.py demo` shows: a progress bar throughout, a line for each finished step, and the table."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from training_bridge.demo import table as tables


class Screen:
    """A telling.Listener for terminals; redirected into a file it writes plain lines."""

    def __init__(self, *, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.percentage:>3.0f} %"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def moved(self, *, title: str, message: str, progress: float) -> None:
        self._bar.update(self._task, completed=progress, description=message or title)

    def finished(self, *, title: str, note: str) -> None:
        self.console.print(Text.assemble(("✓ ", "green"), title, (f"  {note}" if note else "", "dim")))


def show_table(*, found: dict[str, Any], console: Console) -> None:
    """Print the table. Model output is nowhere in it; statements are shown as plain text all the same."""
    shown = Table(title=Text(tables.title(found)), title_justify="left", show_edge=False, pad_edge=False)
    shown.add_column("violations of")
    for _, name in tables.METHODS:
        shown.add_column(f"before →\nafter {name}", justify="right", no_wrap=True)
        shown.add_column("p", justify="right", no_wrap=True)
    for row in found["rows"]:
        cells = [Text(row["statement"])]
        for key, _ in tables.METHODS:
            cells += [Text(f"{row[key]['before']} → {row[key]['after']}"), Text(tables.p_value(row[key]["p"]))]
        shown.add_row(*cells, end_section=row is found["rows"][-1])
    cells = [Text("answers with nothing wrong", style="bold")]
    for key, _ in tables.METHODS:
        clean = found["clean"][key]
        cells += [Text(f"{clean['before']} → {clean['after']}\nof {clean['total']}"), Text(tables.p_value(clean["p"]))]
    shown.add_row(*cells)
    console.print(shown)
    console.print(Text(tables.FOOTNOTE, style="dim"))
