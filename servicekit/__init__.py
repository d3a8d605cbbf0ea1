"""Plumbing that every service of this repository shares, without a word of any domain in it.

Nothing in here reads the environment or Django settings at import: what a part needs comes in as an argument, from
each service's own `settings.py`.
"""
