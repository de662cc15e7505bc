// What every page has: toasts, copying, times that tell how long, fields that check, the theme switch.
// Everything here is an addition: the pages work without it.

const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);

// ---- messages that screen readers hear

const messages = document.querySelector("[data-messages]");

function dismissable(toast) {
  const close = toast.querySelector("[data-close]");
  close.hidden = false;
  close.addEventListener("click", () => toast.remove());
  if (toast.classList.contains("success")) leaveLater(toast);
}

function leaveLater(toast) {
  let left = setTimeout(() => toast.remove(), 10000);
  const stay = () => clearTimeout(left);
  const go = () => (left = setTimeout(() => toast.remove(), 4000));
  toast.addEventListener("pointerenter", stay);
  toast.addEventListener("focusin", stay);
  toast.addEventListener("pointerleave", go);
}

export function say(text, kind = "success") {
  const toast = document.querySelector("[data-toast]").content.firstElementChild.cloneNode(true);
  toast.classList.add(kind);
  toast.querySelector("p").textContent = text;
  messages.append(toast);
  dismissable(toast);
}

// A live region speaks of what is put into it, not of what it came with.
function speakFlashed() {
  const toasts = [...messages.children];
  messages.replaceChildren();
  setTimeout(() => {
    messages.append(...toasts);
    toasts.forEach(dismissable);
  }, 150);
}

// ---- copying

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    confirmCopied(button);
  } catch {
    getSelection().selectAllChildren(source); // without https there is no clipboard
    say("Selected. Press Ctrl+C to copy it.", "info");
  }
}

function confirmCopied(button) {
  if (button.classList.contains("done")) return;
  const label = button.querySelector("[data-label]");
  const before = label.textContent;
  label.textContent = "Copied";
  button.classList.add("done");
  document.querySelector("[data-announce]").textContent = "Copied.";
  setTimeout(() => {
    label.textContent = before;
    button.classList.remove("done");
    document.querySelector("[data-announce]").textContent = "";
  }, 2000);
}

// ---- times

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const full = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function span(seconds) {
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

function remaining(seconds) {
  if (seconds <= 0) return "over";
  if (seconds >= 3600) return span(seconds + 30); // "in 24 hours" when they have just begun
  return `in ${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

function tellTime(element) {
  const seconds = (new Date(element.dateTime) - Date.now()) / 1000;
  const text = element.dataset.time === "countdown" ? remaining(seconds) : span(seconds);
  if (element.textContent !== text) element.textContent = text;
}

export function tellTimes(within = document) {
  each("time[data-time]", (element) => {
    element.title ||= full.format(new Date(element.dateTime));
    tellTime(element);
  }, within);
}

// datetime-local knows no zone: the form sends the offset along, and shows the owner's own time. The offset is that of
// the chosen day, for summer time may begin or end before it.
function localTimes(form) {
  const offset = form.querySelector("[name=timezone_offset]");
  each("[data-zone]", (zone) => (zone.textContent = "your time"), form);
  each("input[type=datetime-local]", (input) => {
    const given = input.value ? new Date(`${input.value}Z`) : new Date();
    if (input.value) input.value = new Date(given - given.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
    const shown = input.value;
    const tell = () => {
      // What was not touched is as it was, also in the hour that comes twice.
      const chosen = input.value && input.value !== shown ? new Date(input.value) : given;
      offset.value = chosen.getTimezoneOffset();
    };
    tell();
    form.addEventListener("submit", tell);
  }, form);
}

// ---- fields that check as one types

function checkShape(input) {
  const note = document.getElementById(input.dataset.note);
  const text = input.value.trim();
  const fits = new RegExp(`^(?:${input.dataset.pattern})$`, "u").test(text);
  note.textContent = !text ? input.dataset.waiting : fits ? input.dataset.fits : input.dataset.short;
  note.classList.toggle("fine", fits);
}

function checkRepeat(input) {
  const first = document.getElementById(input.dataset.repeats);
  const check = () => input.setCustomValidity(input.value === first.value ? "" : "The two passwords differ.");
  input.addEventListener("input", check);
  first.addEventListener("input", check);
}

export function prepare(within = document) {
  each("[data-copy]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }, within);
  each("[data-pattern]", (input) => input.addEventListener("input", () => checkShape(input)), within);
  each("[data-repeats]", checkRepeat, within);
  each("form:has([name=timezone_offset])", localTimes, within);
  each("[data-show]", showPassword, within);
  tellTimes(within);
}

function showPassword(button) {
  const input = document.getElementById(button.dataset.show);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  });
}

// ---- sending once

function sendOnce(event) {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  else if (form.method === "post") form.dataset.sent = "1";
  each("button[data-busy]", (button) => {
    button.setAttribute("aria-disabled", "true");
    button.querySelector("[data-label]").textContent = button.dataset.busy;
  }, form);
}

// ---- the theme

const THEMES = ["system", "light", "dark"];

function switchTheme(button) {
  const label = button.querySelector("[data-label]");
  const now = () => document.documentElement.dataset.theme ?? "system";
  const show = () => {
    label.textContent = `Theme: ${now()}`;
    button.dataset.theme = now();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(now()) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("postern-theme", next);
    } catch {
      // then it lasts as long as the page
    }
    show();
  });
  show();
}

speakFlashed();
prepare();
each("[data-theme-switch]", switchTheme);
document.addEventListener("submit", sendOnce);
// A page that comes back from the browser's memory would show its forms as sent.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
setInterval(tellTimes, 1000);
