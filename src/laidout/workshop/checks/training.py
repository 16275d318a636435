"""Probes of the exercises in `laidout.training`."""

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from laidout.loss import LabelSmoothing
from laidout.workshop.probes import Observed, probe
from laidout.workshop.tensors import make

EPOCH = "training-epoch"
EVALUATE = "training-evaluate"

LOOSE = 1e-6
"""A mean that was added up in float32 is exact enough."""

V = 11
SCALE = 9.0
"""What makes the gradients of the toy model long."""
BOS, EOS = 1, 2
Batch = tuple[Tensor, Tensor]
Plain = list[tuple[list[list[int]], list[list[int]]]]

EVEN: Plain = [
    ([[5, 7, 2], [6, 3, 2]], [[BOS, 4, 8, EOS], [BOS, 9, 5, EOS]]),
    ([[8, 2]], [[BOS, 7, 3, 10, 6, EOS]]),
    ([[4, 9, 2], [3, 5, 2], [7, 7, 2]], [[BOS, EOS], [BOS, 6], [BOS, 3]]),
]
"""Three batches without padding, with 6, 5 and 3 tokens to say."""

PADDED: Plain = [
    ([[5, 7, 2], [6, 2, 0]], [[BOS, 4, 8, EOS], [BOS, EOS, 0, 0]]),
    ([[8, 2]], [[BOS, 7, 3, 10, 6, EOS]]),
    ([[4, 2, 0], [3, 5, 2]], [[BOS, 5, EOS, 0], [BOS, EOS, 0, 0]]),
]
"""Three batches with 4, 5 and 3 tokens to say; 0 is the padding."""

OTHER_PAD: Plain = [
    ([[5, 7, 2]], [[BOS, 0, 8, EOS, 4, 4]]),
    ([[8, 2]], [[BOS, 0, 0, EOS]]),
]
"""Two batches with 3 tokens to say each; 4 is the padding, 0 a word."""

FIRST = f"src {EVEN[0][0]}, tgt {EVEN[0][1]}"
LABELS = f"tgt {OTHER_PAD[0][1]}, then {OTHER_PAD[1][1]}"
"""Batches as the reader sees them."""

NOTHING: Plain = [([[5, 2]], [[0, 0, 0]])]
"""A batch of nothing but padding."""


def _batches(plain: Plain) -> list[Batch]:
    """Make tensors of batches."""
    return [(torch.tensor(src), torch.tensor(tgt)) for src, tgt in plain]


class _Mark:
    """Something that lives as long as the graph that holds it."""


class _Marked(torch.autograd.Function):
    """Change nothing, but let the graph hold a mark."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, mark: _Mark) -> Tensor:
        """Keep the mark."""
        ctx.mark = mark
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Pass the gradient on."""
        return gradients[0], None


class _Toy(nn.Module):
    """A small model that writes down how it is called.

    The logits of a position depend on the token that is read there, and a
    little on the source. There is no dropout: its mode is written down. Its
    two parts do nothing but have modes of their own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(make("table", V, V) / 3.0)
        self.sources = nn.Parameter(make("sources", V, V) / 9.0)
        self.parts = nn.ModuleList([nn.Identity(), nn.Identity()])
        self.read: list[tuple[list[Any], list[Any]]] = []
        self.modes: list[bool] = []
        self.graphs: list[int] = []
        self.watches_gradients: list[bool] = []
        self._marks: weakref.WeakSet[_Mark] = weakref.WeakSet()

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return logits (B, T, V)."""
        self.read.append((src.tolist(), tgt.tolist()))
        self.modes.append(self.training)
        self.graphs.append(len(self._marks))
        self.watches_gradients.append(torch.is_grad_enabled())
        mark = _Mark()
        self._marks.add(mark)
        hint = self.sources[src].mean(1, keepdim=True)
        logits: Tensor = _Marked.apply(  # type: ignore[no-untyped-call]
            SCALE * (self.table[tgt] + hint), mark
        )
        return logits


