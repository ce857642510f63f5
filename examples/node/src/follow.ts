/** Follow the event feed: it has every event, also those of the time when the shop was down. */

import { setTimeout as sleep } from "node:timers/promises";

import { cursor, handle, keepCursor } from "./store.js";
import { willcall } from "./willcall.js";

for (;;) {
  const page = await nextPage(cursor());
  if (page?.items.length) {
    page.items.forEach(handle);
    keepCursor(page.next_cursor); // only now: after a crash above, the events are read again
  } else {
    await sleep(1000);
  }
}

/** Return the next page, or nothing while Willcall is unavailable. */
async function nextPage(after?: string) {
  try {
    const { data, error } = await willcall.GET("/v1/events", { params: { query: { after, wait: 30 } } });
    if (error && error.status < 500) throw new Error(error.detail);
    return data;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // what fetch throws if there is no response
  }
}
