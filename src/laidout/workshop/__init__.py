"""The learner's side: exercises as data, and what is derived from them."""
