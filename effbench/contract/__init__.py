"""The promises of plugins as functions that yield what is wrong, a sentence each.

``effbench.testing`` runs all of them before a plugin is submitted, the runner those that are cheap on every run: one function
behind both, so that what is promised and what is enforced cannot drift apart. Nothing here runs a plugin's code.
"""
