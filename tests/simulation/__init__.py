"""The real actors on a loop whose time is made up, over a store that misbehaves by a seed."""
