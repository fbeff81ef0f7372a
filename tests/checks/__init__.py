"""Development checks: what is classified by the id alone, compared with lists that others keep.

The lists are read from wheels of packages that are no dependency and are never imported.
"""
