"""The three tokens of the book and the tensors that go with them."""

import torch

TOKENS = ("I", "like", "pizza")

query = torch.tensor([[2, 0, 1, 0], [0, 1, 0, 2], [0, 1, 1, 0]]).float()
key = torch.tensor([[0, 0, 0, 1], [1, 0, 2, 0], [1, 0, 0, 2]]).float()
value = torch.tensor([[1, 0], [0, 1], [3, 1]]).float()
