"""The three tokens of the book and the tensors that go with them.

They are what the hand model's encoder makes of the sentence: queries and
keys of both heads side by side, as they are before the cut, (3, 4), and the
values of head 1, (3, 2).
"""

from torch import Tensor

from figures.hand_model import ENCODER, SOURCE

TOKENS = SOURCE


def _side_by_side(heads: Tensor) -> Tensor:
    """Undo the cut into heads: (H, S, d_k) -> (S, H d_k)."""
    return heads.transpose(0, 1).flatten(1)


query = _side_by_side(ENCODER.attention.query)
key = _side_by_side(ENCODER.attention.key)
value = ENCODER.attention.value[0]
