"""How static files are kept in production: named by their content, and compressed beside themselves.

Our modules name the modules they import by content too, so that a page never runs a mixture of two versions, and what
it preloads is what its modules ask for. (Django's own switch for this would read the modules of others as well, which
name files that they do not bring.)
"""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage

IMPORTS = (r"""(?P<matched>(?P<before>\b(?:from|import) )"(?P<url>\.{1,2}/[^"]+\.js)")""", '%(before)s"%(url)s"')


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("js/*.js", (IMPORTS,)))
