"""Panes and bars. They draw what they are given and tell what the user did."""
