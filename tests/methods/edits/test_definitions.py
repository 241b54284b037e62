"""Every edit against other people's implementations, or values worked out by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.toy_models import Toy, merged

from harness.errors import ConfigError, DataError
from harness.methods.edits.apply import apply_edit
from harness.methods.edits.base import Edit
from harness.methods.edits.consensus import Consensus
from harness.methods.edits.greedy_soup import GreedySoup, choose
from harness.methods.edits.lines import LiNeS
from harness.methods.edits.loading import load_edit
from harness.methods.edits.soup import Soup
from harness.methods.edits.task_arithmetic import TaskArithmetic
from harness.methods.edits.ties import TIES
from harness.methods.edits.wise_ft import WiSEFT

Weights = dict[str, torch.Tensor]
Read = Callable[[Path], Weights]


def near(found: Weights, expected: Weights) -> float:
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).abs().max()) for name in found)


def merged_by_mergekit(
    method: str, folders: list[Path], weights: Read, **options: float
) -> Weights:
    from mergekit.merge_methods.api import merge_state_dicts

    models = {index: weights(folder) for index, folder in enumerate(folders)}
    return merge_state_dicts(models, method, base=0, parameters={"weight": 1.0, **options})


@pytest.mark.parametrize("density", [0.05, 0.2, 0.7])
def test_ties_is_that_of_mergekit_and_peft(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path, density: float
) -> None:
    apply_edit(TIES(density=density, scale=0.8), tiny_model, tuned, tmp_path / "out")
    found = weights(tmp_path / "out")
    options = {"density": density, "lambda": 0.8}
    expected = merged_by_mergekit("ties", [tiny_model, *tuned], weights, **options)
    assert near(found, expected) <= 1e-6

    from peft.utils.merge_utils import ties

    base, models = weights(tiny_model), [weights(folder) for folder in tuned]
    for name, value in base.items():
        merged = ties([model[name] - value for model in models], torch.ones(3), density)
        assert torch.allclose(found[name], value + 0.8 * merged, rtol=0, atol=1e-6)


def test_ties_differs_from_peft_only_among_equals_at_the_threshold() -> None:
    from peft.utils.merge_utils import ties

    torch.manual_seed(0)
    base = torch.randn(256, 512).bfloat16()
    vectors = [(base + 0.02 * torch.randn(base.shape)).bfloat16() - base for _ in range(3)]
    vectors = [vector.float() for vector in vectors]
    found = merged(TIES(density=0.2), "a", torch.zeros(base.shape), vectors)
    differs = found != ties(vectors, torch.ones(3), 0.2)
    at_threshold = torch.zeros_like(differs)
    for vector in vectors:
        size = vector.abs()
        threshold = size.flatten().sort(descending=True).values[int(0.2 * size.numel()) - 1]
        at_threshold |= size == threshold
    assert differs.any()  # peft drops some of the equals, bf16 makes many
    assert not (differs & ~at_threshold).any()


@pytest.mark.parametrize("normalise", ["sum", "mean"])
def test_task_arithmetic_is_that_of_mergekit_and_peft(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path, normalise: str
) -> None:
    edit = TaskArithmetic(scale=0.4, normalise=normalise)
    apply_edit(edit, tiny_model, tuned, tmp_path / "out")
    found = weights(tmp_path / "out")
    options = {"normalize": normalise == "mean", "lambda": 0.4}
    expected = merged_by_mergekit("task_arithmetic", [tiny_model, *tuned], weights, **options)
    assert near(found, expected) <= 1e-6

    from peft.utils.merge_utils import task_arithmetic

    base, models = weights(tiny_model), [weights(folder) for folder in tuned]
    each = torch.full((3,), 0.4 / (3 if normalise == "mean" else 1))
    for name, value in base.items():
        merged = task_arithmetic([model[name] - value for model in models], each)
        assert torch.allclose(found[name], value + merged, rtol=0, atol=1e-6)


def test_soup_is_mergekits_linear(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path
) -> None:
    from mergekit.merge_methods.api import merge_state_dicts

    models = [weights(folder) for folder in tuned]
    for index, each in enumerate(([0.2, 0.5, 0.3], None)):
        apply_edit(Soup(weights=each), tiny_model, tuned, tmp_path / str(index))
        expected = merge_state_dicts(models, "linear", parameters={"weight": each or 1.0})
        assert near(weights(tmp_path / str(index)), expected) <= 1e-6


def test_ties_by_hand() -> None:
    models = Toy(a=[[0.0] * 4, [4.0, -1.0, 3.0, 0.0], [-2.0, -5.0, 0.5, 0.0]])
    # The two largest of each: [4, 0, 3, 0] and [-2, -5, 0, 0]; signs of the sum + - + +.
    assert models.edited(TIES(density=0.5))["a"] == [4.0, -5.0, 3.0, 0.0]
    agreeing = Toy(a=[[0.0, 0.0], [4.0, 2.0], [2.0, -8.0]])
    assert agreeing.edited(TIES(density=1.0))["a"] == [3.0, -8.0]
    assert agreeing.edited(TIES(density=1.0, combine="sum"))["a"] == [6.0, -8.0]


def test_ties_with_the_papers_global_trim() -> None:
    tensors = {"a": [[0.0, 0.0], [1.0, 2.0]], "b": [[0.0, 0.0], [30.0, -40.0]]}
    assert Toy(**tensors).edited(TIES(density=0.5)) == {"a": [0.0, 2.0], "b": [0.0, -40.0]}
    whole = Toy(**tensors).edited(TIES(density=0.5, trim="global"))
    assert whole == {"a": [0.0, 0.0], "b": [30.0, -40.0]}


class Centred(TaskArithmetic):
    """An edit of a user's that has to see whole weights."""

    in_parts = False

    def vector(self, name: str, vectors: list[torch.Tensor]) -> torch.Tensor:
        total = super().vector(name, vectors)
        return total - total.mean()


