"""A small Transformer with random weights, for the tests of decoding."""

from oracle_decoding import PAD, randomise

from laidout.transformer import Transformer, TransformerConfig


def random_transformer(
    name: str, sources: int, share: bool = False
) -> Transformer:
    """Make a Transformer that says different things, in float64.

    Its target vocabulary has 13 tokens; `sources` counts those it reads.
    """
    config = TransformerConfig(
        sources,
        13,
        d_model=10,
        num_heads=2,
        num_layers=2,
        d_ff=7,
        dropout=0.5,
        max_len=17,
        pad_id=PAD,
        share_embeddings=share,
    )
    model = Transformer(config)
    randomise(model, name, scale=0.3)
    return model
