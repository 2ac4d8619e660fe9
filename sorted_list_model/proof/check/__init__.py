"""The independent checker of certificates: it shares no code with the search."""
