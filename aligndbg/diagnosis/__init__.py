"""Causes of faults: what two models say of their layers, and experiments that try a fix before it is told."""
