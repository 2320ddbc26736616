"""Programs that jobs run, one process a rank: files for a launcher to start, in an interpreter that has Paddle."""
