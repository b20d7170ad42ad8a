"""The load client: sequence-numbered requests without retries, each with its outcome.

It keeps traffic flowing while stages change, measures how traffic is split, and tells whether a request was lost.
Python's standard library is all that it needs.
"""
