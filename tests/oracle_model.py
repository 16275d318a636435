"""What the tests of the whole model compare with, beside `oracle`.

Nothing here imports `laidout` either: modules of the package come in as
arguments and are known by the names of their parameters alone.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from oracle import D_K, D_MODEL, HEADS, assert_close, loop_attention, make
from torch import Tensor, nn

D_FF, LAYERS, VOCABULARY, PAD = 17, 2, 29, 2

SRC = torch.tensor(
    [
        [5, 0, 7, 11, 2, 2, 2],
        [6, 3, 0, 8, 1, 4, 22],
        [9, 2, 2, 2, 2, 2, 2],
    ]
)
"""Source sentences of four words, seven and one; the 0 is a word."""

TGT = torch.tensor(
    [
        [1, 8, 3, 2, 2],
        [1, 2, 2, 2, 2],
        [1, 0, 28, 7, 19],
    ]
)
"""Target sentences; short and long ones meet other lengths in the source."""

Numbers = Mapping[str, Tensor]
"""The weights, or the gradients, of a module by the names of its state."""

Pattern = Tensor | float
"""What dropout multiplies by."""


@contextmanager
def in_float64() -> Iterator[None]:
    """Make float64 the default dtype: tables of numbers come out in it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def exact(numbers: Sequence[object]) -> Tensor:
    """Make a float64 tensor; `tensor(...).double()` would round first."""
    return torch.tensor(numbers, dtype=torch.float64)


def fill(module: nn.Module, seed: int = 0) -> None:
    """Put our own numbers into all parameters; none is zero or one.

    Matrices keep the size of what they multiply, gains are near one.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            numbers = make(f"{name} {seed}", *parameter.shape)
            if parameter.dim() == 2:
                numbers /= math.sqrt(parameter.size(1))
            elif name.endswith("gain"):
                numbers = 1.0 + numbers / 3
            else:
                numbers /= 3
            parameter.copy_(numbers)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Give the weights of a module by name."""
    return {k: v.detach() for k, v in module.state_dict().items()}


def gradients_of(module: nn.Module) -> dict[str, Tensor]:
    """Give the gradients of a module's parameters, all of which have one."""
    gradients = {}
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        gradients[name] = parameter.grad
    return gradients


def under(numbers: Numbers, prefix: str) -> dict[str, Tensor]:
    """Keep what belongs to one part of a module, named from there on."""
    return {
        name.removeprefix(f"{prefix}."): number
        for name, number in numbers.items()
        if name.startswith(f"{prefix}.")
    }


# --- torch.nn ---------------------------------------------------------------

NAMES_OF_TORCH = [
    (r"\bself_attention\b", "self_attn"),
    (r"\bcross_attention\b", "multihead_attn"),
    (r"\bw_o\b", "out_proj"),
    (r"\bfeed_forward\.w_(\d)\b", r"linear\1"),
    (r"\bnorm_(\d)\.gain\b", r"norm\1.weight"),
    (r"\bnorm_(\d)\.bias\b", r"norm\1.bias"),
]


def in_torchs_words(numbers: Numbers) -> dict[str, Tensor]:
    """Rename weights or gradients as torch.nn does, and pack q, k and v."""
    renamed = {}
    for name, number in numbers.items():
        if re.search(r"\.w_[kv]\.", name):
            continue
        if ".w_q." in name:
            parts = [name.replace(".w_q.", f".w_{x}.") for x in "qkv"]
            number = torch.cat([numbers[part] for part in parts])
            name = name.replace(".w_q.", ".in_proj_")
        for ours, theirs in NAMES_OF_TORCH:
            name = re.sub(ours, theirs, name)
        renamed[name] = number
    return renamed


def copy_weights(module: nn.Module, twin: nn.Module) -> None:
    """Copy the weights of one of our modules into its twin, all of them."""
    twin.load_state_dict(in_torchs_words(weights_of(module)), strict=True)


def assert_gradients_match(
    module: nn.Module, twin: nn.Module, tolerance: float = 1e-10
) -> None:
    """The parameters of both modules have the same gradients, none zero."""
    ours = in_torchs_words(gradients_of(module))
    theirs = gradients_of(twin)
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert gradient.abs().max() > 1e-4, name
        assert_close(gradient, theirs[name], tolerance)


