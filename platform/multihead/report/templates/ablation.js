"use strict";
const box = document.getElementById("tip");
const hidden = new Set();

function say(mark, x, y) {
  document.querySelector(".now")?.classList.remove("now");
  box.textContent = "";
  if (!mark) return;
  mark.classList.add("now");
  for (const [arm, text] of JSON.parse(mark.dataset.tip)) {
    if (hidden.has(String(arm))) continue;
    const line = document.createElement("div");
    line.textContent = text;
    box.append(line);
  }
  const size = box.getBoundingClientRect();
  const left = Math.min(x + 14, innerWidth - size.width - 8);
  const top = y + 14 + size.height > innerHeight ? y - size.height - 10 : y + 14;
  box.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
}

document.querySelector(".arms").addEventListener("change", ({ target }) => {
  const arm = target.value;
  target.checked ? hidden.delete(arm) : hidden.add(arm);
  for (const each of document.querySelectorAll(`[data-arm="${arm}"]`)) {
    each.classList.toggle("off", !target.checked);
  }
});

document.addEventListener("pointermove", ({ target, clientX, clientY }) => {
  say(target.closest?.("[data-tip]"), clientX, clientY);
});

for (const chart of document.querySelectorAll("svg.chart")) {
  let at = -1;
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") say(null);
    if (!step) return;
    event.preventDefault();
    const marks = [...chart.querySelectorAll("[data-tip]")].filter((m) => m.getClientRects().length);
    if (!marks.length) return;
    at = Math.min(Math.max(at + step, 0), marks.length - 1);
    const place = marks[at].getBoundingClientRect();
    say(marks[at], place.right, Math.min(place.bottom, innerHeight - 20));
  });
  chart.addEventListener("blur", () => say(null));
}
