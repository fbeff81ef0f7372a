// What pages do for readers with scripts: values of charts under the pointer, times in the reader's zone, copy buttons.
"use strict";

// A picture shows no titles of its values, so it is replaced by its own drawing once a mouse is on it. The policy of the
// page allows no style in it; its dark colours become a style sheet of the page, once.
let coloured = false;
document.addEventListener("pointerover", async (event) => {
  const image = event.pointerType === "mouse" && event.target.closest?.(".chart img:not([data-drawn])");
  if (!image?.currentSrc) return;
  image.dataset.drawn = "";
  const answer = await fetch(image.currentSrc);
  if (!answer.ok) return;
  const [before, style, after] = (await answer.text()).split(/<\/?style>/);
  if (after === undefined) return;
  if (!coloured) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    document.adoptedStyleSheets.push(sheet);
    coloured = true;
  }
  const drawing = new DOMParser().parseFromString(before + after, "image/svg+xml").documentElement;
  (image.closest("picture") ?? image).replaceWith(document.adoptNode(drawing));
});

// What this browser remembers of its reader; nothing where it refuses to, as it does in some frames.
const memory = {
  get(name) { try { return localStorage.getItem(`hub-monitor:${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`hub-monitor:${name}`, value); } catch { /* forgotten */ } },
  forget(name) { try { localStorage.removeItem(`hub-monitor:${name}`); } catch { /* never known */ } },
};

const UNITS = [["y", 31557600], ["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const FORM = {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
};
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
let local;

// Shows times in a zone by its IANA name; in the browser's own for "" or a name that it does not know.
function useZone(name) {
  try {
    local = new Intl.DateTimeFormat("sv-SE", { ...FORM, timeZone: name || OWN_ZONE });
  } catch {
    local = new Intl.DateTimeFormat("sv-SE", FORM);
  }
}
useZone(memory.get("zone") ?? "");

function ago(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit} ago`;
}

// <time> holds an age or a time in UTC: the reader's time and UTC stand in its title, or in its text. A day alone is of no
// zone, and stays as it is.
function localise(root) {
  for (const one of root.querySelectorAll('time[datetime*="T"]')) {
    const at = new Date(one.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const utc = one.dataset.utc ?? (one.title || one.textContent);
    one.dataset.utc = utc;
    if (one.hasAttribute("data-ago")) {
      const seconds = (Date.now() - at) / 1000;
      if (seconds >= 0) one.textContent = ago(seconds);
      one.title = `${local.format(at)} · ${utc}`;
    } else {
      one.textContent = local.format(at);
      one.title = utc;
    }
  }
}

function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const one of root.querySelectorAll("button[data-copy], button[data-copy-from]")) one.hidden = false;
}

async function textAt(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.statusText);
  return new Blob([await answer.text()], { type: "text/plain" });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy], button[data-copy-from]");
  if (!button) return;
  const { copy, copyFrom, address } = button.dataset;
  const says = button.querySelector("span");
  const before = (button.dataset.label ??= says.textContent);
  try {
    // Browsers take a text that is still to come only as a promise, made in the click itself.
    if (copyFrom) await navigator.clipboard.write([new ClipboardItem({ "text/plain": textAt(copyFrom) })]);
    else await navigator.clipboard.writeText(address === undefined ? copy : new URL(copy, location.href).href);
    says.textContent = "Copied";
  } catch {
    says.textContent = "Could not copy";
  }
  setTimeout(() => { says.textContent = before; }, 2000);
});

// Boxes of a list choose releases to compare: five at most, and the button stays in sight once one is chosen.
const MAX_COMPARED = 5;
function countChosen() {
  const form = document.querySelector("#pick");
  if (!form) return;
  const boxes = [...document.querySelectorAll('input[form="pick"]')];
  const chosen = boxes.filter((one) => one.checked).length;
  for (const one of boxes) one.disabled = !one.checked && chosen >= MAX_COMPARED;
  form.classList.toggle("chosen", chosen > 0);
  form.querySelector("[role=status]").textContent = chosen ? `${chosen} of at most ${MAX_COMPARED} chosen.` : "Choose up to five releases.";
}
document.addEventListener("change", (event) => { if (event.target.matches('[form="pick"]')) countChosen(); });
// A page that is gone back to has its boxes still checked.
addEventListener("pageshow", countChosen);

