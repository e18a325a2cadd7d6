"""What is written for others to read: policies, trajectories, results."""

import json
import shutil
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from jax import export

import swarmfield as sf
from swarmfield.training import archive, trajectories
from swarmfield.types import SwarmfieldError


@pytest.mark.parametrize("command", [tiny.TOY_RUN, tiny.GROUPS_RUN, tiny.CROWD_RUN])
def test_a_policy_needs_nothing_but_jax(command: str, tmp_path: Path) -> None:
    """Its programs act as the run does, to the end of an episode."""
    run, file = tiny.finished(command), tmp_path / "policy.zip"
    assert tiny.swarmfield(f"export policy {run} --output {file}").out == f"{file}\n"
    with zipfile.ZipFile(file) as parts:
        told = json.loads(parts.read("policy.json"))
        begin, act = (
            export.deserialize(bytearray(parts.read(f"{name}.stablehlo")))
            for name in ("begin", "act")
        )
    player = sf.load(run)
    environment, team = player.environment, player.team.name
    step, begin, act = jax.jit(environment.step), jax.jit(begin.call), jax.jit(act.call)
    assert (told["team"], told["algorithm"]) == (team, player.job.algorithm)
    state, timesteps = jax.jit(environment.reset)(jax.random.key(1))
    memory = player.begin(timesteps[team], jax.random.key(2))
    kept = begin(jnp.uint32(2), *jax.tree.leaves(timesteps[team]))
    for time in range(4):
        own = jax.tree.leaves(timesteps[team])
        arrays = (jnp.uint32(time), jnp.float32(0.5), *own, *kept)
        shapes = [{"shape": list(x.shape), "dtype": str(x.dtype)} for x in arrays]
        assert [{n: x[n] for n in ("shape", "dtype")} for x in told["act"]["arguments"]] == shapes
        actions, *kept = act(*arrays)
        expected, memory = player.act(timesteps[team], memory, jax.random.key(time), 0.5)
        np.testing.assert_allclose(actions, expected, rtol=1e-5, atol=1e-6)
        for ours, theirs in zip(jax.tree.leaves(memory), kept, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        everybody = {
            each.name: jnp.zeros((each.num_agents, *actions.shape[1:]), actions.dtype)
            for each in environment.teams
        }
        state, timesteps = step(jax.random.key(time), state, everybody | {team: actions})


def test_trajectories_say_who_saw_what_did_what_and_earned_what(tmp_path: Path) -> None:
    file = tmp_path / "some.npz"
    said = tiny.swarmfield(f"export trajectories {tiny.finished(tiny.TOY_RUN)} --episodes 3")
    assert said.code == 0, said.err
    shutil.move(said.out.strip(), file)
    with np.load(file) as arrays:
        rows = dict(arrays)
    # Episodes of 8 steps have 9 instants, nothing is done at the last.
    np.testing.assert_array_equal(rows["episode"], np.repeat([0, 1, 2], 9))
    np.testing.assert_array_equal(rows["time"], np.tile(np.arange(9), 3))
    np.testing.assert_array_equal(np.flatnonzero(rows["last"]), [8, 17, 26])
    acted = ~rows["last"]
    for team in ("left", "right"):
        seen, done = rows[f"{team}/features"], rows[f"{team}/action"]
        # One who plays the number that is shown earns 1.
        right = np.argmax(seen, axis=-1) == done
        np.testing.assert_array_equal(rows[f"{team}/reward"][acted], right[acted])
        assert not rows[f"{team}/reward"][rows["last"]].any()
        np.testing.assert_array_equal(np.flatnonzero(rows[f"{team}/truncated"]), [7, 16, 25])
    # The learner of the first side has learned something, who plays at random has not.
    assert rows["left/reward"].sum() > 1.3 * rows["right/reward"].sum()


def test_trajectories_come_without_observations_and_not_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file = tiny.finished(tiny.TOY_RUN), tmp_path / "some.npz"
    command = f"export trajectories {run} --output {file}"
    assert tiny.swarmfield(f"{command} --episodes 1 --no-observations").code == 0
    with np.load(file) as arrays:
        assert "left/action" in arrays
        assert "left/features" not in arrays
    monkeypatch.setattr(trajectories, "MOST_BYTES", 1000)
    said = tiny.swarmfield(f"export trajectories {run} --episodes 3")
    assert said.code == 2
    assert "ask for fewer --episodes, or for --no-observations" in said.err


def test_results_are_written_as_marl_eval_reads_them(tmp_path: Path) -> None:
    run, file = tiny.finished(tiny.TOY_RUN), tmp_path / "results.json"
    said = tiny.swarmfield(f"export marl-eval {run} --output {file}")
    assert said.code == 0, said.err
    seeds = json.loads(file.read_text())["toy"]["num_agents=3"]["iql"]
    assert list(seeds) == ["seed_0"]
    *steps, final = seeds["seed_0"].items()
    evaluated = [row for row in tiny.rows(run) if "evaluation/learner/return_mean" in row]
    assert [name for name, _ in steps] == [f"step_{i + 1}" for i in range(len(evaluated))]
    for (_, step), row in zip(steps, evaluated, strict=True):
        assert step["step_count"] == row["env_steps"]
        assert step["return"] == [row["evaluation/learner/return_mean"]]
        assert step["win_rate"] == [row["evaluation/learner/win_rate"]]
    summary = json.loads((run / "summary.json").read_text())["evaluation"]["learner"]
    metrics = {"return": [summary["return_mean"]], "win_rate": [summary["win_rate"]]}
    assert final == ("absolute_metrics", metrics)


def test_what_marl_eval_could_not_read_is_refused(tmp_path: Path) -> None:
    run = tiny.finished(tiny.TOY_RUN)
    copy, other = tmp_path / "copy", tiny.finished(tiny.GROUPS_RUN)
    shutil.copytree(run, copy)
    with pytest.raises(SwarmfieldError, match="another run of iql with seed_0; leave it out, or"):
        sf.marl_eval(run, copy, output=tmp_path / "x.json")
    config = json.loads((copy / "config.json").read_text())
    config["seed"], config["algo"]["gamma"] = 5, 0.5
    other_recipe = tmp_path / "other"
    shutil.copytree(copy, other_recipe)
    (other_recipe / "config.json").write_text(json.dumps(config))
    with pytest.raises(SwarmfieldError, match="another run of iql, with other options"):
        sf.marl_eval(run, other_recipe, output=tmp_path / "x.json")
    file = sf.marl_eval(run, copy, output=tmp_path / "both.json", name_by="folder")
    assert list(json.loads(file.read_text())["toy"]["num_agents=3"]) == [run.name, "copy"]
    short = [json.loads(line) for line in (copy / "metrics.jsonl").read_text().splitlines()]
    short = [row for row in short if row["env_steps"] < 200]
    (copy / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in short))
    with pytest.raises(SwarmfieldError, match=r"has the evaluations at .* and .*, copy"):
        sf.marl_eval(run, copy, output=tmp_path / "x.json", name_by="folder")
    (copy / "summary.json").unlink()
    with pytest.raises(SwarmfieldError, match="is not finished; give runs that ended"):
        sf.marl_eval(other, copy, output=tmp_path / "x.json")


