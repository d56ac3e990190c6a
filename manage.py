#!/usr/bin/env python3
"""Negativa's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
    from annotate.hosting import commands

    commands.run(sys.argv)


if __name__ == "__main__":
    main()
