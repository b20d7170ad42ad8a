"""What dockercoins' workers leave in redis: the counter `hashes`, and the coins in `wallet`."""

from coin_store.store import Batch, CoinStore, Counters, StoreError

__all__ = ["Batch", "CoinStore", "Counters", "StoreError"]
