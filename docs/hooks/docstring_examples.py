"""Lets the API reference show the examples of docstrings as code.

Docstrings here say `Example:`, of which there is mostly one; the parser looks for `Examples:`.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Calls every docstring's example what the parser looks for."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of one object's docstring."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
