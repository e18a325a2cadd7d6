"""How the numbers of a decision rule are read: options of those who control a crowd."""

from __future__ import annotations

from typing import Literal, Protocol

Squash = Literal["clip", "clip_tanh", "tanh"]
"""How numbers are brought into [-1, 1]: cut off, tanh of that, or tanh."""
Where = Literal["bins", "kernel"]
"""Whether a rule is constant in each cell, or goes smoothly from one to the next."""
Chances = Literal["linear", "softmax"]
"""How numbers become probabilities: in proportion to them, or to their exponentials."""
Execution = Literal["centralised", "decentralised"]
"""Whether all act by one rule, or each agent draws one for itself."""


class RuleOptions(Protocol):
    """Options of a controller's algorithm that say how its actions are read."""

    @property
    def rule(self) -> Where:
        """How a rule depends on where an agent is."""
        ...

    @property
    def kernel_width(self) -> float:
        """Of a kernel, in sides of a cell."""
        ...

    @property
    def squash(self) -> Squash | None:
        """How numbers are brought into [-1, 1]; as the environment asks for if None."""
        ...

    @property
    def chances(self) -> Chances:
        """How numbers become probabilities."""
        ...
