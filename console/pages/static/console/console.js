// What a script adds. Everything works without it: pages are whole, forms are forms, and what changes is loaded again.
"use strict";

const pad = (number) => String(number).padStart(2, "0");

function inWords(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${pad(s % 60)} min`;
  return `${Math.floor(s / 3600)} h ${pad(Math.floor((s % 3600) / 60))} min`;
}

// Times that are counted down to.
function count() {
  for (const time of document.querySelectorAll("time[data-deadline]")) {
    const left = (Date.parse(time.dateTime) - Date.now()) / 1000;
    const at = time.dataset.at || (time.dataset.at = time.textContent);
    time.textContent = left > 0 ? `in ${inWords(left)} (${at})` : `now (${at})`;
  }
}

// The basket's sum, as the units are chosen.
function sum() {
  const basket = document.getElementById("basket");
  const counts = [...document.querySelectorAll("input.count")].filter((input) => Number(input.value) > 0);
  const cents = (text) => Math.round(Number(text) * 100);
  const shown = (amount) => (amount / 100).toLocaleString("en-US", { minimumFractionDigits: 2 });
  const node = (name, text, kind) => Object.assign(document.createElement(name), { textContent: text, className: kind || "" });
  if (!counts.length) {
    basket.replaceChildren(node("p", "Nothing yet: choose how many of each.", "quiet"));
    return;
  }
  const list = node("ul", "", "sum");
  let total = 0;
  for (const input of counts) {
    const amount = cents(input.dataset.price) * Number(input.value);
    total += amount;
    const line = node("li", "");
    const what = node("span", `${input.value} × `);
    what.append(node("bdi", input.dataset.name));
    line.append(what, node("span", shown(amount)));
    list.append(line);
  }
  const last = node("p", "", "total");
  last.append(node("span", "Total"), node("span", `${shown(total)} USD`));
  basket.replaceChildren(list, last);
}

// Charges drawn sharply, with a cursor; the picture below it says the same without a script.
function draw() {
  if (typeof uPlot === "undefined") return;
  const style = getComputedStyle(document.documentElement);
  for (const plot of document.querySelectorAll(".plot[data-series]")) {
    const data = JSON.parse(plot.dataset.series);
    if (plot.querySelector(".uplot") || data[0].length < 2) continue;
    const tones = [...plot.parentElement.querySelectorAll(".legend li")].map((each) => each.className);
    const label = plot.querySelector("svg")?.getAttribute("aria-label") || "";
    const series = tones.map((tone) => ({
      stroke: style.getPropertyValue(`--${tone}`).trim(), width: 1.75, spanGaps: true, points: { show: false },
    }));
    const canvas = document.createElement("div");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    new uPlot({
      width: plot.clientWidth, height: 84, legend: { show: false }, cursor: { y: false, points: { size: 5 } },
      scales: { y: { range: (_u, _low, high) => [0, Math.max(1, high * 1.15)] } },
      axes: [{ show: false }, { size: 34, font: "11px system-ui", stroke: style.getPropertyValue("--quiet").trim(), grid: { stroke: style.getPropertyValue("--edge").trim(), width: 1 }, ticks: { show: false }, splits: (_u, _i, low, high) => [0, high > 10 ? Math.round(high / 2) : Math.round(high * 5) / 10] }],
      series: [{}, ...series],
    }, data, canvas);
    plot.replaceChildren(canvas);
  }
}

// A part that is as it was is left alone: whoever reads it keeps focus, selection and place.
const seen = new WeakMap();
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (xhr.status === 304 || seen.get(target) === xhr.responseText) event.detail.shouldSwap = false;
  else seen.set(target, xhr.responseText);
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const inside = event.detail.elt.contains(document.activeElement) && event.detail.elt.id === "live";
  if (inside && document.activeElement !== document.body) event.preventDefault();
});
// A service that is away while the page is open: said once, and taken back when it is there again.
function away(is) {
  let note = document.getElementById("away");
  if (is && !note) {
    note = Object.assign(document.createElement("p"), { id: "away", className: "alert", textContent: "The console does not answer. What is shown may be old; it is tried again." });
    note.setAttribute("role", "alert");
    document.getElementById("main").prepend(note);
  } else if (!is && note) note.remove();
}
document.addEventListener("htmx:sendError", () => away(true));
document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && away(false));
document.addEventListener("htmx:afterSettle", () => { count(); draw(); pay(); });
// What could be paid may have been paid, or have expired, meanwhile.
function pay() {
  const form = document.getElementById("pay");
  if (form) form.hidden = !document.querySelector("#live time[data-deadline]");
}
document.addEventListener("input", (event) => event.target.matches("input.count") && sum());
// What is under way shows, and is not begun a second time; the key in the form sees to that anyway.
const GIVEN_UP_MS = 35000; // longer than the console waits for a service: whoever has stopped the page may press again
const buttons = (form) => form.querySelectorAll("button");
function ready() {
  for (const each of document.querySelectorAll("form[aria-busy], a[aria-busy]")) {
    each.removeAttribute("aria-busy");
    buttons(each).forEach((button) => { button.disabled = false; });
  }
  document.querySelectorAll(".busy").forEach((each) => each.classList.remove("busy"));
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.hasAttribute("aria-busy")) return event.preventDefault();
  form.setAttribute("aria-busy", "true");
  event.submitter?.classList.add("busy");
  setTimeout(() => buttons(form).forEach((button) => { button.disabled = true; })); // later: a disabled one is not sent
  setTimeout(ready, GIVEN_UP_MS);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.button:not([download])");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  link.setAttribute("aria-busy", "true");
  link.classList.add("busy");
  setTimeout(ready, GIVEN_UP_MS);
});
addEventListener("pageshow", ready);
// A part that is asked for again: whoever has it read aloud hears it when it is whole.
document.addEventListener("htmx:beforeSend", (event) => event.detail.elt.setAttribute("aria-busy", "true"));
document.addEventListener("htmx:afterRequest", (event) => event.detail.elt.removeAttribute("aria-busy"));
count();
draw();
setInterval(count, 1000);
if (document.getElementById("basket")) sum();
