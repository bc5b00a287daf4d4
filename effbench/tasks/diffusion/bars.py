"""The progress bars of wrapped libraries: none is shown, and their lock is this process's own."""

from __future__ import annotations

import logging
import threading


def keep_bars_to_ourselves() -> None:
    """Give tqdm a lock of threads, before its first bar makes one for several processes.

    That is a named semaphore. A worker that is ended leaves it behind, and the run would close with a warning about it.
    """
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())
    logging.getLogger("huggingface_hub.repocard").setLevel(
        logging.ERROR
    )  # a folder's README without a card is no fault
