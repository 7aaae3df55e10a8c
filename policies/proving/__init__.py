"""Proofs over a whole bundle: Cedar's policies as SMT over every request and every store that the schema admits.

Called where a bundle is loaded for use and by `placet policy`. It decides nothing: the gate asks Cedar, and every
counterexample found here is put to Cedar again.
"""
