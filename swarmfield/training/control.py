"""Those who control whole crowds learn in another environment than the crowd's own."""

from __future__ import annotations

import dataclasses
from typing import cast

from swarmfield.environments.m3fc.control import MeanFieldControl
from swarmfield.environments.m3fc.minor_major import MinorMajor
from swarmfield.environments.m3fc.rules import CategoricalRule, GaussianRule, Rule, Table
from swarmfield.rule_options import Execution, RuleOptions
from swarmfield.types import Discrete, Environment, SwarmfieldError


def controlled(environment: Environment, options: RuleOptions, algorithm: str) -> Environment:
    """A crowd as the problem of one who tells it by what rule to act.

    Raises:
        SwarmfieldError: There is no such crowd in the environment.
    """
    if not isinstance(environment, MinorMajor):
        raise SwarmfieldError(
            f"{algorithm} controls crowds by rules, but {environment.name!r} has none: choose "
            "two_gaussians, formation, beach_bar, foraging or potential, or another algorithm."
        )
    return cast("Environment", MeanFieldControl(environment, _rule(environment, options)))


def executed(environment: Environment, execution: Execution, algorithm: str) -> Environment:
    """A controlled crowd in which all act by one rule, or each agent by its own.

    Raises:
        SwarmfieldError: Nobody controls a crowd there.
    """
    if not isinstance(environment, MeanFieldControl):
        raise SwarmfieldError(
            f"--execution is {execution!r}, but {algorithm} controls no crowd; leave the option "
            "out, or choose a run of m3fppo or m3fa2c."
        )
    return cast("Environment", dataclasses.replace(environment, execution=execution))


def _rule(environment: MinorMajor, options: RuleOptions) -> Rule:
    model = environment.model
    table = Table(model.bins, options.rule, options.kernel_width)
    squash = options.squash
    if squash is None:
        squash = model.published_squash if model.config.parity else "clip"
    if isinstance(model.actions, Discrete):
        return CategoricalRule(table, model.actions, squash, options.chances)
    return GaussianRule(table, model.actions, squash)
