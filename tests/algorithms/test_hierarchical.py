"""HMF: values of groups on batches made by hand, and what follows from what is minimised."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_factored import make_batch, values_of
from test_q_learning import FEATURES, KEY, PROGRESS, make_steps, make_team, unpack
from toy import NUM_ACTIONS

from swarmfield import mean_field
from swarmfield.algorithms import ALGORITHMS
from swarmfield.algorithms._factored_loss import gradient_of, steps_of
from swarmfield.algorithms._hierarchical import Setting, hierarchical
from swarmfield.algorithms._hierarchy import judge, members_of, supervisor, values_alike
from swarmfield.algorithms._perception import Recorded
from swarmfield.algorithms._q_learning import parts_of
from swarmfield.algorithms.hmf import fixed_groups
from swarmfield.mean_field.consistency import Membership
from swarmfield.types import SwarmfieldError

GAMMA = 0.9
OPTIONS = {"gamma": GAMMA, "tau": 0.25, "learning_rate": 1e-2, "num_groups": 2, "reg": "none"}
TOPS = ["grp_sum", "none", "literal", "central"]
SIZE = FEATURES + NUM_ACTIONS


@cache
def make(name: str = "hmf", num_agents: int = 4, **options):
    """An algorithm, and a learner whose target is another's."""
    entry = ALGORITHMS[name]
    algorithm = entry.build(entry.config(**(OPTIONS | options)), make_team(num_agents), unpack)
    learner, other = algorithm.init(KEY), algorithm.init(jax.random.key(1))
    return algorithm, dataclasses.replace(learner, target=(other.network, other.mixer))


def updated(batch, name: str = "hmf", **options):
    algorithm, learner = make(name, batch.weight.shape[1], **options)
    return jax.jit(algorithm.update)(learner, batch, KEY, PROGRESS)


def plain(layer, x):
    return x @ np.asarray(layer.weight) + np.asarray(layer.bias)


def by_hand(module, x, values, groups) -> list[dict]:
    """Q_GRP and what it is made of, one group and one agent after the other."""
    found = []
    for members in groups:
        if not members:
            zero = np.zeros(x.shape[1])
            found.append({"value": 0.0, "shared": 0.0, "mean": zero, "weight": [], "size": 0})
            continue
        query = plain(module.query, x[members].mean(axis=0))
        score = [plain(module.key, x[k]) @ query / np.sqrt(32) for k in members]
        weight = np.exp(score) / np.sum(np.exp(score))
        mean = sum(w * x[k] for w, k in zip(weight, members, strict=True))
        found.append({"mean": mean, "weight": weight, "size": len(members)})
    for i, group in enumerate(found):
        if not groups[i]:
            continue
        read = group["mean"]
        if module.sees_others:
            others = [g["mean"] for j, g in enumerate(found) if j != i and g["size"]]
            mean = np.mean(others, axis=0) if others else np.zeros_like(read)
            read = np.concatenate([read, mean])
        group["shared"] = float(module.value(jnp.asarray(read, jnp.float32))[0])
        own = sum(w * values[k] for w, k in zip(group["weight"], groups[i], strict=True))
        group["value"] = own + 2 * group["shared"]
    return found


def random_groups(sees_others: bool, seed: int = 0):
    random = np.random.default_rng(seed)
    module = supervisor(SIZE, sees_others=sees_others, key=jax.random.key(seed))
    x = random.normal(size=(7, SIZE)).astype(np.float32)
    values = random.normal(size=7).astype(np.float32)
    label = np.array([0, 2, 0, 1, 2, 2, 0])
    members = np.array([1, 1, 1, 0, 1, 1, 0], bool)
    return module, x, values, label, members


def judged(module, x, values, label, members, num_groups=3):
    belongs = members_of(jnp.asarray(label), jnp.asarray(members), num_groups)
    return judge(module, jnp.asarray(x), jnp.asarray(values), belongs)


@pytest.mark.parametrize("sees_others", [False, True])
def test_the_value_of_groups_by_hand(sees_others: bool) -> None:
    """Group 1 has nobody alive; one agent of group 0 is dead."""
    module, x, values, label, members = random_groups(sees_others)
    got = judged(module, x, values, label, members)
    expected = by_hand(module, x, values, [[0, 2], [], [1, 4, 5]])
    for name in ("value", "shared", "mean", "size"):
        wanted = np.stack([group[name] for group in expected])
        np.testing.assert_allclose(getattr(got, name), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.weight[2, [1, 4, 5]], expected[2]["weight"], rtol=1e-4)
    np.testing.assert_allclose(jnp.sum(got.weight, axis=1), [1, 0, 1], rtol=1e-6)


