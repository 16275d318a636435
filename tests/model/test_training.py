"""Tests of training: one epoch of learning, and the loss without learning."""

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oracle import assert_close, assert_same, gradient_of, make
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Adam

from laidout.loss import LabelSmoothing
from laidout.schedule import TransformerLRScheduler
from laidout.training import evaluate, train_epoch
from laidout.transformer import Transformer, TransformerConfig

V, PAD, BOS, EOS = 11, 4, 1, 2
"""0 is a word like any other."""

Batch = tuple[Tensor, Tensor]
Batches = list[Batch]

BATCHES: Batches = [
    (
        torch.tensor([[5, 0, 7, EOS], [8, EOS, PAD, PAD]]),
        torch.tensor([[BOS, 6, 9, 0, 5, EOS], [BOS, 3, EOS, PAD, PAD, PAD]]),
    ),
    (torch.tensor([[10, EOS]]), torch.tensor([[BOS, EOS]])),
    (
        torch.tensor([[9, 9, EOS], [7, EOS, PAD], [3, 0, EOS]]),
        torch.tensor(
            [[BOS, 5, EOS, PAD], [BOS, 10, 8, EOS], [BOS, EOS, PAD, PAD]]
        ),
    ),
]
"""Unequal batches: 7, 1 and 6 real targets, 10, 1 and 9 positions."""

REAL = [7, 1, 6]


def small_model(dropout: float = 0.0) -> Any:
    """Make a small Transformer, always the same one, in float64."""
    torch.manual_seed(0)
    config = TransformerConfig(
        V,
        V,
        d_model=6,
        num_heads=2,
        num_layers=2,
        d_ff=7,
        dropout=dropout,
        max_len=13,
        pad_id=PAD,
    )
    return Transformer(config).double()


def adam(model: nn.Module) -> Adam:
    """Give Adam as in section 5.3; the rate is to be set."""
    return Adam(model.parameters(), lr=0.5, betas=(0.9, 0.98), eps=1e-9)


def smoothing(amount: float = 0.1) -> LabelSmoothing:
    """Give the loss."""
    return LabelSmoothing(V, PAD, amount)


def quick_learner() -> tuple[Any, Adam, TransformerLRScheduler]:
    """Make a model that learns in a second, and what trains it."""
    torch.manual_seed(0)
    config = TransformerConfig(
        V, V, 16, 2, 1, d_ff=32, dropout=0.0, max_len=13, pad_id=PAD
    )
    model = Transformer(config)
    optimizer = adam(model)
    return model, optimizer, TransformerLRScheduler(optimizer, 16, 60)


class Bigram(nn.Module):
    """The smallest model: what comes next depends on the last word alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(make("table", V, V))
        self.calls: list[Batch] = []
        self.modes: list[bool] = []
        self.grad: list[bool] = []

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Look the logits up, and note the call."""
        self.calls.append((src, tgt))
        self.modes.append(self.training)
        self.grad.append(torch.is_grad_enabled())
        return self.table[tgt]


class Watch(SGD):
    """An optimizer that notes with which rates and gradients it steps."""

    def __init__(self, model: Bigram, lr: float = 0.1) -> None:
        super().__init__(model.parameters(), lr=lr)
        self.model = model
        self.rates: list[float] = []
        self.gradients: list[Tensor] = []

    def step(self, closure: Any = None) -> None:
        """Note, then step."""
        self.rates.append(self.param_groups[0]["lr"])
        self.gradients.append(gradient_of(self.model.table).clone())
        super().step(closure)


def bigram_loss(
    table: Tensor, tgt: Tensor, amount: float = 0.1
) -> tuple[Tensor, int]:
    """Sum the divergence token by token; count the real ones."""
    total, count = table.new_zeros(()), 0
    for sentence in tgt.tolist():
        for read, said in itertools.pairwise(sentence):
            if said == PAD:
                continue
            wanted = torch.full((V,), amount / (V - 2), dtype=torch.float64)
            wanted[said], wanted[PAD] = 1 - amount, 0.0
            total = total + functional.kl_div(
                table[read].log_softmax(-1), wanted, reduction="sum"
            )
            count += 1
    return total, count


