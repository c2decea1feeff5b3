/* Starts the slides of a session: formulas first, as their size decides what fits. */
"use strict";

/* The smallest text that is still read from the last row, as a share of the usual size. */
const SMALLEST = 0.6;
const LARGEST = 1.2;
const STEP = 0.05;

window.MathJax = {
  options: { processHtmlClass: "math", ignoreHtmlClass: "reveal" },
  startup: { typeset: false },
};

/* Makes the text of a slide smaller until it fits. What a figure leaves is for the figure. */
function fit(slide) {
  const body = slide.querySelector(".body");
  const tooLarge = () =>
    body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1;
  const largest = slide.matches(".figure, .title") ? 1 : LARGEST;
  for (let scale = largest; scale >= SMALLEST; scale -= STEP) {
    slide.style.setProperty("--scale", scale.toFixed(2));
    if (!tooLarge()) break;
  }
}

/* A hidden slide has no size: each is shown for the moment in which it is measured. */
function fitAll() {
  for (const slide of document.querySelectorAll(".reveal .slides section")) {
    const { display, visibility } = slide.style;
    slide.style.display = "flex";
    slide.style.visibility = "hidden";
    fit(slide);
    slide.style.display = display;
    slide.style.visibility = visibility;
  }
}

/* The window of the notes lacks the fonts of MathJax; every browser draws MathML itself. */
function plainNotes() {
  for (const formula of document.querySelectorAll("aside.notes mjx-container")) {
    const math = formula.querySelector("mjx-assistive-mml math");
    if (math) formula.replaceWith(math);
  }
}

async function start() {
  await window.MathJax.startup.promise;
  await window.MathJax.typesetPromise();
  plainNotes();
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  const deck = new window.Reveal({
    width: 1280,
    height: 720,
    margin: 0, // a slide has its own
    center: false,
    hash: true,
    transition: "none",
    display: "flex",
    slideNumber: "c/t",
    controlsTutorial: false,
    pdfSeparateFragments: false,
    plugins: [window.RevealNotes],
    keyboard: { 84: window.changeTheme },
  });
  await deck.initialize();
  fitAll();
  document.body.dataset.ready = "";
}

document.addEventListener("DOMContentLoaded", start);