def test_other_labels_and_another_order_are_the_same_groups() -> None:
    module, x, values, label, members = random_groups(sees_others=True)
    one = judged(module, x, values, label, members)
    number = np.array([2, 0, 1])
    other = judged(module, x, values, number[label], members)
    for name in ("value", "shared", "mean", "size", "weight"):
        np.testing.assert_allclose(
            getattr(other, name)[number], getattr(one, name), rtol=1e-5, atol=1e-6
        )
    order = np.random.default_rng(1).permutation(7)
    moved = judged(module, x[order], values[order], label[order], members[order])
    np.testing.assert_allclose(moved.value, one.value, rtol=1e-5)
    np.testing.assert_allclose(moved.weight, one.weight[:, order], rtol=1e-5, atol=1e-7)


def test_the_dead_and_padding_change_no_group() -> None:
    module, x, values, label, members = random_groups(sees_others=True)
    one = judged(module, x, values, label, members)
    x, values = np.where(members[:, None], x, np.nan), np.where(members, values, np.nan)
    other = judged(module, x, values, label, members)
    np.testing.assert_array_equal(one.value, other.value)
    nobody = np.append(members, [False] * 2)
    padded = judged(
        module, np.pad(x, ((0, 2), (0, 0))), np.pad(values, (0, 2)), np.pad(label, (0, 2)), nobody
    )
    np.testing.assert_allclose(padded.value, one.value, rtol=1e-5)


def steps_with_deaths():
    """Agent 3 is dead; agent 2 dies in the first step; the second step ends the game."""
    alive = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], bool)
    alive_after = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    terminated = np.array([[0, 0, 1, 0], [1, 1, 1, 0]], bool)
    now = make_steps(0, 4, alive=alive)
    after = make_steps(1, 4, alive=alive_after, terminated=terminated)
    members = [[[0, 1], [2]], [[0, 1], [2]]], [[[0, 1], []], [[], []]]
    return now, after, alive, members


def seen_and_done(steps, m, action):
    u = np.eye(NUM_ACTIONS)[np.asarray(action)]
    return np.concatenate([np.asarray(steps.own["seen"][m]), u], axis=1)


def error_of_step(learner, now, after, m, members, *, reward_agg: str, top: str, fit: str):
    """The loss of one step, all written out."""
    network, module = learner.network, learner.mixer
    target, target_module = learner.target
    action = np.asarray(after.last_action[m])
    q = values_of(network, now, m, range(4))[np.arange(4), action]
    groups = by_hand(module, seen_and_done(now, m, action), q, members[0][m])
    q_next = values_of(target, after, m, range(4))
    best = q_next.argmax(axis=1)
    then = by_hand(target_module, seen_and_done(after, m, best), q_next.max(axis=1), members[1][m])
    size = np.array([group["size"] for group in groups])
    reward = np.asarray(after.reward[m]).reshape(2, 2).sum(axis=1)  # of the dead as well
    if reward_agg == "mean":
        reward, kept = reward / size, np.array([group["size"] for group in then]) / size
        weight = size / size.sum()
    else:
        kept, weight = np.ones(2), np.ones(2)

    value, shared = (np.array([group[name] for group in groups]) for name in ("value", "shared"))

    def errors(name: str, of):
        return reward + GAMMA * kept * np.array([group[name] for group in then]) - of

    total = 0.0
    for fitted in [value] if fit == "joint" else [value - 2 * shared, value]:
        each = weight * errors("value", fitted)
        total += (each * errors("value", fitted)).sum()
        total += each.sum() ** 2 if top in ("grp_sum", "central") else 0.0
    return total + ((weight * errors("shared", shared)).sum() ** 2 if top == "literal" else 0.0)


@pytest.mark.parametrize(
    ("top", "fit", "reward_agg"),
    [
        *((top, "residual", "mean") for top in TOPS),
        *((top, "joint", "sum") for top in TOPS),
        ("grp_sum", "joint", "mean"),
        ("grp_sum", "residual", "sum"),
    ],
)
def test_the_loss_by_hand(top: str, fit: str, reward_agg: str) -> None:
    now, after, alive, members = steps_with_deaths()
    options = {"top": top, "fit": fit, "reward_agg": reward_agg}
    _, learner = make(**options)
    _, metrics = updated(make_batch(now, after, alive), **options)
    losses = [error_of_step(learner, now, after, m, members, **options) for m in range(2)]
    assert float(metrics["loss"]) == pytest.approx(np.mean(losses), rel=1e-4)


