"""Audits of the models that somebody runs: where they are named, what the history says of each, and which rules hold.

:mod:`~monitor.audit.documents` reads files and folders, :mod:`~monitor.audit.recognise` chooses the reader of each by
its content, and the readers in :mod:`monitor.audit.readers` find the models that it names. Nothing that is read is
executed, and nothing outside of what was given is read.
"""
