/* Light or dark: `?theme=dark` chooses, paper is white, and else it is what the system has. */
"use strict";

(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches && !asked.has("print-pdf");
  root.dataset.theme = asked.get("theme") ?? (dark ? "dark" : "light");
  window.changeTheme = () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  };
})();
