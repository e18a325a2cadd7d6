"""Mean fields: small summaries of "all the others", one for each agent.

A mean field is built once for a team and then called on timesteps. What it returns is any
pytree whose arrays lead with N, with K, or with nothing; `at` picks one agent's part, so that
what all agents share is stored once. A field that is no function of one timestep,
such as groups that are kept for a while, brings a tracker, which follows the team at acting
time and records what the field needs to be computed again.
"""

from swarmfield.mean_field.field import (
    Learning,
    MeanField,
    Tracker,
    action_size,
    action_vectors,
    in_a_row,
    none,
    num_actions,
    observed_and_done,
    observed_size,
    parts_of,
)
from swarmfield.mean_field.groups import bilevel
from swarmfield.mean_field.identity import Identity, with_identity
from swarmfield.mean_field.neighbours import nearest, radius
from swarmfield.mean_field.representation import Outcome
from swarmfield.mean_field.team import last_vectors, team_mean
from swarmfield.mean_field.types import type_means, types_by_actions

__all__ = [
    "Identity",
    "Learning",
    "MeanField",
    "Outcome",
    "Tracker",
    "action_size",
    "action_vectors",
    "bilevel",
    "in_a_row",
    "last_vectors",
    "nearest",
    "none",
    "num_actions",
    "observed_and_done",
    "observed_size",
    "parts_of",
    "radius",
    "team_mean",
    "type_means",
    "types_by_actions",
    "with_identity",
]
