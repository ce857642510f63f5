/** Willcall's API, typed by its OpenAPI document. */

import createClient from "openapi-fetch";

import type { components, paths } from "./willcall-api.js"; // made by `npm run generate`

export type Event = components["schemas"]["Event"];

export const willcall = createClient<paths>({
  baseUrl: process.env.WILLCALL_URL,
  headers: { Authorization: `Bearer ${process.env.WILLCALL_KEY}` },
});
