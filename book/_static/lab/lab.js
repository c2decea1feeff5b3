/* Looks for labs on the page, and loads the modules only if there is one. A plain script, because a
   page that was opened as a file cannot load modules, and has to say so. */
(() => {
  const base = document.currentScript.src;

  const serveFirst = (figure) => {
    const note = document.createElement("p");
    note.className = "nst-lab-note";
    note.textContent =
      "This cannot run in a page that was opened as a file. Type “python course.py serve” or " +
      "“make serve” in the course's folder and open the address that it prints. The image above " +
      "is from a finished run.";
    figure.append(note);
  };

  const wake = async () => {
    const figures = [...document.querySelectorAll("figure.nst-lab")];
    if (!figures.length) return;
    if (location.protocol === "file:") return figures.forEach(serveFirst);
    const { mount } = await import(new URL("lab.mjs", base).href);
    figures.forEach(mount);
  };

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", wake);
  else wake();
})();
