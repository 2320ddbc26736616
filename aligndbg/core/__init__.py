"""What is compared: calls, pairs of calls, statistics, verdicts. numpy and its kernel only; no I/O."""