def test_names_that_marl_eval_spoils_are_refused(tmp_path: Path) -> None:
    run = tiny.finished(tiny.TOY_RUN)
    for name in ("a,b", "A", "a"):
        shutil.copytree(run, tmp_path / name)
    for names, spoilt in ((["a,b"], "a,b"), (["A", "a"], "[aA]")):
        with pytest.raises(SwarmfieldError, match=f"'{spoilt}' is no name for marl-eval"):
            sf.marl_eval(*(tmp_path / n for n in names), output=tmp_path / "x", name_by="folder")


def test_metrics_that_some_evaluation_lacks_are_left_out(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny.finished(tiny.TOY_RUN), run)
    rows, name = tiny.rows(run), "evaluation/learner/win_rate"
    next(row for row in rows if name in row)[name] = None
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seed = json.loads(sf.marl_eval(run).read_text())["toy"]["num_agents=3"]["iql"]["seed_0"]
    assert all("return" in each and "win_rate" not in each for each in seed.values())


@pytest.mark.parametrize("kind", ["policy", "trajectories", "marl-eval"])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("there", "which exists already; give another name, or remove it."),
        ("nowhere/file", "there is no folder"),
        (".", "but must be the name of a file"),
    ],
)
def test_an_export_takes_no_other_files_place(
    kind: str, output: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny.finished(tiny.TOY_RUN).resolve()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("precious")
    found = tiny.swarmfield(f"export {kind} {run} --output {output}")
    assert found.code == 2
    assert said in found.err
    assert [x.name for x in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "precious"


def test_a_default_name_says_whose_policy_it_is() -> None:
    run = tiny.finished(tiny.TOY_RUN)
    assert sf.write_policy(run, which="best").name == "policy-best.zip"
    file = sf.write_trajectories(run, episodes=1, which="best", explore=0.5)
    assert file.name == "trajectories-best.npz"
    with np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
    assert (about["which"], about["seed"], about["explore"]) == ("best", 0, 0.5)


def test_there_are_four_exports() -> None:
    assert "did you mean 'policy'?" in tiny.swarmfield("export polcy runs/x").err
    assert (
        "export needs one of run, policy, trajectories, marl-eval first"
        in tiny.swarmfield("export").err
    )
    assert "--no-observations" in tiny.swarmfield("export trajectories --help").out


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where archives are unpacked to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "swarmfield"


def test_a_run_as_a_file_is_played_as_its_best_policy_is(tmp_path: Path, cache: Path) -> None:
    run, file = tiny.finished(tiny.TOY_RUN), tmp_path / "toy.zip"
    assert tiny.swarmfield(f"export run {run} --output {file}").out == f"{file}\n"
    original, player = sf.load(run, which="best"), sf.load(file)
    assert (player.env_steps, player.seed) == (original.env_steps, original.seed)
    pairs = zip(*(jax.tree.leaves(x.parameters) for x in (player, original)), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    reports = [sf.evaluate(x, which="best", episodes=4)["learner"] for x in (file, run)]
    assert reports[0] == reports[1]
    assert len(list(cache.iterdir())) == 1
    with pytest.raises(SwarmfieldError, match="holds policies alone and cannot be trained on"):
        sf.resume(file, env_steps=10**6)


def test_a_file_that_holds_no_run_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("readme.txt", "no run")
    for name in ("text.zip", "other.zip"):
        with pytest.raises(SwarmfieldError, match=f"{name} holds no run; give what"):
            sf.load(tmp_path / name)
    with pytest.raises(SwarmfieldError, match="no run pretrained:formatio; did you mean"):
        sf.load("pretrained:formatio")
    assert not cache.exists()


def test_what_was_not_evaluated_has_no_file(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny.finished(tiny.TOY_RUN), run)
    shutil.rmtree(run / "checkpoints" / "best")
    with pytest.raises(SwarmfieldError, match="has no best policy"):
        sf.write_run(run)


@pytest.mark.parametrize("name", archive.pretrained())
def test_every_pretrained_run_acts(name: str, cache: Path) -> None:
    player = sf.load(f"pretrained:{name}", seed=1, env={"num_agents": 20})
    _, timesteps = jax.jit(player.environment.reset)(jax.random.key(0))
    timestep = timesteps[player.team.name]
    actions, _ = player.act(timestep, player.begin(timestep, jax.random.key(1)), jax.random.key(2))
    assert jnp.isfinite(actions).all()
    assert f"pretrained:{name}  " in tiny.swarmfield("list pretrained").out
