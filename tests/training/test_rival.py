"""Two learners in one program: both learn, from their own experience, as often as they are due."""

import json
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from toy import Toy, ToyConfig, make_algorithm, make_program

import swarmfield
from swarmfield.training import program as loop
from swarmfield.training.config import from_dict, has_rival, make_job, to_dict
from swarmfield.training.player import load, load_opponent
from swarmfield.training.setup import assemble
from swarmfield.types import SwarmfieldError

OFTEN = {"batch_size": 32, "capacity": 800, "warmup": 0, "learning_rate": 1e-2}
RUN = (
    "train iql toy --env.num-agents 3 --num-envs 2 --opponent ac --algo.batch-size 32 "
    "--algo.warmup 0 --algo.capacity 2000 --opponent-algo.rollout-length 5 --seeds 3:5 "
    "--evaluation-episodes 2 --env-steps 240 --evaluations 4"
)

PREY = (
    "train iql adversarial_pursuit --env.map-size 12 --env.max-steps 10 --num-envs 2 "
    "--opponent vdn --algo.batch-size 16 --algo.warmup 0 --algo.capacity 500 "
    "--opponent-algo.warmup 0 --env-steps 40 --evaluations 1 --evaluation-episodes 2"
)


def both(first: str = "iql", second: str = "ac"):
    environment = Toy(ToyConfig(num_agents=4, max_steps=4))
    options = {"iql": OFTEN, "vdn": OFTEN, "ac": {"rollout_length": 5, "learning_rate": 1e-2}}
    learner = make_algorithm(first, environment, **options[first])
    other = make_algorithm(second, environment, **options[second])
    return make_program(learner, environment, 4, 4000, rival=other)


def advanced(program, cuts, seed: int = 0):
    run = loop.start(program, None, jax.random.key(seed))
    advance = jax.jit(partial(loop.advance, program))
    for time, steps in cuts:
        run = advance(run, jnp.int32(time), jnp.int32(steps))
    return run


@pytest.mark.parametrize("names", [("iql", "ac"), ("ac", "iql"), ("iql", "iql")])
def test_both_learn_at_once(names) -> None:
    program = both(*names)
    advance = jax.jit(partial(loop.advance, program))
    close = jax.jit(partial(loop.close_window, program))
    run, rows = loop.start(program, None, jax.random.key(0)), []
    for time, steps in ((0, 40), (40, 560), (600, 200)):
        run, row = close(advance(run, jnp.int32(time), jnp.int32(steps)))
        rows.append(row)
    # One in four answers is right by chance.
    assert np.all(np.asarray(rows[0]["rewards"]) < 0.45)
    assert np.all(np.asarray(rows[-1]["rewards"]) > 0.6), rows[-1]["rewards"]
    assert np.isfinite(float(rows[-1]["rival"]["metrics"]["loss"]))


def test_each_keeps_its_own_experience() -> None:
    """Sides are swapped in half of the worlds, for the rival the other way round."""
    program = both("iql", "iql")
    run = advanced(program, [(0, 7)])
    perspective = {
        "learner": np.asarray(run.ring.shared["perspective"])[1:8],
        "rival": np.asarray(run.opponent.ring.shared["perspective"])[1:8],
    }
    np.testing.assert_array_equal(perspective["learner"], [[0, 0, 1, 1]] * 7)
    np.testing.assert_array_equal(perspective["rival"], [[1, 1, 0, 0]] * 7)
    assert not np.array_equal(run.ring.reward[1:8], run.opponent.ring.reward[1:8])


def test_a_run_is_decided_by_its_seed_and_not_by_how_it_is_cut() -> None:
    program = both()
    whole, cut = advanced(program, [(0, 30)]), advanced(program, [(0, 7), (7, 23)])
    key = lambda run: jax.tree.map(  # noqa: E731
        lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x,
        run,
    )
    jax.tree.map(np.testing.assert_array_equal, key(whole), key(cut))
    other = advanced(program, [(0, 30)], seed=1)
    assert not np.array_equal(
        jax.tree.leaves(whole.opponent.learner)[0], jax.tree.leaves(other.opponent.learner)[0]
    )


def test_two_learners_of_a_kind_begin_and_become_different() -> None:
    run = advanced(both("iql", "iql"), [(0, 5)])
    ours, theirs = (x.network.head.layers[0].weight for x in (run.learner, run.opponent.learner))
    assert not np.array_equal(ours, theirs)


def test_both_learn_on_the_terms_of_the_run() -> None:
    """Half of each team learns, each from the mean of its own half's rewards."""
    job = make_job(
        "iql",
        "toy",
        env={"num_agents": 4, "max_steps": 5},
        algo=OFTEN,
        opponent="vdn",
        opponent_algo=OFTEN,
        reward="team",
        incremental={"start": 0.5, "step": 0.5, "every": 0.9},
        num_envs=4,
        env_steps=400,
    )
    run = advanced(assemble(job).program, [(0, 20)])
    for ring in (run.ring, run.opponent.ring):
        reward, flags = np.asarray(ring.reward)[1:21], np.asarray(ring.agent_flags)[1:21]
        trained = flags >> 2 & 1
        np.testing.assert_array_equal(trained, [[[1, 1, 0, 0]] * 4] * 20)
        assert (reward == reward[:, :, :1]).all(), "one reward for all"
        assert set(np.unique(reward)) == {0.0, 0.5, 1.0}, "the mean of two"
    assert not np.array_equal(run.ring.reward[1:21], run.opponent.ring.reward[1:21])


