"""Rewriting of Programs: each pass takes a Program and gives one that computes the same."""