// Saved searches. The browser remembers the link of one list: of one that was made here, or that its reader asked it to
// show. The link in an address alone is not remembered: anybody can lead readers to a list of their own.
const LIST = /^[\w-]{32}$/;
function madeHere(value) {
  try {
    const made = sessionStorage.getItem("hub-monitor:made");
    if (value) sessionStorage.setItem("hub-monitor:made", value);
    else sessionStorage.removeItem("hub-monitor:made");
    return made;
  } catch { return null; }
}

async function savedSearches() {
  const page = document.querySelector("#saved");
  const token = page?.dataset.list;
  if (madeHere("") && token) memory.set("saved", token);
  const known = LIST.test(memory.get("saved") ?? "") ? memory.get("saved") : null;
  const field = document.querySelector("#saved-link");
  if (field && known && !field.value) field.value = `${location.origin}/saved/${known}`;
  if (token) {
    const [keep, forget] = ["[data-keep]", "[data-forget]"].map((one) => page.querySelector(one));
    keep.hidden = token === known;
    forget.hidden = !keep.hidden;
    keep.onclick = () => { memory.set("saved", token); savedSearches(); forget.focus(); };
    forget.onclick = () => { memory.forget("saved"); savedSearches(); keep.focus(); };
  }
  const part = document.querySelector("#your-searches");
  if (!part || !known) return;
  const answer = await fetch(`/saved/${known}/part`, { cache: "no-store" });
  if (answer.status === 404) memory.forget("saved");
  if (answer.ok) part.innerHTML = await answer.text();
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  // Another list than the one that is remembered may get a new link, too: that one stays.
  const own = document.querySelector("#saved")?.dataset.list;
  if (form.matches("[data-makes-link]") && (!own || own === memory.get("saved"))) madeHere("yes");
  if (form.matches("[data-forgets]") && own === memory.get("saved")) memory.forget("saved");
});

// The menu of zones in the footer: the browser's own and UTC, and all others once somebody looks at it.
function zoneMenu() {
  const menu = document.querySelector("#zone");
  if (!menu) return;
  const chosen = memory.get("zone") ?? "";
  menu.add(new Option(`your time zone (${OWN_ZONE})`, ""));
  for (const name of new Set(["UTC", chosen || "UTC"])) menu.add(new Option(name, name));
  menu.value = chosen;
  menu.addEventListener("focus", () => {
    const there = new Set([...menu.options].map((one) => one.value));
    for (const name of Intl.supportedValuesOf("timeZone")) if (!there.has(name)) menu.add(new Option(name, name));
  }, { once: true });
  menu.addEventListener("change", () => chooseZone(menu.value));
  menu.closest("label").hidden = false;
}

function chooseZone(name) {
  memory.set("zone", name);
  useZone(name);
  localise(document);
  const menu = document.querySelector("#zone");
  if (menu) menu.value = name;
}

function dress(root) {
  localise(root);
  copyButtons(root);
  countChosen();
}
// A part that renews itself is left alone as long as the reader's focus or selection is in it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  const selection = getSelection();
  const held = part.contains(document.activeElement) || (!selection.isCollapsed && part.contains(selection.anchorNode));
  if (held && part.matches('[hx-trigger^="every"]')) event.detail.shouldSwap = false;
});
document.addEventListener("DOMContentLoaded", () => {
  zoneMenu();
  savedSearches();
  dress(document);
});
document.addEventListener("htmx:load", (event) => dress(event.target));
setInterval(() => localise(document), 30000);