@pytest.mark.parametrize(
    "edit",
    [
        lambda: TIES(density=0.2), lambda: TIES(density=0.2, trim="global"), lambda: WiSEFT(),
        lambda: LiNeS(beta=0.5, merge_with={"_target_": "ties"}), lambda: Soup(), lambda: Centred(),
        lambda: Consensus(lam=0.4), lambda: Consensus(merge_with={"_target_": "ties"}),
    ],
)  # fmt: skip
def test_weights_in_parts_give_what_whole_ones_give(
    edit: Callable[[], Edit], tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    models = tuned[:1] if edit().most == 1 else tuned
    apply_edit(edit(), tiny_model, models, tmp_path / "whole")
    monkeypatch.setattr("harness.models.weights.tensor_file.PIECE", 1000)
    apply_edit(edit(), tiny_model, models, tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert max(value.numel() for value in whole.values()) > 2000
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_consensus_by_hand() -> None:
    # tau = [3, 2, 4, 0]. Task 1 uses a weight if |tau_1| > lam |tau - tau_1|: at lam 0.5
    # 2 > 0.5, 2 > 0, 4 > 0, 1 > 0.5: all; task 2: 1 > 1 no, 0 > 1 no, 0 > 2 no, 1 > 0.5 yes.
    models = Toy(a=[[1.0] * 4, [3.0, 3.0, 5.0, 2.0], [2.0, 1.0, 1.0, 0.0]])
    assert models.edited(Consensus(lam=0.5, agree=2))["a"] == [1.0, 1.0, 1.0, 1.0]
    assert models.edited(Consensus(lam=0.4, agree=2))["a"] == [4.0, 1.0, 1.0, 1.0]
    assert models.edited(Consensus(lam=0.4, agree=1))["a"] == [4.0, 3.0, 5.0, 1.0]
    assert models.edited(Consensus(lam=0.4, agree=1, scale=0.5))["a"] == [2.5, 2.0, 3.0, 1.0]
    assert models.edited(Consensus(lam=0.4, agree=0)) == models.edited(TaskArithmetic(scale=1.0))
    # With TIES, tau = [1.5, 2, 4, 1]: task 2 uses the first (1 > 0.2) and not the last (1 > 0.8
    # holds too, its change being -1: |1 - -1| * 0.4 = 0.8).
    inner = {"_target_": "ties", "density": 1.0}
    found = models.edited(Consensus(lam=0.4, agree=2, merge_with=inner))
    assert found["a"] == [2.5, 1.0, 1.0, 2.0]


def blocks(*names: str) -> Toy:
    """Base 0 and tuned 1 everywhere: the edited weight is the coefficient."""
    return Toy(**{name.replace(".", "__"): [[0.0], [1.0]] for name in names})


LAYERS = [f"model.layers.{index}.mlp.weight" for index in range(3)]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (LiNeS(alpha=0.2), [0.2, 0.6, 1.0]),
        (LiNeS(alpha=0.2, beta=0.4), [0.2, 0.4, 0.6]),
        (LiNeS(alpha=0.2, beta=0.4, schedule="power"), [0.2, 0.3, 0.6]),
        (LiNeS(alpha=0.2, beta=0.4, schedule="step"), [0.2, 0.6, 0.6]),
        (LiNeS(alpha=0.2, beta=0.4, schedule="reversed"), [0.6, 0.4, 0.2]),
    ],
)
def test_lines_by_hand(edit: LiNeS, expected: list[float]) -> None:
    around = ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
    found = blocks(*around, *LAYERS).edited(edit)
    assert [found[name][0] for name in LAYERS] == pytest.approx(expected)
    assert [found[name][0] for name in around] == pytest.approx([0.2] * 3)
    edit.head = "alpha+beta"
    found = blocks(*around, *LAYERS).edited(edit)
    last = 0.2 + (0.8 if edit.beta is None else edit.beta)
    assert [found[name][0] for name in around] == pytest.approx([0.2, last, last])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["transformer.h.0.a", "transformer.h.1.a", "transformer.wte.weight"], [0, 1, 0]),
        (["gpt_neox.layers.0.a", "gpt_neox.layers.1.a", "embed_out.weight"], [0, 1, 0]),
        (["h.0.a", "h.1.a", "wte.weight"], [0, 1, 0]),
        # Eleven blocks: block 10 is not block 1 or 0.
        ([f"model.layers.{i}.a" for i in range(11)], [i / 10 for i in range(11)]),
        # The experts' numbers are inside a block.
        (
            ["model.layers.0.experts.1.a", "model.layers.1.experts.0.a", "model.layers.2.b"],
            [0, 0.5, 1],
        ),
        # A decoder's blocks come behind the encoder's, also where they are more; a bias of
        # positions belongs to its block, what is shared comes before.
        (
            ["shared.weight", "encoder.block.0.a", "encoder.block.1.layer.0.b"]
            + [f"decoder.block.{i}.layer.{j}.a" for i in range(3) for j in range(2)]
            + ["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"],
            [0, 0, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1, 0],
        ),
        # A smaller stack of something else is outside the blocks.
        (
            ["vision.layers.1.a", "vision.layers.0.a"]
            + [f"model.layers.{i}.{x}" for i in range(2) for x in "abcd"],
            [0, 0] + [0] * 4 + [1] * 4,
        ),
    ],
)
def test_lines_takes_the_layer_from_the_path(names: list[str], expected: list[float]) -> None:
    found = blocks(*names).edited(LiNeS(alpha=0.0, beta=1.0))
    assert [found[name][0] for name in names] == pytest.approx(expected)


