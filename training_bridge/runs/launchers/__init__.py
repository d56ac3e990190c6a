"""Where a run can be carried out. One file per engine; a new one needs `launch`, `observe`, `is_running` and `stop`."""

from types import ModuleType

from training_bridge.runs.launchers import process

ENGINES: dict[str, ModuleType] = {"process": process}
