"""Pairs: what pair.yaml says, where pairs are found, pairs given on the command line."""
