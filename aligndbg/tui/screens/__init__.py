"""What fills the terminal: home, a run, and the pages over them."""
