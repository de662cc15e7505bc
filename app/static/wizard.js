// Keeps the wizard as the server has it: by WebSocket, by asking every two seconds while that fails.
import { prepare } from "./page.js";

const wizard = document.querySelector("[data-wizard]");
const announce = document.querySelector("[data-announce]");
const POLL = 2000;
const UNDER_WAY = ["starting", "awaiting_code", "verifying"];

let known = wizard.querySelector("[data-state]").dataset.version;
let account = null;
let socket = null;
let failures = 0;
let redrawing = false;

function busyTyping() {
  const field = wizard.querySelector("[name=code]");
  return field && field === document.activeElement && field.value;
}

function changed({ version, state }) {
  return version === undefined ? state !== wizard.querySelector("[data-state]").dataset.state : String(version) !== known;
}

// The login itself changes without the wizard too: by `claude auth login` beside the gateway, or when it runs out.
function follow(status) {
  const turned = account !== null && status.account !== account;
  account = status.account ?? null;
  if (turned) renewAside();
  const over = turned && wizard.querySelector("[data-state]").dataset.state === "succeeded";
  return redraw(over ? { version: null } : status);
}

async function redraw(status) {
  if (redrawing || !changed(status)) return;
  redrawing = true;
  try {
    const response = await fetch(wizard.dataset.panel, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (response.redirected || !response.ok) return location.reload(); // signed out meanwhile: the page says so
    swap(await response.text());
  } finally {
    redrawing = false;
  }
}

function swap(html) {
  const state = () => wizard.querySelector("[data-state]").dataset.state;
  const before = state();
  const typed = busyTyping();
  const had = wizard.contains(document.activeElement);
  wizard.innerHTML = html;
  prepare(wizard);
  known = wizard.querySelector("[data-state]").dataset.version;
  const field = wizard.querySelector("[name=code]");
  if (typed && field && before === state()) {
    field.value = typed;
    field.focus();
  } else if (before !== state()) {
    arrive(had);
  }
}

function arrive(hadFocus) {
  const heading = wizard.querySelector("[data-heading]");
  if (hadFocus || document.activeElement === document.body) heading.focus();
  announce.textContent = heading.textContent;
  renewAside();
}

// What stands beside the wizard, the login and its volume, changes with the wizard's state.
async function renewAside() {
  const aside = document.querySelector("[data-aside]");
  if (!aside || aside.contains(document.activeElement)) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (response.redirected || !response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  aside.replaceChildren(...page.querySelector("[data-aside]").childNodes);
  prepare(aside);
}

function listen() {
  const address = new URL(wizard.dataset.live, location.href);
  // The address bar knows best by which way the page came; of the server's address only the path counts.
  address.host = location.host;
  address.port = location.port;
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.addEventListener("open", () => (failures = 0));
  socket.addEventListener("message", (event) => follow(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    socket = null;
    setTimeout(listen, Math.min(30000, 1000 * 2 ** failures++));
  });
}

async function poll() {
  if (socket?.readyState === WebSocket.OPEN || document.hidden) return;
  try {
    const response = await fetch(wizard.dataset.status, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.status === 401 || response.status === 403) return location.reload();
    if (response.ok) await follow(await response.json());
  } catch {
    // the gateway is away for a moment; the next one tells
  }
}

// After a test the page has come by a form: loaded anew it is the page again, not another test.
if (wizard.dataset.address) history.replaceState(null, "", wizard.dataset.address);

// The sign-in of a page that is closed is given up. A socket tells it by its code, which is none of a broken connection;
// where there is none, a message that outlives the page does.
function leave() {
  if (socket?.readyState === WebSocket.OPEN) return socket.close(1000);
  socket?.close();
  const token = document.querySelector("[name=csrf_token]");
  if (token && UNDER_WAY.includes(wizard.querySelector("[data-state]").dataset.state)) {
    navigator.sendBeacon(wizard.dataset.left, new URLSearchParams({ csrf_token: token.value }));
  }
}

window.addEventListener("pagehide", leave);
listen();
setInterval(poll, POLL);
