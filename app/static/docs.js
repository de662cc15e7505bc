// "Try it": asks this gateway with the reader's own key. The key is in the fields of the page, in no address and no
// storage; what comes back is shown as text, whatever it is.

const MOST_SHOWN = 500000; // characters
const forms = [...document.querySelectorAll("[data-try]")];
const keys = [...document.querySelectorAll("[data-key]")];

// ---- the key, which is given once

function share(event) {
  for (const field of keys) if (field !== event.target) field.value = event.target.value;
}

// ---- asking

function address(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-place]")) {
    if (field.dataset.place === "path") path = path.replace(`{${field.dataset.name}}`, encodeURIComponent(field.value));
    else if (field.dataset.place === "query" && field.value) query.set(field.dataset.name, field.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function request(form, signal) {
  const headers = new Headers();
  const key = form.querySelector("[data-key]");
  const body = form.querySelector("[data-body]");
  if (key) headers.set("Authorization", `Bearer ${key.value.trim()}`);
  if (body) headers.set("Content-Type", "application/json");
  // Without cookies: it is the key that is tried, not who is signed in here.
  return fetch(address(form), { method: form.dataset.method, headers, body: body?.value, credentials: "omit", signal });
}

async function show(response, write) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return write(indented(await response.text()));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) write(part.value);
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function writer(form) {
  const place = form.querySelector("[data-text]");
  const frame = place.parentElement;
  let shown = 0;
  place.textContent = "";
  form.querySelector("[data-answer]").hidden = true;
  return (text) => {
    const atEnd = frame.scrollTop + frame.clientHeight >= frame.scrollHeight - 8;
    const rest = text.slice(0, Math.max(0, MOST_SHOWN - shown));
    shown += rest.length;
    place.append(rest.length < text.length ? `${rest}\n… the rest is not shown` : rest);
    form.querySelector("[data-answer]").hidden = false;
    if (atEnd) frame.scrollTop = frame.scrollHeight;
  };
}

function said(response, begun, retry) {
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const after = retry ? `, Retry-After: ${retry}` : "";
  return `${response.status} ${response.statusText} in ${seconds} s${after}`;
}

function failure(error) {
  if (error.name === "AbortError") return "Stopped.";
  return `It could not be sent, or broke off: ${error.message}`;
}

async function send(form) {
  const status = form.querySelector("[data-status]");
  const stop = form.querySelector("[data-stop]");
  const controller = new AbortController();
  const begun = performance.now();
  const write = writer(form);
  const halt = () => controller.abort();
  form.dataset.asking = "";
  status.textContent = "Asking…";
  stop.hidden = false;
  stop.addEventListener("click", halt);
  try {
    const response = await request(form, controller.signal);
    await show(response, write);
    status.textContent = said(response, begun, response.headers.get("Retry-After"));
  } catch (error) {
    status.textContent = failure(error);
  }
  stop.removeEventListener("click", halt);
  stop.hidden = true;
  delete form.dataset.asking;
}

function prepare(form) {
  const example = form.querySelector("[data-example]");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!("asking" in form.dataset)) send(form);
  });
  example?.addEventListener("change", () => {
    form.querySelector("[data-body]").value = document.getElementById(example.value).content.textContent;
  });
}

// ---- links to what is folded away

function unfold() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target?.closest("details:not([open])")) return;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}

keys.forEach((field) => field.addEventListener("input", share));
forms.forEach(prepare);
window.addEventListener("hashchange", unfold);
unfold();