def test_what_is_not_asked_for_is_as_printed_with_the_printed_top_level_only() -> None:
    batch = make_batch(*steps_with_deaths()[:3])

    def loss(**options) -> float:
        return float(updated(batch, **options)[1]["loss"])

    assert loss(top="literal") == loss(top="literal", fit="joint")
    assert loss() == loss(fit="residual") != loss(fit="joint")


def gradients(fit: str) -> list[np.ndarray]:
    """Of the agents' network, beside two supervisors of which one says more."""
    config = ALGORITHMS["hmf"].config(**(OPTIONS | {"fit": fit}))
    team, label = make_team(4), fixed_groups(4, 2)
    parts = parts_of(config, team, unpack, mean_field.none())
    rule = hierarchical(
        Setting(config, team, lambda steps: jnp.broadcast_to(label[None], (2, 4)), {})
    )
    steps = steps_of(parts, make_batch(*steps_with_deaths()[:3]))
    _, learner = make(fit=fit)
    louder = jax.tree.map(lambda x: 2 * x, learner.mixer.value)
    found = []
    for mixer in (learner.mixer, dataclasses.replace(learner.mixer, value=louder)):
        one = dataclasses.replace(learner, mixer=mixer)
        of_network, _ = gradient_of(parts, rule, one, steps, KEY)[1]
        found.append(np.concatenate([x.ravel() for x in jax.tree.leaves(of_network)]))
    return found


def test_what_agents_act_by_does_not_depend_on_what_supervisors_say() -> None:
    one, other = gradients("residual")
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    one, other = gradients("joint")
    assert np.abs(one - other).max() > 0.1 * np.abs(one).max()


