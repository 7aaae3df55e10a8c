"""Plans in the background: who sits where all at once, by CP-SAT from a greedy start, with a proved bound."""
