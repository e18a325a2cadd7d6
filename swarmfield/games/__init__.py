"""Mean-field games: their equilibria, and how far policies are from them."""

from swarmfield.games.examples import GAMES
from swarmfield.games.game import Game
from swarmfield.games.sampled import learned_exploitability, learned_response
from swarmfield.games.solvers import Solved, fictitious_play, mirror_descent
from swarmfield.games.values import best_response, exploitability, flow_of, values, worth

__all__ = [
    "GAMES",
    "Game",
    "Solved",
    "best_response",
    "exploitability",
    "fictitious_play",
    "flow_of",
    "learned_exploitability",
    "learned_response",
    "mirror_descent",
    "values",
    "worth",
]
