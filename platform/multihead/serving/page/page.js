"use strict";
// The canvas has the model's image size, so it shows exactly the pixels that the network receives.

const $ = (id) => document.getElementById(id);
const pad = $("pad"), pen = $("pen"), ink = pad.getContext("2d", { willReadFrequently: true });
const MOST_CLASSES = 20, MOST = 300, HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
let model = null, examples = null, pending = 0, asked = 0;
let at = { x: 0, y: 0, down: false }, stroke = null;

async function start() {
  model = await (await fetch("model")).json();
  const [height, width, channels] = model.shape;
  pad.width = width;
  pad.height = height;
  at = { x: width >> 1, y: height >> 1, down: false };
  clear();
  const heads = plain(model.heads.map((head) => head.title).join(", "));
  $("about").textContent =
    `${plain(model.model)} takes pictures of ${width} × ${height} and answers for ${heads}.`;
  $("ink-label").hidden = channels !== 3;
  examples = new Uint8Array(await (await fetch("examples")).arrayBuffer());
  for (let i = 0; i < model.examples; i++) $("example").add(new Option(`Example ${i + 1}`, i));
}

function clear() {
  $("example").value = ""; // so that the same example can be chosen again
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, pad.width, pad.height);
}

function line(from, to) {
  ink.strokeStyle = $("ink-label").hidden ? "#fff" : $("ink").value;
  ink.lineWidth = Math.max(1, pad.width / 12);
  ink.lineCap = ink.lineJoin = "round";
  ink.beginPath();
  ink.moveTo(from.x, from.y);
  ink.lineTo(to.x, to.y + 0.001);
  ink.stroke();
  changed();
}

/** The picture as the model takes it: one byte per number, row by row, channels last. */
function pixels() {
  const [height, width, channels] = model.shape;
  const rgba = ink.getImageData(0, 0, width, height).data;
  const bytes = new Uint8Array(height * width * channels);
  for (let i = 0; i < height * width; i++) {
    const [r, g, b] = rgba.subarray(4 * i, 4 * i + 3);
    if (channels === 3) bytes.set([r, g, b], 3 * i);
    else bytes.fill(Math.round(0.299 * r + 0.587 * g + 0.114 * b), channels * i, channels * (i + 1));
  }
  return bytes;
}

function put(bytes) {
  const [height, width, channels] = model.shape;
  const image = ink.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  ink.putImageData(image, 0, 0);
  changed();
}

/** Ask when the picture has been still for a moment. */
function changed() {
  clearTimeout(pending);
  pending = setTimeout(ask, 250);
}

async function ask() {
  const mine = ++asked;
  const headers = { "Content-Type": "application/octet-stream" };
  let body;
  try {
    const reply = await fetch("invocations?probabilities=true", { method: "POST", headers, body: pixels() });
    body = await reply.json();
  } catch {
    body = { error: "the server does not answer" };
  }
  if (mine === asked) show(body);
}

function show(body) {
  $("answer").hidden = Boolean(body.error);
  if (body.error) {
    $("message").textContent = plain(`No answer: ${body.error}`);
    return;
  }
  const row = body.predictions[0];
  const said = model.heads.map((head) => ({ head, ...reading(head, row) }));
  $("message").textContent = said.map(told).join("; ");
  $("rows").replaceChildren(...said.map((s) => {
    const tr = document.createElement("tr");
    const th = element("th", s.head.title);
    th.scope = "row";
    tr.append(th, element("td", s.answer), element("td", s.certainty));
    tr.dataset.head = s.head.name;
    return tr;
  }));
  const listed = model.heads.filter((h) => h.lists_classes && h.outputs <= MOST_CLASSES);
  $("details").replaceChildren(...listed.map((h) => bars(h, body.probabilities[h.name][0])));
}

function told({ head, answer, certainty }) {
  return plain(`${head.title}: ${[answer, certainty].filter(Boolean).join(", ")}`);
}

function reading(head, row) {
  const value = row[head.name];
  const [name, probability] = [row[`${head.name}_name`], row[`${head.name}_probability`]];
  const [low, high] = [row[`${head.name}_low`], row[`${head.name}_high`]];
  const unit = head.unit ? ` ${head.unit}` : "";
  if (probability !== undefined) return { answer: name ?? `${value}${unit}`, certainty: percent(probability) };
  if (typeof value !== "number") return { answer: String(value) || "none", certainty: "" };
  return {
    answer: `${figure(value)}${unit}`,
    certainty: low == null ? "no interval" : `${figure(low)} to ${figure(high)}${unit} (90%)`,
  };
}

