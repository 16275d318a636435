"""The figure language of the book: colours, shapes and the drawings."""
