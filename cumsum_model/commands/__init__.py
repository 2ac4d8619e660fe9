"""The verbs that are about November alone: to prove, and to check a proof."""
