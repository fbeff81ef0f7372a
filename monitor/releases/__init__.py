"""The history of releases: what a release is, how it is recorded, and how it is asked for."""
