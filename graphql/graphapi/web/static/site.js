/* Comfort on top of pages that work without: what was refused gets the focus, also in parts that htmx brings. */
"use strict";
(() => {
  const show = (root) => {
    const errors = root.querySelector("#errors");
    if (errors) errors.focus();
  };
  document.addEventListener("DOMContentLoaded", () => show(document));
  document.addEventListener("htmx:afterSwap", (event) => show(event.target));
})();
