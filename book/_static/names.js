/* The theme gives two buttons a name without the words that stand on them. Who speaks to the
   computer says what they see (WCAG 2.5.3). */
(() => {
  const name = (selector, text) =>
    document.querySelectorAll(selector).forEach((button) => button.setAttribute("aria-label", text));
  name(".search-button-field", "Search Ctrl + K");
  name(".theme-switch-button", "Colours: Light, Dark, System Settings");
})();
