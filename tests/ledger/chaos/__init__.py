"""The ledger: a mesh of real processes, those who hurt it, those who watch it, and the check of what they saw."""
