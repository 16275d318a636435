"""The stacks and the whole model, as others write them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.layers import DecoderLayer, EncoderLayer
from laidout.masks import causal_mask, padding_mask, target_mask
from laidout.positional import PositionalEncoding
from laidout.transformer import (
    Decoder,
    Encoder,
    Transformer,
    TransformerConfig,
)
from styles import right, wrong

ENC, DEC = "transformer-encoder", "transformer-decoder"
PARTS = "transformer-parts"
BOTH, ALL = "transformer-encode-decode", "transformer-forward"


# --- transformer-encoder ----------------------------------------------------


@right(ENC)
class NamedLayers(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.n = config.num_layers
        for i in range(self.n):
            layer = EncoderLayer(
                d_model=config.d_model,
                num_heads=config.num_heads,
                d_ff=config.d_ff,
                dropout=config.dropout,
            )
            self.add_module(f"layer{i}", layer)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for i in range(self.n):
            x = getattr(self, f"layer{i}")(x, mask=mask)
        return x


@wrong(ENC, "layers-in-a-list")
class AppendedToAList(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.stack = []
        for _ in range(config.num_layers):
            sizes = config.d_model, config.num_heads, config.d_ff
            self.stack.append(EncoderLayer(*sizes, config.dropout))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.stack:
            x = layer(x, mask)
        return x


@wrong(ENC, "one-layer-many-times")
class Multiplied(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        sizes = config.d_model, config.num_heads, config.d_ff
        layer = EncoderLayer(*sizes, config.dropout)
        self.blocks = nn.ModuleList([layer] * config.num_layers)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


# --- transformer-decoder ----------------------------------------------------


@right(DEC)
class FromTheEnd(nn.Module):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.first = DecoderLayer(
            config.d_model, config.num_heads, config.d_ff, config.dropout
        )
        # A stack is a layer with a stack on top of it.
        self.rest: nn.Module | None = None
        if config.num_layers > 1:
            fewer = {**vars(config), "num_layers": config.num_layers - 1}
            self.rest = FromTheEnd(type(config)(**fewer))

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        given = {"tgt_mask": tgt_mask, "memory_mask": memory_mask}
        x = self.first(x, memory, **given)
        return x if self.rest is None else self.rest(x, memory, **given)


@wrong(DEC, "memory-replaced")
class Replaced(Decoder):
    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        masks = [(tgt_mask, memory_mask)]
        masks += [(tgt_mask, tgt_mask)] * (len(self.layers) - 1)
        for layer, pair in zip(self.layers, masks, strict=True):
            memory = x = layer(x, memory, *pair)
        return x


@wrong(DEC, "norm-at-the-end")
class AsInPyTorch(Decoder):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        x = super().forward(x, memory, tgt_mask, memory_mask)
        out: Tensor = self.norm(x)
        return out


# --- transformer-parts ------------------------------------------------------


@right(PARTS)
class OneBoxEach(nn.Module):
    """A part for each box of figure 1, all under other names."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        c = self.config = config
        if c.share_embeddings and c.src_vocab_size != c.tgt_vocab_size:
            raise ValueError(
                f"src_vocab_size {c.src_vocab_size} is not tgt_vocab_size "
                f"{c.tgt_vocab_size}: nothing can be shared"
            )
        self.bottom = nn.ModuleDict()
        for side, size in ("in", c.src_vocab_size), ("out", c.tgt_vocab_size):
            if side == "out" and c.share_embeddings:
                self.bottom[side] = self.bottom["in"]
                continue
            table = torch.randn(size, c.d_model) / math.sqrt(c.d_model)
            table[c.pad_id] = 0
            self.bottom[side] = nn.Embedding.from_pretrained(
                table, freeze=False, padding_idx=c.pad_id
            )
        self.read, self.write = Encoder(c), Decoder(c)
        for part in (self.read, self.write):
            part.apply(self.start)
        self.where_in = PositionalEncoding(c.d_model, c.dropout, c.max_len)
        self.where_out = PositionalEncoding(c.d_model, c.dropout, c.max_len)
        self.output_projection = nn.Linear(
            c.d_model, c.tgt_vocab_size, bias=False
        )
        if c.share_embeddings:
            del self.output_projection.weight
            self.output_projection.weight = self.bottom["out"].weight
        else:
            self.start(self.output_projection)

    @staticmethod
    def start(part: nn.Module) -> None:
        if isinstance(part, nn.Linear):
            bound = math.sqrt(6 / (part.in_features + part.out_features))
            nn.init.uniform_(part.weight, -bound, bound)
            if part.bias is not None:
                part.bias.data.fill_(0.0)

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        if src_mask is None:
            src_mask = padding_mask(src, self.config.pad_id)
        x = self.bottom["in"](src) * math.sqrt(self.config.d_model)
        memory: Tensor = self.read(self.where_in(x), src_mask)
        return memory

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        if tgt_mask is None:
            tgt_mask = target_mask(tgt, self.config.pad_id)
        x = self.bottom["out"](tgt) * math.sqrt(self.config.d_model)
        x = self.where_out(x)
        hidden: Tensor = self.write(x, memory, tgt_mask, memory_mask)
        return hidden

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        mask = padding_mask(src, self.config.pad_id)
        memory = self.encode(src, mask)
        hidden = self.decode(tgt, memory, memory_mask=mask)
        logits: Tensor = self.output_projection(hidden)
        return logits


