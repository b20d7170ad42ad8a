"""worker: takes random bytes from rng, has hasher hash them, and counts and keeps the results in redis."""