# --- train_epoch: the right numbers -----------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_parameters_are_those_of_a_loop_written_out(
    dropout: float,
) -> None:
    ours, theirs = small_model(dropout), small_model(dropout)
    optimizer, other = adam(ours), adam(theirs)
    scheduler = TransformerLRScheduler(optimizer, 6, 5)
    torch.manual_seed(3)
    reached = 2
    for _ in range(3):
        _, reached = train_epoch(
            ours, BATCHES, smoothing(), optimizer, scheduler, reached
        )
    torch.manual_seed(3)
    step = 2
    for _ in range(3):
        for src, tgt in BATCHES:
            step += 1
            for parameter in theirs.parameters():
                parameter.grad = None
            logits = theirs(src, tgt[:, :-1]).reshape(-1, V)
            smoothing()(logits, tgt[:, 1:].reshape(-1)).backward()
            rate = 6**-0.5 * min(step**-0.5, step * 5**-1.5)
            other.param_groups[0]["lr"] = rate
            other.step()
    assert reached == step == 11
    moved = 0
    start = small_model().state_dict()
    for name, value in theirs.state_dict().items():
        assert_same(ours.state_dict()[name], value)
        moved += not torch.equal(value, start[name])
    assert moved == len(start)


def test_two_steps_of_a_bigram_by_another_way() -> None:
    ours, table = Bigram(), make("table", V, V)
    batches = [BATCHES[0], BATCHES[2]]
    mean, _ = train_epoch(
        ours, batches, smoothing(), SGD(ours.parameters(), 2)
    )
    total, tokens = 0.0, 0
    for _, tgt in batches:
        table.requires_grad_()
        loss, count = bigram_loss(table, tgt)
        (gradient,) = torch.autograd.grad(loss / count, table)
        table = table.detach() - 2 * gradient
        total += loss.item()
        tokens += count
    assert_close(ours.table.detach(), table)
    assert mean == pytest.approx(total / tokens, abs=1e-12)


def test_the_loss_is_the_mean_over_real_tokens_not_over_batches() -> None:
    model = Bigram()
    mean, _ = train_epoch(
        model, BATCHES, smoothing(), SGD(model.parameters(), lr=0.0)
    )
    sums, counts = zip(
        *(bigram_loss(model.table.detach(), tgt) for _, tgt in BATCHES),
        strict=True,
    )
    assert list(counts) == REAL
    assert mean == pytest.approx(sum(sums).item() / 14, abs=1e-12)
    # Neither the mean of the means nor one that counts the padding.
    means = [s.item() / n for s, n in zip(sums, counts, strict=True)]
    positions = (10, 1, 9)
    weighted = sum(m * n for m, n in zip(means, positions, strict=True)) / 20
    assert abs(mean - sum(means) / 3) > 1e-3
    assert abs(mean - weighted) > 1e-3


def test_the_loss_does_not_depend_on_how_sentences_are_batched() -> None:
    one_by_one = [
        (src[i : i + 1], tgt[i : i + 1])
        for src, tgt in BATCHES
        for i in range(len(src))
    ]
    model = small_model()
    still = SGD(model.parameters(), lr=0.0)
    together, _ = train_epoch(model, BATCHES, smoothing(), still)
    alone, _ = train_epoch(model, one_by_one, smoothing(), still)
    assert alone == pytest.approx(together, abs=1e-12)


def test_the_loss_is_a_number_and_not_a_tensor() -> None:
    # A tensor would keep the graphs of all batches in memory.
    model = Bigram()
    mean, step = train_epoch(
        model, BATCHES, smoothing(), SGD(model.parameters())
    )
    assert type(mean) is float
    assert type(step) is int


# --- train_epoch: what it does in which order -------------------------------


def test_the_model_reads_the_source_and_the_shifted_target() -> None:
    model = Bigram()
    train_epoch(model, BATCHES, smoothing(), SGD(model.parameters()))
    assert len(model.calls) == len(BATCHES)
    for (read, started), (src, tgt) in zip(model.calls, BATCHES, strict=True):
        assert_same(read, src)
        assert_same(started, tgt[:, :-1])


