"""For Python under faketime, which has the first directory of PYTHONPATH import it: a `time.sleep` that works there.

libfaketime 0.9.10 refuses the absolute monotonic deadline that time.sleep gives to the system when it leaves the
monotonic clock alone (EINVAL), and without that every wait of a thread hangs.
"""

import select
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex, /) -> None:
    """Wait by a relative time."""
    select.select([], [], [], float(seconds))


time.sleep = sleep