class _Watched(Optimizer):
    """Gradient descent that writes down the rate and gradients of each step.

    It does without the set-up of `Optimizer`, for that loads the whole of
    PyTorch's compiler, which takes seconds.
    """

    def __init__(self, model: _Toy, lr: float) -> None:
        self.parameters = list(model.parameters())
        self.param_groups = [{"params": self.parameters, "lr": lr}]
        self.rates: list[float] = []
        self.gradients: list[Tensor | None] = []

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        rate = float(self.param_groups[0]["lr"])
        self.rates.append(rate)
        gradient = self.parameters[0].grad
        self.gradients.append(None if gradient is None else gradient.clone())
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.sub_(rate * parameter.grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zero."""
        for parameter in self.parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()


class _Scheduler:
    """A schedule that writes down which steps it is told of."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.steps: list[int] = []

    def step(self, step_num: int) -> float:
        """Set a rate that tells the step: 0.06 for step 6."""
        self.steps.append(step_num)
        for group in self.optimizer.param_groups:
            group["lr"] = step_num / 100
        return step_num / 100


def _loss_fn(pad_id: int = 0) -> LabelSmoothing:
    return LabelSmoothing(V, pad_id, 0.1)


def _kind(value: Any) -> str:
    """Say what kind of number something is."""
    if isinstance(value, Tensor):
        graph = ", with its graph" if value.requires_grad else ""
        return f"a tensor{graph}"
    if isinstance(value, int | float):
        return "a plain number"
    if isinstance(value, tuple | list):
        return " and ".join(map(_kind, value))
    return "None" if value is None else f"of type {type(value).__name__}"


def _first_reading(model: _Toy, function: Callable[[], Any]) -> Observed:
    """Call a function; return what the model was given first.

    An error that comes later is for a later probe.
    """
    try:
        function()
    except Exception as error:
        if isinstance(error, NotImplementedError) or not model.read:
            raise
    source, read = model.read[0] if model.read else ([], [])
    return {"the source it gets": source, "the target it gets": read}


def _spared(graphs: Sequence[int]) -> int:
    """Return how many graphs are kept beyond that of the last batch."""
    return max((count - 1 for count in graphs if count), default=0)


# --- training-epoch ---------------------------------------------------------

TRAIN = "train_epoch(model, batches, loss_fn, optimizer)"
SCHEDULED = "train_epoch(model, batches, loss_fn, optimizer, scheduler, 5)"


class _Epoch:
    """One epoch of the toy model, and all that was seen of it."""

    def __init__(
        self,
        train: Any,
        plain: Plain,
        lr: float = 0.0,
        step_num: int = 0,
        scheduled: bool = False,
        pad_id: int = 0,
    ) -> None:
        self.model = _Toy()
        self.optimizer = _Watched(self.model, lr)
        self.scheduler = _Scheduler(self.optimizer) if scheduled else None
        self.result = train(
            self.model,
            _batches(plain),
            _loss_fn(pad_id),
            self.optimizer,
            self.scheduler,
            step_num,
        )

    @property
    def mean(self) -> float:
        """The loss that was returned."""
        return float(self.result[0])


@probe(EPOCH, "shape", f"{TRAIN}, {FIRST}; what the model gets")
def _what_the_model_reads(train: Any) -> Observed:
    """The model gets the source, and the target without its last token."""
    model, batches = _Toy(), _batches(EVEN[:1])
    optimizer = _Watched(model, 0.0)
    return _first_reading(
        model, lambda: train(model, batches, _loss_fn(), optimizer)
    )


@probe(EPOCH, "shape", f"{TRAIN}, one batch")
def _a_pair_of_numbers(train: Any) -> Observed:
    """Two plain numbers come back: the mean loss and the last step."""
    return {"what comes back": _kind(_Epoch(train, EVEN[:1]).result)}


@probe(EPOCH, "values", f"{TRAIN}, one batch, learning rate 0", LOOSE)
def _loss_of_one_batch(train: Any) -> Observed:
    """The mean loss of one batch is what loss_fn gives for it."""
    return {"the mean loss": _Epoch(train, EVEN[:1]).mean}


@probe(EPOCH, "values", f"{TRAIN}, 6 tokens, then 5, then 3, rate 0", LOOSE)
def _mean_over_tokens(train: Any) -> Observed:
    """The loss is the mean over all tokens, wherever batches are cut."""
    return {"the mean loss": _Epoch(train, EVEN).mean}


@probe(EPOCH, "values", f"{TRAIN}, one batch; gradients at optimizer.step")
def _first_gradient(train: Any) -> Observed:
    """At the optimizer's step the gradients of the batch are there."""
    return {
        "the list of gradients": _Epoch(train, EVEN[:1]).optimizer.gradients
    }


@probe(EPOCH, "values", f"{TRAIN}, three batches; gradients at each step")
def _own_gradients(train: Any) -> Observed:
    """Each step has the gradients of its own batch, and no others."""
    return {"the list of gradients": _Epoch(train, EVEN).optimizer.gradients}


@probe(EPOCH, "values", f"{TRAIN}, three batches, learning rate 0.1", LOOSE)
def _learned(train: Any) -> Observed:
    """There is one update for each batch."""
    epoch = _Epoch(train, EVEN, lr=0.1)
    return {
        "the mean loss": epoch.mean,
        "a parameter afterwards": epoch.model.table,
    }


@probe(EPOCH, "values", f"{TRAIN}, three batches, step_num=5")
def _steps_without_a_schedule(train: Any) -> Observed:
    """Steps are counted on from step_num, without a scheduler too."""
    epoch = _Epoch(train, EVEN, step_num=5)
    return {"the last step": epoch.result[1]}


@probe(EPOCH, "values", f"{SCHEDULED}, three batches; the scheduler's steps")
def _steps_of_the_schedule(train: Any) -> Observed:
    """The scheduler is told each step once: here 6, 7 and 8."""
    epoch = _Epoch(train, EVEN, step_num=5, scheduled=True)
    assert epoch.scheduler is not None
    return {
        "the list of steps": epoch.scheduler.steps,
        "the last step": epoch.result[1],
    }


@probe(EPOCH, "values", f"{SCHEDULED}, three batches; rates of the updates")
def _rates_of_the_updates(train: Any) -> Observed:
    """Each update uses the rate of its own step."""
    epoch = _Epoch(train, EVEN, lr=0.5, step_num=5, scheduled=True)
    return {"the list of rates": epoch.optimizer.rates}


@probe(
    EPOCH, "mask", f"{TRAIN}, 4, 5 and 3 tokens among padding, rate 0", LOOSE
)
def _padding_weighs_nothing(train: Any) -> Observed:
    """Padding is no token: it does not count in the mean."""
    return {"the mean loss": _Epoch(train, PADDED).mean}


@probe(EPOCH, "mask", f"{TRAIN}, loss_fn.pad_id = 4, {LABELS}, rate 0", LOOSE)
def _padding_of_the_loss(train: Any) -> Observed:
    """What is padding is for the loss to say: here 4, and 0 is a word."""
    return {"the mean loss": _Epoch(train, OTHER_PAD, pad_id=4).mean}


@probe(EPOCH, "empty", f"{TRAIN}, batches = [], step_num=5", LOOSE)
def _no_batches(train: Any) -> Observed:
    """An empty epoch has loss 0 and takes no step."""
    mean, step = _Epoch(train, [], step_num=5).result
    return {"the mean loss": float(mean), "the last step": step}


@probe(EPOCH, "empty", f"{TRAIN}, tgt [[0, 0, 0]], all padding", LOOSE)
def _nothing_but_padding(train: Any) -> Observed:
    """An epoch without real tokens has loss 0, not 0 / 0."""
    return {"the mean loss": _Epoch(train, NOTHING).mean}


@probe(EPOCH, "gradients", f"{TRAIN}, six batches; graphs in memory")
def _graphs_go(train: Any) -> Observed:
    """The graph of a batch is gone when the next but one comes."""
    model = _Epoch(train, [*EVEN, *EVEN]).model
    return {"the number of graphs kept": _spared(model.graphs)}


@probe(EPOCH, "modes", f"{TRAIN}, with a model in evaluation mode")
def _training_mode(train: Any) -> Observed:
    """The model is in training mode, whatever it was in before."""
    model = _Toy().eval()
    optimizer = _Watched(model, 0.0)
    train(model, _batches(EVEN), _loss_fn(), optimizer)
    return {"model.training at each batch": model.modes}


@probe(EPOCH, "modes", f"{TRAIN}, batches from a generator", LOOSE)
def _from_a_generator(train: Any) -> Observed:
    """Batches may come one by one: nobody knows how many there will be."""
    model = _Toy()
    batches = (batch for batch in _batches(EVEN))
    mean, step = train(model, batches, _loss_fn(), _Watched(model, 0.0))
    return {"the mean loss": float(mean), "the last step": step}


@probe(EPOCH, "modes", f"{TRAIN}, then look at the batches")
def _batches_stay(train: Any) -> Observed:
    """The batches are left as they were."""
    model, batches = _Toy(), _batches(PADDED)
    train(model, batches, _loss_fn(), _Watched(model, 0.0))
    return {"batches": batches}


# --- training-evaluate ------------------------------------------------------

EVALUATED = "evaluate(model, batches, loss_fn)"


def _evaluated(
    evaluate: Any, batches: Iterable[Batch], pad_id: int = 0
) -> float:
    """Evaluate the toy model."""
    return float(evaluate(_Toy(), batches, _loss_fn(pad_id)))


@probe(EVALUATE, "shape", f"{EVALUATED}, {FIRST}; what the model gets")
def _what_it_reads(evaluate: Any) -> Observed:
    """The model gets the source, and the target without its last token."""
    model = _Toy()
    batches = _batches(EVEN[:1])
    return _first_reading(model, lambda: evaluate(model, batches, _loss_fn()))


@probe(EVALUATE, "shape", f"{EVALUATED}, one batch")
def _a_plain_number(evaluate: Any) -> Observed:
    """A plain number comes back."""
    result = evaluate(_Toy(), _batches(EVEN[:1]), _loss_fn())
    return {"what comes back": _kind(result)}


@probe(EVALUATE, "values", f"{EVALUATED}, one batch", LOOSE)
def _one_batch(evaluate: Any) -> Observed:
    """The mean loss of one batch is what loss_fn gives for it."""
    return {"the mean loss": _evaluated(evaluate, _batches(EVEN[:1]))}


@probe(EVALUATE, "values", f"{EVALUATED}, 6 tokens, then 5, then 3", LOOSE)
def _several_batches(evaluate: Any) -> Observed:
    """The loss is the mean over all tokens, wherever batches are cut."""
    return {"the mean loss": _evaluated(evaluate, _batches(EVEN))}


@probe(
    EVALUATE, "mask", f"{EVALUATED}, 4, 5 and 3 tokens among padding", LOOSE
)
def _without_padding(evaluate: Any) -> Observed:
    """Padding is no token: it does not count in the mean."""
    return {"the mean loss": _evaluated(evaluate, _batches(PADDED))}


@probe(EVALUATE, "mask", f"{EVALUATED}, loss_fn.pad_id = 4, {LABELS}", LOOSE)
def _another_padding(evaluate: Any) -> Observed:
    """What is padding is for the loss to say: here 4, and 0 is a word."""
    return {"the mean loss": _evaluated(evaluate, _batches(OTHER_PAD), 4)}


@probe(EVALUATE, "empty", f"{EVALUATED}, batches = []", LOOSE)
def _of_nothing(evaluate: Any) -> Observed:
    """Without batches the loss is 0."""
    return {"the mean loss": _evaluated(evaluate, [])}


@probe(EVALUATE, "empty", f"{EVALUATED}, tgt [[0, 0, 0]], all padding", LOOSE)
def _of_padding(evaluate: Any) -> Observed:
    """Without real tokens the loss is 0, not 0 / 0."""
    return {"the mean loss": _evaluated(evaluate, _batches(NOTHING))}


@probe(EVALUATE, "gradients", f"{EVALUATED}, three batches")
def _no_gradients(evaluate: Any) -> Observed:
    """No graph is built, and no gradient is left behind."""
    model = _Toy()
    evaluate(model, _batches(EVEN), _loss_fn())
    return {
        "torch.is_grad_enabled() at each batch": model.watches_gradients,
        "a parameter's gradient": model.table.grad,
    }


@probe(EVALUATE, "parameters", f"{EVALUATED}, then look at the parameters")
def _nothing_learned(evaluate: Any) -> Observed:
    """Nothing is learned, and a gradient that was there stays."""
    model = _Toy()
    model.table.grad = torch.ones_like(model.table)
    evaluate(model, _batches(EVEN), _loss_fn())
    return {
        "a parameter afterwards": model.table,
        "its gradient": model.table.grad,
    }


@probe(EVALUATE, "modes", f"{EVALUATED}, with a model in training mode")
def _evaluation_mode(evaluate: Any) -> Observed:
    """Dropout is off: the model is in evaluation mode."""
    model = _Toy().train()
    evaluate(model, _batches(EVEN), _loss_fn())
    return {"model.training at each batch": model.modes}


@probe(EVALUATE, "modes", f"{EVALUATED}, with a model in evaluation mode")
def _mode_afterwards(evaluate: Any) -> Observed:
    """A model that was in evaluation mode is so afterwards."""
    model = _Toy().eval()
    evaluate(model, _batches(EVEN), _loss_fn())
    return {"model.training afterwards": model.training}


@probe(EVALUATE, "modes", f"{EVALUATED}, then look at the mode")
def _training_mode_afterwards(evaluate: Any) -> Observed:
    """A model that was in training mode is so afterwards."""
    model = _Toy().train()
    evaluate(model, _batches(EVEN), _loss_fn())
    return {"model.training afterwards": model.training}


@probe(EVALUATE, "modes", f"{EVALUATED}, one of two parts in training mode")
def _modes_of_the_parts(evaluate: Any) -> Observed:
    """Each part of the model gets back the mode that it had before."""
    model = _Toy().train()
    model.parts[1].eval()
    evaluate(model, _batches(EVEN), _loss_fn())
    return {"the modes of two parts": [part.training for part in model.parts]}


@probe(EVALUATE, "modes", f"{EVALUATED}, batches from a generator", LOOSE)
def _from_another_generator(evaluate: Any) -> Observed:
    """Batches may come one by one: nobody knows how many there will be."""
    batches = (batch for batch in _batches(EVEN))
    return {"the mean loss": _evaluated(evaluate, batches)}


@probe(EVALUATE, "modes", f"{EVALUATED}, then look at the batches")
def _batches_stay_here_too(evaluate: Any) -> Observed:
    """The batches are left as they were."""
    batches = _batches(PADDED)
    _evaluated(evaluate, batches)
    return {"batches": batches}