@pytest.mark.parametrize("start", [0, 1, 12, 4000])
def test_steps_are_counted_on(start: int) -> None:
    model = Bigram()
    optimizer = Watch(model)
    scheduler = TransformerLRScheduler(optimizer, 31, 7)
    _, reached = train_epoch(
        model, BATCHES, smoothing(), optimizer, scheduler, start
    )
    assert reached == start + len(BATCHES)
    # Each step runs with its own rate, the first one included.
    assert optimizer.rates == [
        scheduler.step(step) for step in range(start + 1, start + 4)
    ]


def test_steps_are_counted_from_one_unless_said_otherwise() -> None:
    model = Bigram()
    optimizer = Watch(model)
    scheduler = TransformerLRScheduler(optimizer, 31, 7)
    _, reached = train_epoch(model, BATCHES, smoothing(), optimizer, scheduler)
    assert reached == 3
    assert optimizer.rates[0] == scheduler.step(1)


def test_without_a_scheduler_the_rate_stays_and_steps_are_counted() -> None:
    model = Bigram()
    optimizer = Watch(model, lr=0.25)
    _, reached = train_epoch(
        model, BATCHES, smoothing(), optimizer, step_num=5
    )
    assert optimizer.rates == [0.25] * 3
    assert reached == 8


def test_each_gradient_is_that_of_its_own_batch() -> None:
    model = Bigram()
    optimizer = Watch(model, lr=0.0)
    # What an earlier backward pass left behind must not count either.
    model.table.grad = torch.full((V, V), 99.0).double()
    train_epoch(model, BATCHES, smoothing(), optimizer)
    for (_, tgt), gradient in zip(BATCHES, optimizer.gradients, strict=True):
        table = make("table", V, V).requires_grad_()
        loss, count = bigram_loss(table, tgt)
        (expected,) = torch.autograd.grad(loss / count, table)
        assert_close(gradient, expected)


def test_dropout_is_on_even_after_an_evaluation() -> None:
    model = Bigram()
    model.eval()
    train_epoch(model, BATCHES, smoothing(), SGD(model.parameters()))
    assert model.modes == [True] * 3
    assert model.training


def test_dropout_matters_in_training() -> None:
    losses = []
    for seed in (1, 2):
        model = small_model(dropout=0.5)
        torch.manual_seed(seed)
        losses.append(train_epoch(model, BATCHES, smoothing(), adam(model))[0])
    assert abs(losses[0] - losses[1]) > 1e-3


def test_batches_may_come_from_a_generator() -> None:
    def generator() -> Iterator[Batch]:
        yield from BATCHES

    model, other = Bigram(), Bigram()
    from_list = train_epoch(
        model, BATCHES, smoothing(), SGD(model.parameters())
    )
    from_generator = train_epoch(
        other, generator(), smoothing(), SGD(other.parameters())
    )
    assert from_generator == from_list
    assert_same(other.table, model.table)


def test_an_epoch_of_nothing_has_no_loss_and_no_steps() -> None:
    model = Bigram()
    result = train_epoch(
        model, [], smoothing(), SGD(model.parameters()), step_num=7
    )
    assert result == (0.0, 7)
    assert_same(model.table.detach(), make("table", V, V))


def test_a_batch_of_padding_counts_nothing_and_spoils_nothing() -> None:
    nothing = (torch.tensor([[5, EOS]]), torch.full((1, 3), PAD))
    model, other = Bigram(), Bigram()
    plain, _ = train_epoch(
        model, BATCHES, smoothing(), SGD(model.parameters())
    )
    mixed, _ = train_epoch(
        other, [nothing, *BATCHES], smoothing(), SGD(other.parameters())
    )
    assert mixed == plain
    assert_same(other.table, model.table)
    alone, _ = train_epoch(
        other, [nothing], smoothing(), SGD(other.parameters())
    )
    assert alone == 0.0


