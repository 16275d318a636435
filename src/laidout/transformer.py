"""The whole Transformer: section 3 of the paper."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from laidout.embedding import TokenEmbedding
from laidout.layers import DecoderLayer, EncoderLayer
from laidout.masks import padding_mask, target_mask
from laidout.positional import PositionalEncoding

__all__ = ["Decoder", "Encoder", "Transformer", "TransformerConfig"]


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes of a Transformer; the defaults are the paper's base model.

    Raises:
        ValueError: if a size is not positive, the dropout is no probability
            or pad_id is not a token of both vocabularies.

    Paper: table 3.
    """

    src_vocab_size: int
    tgt_vocab_size: int
    d_model: int = 512
    num_heads: int = 8
    num_layers: int = 6
    d_ff: int = 2048
    dropout: float = 0.1
    max_len: int = 5000
    pad_id: int = 0
    share_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in (
            *("src_vocab_size", "tgt_vocab_size", "d_model", "num_heads"),
            *("num_layers", "d_ff", "max_len"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} ({getattr(self, name)}) must be positive"
                )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout ({self.dropout}) must be in [0, 1)")
        smaller = min(self.src_vocab_size, self.tgt_vocab_size)
        if not 0 <= self.pad_id < smaller:
            raise ValueError(
                f"pad_id ({self.pad_id}) must be a token, below {smaller}"
            )

    @classmethod
    def base(
        cls, src_vocab_size: int = 37_000, tgt_vocab_size: int = 37_000
    ) -> Self:
        """Return the paper's base model, 63 million parameters."""
        return cls(src_vocab_size, tgt_vocab_size)

    @classmethod
    def big(
        cls, src_vocab_size: int = 37_000, tgt_vocab_size: int = 37_000
    ) -> Self:
        """Return the paper's big model, 214 million parameters."""
        return cls(
            src_vocab_size,
            tgt_vocab_size,
            d_model=1024,
            num_heads=16,
            d_ff=4096,
            dropout=0.3,
        )

    @classmethod
    def tiny(cls, src_vocab_size: int, tgt_vocab_size: int) -> Self:
        """Return the phrase model, which a laptop trains in a minute."""
        return cls(
            src_vocab_size,
            tgt_vocab_size,
            d_model=64,
            num_heads=4,
            num_layers=2,
            d_ff=256,
        )


class Encoder(nn.Module):
    """A stack of encoder layers, each with weights of its own.

    Shapes: x (B, S, D), mask broadcasts to (B, H, S, S) -> (B, S, D).

    Paper: section 3.1, "Encoder".
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        # 1. As many layers as the config says, all different objects.
        self.layers = nn.ModuleList(
            EncoderLayer(
                config.d_model, config.num_heads, config.d_ff, config.dropout
            )
            for _ in range(config.num_layers)
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the memory: what the decoder will look at, (B, S, D)."""
        # 1. Each layer works on what the one below returns, under the same
        #    mask: (B, S, D) -> (B, S, D), num_layers times.
        for layer in self.layers:
            x = layer(x, mask)
        return x


class Decoder(nn.Module):
    """A stack of decoder layers, all looking at the same memory.

    Shapes: x (B, T, D), memory (B, S, D), tgt_mask broadcasts to
    (B, H, T, T), memory_mask to (B, H, T, S) -> (B, T, D).

    Paper: section 3.1, "Decoder".
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        # 1. As many layers as the config says, all different objects.
        self.layers = nn.ModuleList(
            DecoderLayer(
                config.d_model, config.num_heads, config.d_ff, config.dropout
            )
            for _ in range(config.num_layers)
        )

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states, one for each position, (B, T, D)."""
        # 1. Each layer works on what the one below returns, and every layer
        #    reads the same memory, the encoder's last:
        #    (B, T, D) and (B, S, D) -> (B, T, D), num_layers times.
        for layer in self.layers:
            x = layer(x, memory, tgt_mask, memory_mask)
        return x


