"""Executable checks: a prompt and an output in, what is wrong out. Pure functions, the same answer every time.

One kind is otherwise: a `judge` is a question to a language model, and who has a model asks it.

One file per kind; `declared` makes checks of plain data, `written` of YAML. The rest of `formats` needs the standard
library only. Here four packages are allowed besides, each in one file: re2 (`patterns`), jsonschema with its registry
(`json_schema`), py3langid (`language`) and PyYAML (`written`).
"""
