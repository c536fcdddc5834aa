"""Random programs of linalg on tensors, and designs for them."""
