"""Jobs: what is refused, in which words, and what comes back from `config.json`."""

import json
from pathlib import Path

import pytest

from swarmfield.algorithms import ALGORITHMS
from swarmfield.training.config import from_dict, make_job, to_dict
from swarmfield.types import SwarmfieldError


def refused(algorithm: str = "mfq", environment: str = "battle", **options) -> str:
    with pytest.raises(SwarmfieldError) as caught:
        make_job(algorithm, environment, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_make_a_job() -> None:
    job = make_job("mfq", "battle")
    assert job.config.env_steps % job.config.num_envs == 0
    assert job.config.seed_list == [0]
    assert job.frozen is None


@pytest.mark.parametrize(
    ("env_steps", "num_envs", "nearest"),
    [(100, 16, "96 or 112"), (5, 16, "16"), (17, 16, "16 or 32"), (31, 16, "16 or 32")],
)
def test_budgets_that_do_not_fit_name_the_two_nearest(
    env_steps: int, num_envs: int, nearest: str
) -> None:
    message = refused(env_steps=env_steps, num_envs=num_envs)
    assert message.startswith(f"--env-steps is {env_steps}, which {num_envs} environments")
    assert message.endswith(f"the nearest they can is {nearest}.")


@pytest.mark.parametrize("env_steps", [16, 32, 16 * 997])
def test_every_multiple_is_taken(env_steps: int) -> None:
    assert make_job("iql", "battle", env_steps=env_steps).config.env_steps == env_steps


def test_reports_too_fall_on_whole_steps() -> None:
    message = refused(report_every=50)
    assert message.startswith("--report-every is 50")
    assert message.endswith("48 or 64.")


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("env_steps", 0, 1),
        ("env_steps", -16, 1),
        ("num_envs", 0, 1),
        ("evaluations", -1, 0),
        ("checkpoints", -1, 0),
        ("evaluation_episodes", 0, 1),
        ("report_every", 0, 1),
    ],
)
def test_numbers_too_small_are_refused(name: str, value: int, least: int) -> None:
    option = "--" + name.replace("_", "-")
    assert (
        refused(**{name: value})
        == f"{option} is {value}, but must be a whole number of at least {least}."
    )


def test_more_steps_than_can_be_counted_are_refused() -> None:
    assert "choose fewer" in refused(env_steps=2**31, num_envs=1)
    assert make_job("iql", "battle", env_steps=2**31 - 1, num_envs=1)


@pytest.mark.parametrize(
    ("seeds", "expected"), [("0:4", [0, 1, 2, 3]), ("7:8", [7]), ("10:13", [10, 11, 12])]
)
def test_ranges_of_seeds(seeds: str, expected: list[int]) -> None:
    assert make_job("iql", "battle", seeds=seeds).config.seed_list == expected


def test_a_job_of_an_earlier_version_has_the_defaults_of_later_options() -> None:
    plain = to_dict(JOBS["plain"])
    for name in ("reward", "incremental", "pool_size", "pool_sampling"):
        del plain[name]
    assert from_dict(plain) == JOBS["plain"]


def test_options_within_options() -> None:
    config = make_job("iql", "battle", incremental={"start": 0.2}).config
    assert config.incremental.start == 0.2
    assert config.incremental.step == 0.2
    named = refused(incremental={"begin": 0.2})
    assert named.startswith("There is no option incremental.begin")
    assert refused(incremental={"start": "half"}).startswith("incremental.start is 'half'")


def test_one_seed() -> None:
    assert make_job("iql", "battle", seed=5).config.seed_list == [5]
    assert make_job("iql", "battle", seed=2**32 - 1).config.seed_list == [2**32 - 1]


@pytest.mark.parametrize(
    "seeds", ["4", "4:4", "4:2", "a:b", ":3", "3:", "-1:2", "0:4:2", "", "²:3"]
)
def test_ranges_that_are_none(seeds: str) -> None:
    assert refused(seeds=seeds).startswith(f"--seeds is {seeds!r}, but must be a range such as 0:4")


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": 2**32}, {"seeds": f"0:{2**40}"}])
def test_seeds_out_of_range(options) -> None:
    assert "seed" in refused(**options)


