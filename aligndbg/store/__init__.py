"""Sessions on disk: everything known about one run, in one folder that opens again without a framework (DESIGN 6.4).

`writer.SessionWriter` writes one, `session.open_session` reads one, `listing` finds and removes them.
"""
