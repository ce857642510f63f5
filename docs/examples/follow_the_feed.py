"""Read events from the feed, for a backend that cannot receive callbacks.

python follow_the_feed.py http://127.0.0.1:8080 KEY
"""

import sys
import time
from pathlib import Path

from willcall_client import Client

url, key = sys.argv[1:]
cursor_file = Path("cursor.txt")  # a backend stores it in its database
with Client(url, key) as willcall:
    feed = willcall.events(after=cursor_file.read_text() if cursor_file.exists() else None)
    while True:
        for event in feed:
            print(event.occurred_at, event.type, event.order_id, flush=True)
        if feed.cursor:
            cursor_file.write_text(feed.cursor)  # only now: after a crash above, the events are read again
        time.sleep(1)