def test_one_group_that_heeds_all_alike_and_shares_nothing_is_a_sum() -> None:
    """Without its additions HMF is VDN, whose errors are divided by the team's size as well."""

    def zero(module):
        return jax.tree.map(jnp.zeros_like, module)

    batch = make_batch(*steps_with_deaths()[:3])
    algorithm, learner = make(num_groups=1, top="none", fit="joint")
    plain_learner = dataclasses.replace(
        learner,
        mixer=zero(learner.mixer),
        target=(learner.target[0], zero(learner.target[1])),
    )
    _, metrics = algorithm.update(plain_learner, batch, KEY, PROGRESS)
    vdn = ALGORITHMS["vdn"]
    config = vdn.config(gamma=GAMMA, target="max")
    other = vdn.build(config, make_team(4), unpack)
    summed = dataclasses.replace(
        other.init(KEY), network=learner.network, target=(learner.target[0], None)
    )
    _, expected = other.update(summed, batch, KEY, PROGRESS)
    assert float(metrics["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-4)


def policies(learner, steps, m) -> np.ndarray:
    return np.asarray(jax.nn.softmax(values_of(learner.network, steps, m, range(4)) / 0.5))


@pytest.mark.parametrize("reg", ["soft", "literal"])
def test_what_keeps_agents_together_by_hand(reg: str) -> None:
    now, after, alive, members = steps_with_deaths()
    options = {"reg": reg, "alpha": 0.1, "policy_temperature": 0.5}
    _, learner = make(**options)
    _, metrics = updated(make_batch(now, after, alive), **options)
    _, without = updated(make_batch(now, after, alive), reg="none")
    apart = []
    for m in range(2):
        action = np.asarray(after.last_action[m])
        x = seen_and_done(now, m, action)
        found = by_hand(learner.mixer, x, np.zeros(4), members[0][m])
        for group, agents in zip(found, members[0][m], strict=True):
            for k in agents:
                near = policies(learner, now, m)[k] if reg == "soft" else x[k]
                mean = group["mean"][FEATURES:] if reg == "soft" else group["mean"]
                apart.append(((near - mean) ** 2).sum())
    assert float(metrics["apart"]) == pytest.approx(np.mean(apart), rel=1e-4)
    expected = float(without["loss"]) + 0.1 * np.mean(apart)
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-4)


def recorded(label, policy=None) -> Recorded:
    policy = jnp.full((2, 2, NUM_ACTIONS), 1 / NUM_ACTIONS) if policy is None else policy
    return Recorded(Membership(jnp.asarray(label, jnp.uint8), policy))


def batch_of_groups(label, policy=None, now=None, after=None, weight=None):
    return dataclasses.replace(
        make_batch(now, after, weight),
        record_before=recorded(label, policy),
        record=recorded(label, policy),
        record_after=recorded(label, policy),
    )


@pytest.mark.parametrize("mean_policy", ["history", "group_value", "target"])
def test_the_divergence_from_the_mean_policy_by_hand(mean_policy: str) -> None:
    """Groups [0, 2] and [1, 3]; the mean policies recorded are made up."""
    label, random = [[0, 1, 0, 1]] * 2, np.random.default_rng(0)
    made_up = jnp.asarray(random.dirichlet(np.ones(NUM_ACTIONS), (2, 2)), jnp.float32)
    options = {"eta": 0.2, "mean_policy": mean_policy, "policy_temperature": 0.5}
    now, after = make_steps(0, 4), make_steps(1, 4)
    _, learner = make("hmf_ipc", **options)
    _, metrics = updated(batch_of_groups(label, made_up, now, after), "hmf_ipc", **options)
    _, without = updated(batch_of_groups(label, made_up, now, after), "hmf_ipc", eta=0.0)
    divergence = []
    for m in range(2):
        x = seen_and_done(now, m, np.asarray(after.last_action[m]))
        groups = by_hand(learner.mixer, x, np.zeros(4), [[0, 2], [1, 3]])
        for k in range(4):
            mean = np.asarray(made_up[m, k % 2])
            if mean_policy == "target":
                q = values_of(learner.target[0], now, m, [k])[0]
                mean = np.asarray(jax.nn.softmax(q / 0.5))
            if mean_policy == "group_value":
                seen = groups[k % 2]["mean"][:FEATURES]
                alike = np.concatenate([np.tile(seen, (NUM_ACTIONS, 1)), np.eye(NUM_ACTIONS)], 1)
                q = learner.mixer.value(jnp.asarray(alike, jnp.float32))[:, 0]
                mean = np.asarray(jax.nn.softmax(q / 0.5))
            pi = policies(learner, now, m)[k]
            divergence.append((pi * (np.log(pi) - np.log(mean + 1e-6))).sum())
    assert float(metrics["kl"]) == pytest.approx(np.mean(divergence), rel=1e-3)
    expected = float(without["loss"]) + 0.2 * np.mean(divergence)
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-3)


def test_a_group_acts_alike_beside_what_the_others_really_do() -> None:
    module, x, values, label, members = random_groups(sees_others=True)
    found = judged(module, x, values, label, members)
    alike = values_alike(module, found.mean, found.size > 0, num_actions=NUM_ACTIONS)
    own = jnp.concatenate([found.mean[0, :FEATURES], jnp.eye(NUM_ACTIONS)[1]])
    expected = module.value(jnp.concatenate([own, found.mean[2]]))[0]
    assert float(alike[0, 1]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["hmf", "hmf_ipc"])
def test_who_is_no_member_changes_nothing(name: str) -> None:
    """The dead and those that do not learn, unpaid: whatever they see and are grouped with."""
    alive = np.array([[1, 1, 0, 1], [1, 0, 0, 1]], bool)
    trained = np.array([[1, 1, 1, 0]] * 2, bool)
    options = {"reg": "literal"}

    def learned(seen: float, group: int):
        steps = [make_steps(seed, 4, alive=alive, trained=trained) for seed in (0, 1)]
        hidden = ~(alive & trained)
        steps = [
            dataclasses.replace(
                step,
                own={"seen": jnp.where(hidden[..., None], seen, step.own["seen"])},
                reward=jnp.where(hidden, 0.0, step.reward),
            )
            for step in steps
        ]
        label = np.where(hidden, group, [[0, 1, 0, 1]] * 2)
        batch = batch_of_groups(label, None, *steps, alive & trained)
        if name == "hmf":
            batch = make_batch(*steps, alive & trained)
        return updated(batch, name, **options)[0]

    one, other = learned(0.0, 0), learned(5.0, 1)
    jax.tree.map(np.testing.assert_array_equal, one.network, other.network)
    jax.tree.map(np.testing.assert_array_equal, one.mixer, other.mixer)


def large(seed: int):
    """Observations that make even a new network choose now this, now that."""
    return 30 * jax.random.normal(jax.random.key(seed), (2, 6, FEATURES))