def test_the_batches_stay_as_they_were() -> None:
    batches = copy.deepcopy(BATCHES)
    model = Bigram()
    train_epoch(model, batches, smoothing(), SGD(model.parameters()))
    evaluate(model, batches, smoothing())
    for batch, before in zip(batches, BATCHES, strict=True):
        assert_same(batch[0], before[0])
        assert_same(batch[1], before[1])


def test_the_padding_of_the_loss_is_the_one_that_counts() -> None:
    # Here 0 pads, and what is padding elsewhere is a word.
    table = make("table", V, V)
    tgt = torch.tensor([[BOS, PAD, EOS, 0], [BOS, 0, 0, 0]])
    model = Bigram()
    mean, _ = train_epoch(
        model,
        [(tgt, tgt), (tgt[:1, :2], tgt[:1, :2])],
        LabelSmoothing(V, 0, 0.0),
        SGD(model.parameters(), lr=0.0),
    )
    log_q = table.log_softmax(-1)
    first, second = -log_q[BOS, PAD].item(), -log_q[PAD, EOS].item()
    expected = (first + second + first) / 3
    assert mean == pytest.approx(expected, abs=1e-12)


# --- training works ---------------------------------------------------------


def test_a_few_pairs_are_learned_by_heart() -> None:
    model, optimizer, scheduler = quick_learner()
    loss_fn = smoothing(0.0)
    first, step = train_epoch(model, BATCHES, loss_fn, optimizer, scheduler)
    for _ in range(34):
        last, step = train_epoch(
            model, BATCHES, loss_fn, optimizer, scheduler, step
        )
    assert step == 105
    assert first > 1.5
    assert last < 0.1
    # It is not the last words alone: all are said, each after the true one.
    model.eval()
    for src, tgt in BATCHES:
        said = model(src, tgt[:, :-1]).argmax(-1)
        real = tgt[:, 1:] != PAD
        assert_same(said[real], tgt[:, 1:][real])


class SeesTheFuture(nn.Module):
    """The same Transformer without the mask that hides the future."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Let every position look at all others."""
        everything = torch.ones(1, 1, tgt.size(1), tgt.size(1)).bool()
        hidden = self.model.decode(tgt, self.model.encode(src), everything)
        logits: Tensor = self.model.output_projection(hidden)
        return logits


def random_batches(count: int, seed: int) -> Iterator[Batch]:
    """Draw targets of two words that nothing foretells, always new ones."""
    words = torch.tensor([0, 3, 5, 6, 7, 8, 9, 10])
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        drawn = torch.randint(0, len(words), (64, 2), generator=generator)
        tgt = functional.pad(words[drawn], (1, 0), value=BOS)
        yield torch.full((64, 1), EOS), tgt


@pytest.mark.parametrize("cheats", [False, True])
def test_only_a_model_that_sees_the_future_foretells_the_unforeseeable(
    cheats: bool,
) -> None:
    model, optimizer, scheduler = quick_learner()
    model = SeesTheFuture(model) if cheats else model
    loss_fn = smoothing(0.0)
    train_epoch(
        model, random_batches(90, seed=1), loss_fn, optimizer, scheduler
    )
    loss = evaluate(model, random_batches(9, seed=2), loss_fn)
    # Each word is worth log 8. Of the two the decoder reads the first, so a
    # cheat knows it before it is said; the second is never read.
    one_word = math.log(8)
    if cheats:
        assert one_word / 2 < loss < 0.6 * one_word
    else:
        assert one_word - 0.02 < loss < 1.05 * one_word


# --- evaluate ---------------------------------------------------------------


@pytest.mark.parametrize("amount", [0.0, 0.1])
def test_the_evaluated_loss_is_the_mean_over_real_tokens(
    amount: float,
) -> None:
    model = Bigram()
    total, tokens = 0.0, 0
    for _, tgt in BATCHES:
        loss, count = bigram_loss(model.table.detach(), tgt, amount)
        total += loss.item()
        tokens += count
    mean = evaluate(model, BATCHES, smoothing(amount))
    assert tokens == 14
    assert type(mean) is float
    assert mean == pytest.approx(total / tokens, abs=1e-12)


