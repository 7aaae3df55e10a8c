"""The hands: the executor, its journal in the ledger, and the targets it writes. Called by the executor process only.

`executor` claims and finishes a warrant, `running` obeys the next move that the pure `journal` gives, `recording`
writes each entry before the next thing may happen. Agents may not import this package.
"""
