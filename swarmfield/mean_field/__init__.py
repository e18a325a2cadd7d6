"""Mean fields: small summaries of "all the others", one for each agent.

A mean field is built once for a team and then called on timesteps. What it returns is any
pytree whose arrays lead with N, with K, or with nothing; `at` picks one agent's part, so that
what all agents share is never repeated N times.
"""

from swarmfield.mean_field.neighbours import nearest, radius
from swarmfield.mean_field.team import MeanField, none, one_hot_actions, team_mean

__all__ = ["MeanField", "nearest", "none", "one_hot_actions", "radius", "team_mean"]
