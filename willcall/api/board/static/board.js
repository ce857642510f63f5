// The board works without this script. With it, pages update themselves, times count on, and keys work.
"use strict";

const skew = Date.now() / 1000 - Number(document.body.dataset.now || Date.now() / 1000);

// Times: shown in the reader's time zone; how long ago is counted by the server's clock.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// Seconds after which something that happens by itself counts as overdue.
const OVERDUE = 30;

function now() {
  return Date.now() / 1000 - skew;
}

// Whether the page is live (unknown at first), when the last message arrived, and as of when its content is true.
let live, lastHeard = now(), lastFresh = lastHeard;

function span(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${unit}`;
}

// The time that ages are counted to. On a page that is not live it stands still.
function shownAt() {
  return live === false ? lastFresh : now();
}

function relative(moment) {
  const distance = Math.round(moment - shownAt());
  if (distance === 0) return "now";
  return distance > 0 ? `in ${span(distance)}` : `${span(-distance)} ago`;
}

// The time zone of times: the reader's own, or the one that the reader has chosen.
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
let timeZone = storedZone();

function storedZone() {
  try {
    return localStorage.getItem("zone") === "UTC" ? "UTC" : OWN_ZONE;
  } catch {
    return OWN_ZONE; // the browser stores nothing
  }
}

function day(date) {
  return date.toLocaleDateString([], { day: "numeric", month: "short", timeZone });
}

function clock(moment, second) {
  const date = new Date(moment * 1000);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second, hourCycle: "h23", timeZone });
  return day(date) === day(new Date()) ? time : `${day(date)}, ${time}`;
}

function past(moment) {
  return relative(Math.min(moment, shownAt()));
}

function due(moment) {
  const late = shownAt() - moment;
  if (late < 0) return relative(moment);
  return late > OVERDUE ? `overdue by ${span(late)}` : "any moment";
}

function updateTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const format = time.dataset.ago === "past" ? past : "ago" in time.dataset ? relative : "due" in time.dataset ? due : clock;
    const text = format(Date.parse(time.dateTime) / 1000, time.dataset.clock ? "2-digit" : undefined);
    if (time.textContent !== text) time.textContent = text;
  }
}

updateTimes(document);
setInterval(() => updateTimes(document), 1000);

// The choice of the time zone, at the foot of each page.
const zones = document.getElementById("zone");
if (zones) {
  zones.replaceChildren(...[...new Set([OWN_ZONE, "UTC"])].map((zone) => new Option(zone.replaceAll("_", " "), zone, false, zone === timeZone)));
  zones.addEventListener("change", () => {
    timeZone = zones.value;
    try {
      localStorage.setItem("zone", timeZone);
    } catch {} // this page shows it all the same
    updateTimes(document);
  });
}

// Live updates: parts of the page by their id. Opened details stay open, and the focus stays where it is.

function replacePart(id, html) {
  const part = document.getElementById(id);
  if (!part) return;
  const replacement = part.cloneNode(false);
  replacement.innerHTML = html;
  updateTimes(replacement);
  if (replacement.textContent === part.textContent && replacement.innerHTML === part.innerHTML) return;
  for (const opened of part.querySelectorAll("details[open][data-key]")) {
    const again = replacement.querySelector(`details[data-key="${CSS.escape(opened.dataset.key)}"]`);
    if (again) again.open = true;
  }
  const focused = part.contains(document.activeElement) ? locate(document.activeElement, part) : null;
  part.replaceChildren(...replacement.childNodes);
  if (focused) part.querySelectorAll(focused.selector)[focused.at]?.focus({ preventScroll: true });
}

// Describe an element so that it can be found again after an update.
function locate(element, part) {
  const href = element.getAttribute("href"), form = element.closest("form");
  const selector = href
    ? `[href="${CSS.escape(href)}"]`
    : form ? `form[action="${CSS.escape(form.getAttribute("action"))}"] button` : element.localName;
  return { selector, at: [...part.querySelectorAll(selector)].indexOf(element) };
}

function setLive(isLive) {
  live = isLive;
  for (const label of document.querySelectorAll("[data-live]")) {
    label.classList.toggle("on", live);
    label.classList.toggle("off", !live);
    label.textContent = live ? "live" : `not live since ${clock(lastFresh)}`;
  }
  updateTimes(document);
}

let source, connectedAt;

function connect() {
  source?.close();
  const stream = source = new EventSource(document.body.dataset.stream);
  connectedAt = now();
  stream.onmessage = (event) => receive(JSON.parse(event.data));
  stream.onerror = () => {
    setLive(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(retry, 5000);
  };
}

function receive(parts) {
  lastHeard = now();
  Object.assign(pending, parts);
  if (pressed) return;
  applyUpdates();
  setLive(!isStale());
}

// A part in which somebody writes is replaced afterwards.
function isWriting(part) {
  const active = document.activeElement;
  return Boolean(part?.contains(active)) && active.matches("input, select, textarea");
}

function applyUpdates() {
  const later = {};
  for (const [id, html] of Object.entries(pending)) {
    if (isWriting(document.getElementById(id))) later[id] = html;
    else replacePart(id, html);
  }
  pending = later;
  const headline = document.querySelector("#headline h1");
  if (headline) document.title = `${headline.textContent.trim()} – Willcall`;
  if (!isStale()) lastFresh = lastHeard;
}

// A connected page is not live while the server cannot reach Redis.
function isStale() {
  return document.getElementById("connection-error").textContent !== "";
}

// Updates wait while a button is pressed: replacing it before the release would lose the click.
let pressed = false, pending = {}, releasing;

function press() {
  clearTimeout(releasing);
  pressed = true;
}

// The click follows the release; on a touch screen a moment later.
function release() {
  clearTimeout(releasing);
  releasing = setTimeout(() => {
    pressed = false;
    if (!Object.keys(pending).length) return;
    applyUpdates();
    setLive(live && !isStale());
  }, 300);
}

// A dead connection may look open: reconnect after too long a silence.
function checkSilence() {
  if (now() - Math.max(lastHeard, connectedAt) <= Number(document.body.dataset.staleAfter)) return;
  setLive(false);
  connect();
}

// The stream was refused. If the session has ended, reloading leads to the login.
async function retry() {
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
  else if (source.readyState === EventSource.CLOSED) connect();
}

if (document.body.dataset.stream && "EventSource" in window) {
  connect();
  setInterval(checkSilence, 1000);
  document.addEventListener("visibilitychange", checkSilence);
  addEventListener("online", connect);
  addEventListener("pagehide", () => source.close());
  addEventListener("pointerdown", (event) => { if (event.button === 0) press(); });
  addEventListener("keydown", (event) => { if (event.key === " ") press(); });
  for (const end of ["pointerup", "pointercancel", "contextmenu", "dragend", "keyup", "blur"]) addEventListener(end, release);
}
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Keys.

const help = document.getElementById("keys");

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement || row.closest("tr, li")?.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
  rows[next]?.focus();
  rows[next]?.closest("tr, li")?.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => document.getElementById("q")?.select(),
  "j": () => step(1),
  "k": () => step(-1),
  "b": () => location.assign("/"),
  "o": () => location.assign("/orders"),
  "?": () => help.open || help.showModal(),
};

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    if (event.target.id === "q") event.target.blur();
  }
  const writing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog[open]");
  if (writing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Selecting all orders of a page selects each; leaving one out ends that.
const all = document.querySelector("[data-select-all]");
const selectable = [...document.querySelectorAll("td.select input")];
all?.addEventListener("change", () => { for (const box of selectable) box.checked = all.checked; });
for (const box of selectable) box.addEventListener("change", () => { all.checked = selectable.every((each) => each.checked); });

for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}
