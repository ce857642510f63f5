/** A shop on Express: it submits orders to Willcall and receives their events. */

import express from "express";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { addOrder, findOrder, handle } from "./store.js";
import { type Event, willcall } from "./willcall.js";

const webhook = new Webhook(process.env.WEBHOOK_SECRET!);
const app = express();

app.post("/orders", express.json(), async (request, response) => {
  const { id, reference, quantity } = request.body;
  addOrder(id); // first, for an event may arrive before the response
  const callback_url = `${process.env.SHOP_URL}/willcall`;
  const { data: order, error } = await willcall.POST("/v1/orders", {
    body: { provider: "tiqets", reference, id, quantity, callback_url },
  });
  if (order) {
    response.status(201).json({ id: order.id, status: order.status });
  } else {
    response.status(error.status).json({ error: error.detail }); // after a 503, the same order may be sent again
  }
});

app.get("/orders/:id", (request, response) => {
  const order = findOrder(request.params.id);
  response.status(order ? 200 : 404).json(order ?? { error: "not found" });
});

// The signature is that of the body as it was received: it is parsed after it was verified.
app.post("/willcall", express.raw({ type: "application/json", limit: "10mb" }), (request, response) => {
  let event: Event;
  try {
    event = webhook.verify(request.body, request.headers as Record<string, string>) as Event;
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    response.sendStatus(401);
    return;
  }
  handle(event);
  response.sendStatus(204);
});

app.listen(Number(process.env.PORT), "127.0.0.1");
