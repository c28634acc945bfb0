"""What the shell completes after the name of a verb."""

import pytest
from click.shell_completion import ShellComplete

from refine.cli import cli as commands


@pytest.mark.parametrize(
    ("before", "begun", "names", "kind"),
    [
        (["convert", "a.json", "--to"], "op", {"openpose"}, None),
        (["convert", "--mend"], "s", {"swap-xy", "swap-sides", "scale="}, None),
        (["run", "--from"], "alphapose-c", {"alphapose-cmu"}, None),
        (["convert", "--to-skeleton"], "crowd", {"crowdpose14"}, "file"),
        (["eval", "--sigmas"], "crowd", {"crowdpose14"}, "file"),
        (["decode", "--preset"], "vitp", {"vitpose"}, None),
        (["decode", "--skeleton"], "aic", {"aic14"}, "file"),
        (["train", "--preset"], "posefix-r152", {"posefix-r152-256", "posefix-r152-384"}, None),
        (["train", "--stats"], "posefi", {"posefix"}, "file"),
        (["formats"], "mm", {"mmpose"}, None),
        (["presets"], "hrnet", {"hrnet"}, None),
        (["skeletons"], "coco1", {"coco17"}, "file"),
        (["nms"], "a", set(), "file"),
        (["run", "a.json"], "b", set(), "file"),
        (["eval", "a.json", "--gt"], "g", set(), "file"),
        (["run", "-o"], "o", set(), "file"),
        (["run", "--images"], "p", set(), "dir"),
        (["run", "--category"], "1", set(), None),
    ],
)
def test_names_and_files(before, begun, names, kind):
    found = ShellComplete(commands, {}, "refine", "_REFINE_COMPLETE").get_completions(before, begun)
    assert names <= {item.value for item in found if item.type == "plain"}
    assert all(item.value.startswith(begun) for item in found)
    assert [item.type for item in found if item.type != "plain"] == ([kind] if kind else [])