def test_each_draws_for_itself() -> None:
    """Of two that measure what they draw, with the same kind of experience."""
    program = both("iql", "iql")

    def draw(learner, _batch, key, _progress):
        return learner, {"loss": jax.random.uniform(key)}

    drawing = program.student._replace(algorithm=program.student.algorithm._replace(update=draw))
    other = program.other._replace(algorithm=drawing.algorithm)
    program = program._replace(student=drawing, other=other)
    _, row = loop.close_window(program, advanced(program, [(0, 3)]))
    assert int(row["updates"]) == int(row["rival"]["updates"]) == 3
    assert float(row["metrics"]["loss"]) != float(row["rival"]["metrics"]["loss"])


def test_a_run_in_a_folder_called_like_an_algorithm_is_no_rival() -> None:
    frozen = make_job("iql", "battle")
    old = to_dict(make_job("iql", "battle", opponent="mfqmix", frozen=frozen))
    del old["opponent_algo"]
    assert not has_rival(from_dict(old))
    assert has_rival(make_job("iql", "battle", opponent="mfqmix"))


def test_a_rival_that_knows_its_agents_plays_no_other_team() -> None:
    path = tiny.SCRATCH / "rival-with-names"
    said = tiny.swarmfield(
        "train iql toy --env.num-agents 3 --num-envs 2 --opponent vdn --opponent-algo.identity "
        f"learned --env-steps 40 --evaluations 1 --evaluation-episodes 2 --run-dir {path}"
    )
    assert said.code == 0, said.err
    assert swarmfield.evaluate(path, episodes=2, env={"max_steps": 5})["against"] == "vdn"
    message = r".*knows each of its 3 agents.*--opponent-algo\.identity none"
    for player, who in ((path, "The opponent of run "), (f"{path}:opponent", "Run ")):
        with pytest.raises(SwarmfieldError, match=who + message):
            swarmfield.evaluate(player, episodes=2, env={"num_agents": 5})


def test_the_count_of_updates_begins_anew_at_a_report() -> None:
    program = both()
    run, row = loop.close_window(program, advanced(program, [(0, 10)]))
    assert int(row["rival"]["updates"]) == 2  # of rollouts of five steps
    assert int(run.opponent.tally.updates) == 0
    assert all(float(value) == 0 for value in run.opponent.tally.metrics.values())


def test_a_run_of_two_learners_is_reported_evaluated_and_loaded() -> None:
    path = tiny.finished(RUN)
    summary = json.loads((path / "summary.json").read_text())
    assert set(summary["evaluation_rival"]) == {"learner", "opponent"}
    met = summary["evaluation_rival_by_seed"]["4"]
    assert met["learner"]["win_rate"] == pytest.approx(1 - met["opponent"]["win_rate"])
    rows = tiny.rows(path)
    assert "opponent/loss" in rows[-1]
    assert "loss" in rows[-1]
    config = json.loads((path / "config.json").read_text())
    assert config["opponent_algo"]["rollout_length"] == 5
    learner = load(path, seed=4)
    first = load_opponent(load(path, seed=3))
    second = load_opponent(learner)
    shapes = jax.tree.map(jnp.shape, first)
    assert shapes == jax.tree.map(jnp.shape, second)
    assert any(
        not np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )
    report = swarmfield.evaluate(path, episodes=2)
    assert report["against"] == "ac"
    assert report["file"].endswith("vs-ac.json")
    assert swarmfield.evaluate(path, episodes=2, opponent="ac")["learner"] == report["learner"]
    with pytest.raises(
        SwarmfieldError, match=r"'vdn', which did not learn beside .* random, ac or"
    ):
        swarmfield.evaluate(path, episodes=2, opponent="vdn")


def test_a_rival_plays_sides_that_are_not_interchangeable() -> None:
    path = tiny.finished(PREY)
    assert np.isfinite(tiny.rows(path)[-1]["opponent/loss"])
    prey = load(f"{path}:opponent")
    assert prey.team.name == "prey"
    _, timesteps = prey.environment.reset(jax.random.key(0))
    memory = prey.begin(timesteps["prey"], jax.random.key(1))
    actions, _ = prey.act(timesteps["prey"], memory, jax.random.key(2))
    assert actions.shape == (prey.team.num_agents,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"opponent": "random", "opponent_algo": {"gamma": 0.5}},
            r"'random', which is no algorithm",
        ),
        ({"opponent": "ac", "opponent_algo": {"gama": 0.5}}, r"no option opponent_algo\.gama"),
        ({"opponent": ["ac"]}, r"opponent is \['ac'\], but must be text"),
        ({"opponent": "gatmff"}, r"no such run folder; did you mean 'gatmf'\?"),
        ({"opponent": "ac", "opponent_algo": {"gamma": 5.0}}, r"^--opponent-algo\.gamma is 5\.0"),
    ],
)
def test_refusals(options, message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SwarmfieldError, match=message):
        swarmfield.train("iql", "battle", **options)


