"""The same results sooner: fused attention and a key-value cache.

Both are exact substitutes, not other models: they compute the same numbers
in another order.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from laidout.attention import MultiHeadAttention, scaled_dot_product_attention
from laidout.layers import DecoderLayer
from laidout.masks import target_mask
from laidout.normalization import LayerNorm
from laidout.transformer import Decoder, Transformer

__all__ = [
    "CachedDecoder",
    "FusedLayerNorm",
    "FusedMultiHeadAttention",
    "LayerCache",
    "can_cache",
    "fuse",
    "unfuse",
]


class FusedMultiHeadAttention(MultiHeadAttention):
    """Multi-head attention in which PyTorch never writes the weights down.

    Shapes: as `MultiHeadAttention`; `attention_weights` stays None, for the
    (B, H, T, S) weights exist only piece by piece.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return what each query gathered from all heads, (B, T, D)."""
        # 1. Project and cut into heads, as before.
        context = F.scaled_dot_product_attention(
            self._split_heads(self.w_q(query)),
            self._split_heads(self.w_k(key)),
            self._split_heads(self.w_v(value)),
            attn_mask=mask,
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        # 2. Put the heads side by side and mix them, as before.
        output: Tensor = self.w_o(context.transpose(1, 2).flatten(2))
        return output


class FusedLayerNorm(LayerNorm):
    """Layer normalisation in one call, without the steps in between.

    Shapes: as `LayerNorm`, x (..., D) -> (..., D).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors, (..., D)."""
        return F.layer_norm(x, self.gain.shape, self.gain, self.bias, self.eps)


FUSED: dict[type[nn.Module], type[nn.Module]] = {
    MultiHeadAttention: FusedMultiHeadAttention,
    LayerNorm: FusedLayerNorm,
}
"""What stands in for what."""


def fuse(model: nn.Module) -> None:
    """Let the package's own attentions and norms use PyTorch's fast ones.

    The model is changed in place. Parameters, their names and the results
    stay as they are; only objects of exactly the package's
    classes are changed, a reader's own are left alone.
    """
    # 1. An object of the subclass has the same parts and another forward,
    #    so it is enough to say that it is one.
    for module in model.modules():
        module.__class__ = FUSED.get(type(module), type(module))
        # 2. Weights of an earlier call would be out of date.
        if isinstance(module, FusedMultiHeadAttention):
            module.attention_weights = None


def unfuse(model: nn.Module) -> None:
    """Undo `fuse`: take the explicit path, which keeps the weights."""
    plain = {fused: slow for slow, fused in FUSED.items()}
    for module in model.modules():
        module.__class__ = plain.get(type(module), type(module))


@dataclass
class LayerCache:
    """What one decoder layer need not compute again.

    Shapes: keys and values of the target so far (N, H, t, d_k), those of the
    memory (N, H, S, d_k); N counts sentences times hypotheses.
    """

    keys: Tensor
    values: Tensor
    memory_keys: Tensor
    memory_values: Tensor


class CachedDecoder(nn.Module):
    """A Transformer that decodes token by token without starting over.

    It stands in for the model in `greedy_decode` and `beam_search`: `decode`
    returns the hidden state of the last position only, (N, 1, D), which is
    all they read. If each row of `tgt` is a row of the call before with one
    more token, only that token is computed; otherwise it starts afresh. So
    the result never depends on the cache.

    Raises:
        ValueError: if the model's decoder is not made of the package's
            layers, for the cache reaches into them.
    """

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        if not can_cache(model):
            raise ValueError(
                "model must be built from the package's decoder layers, "
                f"got {type(model).__name__}"
            )
        self.model = model
        self.config = model.config
        self.output_projection = model.output_projection
        self.layers = [
            layer
            for layer in model.decoder.layers
            if isinstance(layer, DecoderLayer)
        ]
        self._call: tuple[Tensor, Tensor, Tensor | None] | None = None
        self._source = torch.empty(0)
        self._caches: list[LayerCache] = []

    def encode(self, src: Tensor, src_mask: Tensor | None = None) -> Tensor:
        """Read the source: (B, S) -> memory (B, S, D)."""
        return self.model.encode(src, src_mask)

    def decode(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the last position's state: (N, t) -> (N, 1, D)."""
        # 1. Go on from the last call if this one continues it.
        if tgt_mask is not None or not self._follow(tgt, memory, memory_mask):
            self._begin(memory, memory_mask)
        self._call = None
        known = self._caches[0].keys.size(2)
        # 2. Embed what is new, with its positions.
        x = self.model.position(self.model.tgt_embedding(tgt))[:, known:]
        # 3. A new token may look at all tokens before it but padding.
        mask = tgt_mask
        if mask is None:
            mask = target_mask(tgt, self.config.pad_id)
        mask = mask[..., known:, :]
        # 4. Up the stack, each layer with its cache.
        for layer, cache in zip(self.layers, self._caches, strict=True):
            x = _step(layer, cache, x, mask, memory_mask)
        # 5. Remember the call, but not one with a mask of its own: the next
        #    token would have to know that mask.
        if tgt_mask is None:
            self._call = tgt.clone(), memory, memory_mask
        last: Tensor = x[:, -1:]
        return last

    def _follow(
        self, tgt: Tensor, memory: Tensor, memory_mask: Tensor | None
    ) -> bool:
        """Put the caches into the order of tgt's rows, if that can be."""
        # 1. The same sources, and one more token than last time.
        if self._call is None:
            return False
        last, last_memory, last_mask = self._call
        if memory is not last_memory or memory_mask is not last_mask:
            return False
        if tgt.size(0) != last.size(0) or tgt.size(1) != last.size(1) + 1:
            return False
        # 2. A row goes on from one that agrees with it so far and stands for
        #    the same source; such rows stand beside each other.
        rows = torch.arange(tgt.size(0), device=tgt.device)
        parents = rows.new_full(rows.shape, -1)
        reach = int(torch.bincount(self._source).max())
        for shift in sorted(range(1 - reach, reach), key=abs, reverse=True):
            others = (rows + shift).clamp(0, len(rows) - 1)
            same = (tgt[:, :-1] == last[others]).all(-1)
            same &= self._source == self._source[others]
            parents = torch.where(same, others, parents)
        if (parents < 0).any():
            return False
        # 3. Moving costs time, and in greedy decoding nothing moves.
        if not torch.equal(parents, rows):
            for cache in self._caches:
                cache.keys = cache.keys[parents]
                cache.values = cache.values[parents]
        return True

    def _begin(self, memory: Tensor, memory_mask: Tensor | None) -> None:
        """Forget everything; compute the memory's keys and values."""
        # 1. Hypotheses of one sentence have equal memories and stand beside
        #    each other: number the runs of equal rows.
        changes = (memory[1:] != memory[:-1]).flatten(1).any(1)
        if (
            memory_mask is not None
            and memory_mask.shape[:-3] == memory.shape[:1]
        ):
            changes |= (memory_mask[1:] != memory_mask[:-1]).flatten(1).any(1)
        self._source = F.pad(changes.long().cumsum(0), (1, 0))
        # 2. No target yet, and the memory once for each layer, laid out head
        #    by head: otherwise every step would copy it into that order.
        self._caches = []
        for layer in self.layers:
            attention = layer.cross_attention
            keys = attention._split_heads(attention.w_k(memory)).contiguous()
            values = attention._split_heads(attention.w_v(memory)).contiguous()
            self._caches.append(
                LayerCache(keys[:, :, :0], values[:, :, :0], keys, values)
            )