def test_the_evaluated_loss_of_a_transformer_is_that_of_torch() -> None:
    model = small_model()
    total = 0.0
    for src, tgt in BATCHES:
        for i in range(len(src)):
            logits = model(src[i : i + 1], tgt[i : i + 1, :-1])
            total += functional.cross_entropy(
                logits[0], tgt[i, 1:], ignore_index=PAD, reduction="sum"
            ).item()
    mean = evaluate(model, BATCHES, smoothing(0.0))
    assert mean == pytest.approx(total / 14, abs=1e-12)


def test_training_that_stands_still_and_evaluation_agree() -> None:
    model = small_model()
    trained, _ = train_epoch(
        model, BATCHES, smoothing(), SGD(model.parameters(), lr=0.0)
    )
    assert evaluate(model, BATCHES, smoothing()) == trained


def test_evaluation_uses_no_dropout() -> None:
    model = small_model(dropout=0.5).train()
    plain = small_model(dropout=0.0)
    loss = evaluate(model, BATCHES, smoothing())
    assert loss == evaluate(model, BATCHES, smoothing())
    assert loss == evaluate(plain, BATCHES, smoothing())


def test_evaluation_needs_no_gradients_and_leaves_none() -> None:
    model = Bigram()
    evaluate(model, BATCHES, smoothing())
    assert model.grad == [False] * 3
    assert model.table.grad is None
    assert torch.is_grad_enabled()


def test_evaluation_keeps_the_gradients_that_are_there() -> None:
    model = Bigram()
    model.table.grad = torch.full((V, V), 99.0).double()
    evaluate(model, BATCHES, smoothing())
    assert (gradient_of(model.table) == 99.0).all()


def test_evaluation_changes_no_parameter() -> None:
    model = small_model(dropout=0.5)
    evaluate(model, BATCHES, smoothing())
    for name, value in small_model().state_dict().items():
        assert_same(model.state_dict()[name], value)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_leaves_the_mode_as_it_was(training: bool) -> None:
    model = Bigram().train(training)
    evaluate(model, BATCHES, smoothing())
    assert model.modes == [False] * 3
    assert model.training is training


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_that_fails_leaves_the_mode_as_it_was(
    training: bool,
) -> None:
    model = Bigram().train(training)
    bad = (torch.tensor([[EOS]]), torch.tensor([[BOS]]))
    with pytest.raises(ValueError, match="at least 2 tokens"):
        evaluate(model, [BATCHES[0], bad], smoothing())
    assert model.training is training
    assert torch.is_grad_enabled()


def test_evaluation_leaves_frozen_parts_frozen() -> None:
    model = small_model(dropout=0.5).train()
    model.encoder.eval()
    evaluate(model, BATCHES, smoothing())
    assert model.decoder.layers[0].dropout.training
    assert not model.encoder.layers[0].dropout.training


def test_evaluation_takes_a_generator() -> None:
    model = Bigram()
    loss = evaluate(model, (batch for batch in BATCHES), smoothing())
    assert loss == evaluate(model, BATCHES, smoothing())


def test_the_evaluation_of_nothing_gives_zero() -> None:
    assert evaluate(Bigram(), [], smoothing()) == 0.0
    padding = torch.full((2, 3), PAD)
    assert evaluate(Bigram(), [(padding, padding)], smoothing()) == 0.0


@pytest.mark.parametrize(
    "learn_or_not",
    [
        lambda model, batches: train_epoch(
            model, batches, smoothing(), SGD(model.parameters())
        ),
        lambda model, batches: evaluate(model, batches, smoothing()),
    ],
    ids=["train_epoch", "evaluate"],
)
def test_nothing_is_made_on_another_device_than_that_of_the_batches(
    learn_or_not: Callable[[nn.Module, Batches], object],
) -> None:
    expected = learn_or_not(Bigram(), BATCHES)
    model = Bigram()
    # What is made without a device would be made on "meta", and not fit.
    with torch.device("meta"):
        assert learn_or_not(model, BATCHES) == expected
