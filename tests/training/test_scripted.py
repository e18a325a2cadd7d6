"""What scripted players come to, from Python and from the command line."""

from __future__ import annotations

import pytest

import swarmfield
from swarmfield import SwarmfieldError, cli
from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.environments import scripted as playing
from swarmfield.environments.references import SCRIPTED, scripted_players

SHORT = {"num_agents": 3, "max_steps": 5}


def test_figures_are_those_of_an_evaluation() -> None:
    earned = swarmfield.scripted("spread", episodes=4, env=SHORT)
    assert list(earned) == ["random", "nothing", "assignment"]
    for figures in earned.values():
        assert list(figures)[:4] == ["return_mean", "return_std", "return_ci95", "episodes"]
        assert figures["episodes"] == 4
        assert figures["distance"] > 0
    assert earned["assignment"]["return_mean"] > earned["random"]["return_mean"]


def test_a_seed_decides_the_episodes() -> None:
    first, again, other = (
        swarmfield.scripted("spread", episodes=2, env=SHORT, evaluation_seed=seed)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first["nothing"]["return_mean"] != other["nothing"]["return_mean"]


def test_how_many_are_played_at_once_changes_nothing(monkeypatch) -> None:
    whole = swarmfield.scripted("spread", episodes=5, env=SHORT)
    monkeypatch.setattr(playing, "AGENTS_AT_ONCE", 6)
    for player, figures in swarmfield.scripted("spread", episodes=5, env=SHORT).items():
        assert figures == pytest.approx(whole[player], rel=1e-5)


@pytest.mark.parametrize("name", SCRIPTED)
def test_all_can_act_where_they_belong(name: str) -> None:
    assert name in ENVIRONMENTS
    assert scripted_players(make(name)).keys() == SCRIPTED[name].keys()


def test_only_those_act_who_can() -> None:
    assert list(scripted_players(make("pursuit_evasion", dynamics="steered"))) == ["random"]


def test_the_command_prints_a_row_a_player(capsys) -> None:
    arguments = ["scripted", "spread", "--episodes", "2", "--env.num-agents", "3"]
    assert cli.run([*arguments, "--env.max-steps", "5"]) == 0
    said = capsys.readouterr().out
    assert "spread: 3 agents, 3 landmarks, 5 steps" in said
    assert [line.split()[0] for line in said.splitlines()[-4:-1]] == [
        "random",
        "nothing",
        "assignment",
    ]


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ("", "scripted needs an environment first"),
        ("sprad", "There is no environment named 'sprad'; did you mean 'spread'?"),
        ("battle", "'battle' has no scripted players; choose one of firefighter,"),
        ("spread --env.actions continuous", "No scripted player of 'spread' has continuous"),
        ("spread --episodes 0", "--episodes is 0, but must be a whole number of at least 1."),
        ("spread --env.agents 3", "--env.agents"),
    ],
)
def test_mistakes_are_told_in_one_sentence(capsys, arguments: str, refusal: str) -> None:
    assert cli.run(["scripted", *arguments.split()]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert refusal in said
    assert said.count("\n") == 1


def test_options_of_the_environment_are_checked() -> None:
    with pytest.raises(SwarmfieldError, match="num_agent"):
        swarmfield.scripted("spread", env={"num_agent": 3})