class Transformer(nn.Module):
    """The paper's encoder-decoder, from token ids to logits.

    Shapes: src (B, S), tgt (B, T), both padded with config.pad_id; the
    logits are (B, T, V), V the target vocabulary.

    Matrices start Xavier uniform, biases at zero, embeddings normal with
    standard deviation d_model ** -0.5. The paper does not say how it
    initialises. With share_embeddings, one matrix serves as both embeddings
    and as the output projection, which has no bias.

    Raises:
        ValueError: if embeddings are to be shared between vocabularies of
            different sizes.

    Paper: section 3, figure 1; sharing: section 3.4.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        # 1. Vocabularies that share a matrix must be equally large.
        sizes = config.src_vocab_size, config.tgt_vocab_size
        if config.share_embeddings and sizes[0] != sizes[1]:
            raise ValueError(
                "share_embeddings needs one vocabulary, but "
                f"src_vocab_size is {sizes[0]} and tgt_vocab_size {sizes[1]}"
            )
        # 2. The parts of figure 1, from the bottom up: src_embedding and
        #    tgt_embedding (a table for each side), position, encoder,
        #    decoder, output_projection (D -> V, no bias).
        embedding = [
            TokenEmbedding(size, config.d_model, config.pad_id)
            for size in sizes
        ]
        self.src_embedding, self.tgt_embedding = embedding
        self.position = PositionalEncoding(
            config.d_model, config.dropout, config.max_len
        )
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.output_projection = nn.Linear(
            config.d_model, config.tgt_vocab_size, bias=False
        )
        # 3. Start with sensible numbers: call _initialise.
        self._initialise()
        # 4. Let the three matrices be one and the same.
        if config.share_embeddings:
            self.tgt_embedding = self.src_embedding
            self.output_projection.weight = self.src_embedding.embedding.weight

    def _initialise(self) -> None:
        """Give every linear layer Xavier weights and no bias."""
        # 1. Look at every part; where it is a linear layer, fill its matrix,
        #    (out, in), and its bias, (out,), if it has one.
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Read the source: (B, S) -> memory (B, S, D)."""
        # 1. Hide the padding, unless the caller brings a mask:
        #    (B, S) -> (B, 1, 1, S).
        if src_mask is None:
            src_mask = padding_mask(src, self.config.pad_id)
        # 2. Embed, add positions, go up the stack: (B, S) -> (B, S, D).
        x = self.position(self.src_embedding(src))
        memory: Tensor = self.encoder(x, src_mask)
        return memory

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Read the target so far: (B, T), (B, S, D) -> hidden (B, T, D)."""
        # 1. Hide the future and the padding of the target, unless the caller
        #    brings a mask: (B, T) -> (B, 1, T, T). The padding of the source
        #    is the caller's: only the source tokens show it.
        if tgt_mask is None:
            tgt_mask = target_mask(tgt, self.config.pad_id)
        # 2. Embed, add positions, go up the stack, which looks at the memory:
        #    (B, T) and (B, S, D) -> (B, T, D).
        x = self.position(self.tgt_embedding(tgt))
        hidden: Tensor = self.decoder(x, memory, tgt_mask, memory_mask)
        return hidden

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        """Return the logits of each next token, (B, T, V)."""
        # 1. Encode the source, (B, S) -> (B, S, D). Its padding is hidden in
        #    both attentions that read it, so keep its mask, (B, 1, 1, S).
        src_mask = padding_mask(src, self.config.pad_id)
        memory = self.encode(src, src_mask)
        # 2. Decode all positions at once, (B, T) -> (B, T, D); the mask that
        #    decode makes keeps each from the future.
        hidden = self.decode(tgt, memory, memory_mask=src_mask)
        # 3. One number for each token of the vocabulary:
        #    (B, T, D) -> (B, T, V).
        logits: Tensor = self.output_projection(hidden)
        return logits
