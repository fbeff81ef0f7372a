// Keyboard shortcuts, as the list of them on the page says (shortcut_list.html). They can be switched off (WCAG 2.1.4).
"use strict";

const SEQUENCE_MILLISECONDS = 1000;
const ITEMS = ".releases tbody th > a, .launch :is(h2, h3) a";
let pressed = "";
let pressedAt = 0;

function partOf(element) {
  return element?.closest(".releases tbody tr, .launch");
}

// Goes to the next item of the page (step 1) or the one before (-1), from the one that has the focus.
function goAlong(step) {
  const items = [...document.querySelectorAll(ITEMS)].filter((one) => one.checkVisibility());
  if (!items.length) return;
  const part = partOf(document.activeElement);
  const here = items.findIndex((one) => part?.contains(one));
  const wanted = here < 0 ? (step > 0 ? 0 : items.length - 1) : here + step;
  items[Math.min(Math.max(wanted, 0), items.length - 1)].focus();
}

const DOES = {
  help: showShortcuts,
  search() {
    const box = document.querySelector('main input[type="search"]');
    if (box) box.focus();
    else location.assign("/releases");
  },
  next() { goAlong(1); },
  previous() { goAlong(-1); },
  choose() { partOf(document.activeElement)?.querySelector('[form="pick"]')?.click(); },
  compare() { if (document.querySelector('[form="pick"]:checked')) document.querySelector("#pick").requestSubmit(); },
  older() { document.querySelector('a[rel="next"]')?.click(); },
  zone() { chooseZone(local.resolvedOptions().timeZone === "UTC" ? "" : "UTC"); },
};

function showShortcuts() {
  const list = document.querySelector("#shortcuts");
  if (list && !list.open) list.showModal();
}

function areOn() {
  return memory.get("shortcuts") !== "off";
}

// A key that somebody writes with, or that is meant for something that lies above the page, is no shortcut.
function isTaken(event) {
  return event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing
    || event.target.closest?.('input:not([type="checkbox"]), textarea, select, [contenteditable], dialog')
    || document.querySelector("dialog[open], :popover-open");
}

document.addEventListener("keydown", (event) => {
  if (event.key.length !== 1 || isTaken(event) || !areOn()) return;
  const before = event.timeStamp - pressedAt < SEQUENCE_MILLISECONDS ? pressed : "";
  const all = [...document.querySelectorAll("[data-keys]")];
  const found = [`${before} ${event.key}`, event.key].map((keys) => all.find((one) => one.dataset.keys === keys)).find(Boolean);
  pressed = event.key;
  pressedAt = event.timeStamp;
  if (!found) return;
  pressed = "";
  event.preventDefault();
  if (found.dataset.do) DOES[found.dataset.do]();
  else location.assign(found.querySelector("a").href);
});

document.addEventListener("DOMContentLoaded", () => {
  for (const one of document.querySelectorAll("[data-shortcuts-switch]")) {
    one.checked = areOn();
    one.addEventListener("change", () => memory.set("shortcuts", one.checked ? "on" : "off"));
    one.closest("p").hidden = false;
  }
  for (const one of document.querySelectorAll("dialog [data-close]")) {
    one.addEventListener("click", () => one.closest("dialog").close());
  }
  const link = document.querySelector("#show-shortcuts");
  if (!link || !document.querySelector("#shortcuts")) return;
  const button = document.createElement("button");
  Object.assign(button, { type: "button", id: link.id, className: "quiet", textContent: link.textContent });
  button.addEventListener("click", showShortcuts);
  link.replaceWith(button);
});
