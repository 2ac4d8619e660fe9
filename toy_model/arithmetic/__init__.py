"""Numbers that carry their own error: what proofs about every input reckon with. They know no model."""
