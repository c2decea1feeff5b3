/* What the theme's buttons do: printing and full screen. The theme writes it into their attributes,
   which the pages' policy forbids (book/_extensions/content_policy.py). */
(() => {
  const actions = {
    print: () => window.print(),
    toggleFullScreen: () => window.toggleFullScreen(), // the theme's own
  };
  document.addEventListener("click", ({ target }) => {
    actions[target.closest("[data-click]")?.dataset.click]?.();
  });
})();
