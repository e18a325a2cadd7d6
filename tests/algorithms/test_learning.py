"""Methods learn what they should: tiny games, solved in seconds."""

import pytest
from toy import Drift, Posts, Toy, ToyConfig, WeatherVanes, learned_return, make_algorithm

# Greedy from the middle of the run on.
REPLAY = {
    "batch_size": 64,
    "capacity": 10_000,
    "warmup": 500,
    "learning_rate": 3e-3,
    "gamma": 0.5,
    "explore_end": 0.0,
    "explore_fraction": 0.5,
}
ROLLOUTS = {"rollout_length": 8, "learning_rate": 3e-3, "gamma": 0.5}
SEES_FIELD = ROLLOUTS | {"actor_uses_field": True}
OPTIONS = {
    "iql": REPLAY,
    "mfq": REPLAY,
    "bmf_q": REPLAY,
    "ac": ROLLOUTS,
    "mfac": SEES_FIELD,
    "bmf_ac": SEES_FIELD,
}
CONTINUOUS = REPLAY | {"actor_learning_rate": 1e-3, "explore_start": 0.5}


def learn(name: str, environment, steps: int, options=None) -> float:
    """The mean return of the episodes in the last fifth of a run."""
    algorithm = make_algorithm(name, environment, **(options or OPTIONS[name]))
    return learned_return(algorithm, environment, steps)


@pytest.mark.parametrize("name", ["iql", "mfq"])
def test_what_is_seen_is_learned(name: str) -> None:
    environment = Toy(ToyConfig())
    most = environment.num_agents * environment.max_steps
    assert learn(name, environment, 250) >= 0.98 * most


@pytest.mark.parametrize(
    ("name", "identity", "least", "most"),
    [
        ("iql", "none", 0, 0.3),
        ("iql", "learned", 0.98, 1),
        ("mfq", "onehot", 0.98, 1),
        ("bmf_q", "learned", 0.98, 1),
        ("hmf", "none", 0, 0.3),
        ("hmf", "learned", 0.98, 1),
    ],
)
def test_who_is_told_who_it_is_learns_its_own(
    name: str, identity: str, least: float, most: float
) -> None:
    """Four agents at four posts that they cannot see: all alike, one in four is right."""
    environment = Posts(ToyConfig(num_agents=4))
    every = environment.num_agents * environment.max_steps
    got = learn(name, environment, 250, REPLAY | {"identity": identity}) / every
    assert least <= got <= most


@pytest.mark.parametrize("top", ["grp_sum", "none", "central"])
@pytest.mark.parametrize("name", ["hmf", "hmf_ipc"])
def test_groups_learn_what_their_members_see(name: str, top: str) -> None:
    """Of two agents each, by one supervisor's value of both."""
    environment = Toy(ToyConfig(num_agents=4))
    most = environment.num_agents * environment.max_steps
    options = REPLAY | {"num_groups": 2, "top": top, "exploration": "epsilon"}
    assert learn(name, environment, 400, options) >= 0.95 * most


@pytest.mark.parametrize("name", ["ac", "mfac"])
def test_a_policy_learns_what_is_seen(name: str) -> None:
    """It goes on drawing at random, so that it never is always right."""
    environment = Toy(ToyConfig())
    most = environment.num_agents * environment.max_steps
    assert learn(name, environment, 600) >= 0.95 * most


# Blind, one answer in four is right. Policies learn less from a step, and go on drawing.
@pytest.mark.parametrize(
    ("name", "steps", "share"),
    [("mfq", 400, 0.98), ("bmf_q", 400, 0.98), ("mfac", 1200, 0.85), ("bmf_ac", 1200, 0.7)],
)
def test_what_only_the_mean_action_shows_is_learned_by_those_who_see_it(
    name: str, steps: int, share: float
) -> None:
    environment = WeatherVanes()
    assert learn(name, environment, steps) >= share * environment.best_return


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bmf_q", {"weights": "learned"}),
        ("bmf_q", {"encodes": "observation", "num_groups": 2}),
        ("mtmfq", {"types": "observations", "type_interval": 8}),
    ],
)
def test_what_only_groups_show_is_learned_by_those_who_form_them(name: str, options) -> None:
    environment = WeatherVanes(num_flocks=2)
    assert learn(name, environment, 600, REPLAY | options) >= 0.85 * environment.best_return


@pytest.mark.parametrize(("name", "options"), [("mfq", {}), ("bmf_q", {"grouping": "random"})])
def test_what_only_groups_show_is_not_learned_by_others(name: str, options) -> None:
    """The two winds are seen, and not which is whose: five in eight are right."""
    environment = WeatherVanes(num_flocks=2)
    assert 0.4 <= learn(name, environment, 600, REPLAY | options) / environment.best_return <= 0.7


@pytest.mark.parametrize("name", ["iql", "ac"])
def test_what_only_the_mean_action_shows_is_not_learned_by_others(name: str) -> None:
    environment = WeatherVanes()
    assert learn(name, environment, 400) <= 0.35 * environment.best_return


@pytest.mark.parametrize("name", ["ac", "gatmf"])
def test_a_continuous_policy_learns_what_is_seen(name: str) -> None:
    environment = Drift(shown=True)
    assert learn(name, environment, 500, CONTINUOUS) >= 0.88 * environment.best_return


@pytest.mark.parametrize("name", ["mfac", "bmf_ac"])
def test_a_continuous_policy_learns_what_only_the_mean_action_shows(name: str) -> None:
    environment, options = Drift(shown=False), CONTINUOUS | {"actor_uses_field": True}
    assert learn(name, environment, 500, options) >= 0.88 * environment.best_return


def test_a_continuous_policy_does_not_learn_what_is_not_seen() -> None:
    environment = Drift(shown=False)
    assert learn("ac", environment, 500, CONTINUOUS) <= 1.05 * environment.blind_return
