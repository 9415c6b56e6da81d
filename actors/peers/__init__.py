"""Reaches the actor of an event in whichever worker it lives.

Rule: workers of one node exchange frames over Unix sockets; nothing here knows HTTP.
"""
