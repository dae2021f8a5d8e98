// All the script there is. Every page works without it, but for the link: what stands after its "#" is for the browser
// alone, and only a script can read it.
"use strict";

const opening = document.getElementById("open-form");
const rules = document.getElementById("rules");

// The token leaves the address bar and the history before anything else happens, and travels in a body.
function openLink() {
  const token = location.hash.slice(1);
  if (!token || token === "main") return;
  history.replaceState(null, "", location.pathname);
  opening.elements.token.value = token;
  opening.submit();
}

// How many characters are left without a name; one of fewer than three is not taken out.
function besides(password, name) {
  return [...([...name].length < 3 ? password : password.replaceAll(name, ""))].length;
}

// Ticks off what can be told here; the service has the last word.
function tick() {
  const fields = rules.closest("form").elements;
  const password = fields.new_password.value.normalize("NFC");
  const username = fields.username.value.toLowerCase();
  const bytes = new TextEncoder().encode(password).length;
  const met = {
    length: [...password].length >= Number(rules.dataset.least) && bytes <= 1024,
    name: besides(password.toLowerCase(), username) >= 8,
    match: password !== "" && password === fields.confirm_password.value.normalize("NFC"),
  };
  for (const rule of rules.children) {
    const text = met[rule.dataset.rule] ? rules.dataset.met : rules.dataset.unmet;
    const state = rule.querySelector(".state");
    rule.dataset.met = met[rule.dataset.rule];
    if (state.textContent !== text) state.textContent = text;
  }
}

// A double click sends a form once; who stops the browser can send it again.
function sendOnce(event) {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 2000);
}

document.addEventListener("submit", sendOnce);
if (opening) {
  addEventListener("hashchange", openLink);
  openLink();
}
if (rules) {
  rules.closest("form").addEventListener("input", tick);
  tick();
}