@pytest.mark.parametrize("name", ["hmf", "hmf_ipc"])
def test_acting_uses_what_an_agent_sees_itself_and_nothing_else(name: str) -> None:
    """Others' observations, lives, places, groups and memories are changed, one's own are not."""
    algorithm, learner = make(name, num_agents=6)
    one, other = (
        jax.tree.map(lambda x: x[0], make_steps(seed, 6, own={"seen": large(seed)}))
        for seed in (0, 7)
    )
    seen = other.own["seen"].at[2].set(one.own["seen"][2])
    alive = jnp.array([1, 0, 1, 0, 0, 1], bool)
    other = dataclasses.replace(other, own={"seen": seen}, alive=alive)
    explore = jnp.zeros(6)

    def choice(timestep, history: float):
        memory = algorithm.begin(learner, timestep, None, KEY)
        if memory is not None:
            memory = dataclasses.replace(memory, history=memory.history + history)
        return algorithm.act(learner, timestep, memory, KEY, explore)[0]

    first, second = choice(one, 0.0), choice(other, 0.5)
    assert int(first[2]) == int(second[2])
    assert not np.array_equal(first, second)  # the others do act by what they see
    policy = algorithm.policy(learner)
    assert jax.tree.structure(policy.network) == jax.tree.structure(learner.network)
    assert policy.tracker is None


def greedy_after_learning(top: str, reward_agg: str) -> np.ndarray:
    """Eight agents see one and the same; a step earns each +1 for action 1, -1 for 0; then ends."""
    algorithm, learner = make(num_agents=8, top=top, reward_agg=reward_agg, tau=0.05)

    def make_one(key):
        action = jax.random.randint(key, (2, 8), 0, 2).astype(jnp.uint8)
        seen = {"seen": jnp.ones((2, 8, FEATURES))}
        now = make_steps(0, 8, own=seen)
        after = make_steps(
            0,
            8,
            own=seen,
            last_action=action,
            reward=2.0 * action - 1.0,
            terminated=np.ones((2, 8), bool),
        )
        return make_batch(now, after, num_agents=8)

    def learn(learner, key):
        return algorithm.update(learner, make_one(key), key, PROGRESS)[0], None

    learned, _ = jax.lax.scan(learn, learner, jax.random.split(KEY, 1000))
    q = learned.network(unpack_ones(), None)
    return np.asarray(q[:2])


def unpack_ones():
    class Row:
        own = {"seen": jnp.ones((1, FEATURES))}  # noqa: RUF012

    return unpack(Row, jnp.int32(0))


@pytest.mark.parametrize("reward_agg", ["mean", "sum"])
def test_the_printed_losses_teach_the_worst_action_and_the_default_the_best(
    reward_agg: str,
) -> None:
    """What agents see in common and do is told by mu: then sum lambda Q_LOC is -V as printed."""
    worst = greedy_after_learning("literal", reward_agg)
    assert worst[0] > worst[1] + 0.5
    for top in ("grp_sum", "none", "central"):
        best = greedy_after_learning(top, reward_agg)
        assert best[1] > best[0] + 1.0, top


def test_groups_that_stay_are_even_and_cover_everybody() -> None:
    label = np.asarray(fixed_groups(10, 4))
    assert sorted(np.bincount(label)) == [2, 2, 3, 3]
    assert (np.diff(label) >= 0).all()
    algorithm, _ = make(num_agents=10, num_groups=4)
    np.testing.assert_array_equal(algorithm.groups(None, None), label)


@pytest.mark.parametrize("name", ["hmf", "hmf_ipc"])
def test_more_groups_than_agents_are_refused(name: str) -> None:
    with pytest.raises(SwarmfieldError, match=r"--algo.num-groups is 5, but team 'team' has 4"):
        make(name, num_groups=5)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("hmf", "num_groups", 0),
        ("hmf", "num_groups", 256),
        ("hmf", "alpha", -1.0),
        ("hmf", "policy_temperature", 0.0),
        ("hmf_ipc", "eta", -0.1),
        ("hmf_ipc", "regroup_every", -1),
        ("hmf_ipc", "history_decay", 1.0),
    ],
)
def test_options_out_of_range_are_refused(name: str, option: str, value) -> None:
    with pytest.raises(SwarmfieldError, match=f"--algo.{option.replace('_', '-')}"):
        ALGORITHMS[name].config(**{option: value})
