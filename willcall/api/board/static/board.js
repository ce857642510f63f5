// The board works without this. With it: what changes comes by itself, moments go by, and the keyboard gets around.
"use strict";

const skew = Date.now() / 1000 - Number(document.body.dataset.now || Date.now() / 1000);

// Moments: the reader's own clock, and what has passed since, by the server's.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// Seconds after its moment from which what comes by itself is overdue.
const OVERDUE = 30;

function now() {
  return Date.now() / 1000 - skew;
}

// Whether the page is live, unknown at first; when something was last heard, and when what is shown was so.
let live, heard = now(), fresh = heard;

function span(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size);
  return `${Math.floor(seconds / size)} ${unit}`;
}

// When what is shown was so: a page that is not live does not know what has come to pass since.
function shown() {
  return live === false ? fresh : now();
}

function relative(moment) {
  const distance = Math.round(moment - shown());
  if (distance === 0) return "now";
  return distance > 0 ? `in ${span(distance)}` : `${span(-distance)} ago`;
}

function clock(moment, second) {
  const date = new Date(moment * 1000);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second, hourCycle: "h23" });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

function past(moment) {
  return relative(Math.min(moment, shown()));
}

function ahead(moment) {
  const late = shown() - moment;
  if (late < 0) return relative(moment);
  return late > OVERDUE ? `overdue for ${span(late)}` : "any moment";
}

function tell(root) {
  for (const time of root.querySelectorAll("time")) {
    const tell = time.dataset.ago === "past" ? past : "ago" in time.dataset ? relative : "ahead" in time.dataset ? ahead : clock;
    const words = tell(Date.parse(time.dateTime) / 1000, time.dataset.clock ? "2-digit" : undefined);
    if (time.textContent !== words) time.textContent = words;
  }
}

tell(document);
setInterval(() => tell(document), 1000);

// Live: parts of the page by their id. What somebody has opened stays open, what has the focus keeps it.

function put(id, html) {
  const part = document.getElementById(id);
  if (!part) return;
  const fresh = part.cloneNode(false);
  fresh.innerHTML = html;
  tell(fresh);
  if (fresh.textContent === part.textContent && fresh.innerHTML === part.innerHTML) return;
  for (const opened of part.querySelectorAll("details[open][data-key]")) {
    const again = fresh.querySelector(`details[data-key="${CSS.escape(opened.dataset.key)}"]`);
    if (again) again.open = true;
  }
  const focused = part.contains(document.activeElement) ? place(document.activeElement, part) : null;
  part.replaceChildren(...fresh.childNodes);
  if (focused) part.querySelectorAll(focused.selector)[focused.at]?.focus({ preventScroll: true });
}

// How to find an element again: by where it leads, else by its kind, and which one of those it is.
function place(element, part) {
  const href = element.getAttribute("href"), form = element.closest("form");
  const selector = href
    ? `[href="${CSS.escape(href)}"]`
    : form ? `form[action="${CSS.escape(form.getAttribute("action"))}"] button` : element.localName;
  return { selector, at: [...part.querySelectorAll(selector)].indexOf(element) };
}

function say(is) {
  live = is;
  for (const sign of document.querySelectorAll("[data-live]")) {
    sign.classList.toggle("on", live);
    sign.classList.toggle("off", !live);
    sign.textContent = live ? "live" : `not live since ${clock(fresh)}`;
  }
  tell(document);
}

let source, begun;

function watch() {
  source?.close();
  const mine = source = new EventSource(document.body.dataset.stream);
  begun = now();
  mine.onmessage = (event) => hear(JSON.parse(event.data));
  mine.onerror = () => {
    say(false);
    if (mine.readyState === EventSource.CLOSED) setTimeout(again, 5000);
  };
}

function hear(parts) {
  heard = now();
  Object.assign(untold, parts);
  if (pressed) return;
  show();
  say(!old());
}

function show() {
  for (const [id, html] of Object.entries(untold)) put(id, html);
  untold = {};
  const verdict = document.querySelector("#verdict h1");
  if (verdict) document.title = `${verdict.textContent.trim()} – Willcall`;
  if (!old()) fresh = heard;
}

// Connected is not live: what is shown may be old.
function old() {
  return document.getElementById("trouble").textContent !== "";
}

// What comes while something is pressed waits: were its part replaced before the release, there would be no click.
let pressed = false, untold = {}, releasing;

function press() {
  clearTimeout(releasing);
  pressed = true;
}

// The click comes right after the release; from a finger a moment later.
function release() {
  clearTimeout(releasing);
  releasing = setTimeout(() => {
    pressed = false;
    if (!Object.keys(untold).length) return;
    show();
    say(live && !old());
  }, 300);
}

// A connection may be dead and not know it: one that has been silent for too long is begun anew.
function listen() {
  if (now() - Math.max(heard, begun) <= Number(document.body.dataset.silence)) return;
  say(false);
  watch();
}

// Refused for good: the session may be over, then this page leads to the login.
async function again() {
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
  else if (source.readyState === EventSource.CLOSED) watch();
}

if (document.body.dataset.stream && "EventSource" in window) {
  watch();
  setInterval(listen, 1000);
  document.addEventListener("visibilitychange", listen);
  addEventListener("online", watch);
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
  const writing = event.target.closest?.("input, select, textarea, dialog[open]");
  if (writing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}