def test_lines_wants_a_stack_of_blocks() -> None:
    with pytest.raises(DataError, match="no layers"):
        blocks("encoder.weight").edited(LiNeS(alpha=0.5))
    with pytest.raises(DataError, match="without a gap"):
        blocks("h.0.a", "h.2.a").edited(LiNeS(alpha=0.5))
    with pytest.raises(DataError, match=r"encoder\.block.*without a gap"):
        blocks("encoder.block.1.a", "decoder.block.0.a").edited(LiNeS(alpha=0.5))


def test_lines_for_several_models() -> None:
    models = Toy(
        h__0__a=[[0.0, 0.0], [2.0, 1.0], [2.0, -3.0]],
        h__1__a=[[0.0, 0.0], [0.0, 1.0], [0.0, 1.0]],
    )
    arithmetic = {"_target_": "task_arithmetic"}
    # The merged vector is the sum, so alpha = 1/2: coefficients 0.5 and 0.5 + 0.3.
    found = models.edited(LiNeS(beta=0.3, merge_with=arithmetic))
    assert found["h.0.a"] == pytest.approx([2.0, -1.0])
    assert found["h.1.a"] == pytest.approx([0.0, 1.6])
    # TIES merges to [2, -3] and [0, 1]: |sum| = 4 + 2 + 2 = 8, |merged| = 6, alpha = 8/6/2.
    ties = {"_target_": "ties", "density": 1.0}
    edit = LiNeS(beta=0.3, merge_with=ties)
    found = models.edited(edit)
    alpha = 8 / 6 / 2
    assert found["h.0.a"] == pytest.approx([2 * alpha, -3 * alpha])
    assert found["h.1.a"] == pytest.approx([0.0, alpha + 0.3])
    # beta 0 and alpha 1 are the inner edit at scale 1.
    plain = models.edited(LiNeS(alpha=1.0, beta=0.0, merge_with=ties))
    assert plain == models.edited(TIES(density=1.0, scale=1.0))


def test_wise_ft_by_hand() -> None:
    found = Toy(a=[[1.0, 2.0], [3.0, -2.0]]).edited(WiSEFT(alpha=0.25))
    assert found["a"] == [1.5, 1.0]


def test_edits_leave_their_inputs_alone() -> None:
    arithmetic = {"_target_": "task_arithmetic"}
    for edit in (
        *(TaskArithmetic(), TIES(), TIES(trim="global"), Consensus(), Soup()),
        *(Soup(weights=[0.5, 0.5]), LiNeS(beta=0.3, merge_with=arithmetic)),
    ):
        models = Toy(h__0__a=[[1.0, 2.0], [3.0, 4.0], [-5.0, 6.0]])
        models.edited(edit)
        assert [t.tolist() for t in models.tensors["h.0.a"]] == [[1, 2], [3, 4], [-5, 6]]


