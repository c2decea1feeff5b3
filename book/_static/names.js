/* Names and roles that Sphinx and its theme give, put right for those who listen or speak
   (WCAG 2.2 A). */
(() => {
  const set = (selector, attribute, value) =>
    document.querySelectorAll(selector).forEach((e) => e.setAttribute(attribute, value));
  // 2.5.3: the name of a thing to press holds the words that stand on it.
  set(".search-button-field", "aria-label", "Search Ctrl + K");
  set(".theme-switch-button", "aria-label", "Colours: Light, Dark, System Settings");
  document.querySelectorAll("summary[aria-label]").forEach((e) => e.removeAttribute("aria-label"));
  // 1.3.1: a long signature's arguments are a list, and no definitions of anything.
  set("dt.sig > dl", "role", "list");
  set("dt.sig > dl > dd", "role", "listitem");
  // 4.1.2: docutils' list of works has entries of a role that ARIA has given up.
  set("[role=doc-biblioentry]", "role", "listitem");
})();
