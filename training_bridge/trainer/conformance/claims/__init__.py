"""One file per method: what must hold of its loss. A new file is found by itself."""

import importlib
import pkgutil

for _each in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_each.name}")
