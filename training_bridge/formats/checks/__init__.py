"""Executable checks: a prompt and an output in, what is wrong out. Pure functions, standard library only.

One file per kind; `declared` makes checks of plain data.
"""
