"""Several MAgent2 engines side by side, by their raw interface."""

from __future__ import annotations

import numpy as np
from magent2.environments import battle_v4

from peer.settings import ID_BITS, NUM_ACTIONS, Settings


class Battles:
    """E engines side by side. Red rows of every array are agents; blue acts at random.

    A finished game is reset by the next call of `step`, which ignores its actions.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.games = [
            battle_v4.parallel_env(
                map_size=settings.map_size,
                minimap_mode=True,
                extra_features=True,
                seed=settings.seed * settings.num_envs + i,
            )
            for i in range(settings.num_envs)
        ]
        self.random = np.random.default_rng(settings.seed)
        self.red, self.blue = self.games[0].handles
        self.time = np.zeros(settings.num_envs, int)
        self.over = np.zeros(settings.num_envs, bool)
        self.returns = np.zeros(settings.num_envs)
        self.finished: dict[int, dict[str, float]] = {}
        self.rows: list[np.ndarray] = [np.empty(0, np.int32)] * settings.num_envs
        for e in range(settings.num_envs):
            self._reset(e)
        self.num_agents = len(self.rows[0])

    def _reset(self, e: int) -> None:
        self.games[e].env.reset()
        self.games[e].generate_map()
        self.rows[e] = self.games[e].env.get_agent_id(self.red)
        self.time[e], self.over[e], self.returns[e] = 0, False, 0.0

    def observe(self, view: np.ndarray, features: np.ndarray, mean_action: np.ndarray) -> None:
        """Write `[E, N, ...]` observations and `[E, A]` mean last actions of the living."""
        first = 0 if self.settings.id_bits else ID_BITS
        for e, game in enumerate(self.games):
            rows = self.rows[e]
            if len(rows) == 0:
                continue
            seen, vector = game.env.get_observation(self.red)
            features[e, rows] = vector[:, first:]
            mean_action[e] = vector[:, ID_BITS : ID_BITS + NUM_ACTIONS].mean(axis=0)
            if len(rows) == self.num_agents:
                view[e] = seen
            else:
                view[e, rows] = seen

    def step(
        self, actions: np.ndarray, reward: np.ndarray, terminated: np.ndarray, valid: np.ndarray
    ) -> None:
        """Advance every game, writing `[E, N]` results; `valid` marks who acted."""
        valid[:] = False
        for e in range(self.settings.num_envs):
            if self.over[e]:
                self._reset(e)
            else:
                self._step_game(e, actions[e], reward[e], terminated[e], valid[e])

    def _step_game(
        self,
        e: int,
        actions: np.ndarray,
        reward: np.ndarray,
        terminated: np.ndarray,
        valid: np.ndarray,
    ) -> None:
        engine, rows = self.games[e].env, self.rows[e]
        num_blue = engine.get_num(self.blue)
        engine.set_action(self.red, actions[rows])
        engine.set_action(self.blue, self.random.integers(NUM_ACTIONS, size=num_blue, dtype="i4"))
        game_over = engine.step()
        reward[rows] = engine.get_reward(self.red)
        alive = engine.get_alive(self.red)
        terminated[rows] = ~alive | game_over
        valid[rows] = True
        engine.clear_dead()
        self.rows[e] = rows[alive]
        self.time[e] += 1
        self.returns[e] += reward[rows].sum()
        if game_over or self.time[e] == self.settings.max_steps:
            self._finish(e)

    def _finish(self, e: int) -> None:
        self.over[e] = True
        kills = self.num_agents - self.games[e].env.get_num(self.blue)
        deaths = self.num_agents - len(self.rows[e])
        win = 0.5 + 0.5 * np.sign(kills - deaths)
        self.finished[e] = {"kills": kills, "return": self.returns[e], "win_rate": win}

    def take_finished(self) -> dict[int, dict[str, float]]:
        """The games that ended since the last call, by engine."""
        finished, self.finished = self.finished, {}
        return finished


def mean_of(games: list[dict[str, float]]) -> dict[str, float]:
    """Means over games, and how many they were."""
    names = games[0] if games else ()
    means = {name: float(np.mean([game[name] for game in games])) for name in names}
    return {"episodes": len(games), **means}