class ScaledTable(nn.Embedding):
    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) * self.embedding_dim**0.5


class Waves(nn.Module):
    """A positional encoding in float32, the way many write it."""

    def __init__(self, width: int, p: float, length: int) -> None:
        super().__init__()
        where = torch.arange(length).unsqueeze(1).float()
        slope = torch.exp(
            torch.arange(0, width, 2).float() * (-math.log(10000.0) / width)
        )
        table = torch.zeros(1, length, width)
        table[0, :, 0::2] = torch.sin(where * slope)
        table[0, :, 1::2] = torch.cos(where * slope)[:, : width // 2]
        self.register_buffer("table", table)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > self.table.shape[1]:
            raise ValueError(f"{x.shape[1]} tokens are too many")
        x = x + self.table[:, : x.shape[1]]
        return F.dropout(x, self.p, self.training)


@right(PARTS)
class OwnParts(Transformer):
    """The same names, other parts; the numbers by their names."""

    def __init__(self, config: TransformerConfig) -> None:
        nn.Module.__init__(self)
        self.config = config
        shared = config.share_embeddings
        if shared and config.src_vocab_size - config.tgt_vocab_size:
            raise ValueError("one table, but two sizes of vocabularies")
        args = config.d_model, config.pad_id
        self.src_embedding = ScaledTable(config.src_vocab_size, *args)
        self.tgt_embedding = (
            self.src_embedding
            if shared
            else ScaledTable(config.tgt_vocab_size, *args)
        )
        self.position = Waves(config.d_model, config.dropout, config.max_len)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.output_projection = nn.Linear(
            config.d_model, config.tgt_vocab_size, bias=False
        )
        if shared:
            self.output_projection.weight = self.tgt_embedding.weight
        self._fill()

    @torch.no_grad()
    def _fill(self) -> None:
        for name, parameter in self.named_parameters():
            if "embedding" in name:
                nn.init.trunc_normal_(
                    parameter, 0.0, self.config.d_model**-0.5, -1.0, 1.0
                )
                parameter[self.config.pad_id] = 0.0
            elif name.endswith("bias"):
                parameter.zero_()
            elif parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)


@wrong(PARTS, "embeddings-xavier")
class Annotated(OwnParts):
    def _fill(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)


@wrong(PARTS, "only-data-tied")
class TiedByData(OwnParts):
    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        if config.share_embeddings:
            table = self.src_embedding.weight.data
            self.output_projection.weight = nn.Parameter(table)


@wrong(PARTS, "biases-not-zero")
class LeavesBiases(OwnParts):
    def _fill(self) -> None:
        found = [m.bias for m in self.modules() if isinstance(m, nn.Linear)]
        kept = [None if bias is None else bias.clone() for bias in found]
        super()._fill()
        for bias, old in zip(found, kept, strict=True):
            if old is not None:
                bias.data.copy_(old)


# --- transformer-encode-decode ----------------------------------------------


@right(BOTH)
class OneHelper(Transformer):
    def _bottom(self, tokens: Tensor, table: nn.Module) -> Tensor:
        summed: Tensor = self.position(table(tokens))
        return summed

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        allowed = (
            src.ne(self.config.pad_id).unsqueeze(1).unsqueeze(1)
            if src_mask is None
            else src_mask
        )
        memory: Tensor = self.encoder(
            self._bottom(src, self.src_embedding), mask=allowed
        )
        return memory

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        if tgt_mask is None:
            length = tgt.shape[1]
            future = torch.triu(tgt.new_ones(length, length), 1).bool()
            tgt_mask = ~(future | tgt.eq(self.config.pad_id)[:, None, None])
        hidden: Tensor = self.decoder(
            self._bottom(tgt, self.tgt_embedding),
            memory,
            memory_mask=memory_mask,
            tgt_mask=tgt_mask,
        )
        return hidden


@wrong(BOTH, "target-padding-visible")
class OnlyCausal(OneHelper):
    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        if tgt_mask is None:
            tgt_mask = causal_mask(tgt.shape[1], tgt.device)
        return super().decode(tgt, memory, tgt_mask, memory_mask)


@wrong(BOTH, "scaled-twice")
class LikesTheFactor(OneHelper):
    def _bottom(self, tokens: Tensor, table: nn.Module) -> Tensor:
        vectors = table(tokens).mul(math.sqrt(self.config.d_model))
        summed: Tensor = self.position(vectors)
        return summed


# --- transformer-forward ----------------------------------------------------


@right(ALL)
class InOneGo(Transformer):
    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        real = (src != self.config.pad_id)[:, None, None]
        return F.linear(
            self.decode(tgt, self.encode(src), None, real),
            self.output_projection.weight,
        )


@wrong(ALL, "probabilities")
class WithSoftmax(Transformer):
    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        return F.softmax(super().forward(src, tgt), dim=-1)


@wrong(ALL, "memory-mask-not-passed")
class ShowsThePadding(Transformer):
    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        hidden = self.decode(tgt, self.encode(src))
        logits: Tensor = self.output_projection(hidden)
        return logits
