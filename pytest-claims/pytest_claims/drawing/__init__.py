"""Colours, axes, the way onto paper, and what a suite may draw for the page of a report."""
