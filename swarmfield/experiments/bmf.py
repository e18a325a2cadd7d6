"""Every experiment of the paper on bi-level mean fields, and some that it leaves out.

Source: Zheng et al. 2025, section 5. Curves are given there as pictures only.
"""

from __future__ import annotations

from swarmfield.experiments.bmf_tasks import (
    AC,
    BATTLE,
    BMF_AC,
    BMF_Q,
    COST,
    COSTS,
    EVERY_METHOD,
    FIREFIGHTER,
    GATMF,
    IQL,
    KILLS,
    MFAC,
    MFQ,
    MINERS,
    PARTS,
    PURSUIT,
    RETURN,
    TAGS,
    WIN_RATE,
)
from swarmfield.experiments.design import Arm, Claim, Column, Experiment, Trial

_BETTER = "BMF is better than {}."

EXPERIMENTS = (
    Experiment(
        "bmf/firefighter",
        "B-3a",
        "Firefighter, 50 fighters and 50 houses",
        "Figure 3, left",
        "The paper shows curves over 4 seeds, without figures, steps or a horizon. Here: a ring, "
        "100 steps, each fighter paid for its own two houses, every method with its defaults. "
        "Greedy policies; a policy that draws does better here, see the curve of the return while "
        "exploring.",
        FIREFIGHTER,
        EVERY_METHOD,
        (RETURN, Column("value at the end", "final_value", 1), *COSTS),
        claims=(
            Claim(_BETTER.format("MFAC"), "return", "bmf_ac", ("mfac",)),
            Claim(_BETTER.format("MFQ"), "return", "bmf_q", ("mfq",)),
            Claim(_BETTER.format("GAT-MF, slightly"), "return", "bmf_ac", ("gatmf",)),
        ),
    ),
    Experiment(
        "bmf/pursuit",
        "B-3b",
        "Adversarial Pursuit, predators against random prey",
        "Figure 3, middle",
        "The paper has 25 predators and 50 prey on a map of 45 (`--scale paper`), and shows curves "
        "over 4 seeds.",
        PURSUIT,
        EVERY_METHOD,
        (RETURN, TAGS, *COSTS),
        claims=(
            Claim(_BETTER.format("MFAC"), "return", "bmf_ac", ("mfac",)),
            Claim(_BETTER.format("MFQ"), "return", "bmf_q", ("mfq",)),
            Claim(_BETTER.format("GAT-MF"), "return", "bmf_ac", ("gatmf",)),
        ),
    ),
    Experiment(
        "bmf/battle",
        "B-3c",
        "Battle by self-play",
        "Figure 3, right",
        "The paper has 64 against 64 (`--scale paper`), shows curves over 4 seeds and does not say "
        "against whom the return is earned; here it is against a random army, so that methods can "
        "be compared.",
        BATTLE,
        EVERY_METHOD,
        (RETURN, KILLS, WIN_RATE, *COSTS),
        claims=(
            Claim(_BETTER.format("MFAC"), "return", "bmf_ac", ("mfac",)),
            Claim(_BETTER.format("MFQ"), "return", "bmf_q", ("mfq",)),
            Claim(_BETTER.format("AC"), "return", "bmf_ac", ("ac",)),
            Claim(_BETTER.format("GAT-MF"), "return", "bmf_ac", ("gatmf",)),
        ),
    ),
    Experiment(
        "bmf/cost",
        "B-T1",
        "Time and memory on Firefighter",
        "Table 1",
        "The paper trains on an RTX A6000 and does not say for how long; only the ratio can be "
        "compared. Its GAT-MF attends to all 50 fighters, as `--algo.graph full` does here.",
        COST,
        (Arm("gatmf", "gatmf", {"graph": "full"}), BMF_AC),
        COSTS[1:] + COSTS[:1],
        claims=(
            Claim("BMF takes less time than GAT-MF.", "seconds", "bmf_ac", ("gatmf",), "less"),
            Claim("BMF takes less memory than GAT-MF.", "MB", "bmf_ac", ("gatmf",), "less"),
        ),
        reported={
            ("gatmf", "seconds"): "27,162 ± 1,422",
            ("gatmf", "MB"): "2,116 ± 0 MiB",
            ("bmf_ac", "seconds"): "18,655 ± 715",
            ("bmf_ac", "MB"): "1,780 ± 0 MiB",
        },
    ),
    Experiment(
        "bmf/transfer",
        "B-T2",
        "Battle at other sizes, without further training",
        "Table 2",
        "The paper trains 128 agents and tests 128, 288 and 512 (maps of 40, 60 and 80, "
        "`--scale paper`); on a laptop 24 are trained, and 50 and 128 tested. Against random "
        "armies; the paper does not say.",
        BATTLE,
        (IQL, MFQ, AC, MFAC, BMF_Q, BMF_AC),
        (RETURN, WIN_RATE),
        trials={
            "smoke": (
                Trial("larger", "a map of 20", {"map_size": 20}),
                Trial("largest", "a map of 24", {"map_size": 24}),
            ),
            "laptop": (
                Trial("larger", "50 agents", {"map_size": 28}),
                Trial("largest", "128 agents", {"map_size": 40}),
            ),
            "paper": (
                Trial("larger", "288 agents", {"map_size": 60}),
                Trial("largest", "512 agents", {"map_size": 80}),
            ),
        },
        claims=tuple(
            Claim(
                f"BMF is better than {other.upper()} at a size it was not trained at ({world}).",
                f"return @ {world}",
                "bmf_ac",
                (other,),
            )
            for world in ("larger", "largest")
            for other in ("iql", "mfq", "ac", "mfac")
        ),
        reported={
            ("iql", "return"): "186.98 ± 66.44",
            ("mfq", "return"): "174.21 ± 71.42",
            ("ac", "return"): "306.19 ± 23.09",
            ("mfac", "return"): "318.20 ± 29.01",
            ("bmf_ac", "return"): "396.76 ± 14.57",
            ("iql", "return @ larger"): "137.54 ± 306.07",
            ("mfq", "return @ larger"): "91.91 ± 108.44",
            ("ac", "return @ larger"): "565.83 ± 181.58",
            ("mfac", "return @ larger"): "550.96 ± 68.01",
            ("bmf_ac", "return @ larger"): "613.19 ± 169.70",
            ("iql", "return @ largest"): "428.37 ± 542.01",
            ("mfq", "return @ largest"): "176.35 ± 218.24",
            ("ac", "return @ largest"): "963.75 ± 373.27",
            ("mfac", "return @ largest"): "1,018.89 ± 144.66",
            ("bmf_ac", "return @ largest"): "1,188.86 ± 348.37",
        },
    ),
    Experiment(
        "bmf/delay",
        "B-delay",
        "Fields of the last actions, or of provisional ones",
        "Section 5.5",
        "The paper gives two returns, 375.03 ± 25.44 and 370.81 ± 35.96 at 128 agents, and not "
        "which is which.",
        BATTLE,
        (BMF_AC, Arm("bmf_ac, no delay", "bmf_ac", {"delay": False})),
        (RETURN, KILLS, WIN_RATE, *COSTS),
        claims=(
            Claim(
                "A delay of one step makes little difference (1.1 %).",
                "return",
                "bmf_ac",
                ("bmf_ac, no delay",),
                "same",
            ),
        ),
    ),
    Experiment(
        "bmf/groups",
        "B-4a",
        "The number of groups",
        "Figure 4a",
        "The paper's numbers of groups are in a picture only; its code has 4, the default here.",
        BATTLE,
        (
            BMF_AC,
            *(Arm(f"bmf_ac, {k} groups", "bmf_ac", {"num_groups": k}) for k in (2, 8, 16)),
        ),
        (RETURN, KILLS, WIN_RATE, *COSTS),
        claims=(
            Claim(
                "Beyond some number of groups, more make little difference.",
                "return",
                "bmf_ac",
                ("bmf_ac, 8 groups", "bmf_ac, 16 groups"),
                "same",
            ),
        ),
    ),
    Experiment(
        "bmf/representation",
        "B-4b",
        "Grouping by a variational code, by a plain one, at random, or by raw inputs",
        "Figure 4b",
        "RC, which the paper does not spell out, is groups drawn at random here; the raw input "
        "(embedding and last action) is another reading of it.",
        BATTLE,
        (
            BMF_AC,
            Arm("bmf_ac, AE", "bmf_ac", {"representation": "ae"}),
            Arm("bmf_ac, RC", "bmf_ac", {"grouping": "random"}),
            Arm("bmf_ac, raw", "bmf_ac", {"representation": "raw"}),
        ),
        (RETURN, KILLS, WIN_RATE, *COSTS),
        claims=(
            Claim("A VAE is better than a plain AE.", "return", "bmf_ac", ("bmf_ac, AE",)),
            Claim("Groups are better than random ones.", "return", "bmf_ac", ("bmf_ac, RC",)),
        ),
    ),
    Experiment(
        "bmf/parts",
        "beyond",
        "What each part does: Firefighter",
        "Not in the paper, which leaves open what is due to which part",
        "From MFAC, whose policy sees only its observation, to a policy that sees the mean action, "
        "to two levels of groups drawn at random, to groups that are alike; with weights between "
        "groups by a softmax of cosines, learned by attention, or as in the authors' code: "
        "cosines, in one vector with the own group's mean.",
        FIREFIGHTER,
        PARTS,
        (RETURN, Column("value at the end", "final_value", 1), *COSTS),
    ),
    Experiment(
        "bmf/replay",
        "B-5",
        "What groups do in Battle",
        "Figure 5",
        "The paper shows three moments of a battle; here is an episode.",
        BATTLE,
        (BMF_AC,),
        (RETURN, KILLS, WIN_RATE),
        films=True,
    ),
    Experiment(
        "bmf/continuous",
        "beyond",
        "Continuous actions: Miners, 100 cells",
        "Not in the paper, which describes a form for continuous actions and does not test it",
        "The grid task of GAT-MF's authors, gamma 0 as there. Scripted: random 0, even 0, by sight "
        "139, and 143 the best there is.",
        MINERS,
        (AC, MFAC, GATMF, BMF_AC),
        (Column("gain", "gain", 1), RETURN, *COSTS),
    ),
)
"""All of them, in the paper's order."""
