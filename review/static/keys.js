// Every control that names a key in data-key answers to it; "p1" is p and then 1. Without this script the desk works
// with Tab, Space and Enter. Nothing here reads or writes captured content as markup.
"use strict";

const controls = () => [...document.querySelectorAll("[data-key]")].filter((control) => control.offsetParent !== null);
const typing = (element) => element.matches("textarea, select, input:not([type=radio], [type=checkbox])");
const help = document.getElementById("help");
const keys = document.getElementById("keys");
let pressed = "";

function act(control) {
  if (control.matches("a, button, [type=radio], [type=checkbox]:not([data-focus])")) {
    control.focus({ preventScroll: control.matches("a") });
    control.click();
  } else {
    control.focus();
  }
}

function step(by) {
  const rows = [...document.querySelectorAll("a.row")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

document.addEventListener("keydown", (event) => {
  const here = document.activeElement ?? document.body;
  // A key held down must not decide the next case before anybody has seen it.
  if (event.repeat && !typing(here) && !["j", "k"].includes(event.key)) {
    if (event.key === "Enter" || event.key === " ") event.preventDefault();
    return;
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    here.closest("form")?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
  if (event.key === "Escape") {
    pressed = "";
    if (typing(here)) here.blur();
    return;
  }
  if (typing(here) || event.key.length !== 1) return;
  if (event.key === "j" || event.key === "k") return step(event.key === "j" ? 1 : -1);
  pressed += event.key;
  const answering = controls().filter((control) => control.dataset.key.startsWith(pressed));
  if (answering.length === 0) {
    pressed = "";
    return;
  }
  const exact = answering.find((control) => control.dataset.key === pressed);
  if (exact) {
    event.preventDefault();
    pressed = "";
    act(exact);
  }
});

if (help) {
  help.hidden = false;
  help.addEventListener("click", () => {
    const list = document.getElementById("keys-list");
    list.replaceChildren();
    for (const control of controls()) {
      const key = document.createElement("dt");
      const name = document.createElement("dd");
      const label = control.closest("label") ?? control;
      const words = label.cloneNode(true);
      for (const part of words.querySelectorAll("kbd, option, optgroup")) part.remove();
      key.textContent = [...control.dataset.key].join(" ");
      name.textContent = control.getAttribute("aria-label") ?? words.textContent.trim();
      list.append(key, name);
    }
    keys.showModal();
  });
}

// The text opens at its first mark; m walks through them.
const text = document.getElementById("text");
const marks = text ? [...text.querySelectorAll("mark")] : [];
let at = 0;
function showMark(index) {
  const mark = marks[index];
  if (!mark) return;
  text.scrollTop += mark.getBoundingClientRect().top - text.getBoundingClientRect().top - text.clientHeight / 3;
  for (const other of marks) other.classList.toggle("here", other === mark);
}
showMark(0);
document.querySelector("[data-marks]")?.addEventListener("click", (event) => {
  event.preventDefault();
  at = (at + 1) % marks.length;
  showMark(at);
});

// Whoever asked for blurred pictures gets them blurred until they say otherwise.
const blur = document.getElementById("blur");
if (blur) {
  blur.checked = localStorage.getItem("blur") === "yes";
  blur.addEventListener("change", () => localStorage.setItem("blur", blur.checked ? "yes" : "no"));
}
