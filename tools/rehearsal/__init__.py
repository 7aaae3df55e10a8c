"""Play a proposal on a frozen estate before anybody decides on it: predicted against required."""