def encoder_layer_of_torch() -> nn.TransformerEncoderLayer:
    """Make torch's encoder layer: post-norm, ReLU, no dropout."""
    return nn.TransformerEncoderLayer(
        D_MODEL,
        HEADS,
        D_FF,
        dropout=0.0,
        batch_first=True,
        norm_first=False,
        layer_norm_eps=1e-5,
        dtype=torch.float64,
    )


def decoder_layer_of_torch() -> nn.TransformerDecoderLayer:
    """Make torch's decoder layer: post-norm, ReLU, no dropout."""
    return nn.TransformerDecoderLayer(
        D_MODEL,
        HEADS,
        D_FF,
        dropout=0.0,
        batch_first=True,
        norm_first=False,
        layer_norm_eps=1e-5,
        dtype=torch.float64,
    )


def transformer_of_torch() -> nn.Transformer:
    """Make torch's two stacks, without its final norms."""
    encoder = nn.TransformerEncoder(
        encoder_layer_of_torch(),
        LAYERS,
        norm=None,
        enable_nested_tensor=False,
    )
    decoder = nn.TransformerDecoder(
        decoder_layer_of_torch(), LAYERS, norm=None
    )
    return nn.Transformer(
        D_MODEL,
        HEADS,
        custom_encoder=encoder,
        custom_decoder=decoder,
        batch_first=True,
    )


def masks_of_torch(src: Tensor, tgt: Tensor) -> dict[str, Tensor]:
    """Say which tokens are hidden in torch's words: True = hidden."""
    size = tgt.size(1)
    return {
        "tgt_mask": torch.ones(size, size, dtype=torch.bool).triu(1),
        "src_key_padding_mask": src == PAD,
        "tgt_key_padding_mask": tgt == PAD,
        "memory_key_padding_mask": src == PAD,
    }


# --- slow loops -------------------------------------------------------------


def loop_encoding(length: int, d_model: int) -> Tensor:
    """The formula of section 3.5, number by number."""
    rows = []
    for position in range(length):
        row = []
        for column in range(d_model):
            i = column // 2
            angle = position / math.pow(10000.0, 2 * i / d_model)
            even = column % 2 == 0
            row.append(math.sin(angle) if even else math.cos(angle))
        rows.append(row)
    return exact(rows)


def loop_norm(
    x: Tensor, gain: Tensor, bias: Tensor, eps: float = 1e-5
) -> Tensor:
    """Layer normalisation of the last axis, vector by vector."""
    rows = []
    for vector in x.flatten(0, -2).tolist():
        size = len(vector)
        mean = math.fsum(vector) / size
        variance = math.fsum((v - mean) ** 2 for v in vector) / size
        root = math.sqrt(variance + eps)
        rows.append(
            [
                g * (v - mean) / root + b
                for v, g, b in zip(
                    vector, gain.tolist(), bias.tolist(), strict=True
                )
            ]
        )
    return exact(rows).view(x.shape)


def loop_layer(matrix: Tensor, bias: Tensor, vector: list[float]) -> Tensor:
    """One linear layer, number by number: matrix is (out, in)."""
    numbers = [
        math.fsum(w * v for w, v in zip(row, vector, strict=True)) + b
        for row, b in zip(matrix.tolist(), bias.tolist(), strict=True)
    ]
    return exact(numbers)


def loop_feed_forward(weights: Numbers, x: Tensor) -> Tensor:
    """Equation (2), position by position and feature by feature."""
    rows = []
    for vector in x.flatten(0, -2).tolist():
        wide = loop_layer(
            weights["w_1.weight"], weights["w_1.bias"], vector
        ).tolist()
        bent = [h if h > 0 else 0.0 for h in wide]
        rows.append(
            loop_layer(weights["w_2.weight"], weights["w_2.bias"], bent)
        )
    return torch.stack(rows).view(x.shape)


