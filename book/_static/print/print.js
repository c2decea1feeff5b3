/* Prepares a page for paper: typesets it, and makes smaller what is wider than the paper. */
"use strict";

window.MathJax = {
  options: { processHtmlClass: "math", ignoreHtmlClass: "bd-article|sheet" },
  startup: { typeset: false },
};

const SMALLEST = 0.5;
const STEP = 0.05;

/* A table may be wider than what is around it, a formula runs out of its own box. */
function room(element) {
  return element.matches("table") ? element.parentElement.clientWidth : element.clientWidth;
}

/* The page is laid out as wide as the text on A4 while it is measured. */
function fitWidth(element) {
  const wide = () => element.scrollWidth > room(element) + 1;
  for (let scale = 1; scale >= SMALLEST && wide(); scale -= STEP)
    element.style.fontSize = `${Math.round(scale * 100)}%`;
}

/* A sheet is one page: its text grows until it fills the page, and no further. */
function fitSheet(sheet) {
  const body = sheet.querySelector(".columns");
  const fits = () =>
    body.scrollWidth <= body.clientWidth + 1 && body.scrollHeight <= body.clientHeight + 1;
  let points = 10;
  do {
    body.style.fontSize = `${points}pt`;
    points -= 0.1;
  } while (!fits() && points > 4);
  sheet.dataset.points = (points + 0.1).toFixed(1);
}

async function start() {
  await window.MathJax.startup.promise;
  await window.MathJax.typesetPromise();
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  for (const wide of document.querySelectorAll(".bd-article table, div.math"))
    fitWidth(wide);
  for (const sheet of document.querySelectorAll(".sheet")) fitSheet(sheet);
  document.body.dataset.ready = "";
}

document.addEventListener("DOMContentLoaded", start);
