"""The reader's own objects in the place of the package's, everywhere.

An exchange is for good, so each is made in a process of its own.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from oracle import assert_close
from reader import ATTEND, MULTI, edit, in_a_process, solve

from laidout.workshop.catalogue import load_catalogue

CATALOGUE = load_catalogue()
OBJECTS = list(dict.fromkeys(e.object for e in CATALOGUE.values()))
NORM = "normalization-layer-norm"
PARTS = {
    dotted: [e.name for e in CATALOGUE.values() if e.object == dotted]
    for dotted in OBJECTS
}
"""The exercises of each object."""

EXCHANGE = """
from laidout.workshop.swap import exchange
taken = exchange(folder, passed)
"""


def after(folder: Path, passed: list[str], source: str) -> Any:
    """Exchange what has passed, run a source and return its `answer`."""
    return in_a_process(EXCHANGE + source, folder=folder, passed=passed)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a workspace in which all is solved."""
    return solve(tmp_path_factory.mktemp("everything"), *CATALOGUE)


# --- who uses what ----------------------------------------------------------

WHERE = """
import inspect, pkgutil, sys
import laidout
answer = {}
for found in pkgutil.iter_modules(laidout.__path__, "laidout."):
    module = sys.modules.get(found.name)
    if module is None or found.name in ("laidout.cli", "laidout.fast"):
        continue
    for name, value in vars(module).items():
        if name in names and (inspect.isclass(value) or callable(value)):
            place = inspect.getsourcefile(inspect.unwrap(value))
            answer[f"{found.name}.{name}"] = place.startswith(str(folder))
"""


def whose(folder: Path, passed: list[str]) -> dict[str, bool]:
    """Tell for each use of an object in the package if it is the reader's."""
    names = {dotted.rpartition(".")[2] for dotted in OBJECTS}
    found: dict[str, bool] = in_a_process(
        EXCHANGE + WHERE, folder=folder, passed=passed, names=names
    )
    return found


def test_every_module_uses_the_readers_objects(everything: Path) -> None:
    found = whose(everything, list(CATALOGUE))
    assert set(found) >= set(OBJECTS)
    assert [name for name, mine in found.items() if not mine] == []
    # Not only where they are defined.
    for user in (
        "laidout.layers.MultiHeadAttention",
        "laidout.transformer.EncoderLayer",
        "laidout.training.shift_targets",
        "laidout.parallel.shift_targets",
        "laidout.run.Transformer",
        "laidout.run.train_epoch",
        "laidout.run.LabelSmoothing",
        "laidout.run.BPETokenizer",
        "laidout.checkpoint.Transformer",
        "laidout.evaluation.beam_search",
        "laidout.evaluation.token_batches",
        "laidout.decoding.padding_mask",
        "laidout.inspection.MultiHeadAttention",
    ):
        assert found[user], user


def test_what_is_not_solved_stays_the_packages(everything: Path) -> None:
    found = whose(everything, [ATTEND, NORM])
    mine = {name.rpartition(".")[2] for name, own in found.items() if own}
    assert mine == {"scaled_dot_product_attention", "LayerNorm"}
    others = {n.rpartition(".")[2] for n, own in found.items() if not own}
    assert not mine & others


USED_BY = """
import laidout, sys
first, second = sys.modules["attention"], sys.modules["layers"]
answer = [
    laidout.scaled_dot_product_attention is first.scaled_dot_product_attention,
    laidout.MultiHeadAttention is first.MultiHeadAttention,
    second.MultiHeadAttention is first.MultiHeadAttention,
    second.LayerNorm is laidout.normalization.LayerNorm,
    laidout.LayerNorm is laidout.normalization.LayerNorm,
    laidout.LayerNorm.__module__ == "laidout.normalization",
    taken,
]
"""


def test_the_readers_files_use_each_other(everything: Path) -> None:
    passed = [ATTEND, MULTI, "layers-encoder"]
    *alike, taken = after(everything, passed, USED_BY)
    assert alike == [True] * 6
    assert taken == sorted(CATALOGUE[name].object for name in passed)


