/* A formula that is wider than the page scrolls, so that the keyboard must reach it (WCAG 2.1.1).
   MathJax could make every formula a Tab stop; there are two hundred in a chapter. */
(() => {
  const formulas = 'mjx-container[display="true"]';
  const reach = () =>
    document.querySelectorAll(formulas).forEach((formula) => {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    });
  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    new ResizeObserver(reach).observe(document.body); // it also calls once at the beginning
    document.addEventListener("toggle", reach, true); // an answer or a cell is opened
  });
})();
