"""The tables of docs/design-space.md list what the code has, in its order."""

import re
from pathlib import Path

from asic_compiler.explore.features import FEATURE_NAMES, GROUPS, OBSERVED
from asic_compiler.hardware.space import CONTINUOUS, DISCRETE

TEXT = (Path(__file__).parents[2] / "docs" / "design-space.md").read_text(encoding="utf-8")
NUMBERED = re.findall(r"^\| (\d+) \| `(\w+)` \| (\w+) \| (.*) \|$", TEXT, flags=re.MULTILINE)


def test_every_variable_is_listed():
    listed = [(int(i), name, group) for i, name, group, _ in NUMBERED[: len(CONTINUOUS)]]
    assert listed == [(i, v.name, v.group) for i, v in enumerate(CONTINUOUS)]
    for variable in CONTINUOUS:
        assert variable.help in TEXT
    for variable in DISCRETE:
        row = f"| `{variable.name}` | {variable.low} to {variable.high} | 1 | tiles |"
        assert f"{row} {variable.help} |" in TEXT


def test_every_feature_is_listed_and_the_observed_are_marked():
    rows = NUMBERED[len(CONTINUOUS) :]
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    assert [(int(i), name, group) for i, name, group, _ in rows] == [
        (i, name, group_of[name]) for i, name in enumerate(FEATURE_NAMES)
    ]
    observed = {int(i) for i, _, _, rest in rows if rest.startswith("yes |")}
    assert observed == set(OBSERVED.tolist())
    published = re.findall(r"\| (\d+) \| `(\w+)` \|$", TEXT, flags=re.MULTILINE)
    assert published == [(str(len(names)), group) for group, names in GROUPS.items()]