def loop_heads(
    weights: Numbers, x: Tensor, memory: Tensor, mask: Tensor | None
) -> Tensor:
    """Multi-head attention of 3.2.2: one head after another, then W^O."""
    heads = []
    for h in range(HEADS):
        rows = slice(h * D_K, (h + 1) * D_K)
        q, k, v = (
            from_ @ weights[f"w_{name}.weight"][rows].T
            + weights[f"w_{name}.bias"][rows]
            for name, from_ in zip("qkv", (x, memory, memory), strict=True)
        )
        of_head = mask
        if mask is not None and mask.dim() == 4:
            of_head = mask[:, min(h, mask.size(1) - 1)]
        heads.append(loop_attention(q, k, v, of_head)[0])
    return (
        torch.cat(heads, dim=-1) @ weights["w_o.weight"].T
        + weights["w_o.bias"]
    )


def loop_encoder_layer(
    weights: Numbers,
    x: Tensor,
    mask: Tensor | None = None,
    dropped: Sequence[Pattern] = (1.0, 1.0),
) -> Tensor:
    """Section 3.1: LayerNorm(x + dropped * Sublayer(x)), twice."""
    result = loop_heads(under(weights, "self_attention"), x, x, mask)
    x = loop_norm(x + dropped[0] * result, **under(weights, "norm_1"))
    result = loop_feed_forward(under(weights, "feed_forward"), x)
    return loop_norm(x + dropped[1] * result, **under(weights, "norm_2"))


def loop_decoder_layer(
    weights: Numbers,
    x: Tensor,
    memory: Tensor,
    tgt_mask: Tensor | None = None,
    memory_mask: Tensor | None = None,
    dropped: Sequence[Pattern] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Section 3.1: LayerNorm(x + dropped * Sublayer(x)), three times."""
    result = loop_heads(under(weights, "self_attention"), x, x, tgt_mask)
    x = loop_norm(x + dropped[0] * result, **under(weights, "norm_1"))
    result = loop_heads(
        under(weights, "cross_attention"), x, memory, memory_mask
    )
    x = loop_norm(x + dropped[1] * result, **under(weights, "norm_2"))
    result = loop_feed_forward(under(weights, "feed_forward"), x)
    return loop_norm(x + dropped[2] * result, **under(weights, "norm_3"))


def loop_input(table: Tensor, tokens: Tensor) -> Tensor:
    """Rows of the table times sqrt(D), plus the encoding of 3.5."""
    size = table.size(1)
    rows = torch.stack([table[t] for t in tokens.flatten().tolist()])
    scaled = rows.view(*tokens.shape, size) * math.sqrt(size)
    return scaled + loop_encoding(tokens.size(1), size)


def loop_transformer(weights: Numbers, src: Tensor, tgt: Tensor) -> Tensor:
    """Figure 1 from bottom to top, with masks written out by hand."""
    real = torch.tensor([[token != PAD for token in s] for s in src.tolist()])
    before = torch.tensor(
        [
            [
                [k <= q and sentence[k] != PAD for k in range(len(sentence))]
                for q in range(len(sentence))
            ]
            for sentence in tgt.tolist()
        ]
    )
    memory = loop_input(weights["src_embedding.embedding.weight"], src)
    for i in range(LAYERS):
        memory = loop_encoder_layer(
            under(weights, f"encoder.layers.{i}"), memory, real[:, None, :]
        )
    x = loop_input(weights["tgt_embedding.embedding.weight"], tgt)
    for i in range(LAYERS):
        x = loop_decoder_layer(
            under(weights, f"decoder.layers.{i}"),
            x,
            memory,
            before,
            real[:, None, :],
        )
    return x @ weights["output_projection.weight"].T


# --- dropout ----------------------------------------------------------------


def rates_of_dropout(module: nn.Module) -> dict[str, float]:
    """Name the dropouts of a module that drop anything, with their rates."""
    return {
        name: part.p
        for name, part in module.named_modules()
        if isinstance(part, nn.Dropout) and part.p > 0
    }


def replace_dropout(
    dropout: nn.Module, patterns: Sequence[Pattern]
) -> list[Tensor]:
    """Let dropout multiply by the patterns, one for each call in turn.

    What it received is returned; the list fills while the module runs.
    """
    received: list[Tensor] = []

    def multiply(_: nn.Module, args: tuple[Tensor], __: Tensor) -> Tensor:
        received.append(args[0].detach().clone())
        return args[0] * patterns[len(received) - 1]

    dropout.register_forward_hook(multiply)
    return received