function bars(head, probabilities) {
  const details = document.createElement("details");
  details.open = openBefore(head.name);
  details.dataset.head = head.name;
  details.append(element("summary", `${head.title}: every class`));
  const list = document.createElement("dl");
  probabilities.forEach((p, i) => {
    const bar = element("dd", "");
    const fill = document.createElement("div");
    fill.className = "bar";
    fill.style.width = `${100 * p}%`;
    bar.append(fill);
    bar.setAttribute("aria-hidden", "true"); // the number beside it has the same meaning
    list.append(element("dt", head.classes[i] ?? String(i)), bar, element("dd", percent(p)));
  });
  details.append(list);
  return details;
}

function openBefore(name) {
  const before = [...$("details").children].find((d) => d.dataset.head === name);
  return before ? before.open : true;
}

const percent = (p) => `${(100 * p).toFixed(1)}%`;
const figure = (v) => (v === null ? "unknown" : Number(v.toPrecision(4)).toString());

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = plain(text);
  return made;
}

/** Text of others on one line of bounded length, without control characters and marks of direction. */
function plain(text) {
  const shown = [...String(text).replace(/\s/gu, " ")].map((c) => (HIDDEN.test(c) ? code(c) : c));
  return shown.length > MOST ? [...shown.slice(0, MOST / 2), "…", ...shown.slice(1 - MOST / 2)].join("") : shown.join("");
}

const code = (c) => `\\u{${c.codePointAt(0).toString(16)}}`;

function where(event) {
  const box = pad.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * pad.width) / box.width,
    y: ((event.clientY - box.top) * pad.height) / box.height,
  };
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  stroke = where(event);
  line(stroke, stroke);
});
pad.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  const next = where(event);
  line(stroke, next);
  stroke = next;
});
for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { stroke = null; });

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
pad.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in MOVES) {
    const [dx, dy] = MOVES[event.key];
    const from = { x: at.x + 0.5, y: at.y + 0.5 };
    at.x = Math.min(pad.width - 1, Math.max(0, at.x + dx));
    at.y = Math.min(pad.height - 1, Math.max(0, at.y + dy));
    if (at.down) line(from, { x: at.x + 0.5, y: at.y + 0.5 });
  } else if (event.key === " ") {
    at.down = !at.down;
    if (at.down) line({ x: at.x + 0.5, y: at.y + 0.5 }, { x: at.x + 0.5, y: at.y + 0.5 });
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
    changed();
  } else {
    return;
  }
  event.preventDefault();
  showPen();
});
pad.addEventListener("focus", showPen);
pad.addEventListener("blur", () => { pen.hidden = true; at.down = false; });

function showPen() {
  const cell = pad.clientWidth / pad.width;
  pen.hidden = !pad.matches(":focus-visible");
  pen.className = at.down ? "down" : "";
  const side = Math.max(6, cell);
  pen.style.width = pen.style.height = `${side}px`;
  pen.style.left = `${pad.clientLeft + (at.x + 0.5) * cell - side / 2}px`;
  pen.style.top = `${pad.clientTop + (at.y + 0.5) * cell - side / 2}px`;
  $("pen-status").textContent =
    `The pen is ${at.down ? "down" : "lifted"}, column ${at.x + 1}, row ${at.y + 1}.`;
}

$("clear").addEventListener("click", () => { clear(); changed(); });
$("invert").addEventListener("click", () => put(pixels().map((value) => 255 - value)));
$("example").addEventListener("change", () => {
  const chosen = $("example").value;
  const size = model.shape.reduce((a, b) => a * b);
  if (chosen !== "") put(examples.subarray(chosen * size, (Number(chosen) + 1) * size));
});
$("upload").addEventListener("change", async () => {
  const [file] = $("upload").files;
  if (!file) return;
  if (model.preparation) return prepared(file);
  try {
    const picture = await createImageBitmap(file);
    clear();
    ink.imageSmoothingQuality = "high";
    const fit = Math.min(pad.width / picture.width, pad.height / picture.height);
    const [w, h] = [picture.width * fit, picture.height * fit];
    ink.drawImage(picture, (pad.width - w) / 2, (pad.height - h) / 2, w, h);
    changed();
  } catch {
    show({ error: `${file.name} is not a picture that this browser reads` });
  }
});

/** Show what the network gets of a picture's file, where its training says how they are read. */
async function prepared(file) {
  try {
    const headers = { "Content-Type": file.type };
    const reply = await fetch("pixels", { method: "POST", headers, body: file });
    if (!reply.ok) return show(await reply.json());
    clear();
    put(new Uint8Array(await reply.arrayBuffer()));
  } catch {
    show({ error: "the server does not answer" });
  }
}

start().catch(() => { $("about").textContent = "The server does not answer; reload to try again."; });