def test_a_red_object_is_not_used_by_a_green_one(tmp_path: Path) -> None:
    folder = solve(tmp_path, ATTEND, MULTI)
    edit(
        folder / "attention.py",
        "scores = query @ key.transpose(-2, -1)",
        "raise AssertionError('the wrong one is used')",
    )
    script = """
import torch
from laidout import MultiHeadAttention
x = torch.randn(2, 5, 12)
answer = MultiHeadAttention(12, 3)(x, x, x).shape
"""
    assert after(folder, [MULTI], script) == (2, 5, 12)
    with pytest.raises(AssertionError, match="the wrong one is used"):
        after(folder, [ATTEND, MULTI], script)


def test_a_file_that_fails_is_named(tmp_path: Path) -> None:
    folder = solve(tmp_path, ATTEND)
    (folder / "attention.py").write_text("1 / 0\n")
    message = r"attention\.py, line 1: ZeroDivisionError: division by zero"
    with pytest.raises(AssertionError, match=message):
        after(folder, [ATTEND], "answer = None")


# --- short cuts -------------------------------------------------------------

SHORT_CUTS = """
import torch
from laidout import Transformer, TransformerConfig, evaluation
from laidout.fast import fuse
model = Transformer(TransformerConfig.tiny(30, 30)).eval()
cached = evaluation.can_cache(model)
fuse(model)
kinds = {type(part).__name__ for part in model.modules()}
answer = [cached, any(kind.startswith("Fused") for kind in kinds)]
answer += [evaluation.can_cache(model)]
"""


@pytest.mark.parametrize(
    ("name", "cached", "fused"),
    [
        ("masks-causal", False, True),
        ("masks-padding", False, True),
        ("masks-target", False, True),
        ("decoding-greedy", False, True),
        ("decoding-beam-search", False, True),
        (ATTEND, False, False),
        (MULTI, False, True),
        ("layers-decoder", False, True),
        ("transformer-decoder", False, True),
        ("layers-encoder", True, True),
        ("embedding-tokens", True, True),
        ("loss-label-smoothing", True, True),
        (NORM, True, True),
    ],
)
def test_no_short_cut_passes_by_an_object_of_the_readers(
    name: str, cached: bool, fused: bool, everything: Path
) -> None:
    found = after(everything, [name], SHORT_CUTS)
    assert found == [cached, fused, cached]


def test_without_anything_passed_all_short_cuts_are_there(
    everything: Path,
) -> None:
    assert after(everything, [], SHORT_CUTS) == [True, True, True]


def test_if_all_is_the_readers_there_is_no_short_cut(everything: Path) -> None:
    found = after(everything, list(CATALOGUE), SHORT_CUTS)
    assert found == [False, False, False]


CALLS = """
import torch
from laidout import Transformer, TransformerConfig, evaluation
from laidout.fast import fuse
from laidout.tokenizer import BPETokenizer
tokenizer = BPETokenizer.train(["I see a dog", "We see two dogs"], 270)
size = tokenizer.vocab_size
model = Transformer(TransformerConfig.tiny(size, size)).eval()
fuse(model)
evaluation.translate(model, tokenizer, ["I see a dog"], beam_size)
answer = [path.stem for path in folder.glob("*.called")]
"""


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("name", [ATTEND, "masks-causal", NORM])
def test_translating_calls_the_readers_object(
    name: str, beam_size: int, tmp_path: Path
) -> None:
    folder = solve(tmp_path, name)
    exercise = CATALOGUE[name]
    path = folder / f"{exercise.module}.py"
    text = path.read_text("utf-8")
    function = "forward" if exercise.blank else exercise.source.name
    place = text.index("# 1. ", text.index(f"def {function}("))
    mark = "open(__file__ + '.called', 'w').close(); "
    path.write_text(text[:place] + mark + text[place:], "utf-8")
    found = in_a_process(
        EXCHANGE + CALLS, folder=folder, passed=[name], beam_size=beam_size
    )
    assert found == [path.name]


# --- classes that are several exercises -------------------------------------

METHODS = """
import inspect
from importlib import import_module
module, _, name = dotted.rpartition(".")
found = getattr(import_module(module), name)
answer = {
    method: inspect.unwrap(
        getattr(vars(found)[method], "__func__", vars(found)[method])
    ).__code__.co_filename.startswith(str(folder))
    for method in methods
}
"""


