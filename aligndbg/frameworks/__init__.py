"""How a model is run: one file per framework behind one Protocol, the child that hosts it, the parent's end."""
