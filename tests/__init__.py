"""The tests of Placet. A package only so that builders and fixture plugins are importable as `tests.…`."""