def test_a_seed_and_seeds_exclude_each_other() -> None:
    assert refused(seed=1, seeds="0:2") == (
        "--seed 1 and --seeds 0:2 are both given; give one of them."
    )


@pytest.mark.parametrize(
    ("options", "wrong", "meant"),
    [
        ({"algorithm": "mqf"}, "algorithm named 'mqf'", "'mfq'"),
        ({"environment": "batle"}, "environment named 'batle'", "'battle'"),
        ({"env": {"map_sise": 40}}, "option env.map_sise", "'map_size'"),
        ({"algo": {"learning_rat": 1.0}}, "option algo.learning_rat", "'learning_rate'"),
        ({"env_step": 16}, "option env_step", "'env_steps'"),
    ],
)
def test_unknown_names_bring_the_nearest_to_mind(options, wrong: str, meant: str) -> None:
    message = refused(**options)
    assert message.startswith(f"There is no {wrong}; did you mean {meant}?")


def test_a_name_like_no_other_brings_them_all() -> None:
    assert refused("zzz").endswith(f"choose one of {', '.join(ALGORITHMS)}.")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {"algo": {"target": "triple"}},
            "target is 'triple', but must be one of: double, max",
        ),
        ({"algo": {"neighbourhood": "kmn"}}, "neighbourhood is 'kmn'"),
        ({"algo": {"batch_size": 2.5}}, "batch_size is 2.5, but must be a whole number"),
        ({"algo": {"gamma": "high"}}, "gamma is 'high', but must be a number"),
        ({"algo": {"learning_rate": float("nan")}}, "--algo.learning-rate is nan"),
        ({"num_envs": "8"}, "num_envs is '8', but must be a whole number"),
        ({"num_envs": True}, "num_envs is True, but must be a whole number"),
    ],
)
def test_values_of_another_type_are_refused(options, named: str) -> None:
    assert named in refused(**options)


def test_a_method_that_reads_views_flat_has_no_other_trunk() -> None:
    message = refused("maddpg", "spread", algo={"trunk": "mfrl"})
    assert "trunk is 'mfrl', but must be one of: mlp" in message


def test_whole_numbers_may_be_written_as_floats() -> None:
    job = make_job("iql", "battle", env_steps=1.6e5, algo={"capacity": 1e4})
    assert job.config.env_steps == 160_000
    assert isinstance(job.config.env_steps, int)
    assert isinstance(job.config.algo.capacity, int)


JOBS = {
    "plain": make_job("mfq", "battle"),
    "everything": make_job(
        "mfq",
        "adversarial_pursuit",
        env={"map_size": 30},
        algo={"neighbourhood": "knn", "num_neighbours": 3, "gamma": 0.5, "trunk": "mfrl"},
        env_steps=480,
        num_envs=12,
        seeds="2:5",
        opponent="random",
        run_dir=Path("runs/one"),
        report_every=24,
        evaluations=0,
        evaluation_episodes=3,
        checkpoints=1,
    ),
    "frozen": make_job(
        "iql", "battle", opponent="runs/one", frozen=make_job("mfq", "battle", seed=3)
    ),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_job_survives_its_file(job) -> None:
    written = json.dumps(to_dict(job), allow_nan=False)
    assert from_dict(json.loads(written)) == job


def test_what_a_file_holds_besides_is_left_out() -> None:
    job = JOBS["everything"]
    assert from_dict({**to_dict(job), "versions": {"jax": "0.10"}}) == job


def test_what_a_file_lacks_is_named() -> None:
    plain = to_dict(JOBS["plain"])
    del plain["env_steps"], plain["algo"]
    with pytest.raises(SwarmfieldError, match=r"config\.json lacks algo, env_steps;"):
        from_dict(plain)


@pytest.mark.parametrize("change", [{"env_steps": 17}, {"algorithm": "x"}, {"env": {"size": 3}}])
def test_altered_values_are_refused(change) -> None:
    with pytest.raises(SwarmfieldError):
        from_dict({**to_dict(JOBS["plain"]), **change})
