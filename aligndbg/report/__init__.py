"""What a headless run prints. Results go to standard output, all else to standard error.

`text`, `table` and `listings` make documents, `terminal.write` prints one as rich or plain lines; `markdown` makes text for a
pull request; `display` shows the events of a run while it goes on.
"""