def can_cache(model: nn.Module) -> bool:
    """Tell whether a model's decoder is the package's own, layer by layer."""
    attentions = MultiHeadAttention, FusedMultiHeadAttention
    return (
        isinstance(model, Transformer)
        and type(model).decode is Transformer.decode
        and type(model.decoder) is Decoder
        and all(
            type(layer) is DecoderLayer
            and type(layer.self_attention) in attentions
            and type(layer.cross_attention) in attentions
            for layer in model.decoder.layers
        )
    )


def _step(
    layer: DecoderLayer,
    cache: LayerCache,
    x: Tensor,
    tgt_mask: Tensor,
    memory_mask: Tensor | None,
) -> Tensor:
    """Run a decoder layer on new positions only: (N, new, D) -> the same."""
    # 1. Self-attention: new queries, old and new keys and values.
    attention = layer.self_attention
    keys = attention._split_heads(attention.w_k(x))
    values = attention._split_heads(attention.w_v(x))
    cache.keys = torch.cat([cache.keys, keys], dim=2)
    cache.values = torch.cat([cache.values, values], dim=2)
    x = layer.norm_1(
        x + _attend(attention, x, cache.keys, cache.values, tgt_mask)
    )
    # 2. Cross-attention: the memory's keys and values are all there.
    attention = layer.cross_attention
    keys, values = cache.memory_keys, cache.memory_values
    x = layer.norm_2(x + _attend(attention, x, keys, values, memory_mask))
    # 3. The feed-forward network sees one position at a time anyway.
    output: Tensor = layer.norm_3(x + layer.feed_forward(x))
    return output


def _attend(
    attention: MultiHeadAttention,
    x: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
) -> Tensor:
    """Attend with keys and values that are already cut into heads."""
    query = attention._split_heads(attention.w_q(x))
    context, _ = scaled_dot_product_attention(query, keys, values, mask)
    output: Tensor = attention.w_o(context.transpose(1, 2).flatten(2))
    return output