@pytest.mark.parametrize(
    "dotted", [dotted for dotted, names in PARTS.items() if len(names) > 1]
)
def test_a_class_of_which_a_part_is_solved_is_completed(
    dotted: str, tmp_path: Path
) -> None:
    first, *others = PARTS[dotted]
    # What has not passed may be written, but is not used.
    folder = solve(tmp_path, *PARTS[dotted])
    found = in_a_process(
        EXCHANGE + METHODS,
        folder=folder,
        passed=[first],
        dotted=dotted,
        methods=[m for name in PARTS[dotted] for m in CATALOGUE[name].blank],
    )
    mine = {method for method, own in found.items() if own}
    assert mine == set(CATALOGUE[first].blank)
    assert {m for name in others for m in CATALOGUE[name].blank} <= set(found)


PARTLY = """
import torch
from laidout import BPETokenizer, Transformer, TransformerConfig, beam_search
tokenizer = BPETokenizer.train(["I see a dog", "We see two dogs"], 270)
text = "I see two dogs"
size = tokenizer.vocab_size
torch.manual_seed(5)
model = Transformer(TransformerConfig.tiny(size, size))
src = torch.tensor([tokenizer.encode(text)])
found = beam_search(model, src, 3, 0.6, 9, tokenizer.bos_id, tokenizer.eos_id)
answer = tokenizer.decode(tokenizer.encode(text)), found.tolist()
"""


def test_classes_in_parts_work_as_a_whole(tmp_path: Path) -> None:
    several = [names for names in PARTS.values() if len(names) > 1]
    assert several
    text, tokens = in_a_process(PARTLY)
    assert text == "I see two dogs"
    for chosen in (0, -1):
        some = [names[chosen] for names in several]
        folder = solve(tmp_path / f"part {chosen}", *some)
        assert after(folder, some, PARTLY) == (text, tokens)


# --- the whole --------------------------------------------------------------

BUILD = """
import torch
from laidout import LabelSmoothing, Transformer, TransformerConfig
from laidout import TransformerLRScheduler, beam_search, greedy_decode
from laidout import shift_targets, train_epoch

def results(state):
    torch.manual_seed(1)
    sizes = dict(d_model=22, num_heads=2, num_layers=3, d_ff=31, dropout=0.0)
    config = TransformerConfig(43, 43, **sizes, pad_id=2)
    model = Transformer(config).double()
    if state:
        model.load_state_dict(state)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    src = torch.randint(3, 43, (5, 7))
    tgt = torch.randint(3, 43, (5, 11))
    src[1, 4:] = tgt[1, 6:] = tgt[3, 9:] = 2
    found = {"logits": model(src, tgt)}
    found["greedy"] = greedy_decode(model, src, 13, 1, 5)
    found["beam"] = beam_search(model, src, 3, 0.6, 13, 1, 5)
    loss_fn = LabelSmoothing(43, 2, 0.1)
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98))
    scheduler = TransformerLRScheduler(optimizer, 22, 4)
    batches = [(src, tgt), (src.flip(0), tgt.flip(0))]
    loss, step = train_epoch(model, batches, loss_fn, optimizer, scheduler)
    found["loss"], found["step"] = torch.tensor(loss), torch.tensor(step)
    found["learned"] = model(src, tgt)
    return start, {name: value.tolist() for name, value in found.items()}
"""


def test_a_transformer_of_the_readers_is_the_packages(
    everything: Path,
) -> None:
    state, wanted = in_a_process(
        f"{BUILD}\nstate, found = results(None)\n"
        "answer = {n: v.numpy() for n, v in state.items()}, found"
    )
    kind, got = in_a_process(
        f"{EXCHANGE}{BUILD}\n"
        "state = {n: torch.from_numpy(v) for n, v in state.items()}\n"
        "answer = Transformer.__module__, results(state)[1]",
        folder=everything,
        passed=list(CATALOGUE),
        state=state,
    )
    assert kind == "transformer"
    assert got.keys() == wanted.keys()
    for name, numbers in wanted.items():
        one, other = (torch.tensor(x).double() for x in (got[name], numbers))
        assert_close(one, other, 1e-6)
