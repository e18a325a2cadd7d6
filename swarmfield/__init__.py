"""Large-scale mean-field multi-agent reinforcement learning in JAX."""

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment
from swarmfield.training.chaos import chaos
from swarmfield.training.games import solve
from swarmfield.training.league import league
from swarmfield.training.marl_eval import marl_eval
from swarmfield.training.pictures import plot
from swarmfield.training.play import duel, evaluate
from swarmfield.training.player import Player, load
from swarmfield.training.policy_file import write_policy
from swarmfield.training.recording import write_replay
from swarmfield.training.run_file import write_run
from swarmfield.training.runs import Run, resume, train
from swarmfield.training.scripted import scripted
from swarmfield.training.trajectories import write_trajectories
from swarmfield.types import SwarmfieldError

__all__ = [
    "Player",
    "Run",
    "SwarmfieldError",
    "chaos",
    "check_environment",
    "duel",
    "evaluate",
    "league",
    "load",
    "make",
    "marl_eval",
    "plot",
    "resume",
    "scripted",
    "solve",
    "train",
    "write_policy",
    "write_replay",
    "write_run",
    "write_trajectories",
]