def test_greedy_soup_takes_what_helps() -> None:
    a, b, c = Path("a"), Path("b"), Path("c")
    scores = {(a,): 0.5, (b,): 0.9, (c,): 0.7, (b, c): 0.8, (b, a): 0.9}
    asked = []

    def measure(models: list[Path]) -> float:
        asked.append(tuple(models))
        return scores[tuple(models)]

    chosen, told = choose([a, b, c], measure)
    assert chosen == [b, a]
    assert asked == [(a,), (b,), (c,), (b, c), (b, a)]
    assert [step["kept"] for step in told["steps"]] == [True, False, True]


def test_greedy_soup_scores_folders(
    tiny_model: Path,
    tuned: list[Path],
    weights: Read,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "score_of_a_test.py").write_text(
        "from safetensors import safe_open\n"
        "def norm(folder):\n"
        "    with safe_open(folder / 'model.safetensors', 'pt') as stream:\n"
        "        return stream.get_tensor('model.norm.weight')[0]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HARNESS_ALLOW_CODE", "score_of_a_test")
    edit = GreedySoup(score="score_of_a_test.norm")
    report = apply_edit(edit, tiny_model, tuned, tmp_path / "out")
    # The mean with any other model scores lower, so the best stays alone.
    best = max(tuned, key=lambda folder: float(weights(folder)["model.norm.weight"][0]))
    assert report["tuned"] == [str(best)]
    assert near(weights(tmp_path / "out"), weights(best)) == 0
    assert not list((tmp_path / "out").glob(".trial*"))


@pytest.mark.parametrize(
    ("target", "parameters", "told"),
    [
        ("wise_ft.WiSEFT", {"alpha": 1.5}, "edit.alpha=1.5: it must be in [0, 1]"),
        ("wise_ft.WiSEFT", {"alpha": "much"}, "edit.alpha: "),
        ("wise_ft.WiSEFT", {"beta": 1}, "edit.beta: WiSEFT has no such parameter"),
        ("lines.LiNeS", {}, "edit.alpha: missing"),
        ("lines.LiNeS", {"alpha": 0.5, "beta": -1}, "edit.beta=-1.0: it must be 0 or more"),
        ("lines.LiNeS", {"alpha": 0.5, "schedule": "cubic"}, "edit.schedule=cubic: it must be"),
        ("lines.LiNeS", {"alpha": 0.5, "head": "beta"}, "edit.head=beta: it must be one of"),
        ("lines.LiNeS", {"merge_with": {"_target_": "ties"}}, "edit.beta: "),
        ("ties.TIES", {"density": 0}, "edit.density=0.0: it must be in (0, 1]"),
        ("ties.TIES", {"trim": "layer"}, "edit.trim=layer: it must be one of tensor, global"),
        ("task_arithmetic.TaskArithmetic", {"scale": "nan"}, "edit.scale=nan: it must be a finite"),
        ("task_arithmetic.TaskArithmetic", {"normalise": "max"}, "edit.normalise=max: it must"),
        ("consensus.Consensus", {"lam": -1}, "edit.lam=-1.0: it must be 0 or more"),
        ("consensus.Consensus", {"agree": -1}, "edit.agree=-1: it must be 0 or more"),
        ("consensus.Consensus", {"merge_with": {"density": 1}}, "edit.merge_with: needs _target_"),
        ("soup.Soup", {"weights": [0.5, 0.4]}, "edit.weights=[0.5, 0.4]: they sum to 0.9"),
        ("loading.load_edit", {}, "is not a subclass of Edit"),
        ("apply.nothing", {}, "edit._target_: harness.methods.edits.apply has no 'nothing'"),
    ],
)
def test_wrong_parameters_are_told(target: str, parameters: dict, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_edit({"_target_": f"harness.methods.edits.{target}", **parameters})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scale_inside_another_edit_is_refused() -> None:
    inner = {"_target_": "ties", "scale": 2.0}
    with pytest.raises(ConfigError, match=r"merge_with\.scale: has no effect"):
        LiNeS(beta=0.5, merge_with=inner)


@pytest.mark.parametrize(
    ("edit", "count", "told"),
    [
        (WiSEFT(), 2, "at most 1 tuned"),
        (LiNeS(alpha=0.5), 2, "LiNeS scales one tuned model, got 2"),
        (Consensus(), 1, "agree=2: there are 1 tuned models only"),
        (GreedySoup(score="a.b"), 1, "at least 2"),
        (Soup(weights=[1.0]), 2, "weights: 1 of them for 2 tuned models"),
    ],
)
def test_the_number_of_models_is_checked(edit: Edit, count: int, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        edit.check_count(count)
