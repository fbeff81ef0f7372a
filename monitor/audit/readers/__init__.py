"""One module for each kind of document: ``read(document)`` yields the mentions of models in it."""