def test_a_number_of_the_rival_that_is_not_finite_is_its_own() -> None:
    said = tiny.swarmfield(
        f"{RUN} --opponent-algo.learning-rate 1e30 --run-dir {tiny.SCRATCH / 'rival-fails'}"
    )
    assert said.code == 1
    assert "The opponent's" in said.err
    assert "--opponent-algo.learning-rate" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--opponent ac --opponent-algo.gamma 5", "--opponent-algo.gamma is 5.0"),
        ("--opponent ac --algo.gamma 5 --opponent-algo.gae-lambda 0", ": --algo.gamma is 5.0"),
        ("--opponent ac --algo.gamma 0.9 --opponent_algo.gamma 5", "--opponent-algo.gamma is 5.0"),
        ("--opponent gatmf --opponent-algo.graph environment", "--opponent-algo.graph"),
        ("--opponent-algo.gamma 0.5", "the opponent is None, which is no algorithm"),
        ("--opponent=random --opponent-algo.gamma 0.5", "the opponent is 'random'"),
    ],
)
def test_a_refusal_says_whose_option_it_was(words: str, said: str) -> None:
    told = tiny.swarmfield(f"train iql toy {words}")
    assert told.code == 2
    assert said in told.err


def test_whoever_learned_beside_it_is_a_player_of_its_own() -> None:
    path = tiny.finished(RUN)
    learner, rival = load(path, seed=4), load(f"{path}:opponent", seed=4)
    assert (learner.job.algorithm, rival.job.algorithm) == ("iql", "ac")
    assert rival.job.config.algo.rollout_length == 5
    for player, other in ((learner, rival), (rival, learner)):
        parameters = jax.tree.leaves(load_opponent(player))
        assert all(map(np.array_equal, jax.tree.leaves(other.parameters), parameters))
    met = swarmfield.evaluate(path, episodes=4)
    duel = swarmfield.duel(path, f"{path}:opponent", episodes=4)
    assert [duel["learner"], duel["opponent"]] == [met["learner"], met["opponent"]]

    turned = swarmfield.evaluate(f"{path}:opponent", episodes=4)
    assert turned["run"] == f"{path}:opponent"
    assert turned["against"] == "iql"
    assert turned["file"].endswith("opponent-vs-iql.json")
    back = swarmfield.duel(f"{path}:opponent", path, episodes=4)
    assert [back["learner"], back["opponent"]] == [turned["learner"], turned["opponent"]]
    other = swarmfield.evaluate(path, episodes=4, opponent=f"{path}:opponent")
    assert other["learner"] == met["learner"]
    assert "opponent.json" in other["file"]
    assert ":" not in other["file"]


def test_two_who_learned_together_enter_a_league(tmp_path) -> None:
    path = tiny.finished(RUN)
    report = swarmfield.league(
        path, f"{path}:opponent", "random", seeds="all", episodes=2, output=tmp_path / "l"
    )
    names = {player["name"]: player for player in report["players"]}
    assert len(names) == 5
    rival = names[f"{path.name}:opponent seed 4"]
    assert rival["algorithm"] == "ac"
    assert rival["run"] == f"{path}:opponent"


def test_a_run_against_whoever_learned_beside_another(tmp_path) -> None:
    trained = tiny.finished(RUN)
    run = swarmfield.train(
        "iql",
        "toy",
        env={"num_agents": 3},
        opponent=f"{trained}:opponent",
        num_envs=2,
        env_steps=40,
        evaluations=0,
        run_dir=tmp_path / "run",
    )
    frozen = load_opponent(load(run.path))
    expected = load(f"{trained}:opponent").parameters
    assert all(map(np.array_equal, jax.tree.leaves(frozen), jax.tree.leaves(expected)))
    assert from_dict(json.loads((run.path / "config.json").read_text())).frozen.algorithm == "ac"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("duel {path}:opponent {alone}:opponent", "no other algorithm learned beside run"),
        ("evaluate {path}:opponent --which best", "kept of the learner only; choose last"),
        ("evaluate {prey}:opponent", "plays team 'prey', but .* whose opponent it is"),
        ("league {path} {path}:opponent {path}/:opponent", "named twice"),
        ("train iql toy --run-dir {path}:opponent", "are those of runs' opponents"),
        ("resume {path}:opponent", "is one player of a run; give the run's folder, {path}"),
        ("replay {path}:opponent", "is one player of a run; give the run's folder, {path}"),
        ("duel {path} {path}s:opponent", "no run folder {path}s; did you mean {path}"),
    ],
)
def test_refusals_of_players(command: str, said: str) -> None:
    paths = {
        "path": tiny.finished(RUN),
        "alone": tiny.finished("train iql toy --env-steps 32 --evaluations 0"),
        "prey": tiny.finished(PREY),
    }
    told = tiny.swarmfield(command.format(**paths))
    assert told.code == 2
    assert re.search(said.format(**paths), told.err), told.err
